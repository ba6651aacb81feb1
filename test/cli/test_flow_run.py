"""`shoplake flow ls|show|start|status|stop|history|backfill` from outside, and what the tasks answer."""
import base64
import http.server
import json
import signal
import sqlite3
import threading

import pytest

TASKS = "arn:aws:states:::"


def machine(start, **states):
    return {"StartAt": start, "States": states}


def task(resource, **more):
    return {"Type": "Task", "Resource": TASKS + resource, "End": True} | more


@pytest.fixture
def run(shoplake, tmp_path):
    """Runs a definition to its end: the execution as JSON."""
    def run(definition, input=None, name="flow", code=0):
        path = tmp_path / f"{name}.asl.json"
        path.write_text(json.dumps(definition))
        done = shoplake("flow", "start", "--file", path, "--input", json.dumps(input or {}), "--wait", "--json", check=False)
        assert done.returncode == code, repr(done)
        return done.json()
    return run


def test_shipped_flows_are_listed_and_right(shoplake):
    flows = shoplake("flow", "ls", "--json").json()["flows"]
    assert [flow["flow"] for flow in flows] == ["attribution_refresh", "clickstream", "ga4_daily", "maintenance", "shop_batch"]
    assert all(flow["problem"] is None and flow["states"] > 5 and not flow["is_own"] for flow in flows)
    shown = shoplake("flow", "show", "shop_batch").stdout
    assert "ValidateFiles" in shown and "arn:aws:states:::glue:startJobRun.sync" in shown and "QualityCheckFailed, QualityBlocked → NotifyQualityFailure" in shown


def test_an_execution_from_start_to_history(shoplake, tmp_path):
    path = tmp_path / "pass.asl.json"
    path.write_text(json.dumps(machine("A", A={"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "End": True})))
    started = shoplake("flow", "start", "--file", path, "--input", '{"n": 1}', "--name", "one")
    assert "it waits: nobody runs the flows" in started.stdout
    assert shoplake("flow", "status", "--json").json()["executions"][0]["status"] == "RUNNING"
    again = shoplake("flow", "start", "--file", path, "--input", '{"n": 1}', "--name", "one", "--wait")
    assert "was started before" in again.stdout and "SUCCEEDED" in again.stdout
    status = shoplake("flow", "status", "pass", "one", "--json").json()
    assert (status["output"], status["status"], status["started_by"]) == ({"n": 2}, "SUCCEEDED", "cli")
    events = shoplake("flow", "history", "pass", "--json").json()["events"]
    assert [event["type"] for event in events] == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    assert events[1]["stateEnteredEventDetails"]["name"] == "A" and events[0]["timestamp"].endswith("Z")
    other = shoplake("flow", "start", "--file", path, "--input", '{"n": 5}', "--name", "one", check=False)
    assert other.returncode == 2 and "flow.execution_exists" in other.stderr


def test_names_that_there_are_not(shoplake, tmp_path):
    wrong = shoplake("flow", "start", "shop_bacth", check=False)
    assert wrong.returncode == 2 and "Did you mean shop_batch?" in wrong.stderr
    assert shoplake("flow", "status", "shop_batch", "x", check=False).returncode == 2
    assert "has not run yet" in shoplake("flow", "history", "shop_batch", check=False).stderr
    assert shoplake("flow", "start", "shop_batch", "--name", "a b", check=False).returncode == 2
    assert shoplake("flow", "start", "shop_batch", "--input", "{", check=False).returncode == 2
    assert shoplake("flow", "start", check=False).returncode == 2


def test_a_failed_execution_says_why(shoplake, run):
    ended = run(machine("A", A={"Type": "Fail", "Error": "Mine", "Cause": "so it is"}), code=1)
    assert (ended["status"], ended["error"], ended["cause"]) == ("FAILED", "Mine", "so it is")
    assert "Mine: so it is" in shoplake("flow", "status").stdout


def test_a_flow_of_the_home_stands_for_a_shipped_one(shoplake):
    folder = shoplake.home / "flows"
    folder.mkdir(parents=True)
    (folder / "clickstream.asl.json").write_text(json.dumps(machine("A", A={"Type": "Succeed"})))
    own = {flow["flow"]: flow["is_own"] for flow in shoplake("flow", "ls", "--json").json()["flows"]}
    assert own["clickstream"] and not own["shop_batch"]
    assert shoplake("flow", "start", "clickstream", "--wait", "--json").json()["status"] == "SUCCEEDED"


def test_stop_ends_what_waits(shoplake, tmp_path):
    path = tmp_path / "wait.asl.json"
    path.write_text(json.dumps(machine("A", A={"Type": "Wait", "Seconds": 3600, "End": True})))
    shoplake("flow", "start", "--file", path, "--name", "w")
    stopped = shoplake("flow", "stop", "wait", "w", "--error", "Enough", "--cause", "by hand", "--json").json()
    assert (stopped["status"], stopped["error"], stopped["cause"]) == ("ABORTED", "Enough", "by hand")


def test_ctrl_c_leaves_the_execution_to_go_on(shoplake, tmp_path):
    path = tmp_path / "wait.asl.json"
    path.write_text(json.dumps(machine("B", B={"Type": "Pass", "Next": "A"}, A={"Type": "Wait", "Seconds": 1, "End": True})))
    process = shoplake.start("flow", "start", "--file", path, "--name", "w", "--wait")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "flow.interrupted" in errors
    assert shoplake("flow", "start", "--file", path, "--name", "w", "--wait", "--json").json()["status"] == "SUCCEEDED"


def test_backfill_runs_each_day_once(shoplake, tmp_path):
    path = tmp_path / "day.asl.json"
    states = {"C": {"Type": "Choice", "Choices": [{"Variable": "$.date", "StringEquals": "2026-03-01", "Next": "Bad"}], "Default": "Good"},
              "Good": {"Type": "Succeed"}, "Bad": {"Type": "Fail", "Error": "BadDay"}}
    path.write_text(json.dumps({"StartAt": "C", "States": states}))
    first = shoplake("flow", "backfill", "--file", path, "--from", "2026-02-27", "--to", "2026-03-02", "--at-once", "2", "--json", check=False)
    assert first.returncode == 1
    assert first.json() == {"flow": "day", "succeeded": 3, "failed": 1, "skipped": 0, "not_run": 0, "exit_code": 1}
    states["Bad"] = {"Type": "Succeed"}
    path.write_text(json.dumps({"StartAt": "C", "States": states}))
    second = shoplake("flow", "backfill", "--file", path, "--from", "2026-02-27", "--to", "2026-03-02")
    assert "1 succeeded, 0 failed, 3 done before" in second.stdout
    names = {row["name"]: row["input"] for row in shoplake("flow", "status", "day", "--json").json()["executions"]}
    assert names["backfill-2026-03-01-2"] == {"date": "2026-03-01"} and len(names) == 5
    for bad in (["--from", "2026-02-30", "--to", "2026-03-01"], ["--from", "2026-03-02", "--to", "2026-03-01"]):
        assert shoplake("flow", "backfill", "--file", path, *bad, check=False).returncode == 2


# ── tasks ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_functions_answer_as_lambda_does(shoplake, run, test_data):
    file = sorted((test_data / "retail").glob("*.csv.gz"))[0]
    folder = shoplake.home / "lake/raw/transactions/date=2010-12-01"
    folder.mkdir(parents=True)
    (folder / file.name).write_bytes(file.read_bytes())
    invoke = machine("A", A=task("lambda:invoke", Parameters={"FunctionName": "validate_files:live", "Payload": {
        "datasets": ["transactions"], "objects": [f"raw/transactions/date=2010-12-01/{file.name}"]}}))
    # A file that was just written is not looked at yet; one that was asked for is waited for.
    output = run(invoke)["output"]
    assert (output["StatusCode"], output["ExecutedVersion"]) == (200, "$LATEST")
    assert (output["Payload"]["loaded"], output["Payload"]["rejected"]) == (1, 0) and output["Payload"]["rows"] > 1000
    bare = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:lambda:eu-central-1:111111111111:function:forget_executions", "End": True}}}
    assert run(bare)["output"] == {"executions_removed": 0}
    unknown = run(machine("A", A=task("lambda:invoke", Parameters={"FunctionName": "validate_fles"})), code=1)
    assert unknown["error"] == "Lambda.ResourceNotFoundException" and "did you mean validate_files?" in unknown["cause"]


def test_load_job_query_and_crawler(shoplake, run, test_data):
    file = sorted((test_data / "retail").glob("*.csv.gz"))[0]
    shoplake("load", "transactions", file)
    job = run(machine("A", A=task("glue:startJobRun.sync", Parameters={"JobName": "transaction_etl"})))["output"]
    assert job["JobRunState"] == "SUCCEEDED" and job["JobName"] == "transaction_etl" and job["Id"].startswith("jr_")
    assert job["Summary"]["error"] == 0 and job["Summary"]["pass"] > 5
    query = run(machine("A", A=task("athena:startQueryExecution.sync", Parameters={
        "QueryString": "select count(*) as n from curated.transactions", "WorkGroup": "analysts"})))["output"]["QueryExecution"]
    assert query["Status"]["State"] == "SUCCEEDED" and query["WorkGroup"] == "analysts"
    rows = shoplake.value("select count(*) from processed.transactions")
    with open(query["ResultConfiguration"]["OutputLocation"], encoding="utf-8") as result:
        assert result.read().split() == ["n", str(rows)]
    crawl = run({"StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": TASKS + "aws-sdk:glue:startCrawler", "Parameters": {"Name": "transactions_crawler"}, "Next": "B"},
        "B": task("aws-sdk:glue:getCrawler", Parameters={"Name": "transactions_crawler"})}})["output"]["Crawler"]
    assert (crawl["State"], crawl["LastCrawl"]["Status"], crawl["DatabaseName"]) == ("READY", "SUCCEEDED", "raw")
    assert shoplake.value("select count(*) from raw.transactions") == rows


def test_errors_have_the_names_of_aws(run):
    cases = [
        ("glue:startJobRun.sync", {"JobName": "transaction_elt"}, "Glue.EntityNotFoundException", "did you mean transaction_etl?"),
        ("glue:startJobRun.sync", {"JobName": "dbt", "Arguments": {"--command": "docs"}}, "Glue.InvalidInputException", "--command"),
        ("glue:startJobRun.sync", {}, "States.ParameterPathFailure", "JobName"),
        ("aws-sdk:glue:startCrawler", {"Name": "nothing_crawler"}, "Glue.EntityNotFoundException", "no folder"),
        ("athena:startQueryExecution.sync", {"QueryString": "select nothing"}, "States.TaskFailed", '"State":"FAILED"'),
        ("athena:startQueryExecution.sync", {"QueryString": "select 1", "WorkGroup": "../x"}, "Athena.InvalidRequestException", "WorkGroup"),
        ("sns:publish", {"TopicArn": "not a topic", "Message": "m"}, "SNS.InvalidParameterException", "topic"),
        ("sns:publish", {"TopicArn": "arn:aws:sns:x:1:t"}, "SNS.InvalidParameterException", "Message"),
        ("states:startExecution.sync", {"StateMachineArn": "arn:aws:states:x:1:stateMachine:nothing"}, "StepFunctions.StateMachineDoesNotExistException", "nothing"),
        ("shoplake:command", {"Command": ["/no/such/program"]}, "Command.CannotStart", "/no/such/program"),
        ("shoplake:command", {"Command": []}, "States.ParameterPathFailure", "Command"),
        ("dynamodb:putItem", {}, "States.TaskFailed", "no task for the resource"),
    ]
    for resource, parameters, error, cause in cases:
        ended = run(machine("A", A=task(resource, Parameters=parameters)), code=1)
        assert ended["error"] == error, (resource, ended)
        assert cause in ended["cause"], (resource, ended)


def test_a_failed_job_says_what_failed(shoplake, run):
    # Nothing has built what it reads.
    ended = run(machine("A", A=task("glue:startJobRun.sync", Parameters={"JobName": "dbt", "Arguments": {"--select": "fact_sessions", "--command": "run"}})), code=1)
    assert ended["error"] == "States.TaskFailed"
    cause = json.loads(ended["cause"])
    assert cause["JobRunState"] == "FAILED" and cause["ErrorMessage"]


def test_commands_are_no_shell_lines(run):
    output = run(machine("A", A=task("shoplake:command", Parameters={
        "Command": ["sh", "-c", 'printf "%s" "$1:$NAME:$SHOPLAKE_SECRET"; cat', "sh", "a b; id"], "Environment": {"NAME": "x y"}, "Input": "in"})))["output"]
    assert (output["ExitCode"], output["Output"]) == (0, "a b; id:x y:in")
    failed = run(machine("A", A=task("shoplake:command", Parameters={"Command": ["sh", "-c", "echo no >&2; exit 7"]})), code=1)
    assert failed["error"] == "Command.Failed" and json.loads(failed["cause"])["ExitCode"] == 7
    slow = run(machine("A", A=task("shoplake:command", Parameters={"Command": ["sleep", "60"], "TimeoutSeconds": 1})), code=1)
    assert slow["error"] == "States.Timeout"


def test_nested_executions(shoplake, run):
    folder = shoplake.home / "flows"
    folder.mkdir(parents=True)
    (folder / "child.asl.json").write_text(json.dumps(machine("A", A={"Type": "Pass", "Parameters": {"doubled.$": "States.MathAdd($.n, $.n)"}, "End": True})))
    (folder / "bad.asl.json").write_text(json.dumps(machine("A", A={"Type": "Fail", "Error": "Inner", "Cause": "deep"})))
    arn = "arn:aws:states:eu-central-1:111111111111:stateMachine:"

    def nested(kind, child="child"):
        return machine("A", A=task(f"states:{kind}", Parameters={"StateMachineArn": arn + child, "Input": {"n": 4}}))
    assert json.loads(run(nested("startExecution.sync"))["output"]["Output"]) == {"doubled": 8}
    answer = run(nested("startExecution.sync:2"))
    assert answer["output"]["Output"] == {"doubled": 8} and answer["output"]["Status"] == "SUCCEEDED"
    assert run(nested("startExecution"))["output"]["ExecutionArn"].startswith("arn:aws:states:")
    failed = run(nested("startExecution.sync", "bad"), code=1)
    assert failed["error"] == "States.TaskFailed" and json.loads(failed["cause"])["Error"] == "Inner"
    # Twenty parents wait beside each other; only eight tasks work at once.
    many = {"StartAt": "M", "States": {"M": {"Type": "Map", "End": True, "ItemsPath": "$.items", "ItemProcessor": nested("startExecution.sync:2")}}}
    assert len(run(many, {"items": list(range(20))})["output"]) == 20


def test_notifications_are_published_once(shoplake, run):
    publish = machine("A", A=task("sns:publish", Parameters={
        "TopicArn": "arn:aws:sns:eu-central-1:111111111111:pipeline-notifications", "Subject": "hello", "Message": {"a.$": "$.a"},
        "MessageAttributes": {"k": {"DataType": "String", "StringValue": "v"}}}))
    output = run(publish, {"a": 1})["output"]
    rows = control_plane(shoplake, "select id, topic, subject, message, attributes from notifications")
    ((id, topic, subject, message, attributes),) = rows
    assert (id, topic, subject, json.loads(message)) == (output["MessageId"], "pipeline-notifications", "hello", {"a": 1})
    assert json.loads(attributes)["k"] == "v" and json.loads(attributes)["flow"] == "flow"


def control_plane(shoplake, sql):
    with sqlite3.connect(shoplake.home / "state.sqlite") as database:
        return database.execute(sql).fetchall()


def test_one_process_runs_flows_and_the_other_waits_for_it(shoplake, tmp_path):
    """Two commands wait for two executions; whoever is there runs both, and the one that is left takes over."""
    path = tmp_path / "slow.asl.json"
    path.write_text(json.dumps(machine("A", A={"Type": "Wait", "Seconds": 2, "End": True})))
    first = shoplake.start("flow", "start", "--file", path, "--name", "first", "--wait", "--json")
    second = shoplake.start("flow", "start", "--file", path, "--name", "second", "--wait", "--json")
    outputs = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert [json.loads(output)["status"] for output in outputs] == ["SUCCEEDED", "SUCCEEDED"]


def test_a_killed_command_is_finished_by_the_next(shoplake, tmp_path):
    path = tmp_path / "steps.asl.json"
    count = tmp_path / "count"
    path.write_text(json.dumps({"StartAt": "Once", "States": {
        "Once": {"Type": "Task", "Resource": TASKS + "shoplake:command", "Parameters": {"Command": ["sh", "-c", f"echo x >> {count}"]}, "Next": "Long"},
        "Long": {"Type": "Wait", "Seconds": 3600, "Next": "End"}, "End": {"Type": "Succeed"}}}))
    process = shoplake.start("flow", "start", "--file", path, "--name", "k", "--wait")
    assert "execution k" in process.stdout.readline()
    assert "Once" in process.stdout.readline()
    process.kill()
    process.communicate()
    stopped = shoplake("flow", "stop", "steps", "k", "--json").json()
    assert stopped["status"] == "ABORTED"
    assert count.read_text() == "x\n"
    types = [event["type"] for event in shoplake("flow", "history", "steps", "k", "--json").json()["events"]]
    assert types.count("TaskScheduled") == 1 and types[-1] == "ExecutionAborted"


class WebServer:
    """Answers /orders with what it got, /gone with 410, /slow never; keeps the requests."""

    def __init__(self):
        self.requests, self.released, self.asked = [], threading.Event(), threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                server.requests.append((self.command, self.path, dict(self.headers), body))
                server.asked.set()
                if self.path == "/slow":
                    server.released.wait(60)
                status = 410 if self.path == "/gone" else 200
                answer = json.dumps({"path": self.path, "key": self.headers.get("X-Api-Key"), "body": body, "status": status}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def web():
    server = WebServer()
    yield server
    server.close()


def test_http_tasks_call_servers_by_their_connections(shoplake, run, web, tmp_path, monkeypatch):
    monkeypatch.setenv("CRM_KEY", "s3cret-key")
    shoplake.home.mkdir(parents=True)
    (shoplake.home / "shoplake.yml").write_text(
        'connections:\n  crm: {api_key: {header: X-Api-Key, value: "${CRM_KEY}"}, hosts: [127.0.0.1], query: {tenant: a b}}\n')
    arn = "arn:aws:events:eu-central-1:111111111111:connection/crm/81210c42-8af1-456b-9c4a-6ff02fc664ac"

    def call(method, path, connection=arn, **more):
        return machine("A", A=task("http:invoke", Parameters={
            "ApiEndpoint": web.url + path, "Method": method, "Authentication": {"ConnectionArn": connection}} | more))
    output = run(call("PATCH", "/orders", RequestBody={"n.$": "$.n", "tags": ["x", "y"]}, Transform={
        "RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": {"ArrayFormat": "REPEAT"}}), {"n": 3})["output"]
    ((method, path, headers, body),) = web.requests
    assert (method, path, body, headers["X-Api-Key"]) == ("PATCH", "/orders?tenant=a%20b", "n=3&tags=x&tags=y", "s3cret-key")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (output["StatusCode"], output["StatusText"], output["Headers"]["content-type"]) == (200, "OK", ["application/json"])
    assert output["ResponseBody"] == {"path": "/orders?tenant=a%20b", "key": "***", "body": "n=3&tags=x&tags=y", "status": 200}
    gone = run(call("GET", "/gone", "open"), code=1)
    assert gone["error"] == "Events.ConnectionResource.ResourceNotFound" and "`connections` in shoplake.yml" in gone["cause"]
    (shoplake.home / "shoplake.yml").write_text("connections: {open: {}}\n")
    gone = run(call("DELETE", "/gone", "open"), code=1)
    assert gone["error"] == "States.Http.StatusCode.410" and json.loads(gone["cause"])["status"] == 410
    assert run(call("GET", "/orders", "open", Headers={"Authorization": "Bearer x"}), code=1)["error"] == "States.Runtime"
    # Who waits for a server may be stopped, and no one listens any more.
    path = tmp_path / "slow.asl.json"
    path.write_text(json.dumps(call("GET", "/slow", "open")))
    web.asked.clear()
    process = shoplake.start("flow", "start", "--file", path, "--name", "s", "--wait")
    assert web.asked.wait(60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    shoplake("flow", "stop", "slow", "s")
    web.close()
    refused = run(call("GET", "/orders", "open"), code=1)
    assert refused["error"] == "States.Http.Socket"
    # No history, log or table shows the key.
    for file in shoplake.home.rglob("*"):
        if file.is_file():
            assert b"s3cret-key" not in file.read_bytes(), file


class OAuthServer(http.server.ThreadingHTTPServer):
    """Gives tokens at /token to the client shoplake with the password s3cret-client, and asks for the newest of them everywhere else, which is worthless
    once it was used `uses` times. It says back whatever it was sent, as servers that are being debugged do."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), OAuthHandler)
        self.requests = []
        self.issued = 0
        self.uses = 2
        self.left = 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def token(self):
        return f"t0ken-{self.issued}-of-the-test"


class OAuthHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        authorization = self.headers.get("Authorization", "")
        self.server.requests.append((self.command, self.path, authorization, body))
        if self.path.startswith("/token"):
            given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
            if given != "shoplake:s3cret-client":
                return self.send(400, {"error": "invalid_client", "error_description": f"who is {given}?"})
            self.server.issued += 1
            self.server.left = self.server.uses
            return self.send(200, {"access_token": self.server.token(), "token_type": "Bearer", "expires_in": 3600})
        is_right = authorization == f"Bearer {self.server.token()}" and self.server.left > 0
        self.server.left -= is_right
        return self.send(200 if is_right else 401, {"authorization": authorization, "body": body})

    do_GET = do_POST = do_PUT = answer

    def send(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def oauth():
    server = OAuthServer()
    yield server
    server.shutdown()
    server.server_close()


def test_http_tasks_authorize_by_oauth(shoplake, run, oauth, monkeypatch):
    monkeypatch.setenv("CRM_SECRET", "s3cret-client")
    shoplake.home.mkdir(parents=True)
    settings = """
connections:
  crm:
    oauth_client_credentials:
      authorization_endpoint: "%s/token?tenant=a"
      client_parameters: {client_id: shoplake, client_secret: "${CRM_SECRET}"}
      oauth_http_parameters: {body: {scope: "orders read", audience: crm}}
"""
    (shoplake.home / "shoplake.yml").write_text(settings % oauth.url)

    post = task("http:invoke", Parameters={
        "ApiEndpoint": oauth.url + "/orders", "Method": "POST", "Authentication": {"ConnectionArn": "crm"}, "RequestBody.$": "$"})
    each = {"Type": "Map", "MaxConcurrency": 1, "End": True, "ItemProcessor": machine("A", A=post)}
    output = run(machine("Each", Each=each), [1, 2, 3])["output"]
    assert [one["ResponseBody"] for one in output] == [{"authorization": "Bearer ***", "body": str(n)} for n in (1, 2, 3)]
    assert {(method, path, body) for method, path, _, body in oauth.requests if path != "/orders"} == {
        ("POST", "/token?tenant=a", "scope=orders%20read&audience=crm&grant_type=client_credentials")}
    used = [(path, authorization[-len("1-of-the-test"):][0], body) for _, path, authorization, body in oauth.requests if path == "/orders"]
    assert used == [("/orders", "1", "1"), ("/orders", "1", "2"), ("/orders", "1", "3"), ("/orders", "2", "3")], "the third is sent again with a new token"

    # A client that the endpoint does not know.
    monkeypatch.setenv("CRM_SECRET", "s3cret-wrong")
    wrong = run(machine("A", A=post), code=1)
    assert wrong["error"] == "Events.ConnectionResource.InvalidConnectionState" and "invalid_client: who is shoplake:***?" in wrong["cause"]
    assert "s3cret" not in json.dumps(wrong)
    # No history, log, audit or table shows a secret or a token.
    for file in shoplake.home.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"s3cret-" not in content and b"t0ken-" not in content and base64.b64encode(b"shoplake:s3cret-client") not in content, file


@pytest.mark.parametrize("connections, words", [
    ("{crm: {basic: {user: me}}}", "basic needs user and password"),
    ("{crm: {basic: {user: a, password: b}, api_key: {header: X, value: y}}}", "one of basic, api_key and oauth_client_credentials"),
    ("{crm: {api_key: {header: 'a b', value: y}}}", "a header's name"),
    ("{crm: {api_key: {header: X, value: '${NOT_IN_THE_ENVIRONMENT}'}}}", "the environment has no NOT_IN_THE_ENVIRONMENT"),
    ("{crm: {oauth: {}}}", "oauth"),
    ("{crm: {oauth_client_credentials: {authorization_endpoint: 'https://a.example/t'}}}", "client_parameters needs client_id and client_secret"),
    ("{crm: {oauth_client_credentials: {client_parameters: {client_id: a, client_secret: b}}}}", "authorization_endpoint is no https://"),
    ("{crm: {oauth_client_credentials: {authorization_endpoint: 'http://a.example/t', client_parameters: {client_id: a, client_secret: b}}}}", "only for this machine"),
    ("{crm: {oauth_client_credentials: {authorization_endpoint: 'https://a:b@a.example/t', client_parameters: {client_id: a, client_secret: b}}}}", "no https:// address"),
    ("{crm: {oauth_client_credentials: {authorization_endpoint: 'https://a.example/t', http_method: PATCH, client_parameters: {client_id: a, client_secret: b}}}}", "GET, POST or PUT"),
    ("{crm: {oauth_client_credentials: {authorization_endpoint: 'https://a.example/t', http_method: GET, client_authentication: body, client_parameters: {client_id: a, client_secret: b}}}}", "a GET has no body"),
    ("{crm: {oauth_client_credentials: {authorization_endpoint: 'https://a.example/t', client_authentication: jwt, client_parameters: {client_id: a, client_secret: b}}}}", "basic or body"),
    ("{crm: {oauth_client_credentials: {authorisation_endpoint: 'https://a.example/t'}}}", "Did you mean authorization_endpoint?"),
    ("[crm]", "no mapping"), ("{a/b: {}}", "is no name"),
    ("{crm: {hosts: ['https://api.example.com']}}", "is no host"), ("{crm: {headers: {'A b': x}}}", "header")])
def test_connections_that_are_wrong(shoplake, connections, words):
    shoplake.home.mkdir(parents=True)
    (shoplake.home / "shoplake.yml").write_text(f"connections: {connections}\n")
    wrong = shoplake("flow", "ls", check=False)
    assert wrong.returncode == 2 and words in wrong.stderr and "home.configuration" in wrong.stderr, wrong


def test_documents_that_are_nested_too_deep(shoplake, run, tmp_path):
    """They are bad input, not a stack that overflows."""
    deep = "[" * 60000 + "]" * 60000
    path = tmp_path / "pass.asl.json"
    path.write_text(json.dumps(machine("A", A={"Type": "Pass", "Parameters": {"v.$": "States.StringToJson($.text)"}, "End": True})))
    wrong = shoplake("flow", "start", "--file", path, "--input", deep, check=False)
    assert wrong.returncode == 2 and "flow.bad_input" in wrong.stderr
    failed = run(json.loads(path.read_text()), {"text": deep}, code=1)
    assert failed["error"] == "States.IntrinsicFailure" and failed["status"] == "FAILED"
    nests = machine("Deeper", Deeper={"Type": "Pass", "Parameters": {"v.$": "$"}, "Next": "Again"}, Done={"Type": "Succeed"},
                    Again={"Type": "Choice", "Choices": [{"Variable": "$.never", "IsPresent": True, "Next": "Done"}], "Default": "Deeper"})
    assert run(nests, code=1)["error"] == "States.DataLimitExceeded"
    path.write_text(deep)
    assert shoplake("flow", "validate", path, check=False).returncode == 2
