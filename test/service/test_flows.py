"""Flows in `shoplake serve`: shop_batch started by dropped files, who is told of it, its Catch paths, HTTP, and commands beside a server."""
import json
import os
import pathlib
import shutil
import sqlite3
import time

import pytest
from receivers import SmtpServer, Webhook, running
from sending import wait_until
from serving import serving

TRIGGERS = """
flows:
  shop_batch: {executions_at_once: 1}
triggers:
  shop_files:
    flow: shop_batch
    object_created:
      prefixes: [raw/transactions/, raw/products/, raw/clickstream/date=, raw/reviews/]
      quiet: 1s
      at_most: 1m
  on_request:
    flow: hello
    input: {greeting: hello}
    http: {token: "${FLOW_TOKEN}"}
"""
SHIPPED_RULES = pathlib.Path(os.environ.get("SHOPLAKE_SOURCE", "."), "quality")
TOKEN = "a-token-of-this-test-0123456789"
HELLO = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Parameters": {"text.$": "States.Format('{} {}', $.greeting, $.name)"}, "End": True}}}
TABLES = ["curated.transactions", "curated.products", "curated.reviews", "curated.clickstream_sessions", "curated.orders_enriched", "curated.customer_360",
          "curated.product_performance", "curated.daily_sales"]


def control_plane(shoplake, sql):
    with sqlite3.connect(shoplake.home / "state.sqlite") as database:
        return database.execute(sql).fetchall()


def executions(shoplake, flow):
    return list(reversed(shoplake("flow", "status", flow, "--json", "--rows", 1000).json()["executions"]))


def notifications(shoplake):
    return [(topic, subject, json.loads(message)) for topic, subject, message in
            control_plane(shoplake, "select topic, subject, message from notifications order by published_at")]


def make_files(shoplake_in, folder, test_data, days=2):
    """Dropped files of a shop: real invoices, generated catalogue, reviews and clickstream. {object: path}"""
    generator = shoplake_in(folder / "home")
    retail = sorted((test_data / "retail").glob("*.csv.gz"))[:days]
    if not retail:
        pytest.skip("no retail data (shared/data/retail)")
    files = {f"raw/transactions/date={path.name[:10]}/{path.name}": path for path in retail}
    for dataset, dataset_days in (("products", days), ("reviews", 10)):  # people review what they bought days ago
        out = folder / dataset
        generator("generate", dataset, "--events", 40000, "--days", dataset_days, "--out", out)
        files |= {f"raw/{path.relative_to(out)}": path for path in sorted(out.rglob("*.gz"))}
    clicks = folder / "clicks.ndjson.gz"
    generator("generate", "clickstream", "--events", 3000, "--days", days, "--out", clicks)
    files["raw/clickstream/date=2026-06-30/clicks.ndjson.gz"] = clicks
    return files


def drop(shoplake, object, source, age_seconds=0):
    """As a careful writer does: under a temporary name first."""
    target = shoplake.home / "lake" / object
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if isinstance(source, bytes):
        part.write_bytes(source)
    else:
        shutil.copy(source, part)
    then = time.time() - age_seconds
    os.utime(part, (then, then))
    part.rename(target)


@pytest.fixture
def files(shoplake_in, tmp_path, test_data):
    return make_files(shoplake_in, tmp_path / "made", test_data)


@pytest.fixture
def triggered(shoplake):
    """A home with triggers, and a function that serves it."""
    folder = shoplake.home / "flows"
    folder.mkdir(parents=True)
    (folder / "triggers.yml").write_text(TRIGGERS)
    (folder / "hello.asl.json").write_text(json.dumps(HELLO))
    os.environ["FLOW_TOKEN"] = TOKEN
    yield shoplake
    del os.environ["FLOW_TOKEN"]


def ended(shoplake, flow, count):
    def look():
        rows = executions(shoplake, flow)
        return len(rows) >= count and all(row["status"] != "RUNNING" for row in rows)
    wait_until(look, f"{count} executions of {flow} ended", 120)
    return executions(shoplake, flow)


def subscribe(shoplake, smtp, hook):
    """Each topic has an address of its own at both receivers, so that where something arrives says what it was published to."""
    (shoplake.home / "shoplake.yml").write_text(f"""
topics:
  pipeline-notifications:
    - {{email: pipeline@example.com}}
    - {{webhook: "{hook.address}/pipeline-notifications"}}
  data-quality-alerts:
    - {{email: quality@example.com}}
    - {{webhook: "{hook.address}/data-quality-alerts"}}
smtp: {{host: 127.0.0.1, port: {smtp.port}, security: none, from: shoplake@example.com}}
""")
    return {"pipeline-notifications": "pipeline@example.com", "data-quality-alerts": "quality@example.com"}


def test_dropped_files_start_shop_batch(triggered, files):
    """From the drop to the receivers' sockets: success, a bad file, a planted quality failure."""
    shoplake = triggered
    with running(SmtpServer(), Webhook()) as (smtp, hook):
        address_of = subscribe(shoplake, smtp, hook)
        with serving(shoplake) as served:
            def told(number):
                """The notification of this number, which stands in the outbox and has arrived once by mail and once at the webhook."""
                topic, subject, message = notifications(shoplake)[number - 1]
                wait_until(lambda: len(smtp.mails) >= number and len(hook.requests) >= number, f"notification {number} arrives twice")
                assert (len(notifications(shoplake)), len(smtp.mails), len(hook.requests)) == (number, number, number)
                mail, (path, _, body) = smtp.message(number - 1), hook.requests[number - 1]
                posted = json.loads(body)
                assert smtp.mails[number - 1]["to"] == [f"TO:<{address_of[topic]}>"] and path == f"/{topic}"
                assert mail["Subject"] == posted["Subject"] == subject and mail["X-Shoplake-Topic"] == topic
                assert mail["X-Shoplake-Notification-Id"] == posted["MessageId"]
                assert json.loads(posted["Message"]) == message == json.JSONDecoder().raw_decode(mail.get_content())[0]
                return topic, subject, message

            for object, path in files.items():
                drop(shoplake, object, path, age_seconds=60)
            rows = ended(shoplake, "shop_batch", 1)
            assert [row["status"] for row in rows] == ["SUCCEEDED"], rows
            assert rows[0]["input"]["objects"] == sorted(files) and rows[0]["started_by"] == f"object:{min(files)}"
            assert rows[0]["output"]["files"]["rejected"] == 0
            for table in TABLES:
                assert served.query(f"select count(*) as n from {table}")[1]["rows"], table
            topic, subject, message = told(1)
            assert (topic, subject, message["status"]) == ("pipeline-notifications", "shop_batch succeeded", "succeeded")
            assert message["files"]["loaded"] == len(files)

            # A bad file: the Catch path, and the pipeline's topic.
            drop(shoplake, "raw/transactions/date=2010-12-24/bad.csv", b"this is\nno,file of transactions\n", age_seconds=60)
            rows = ended(shoplake, "shop_batch", 2)
            assert (rows[1]["status"], rows[1]["error"]) == ("FAILED", "FilesRejected"), rows[1]
            assert "bad.csv" in rows[1]["cause"]
            topic, subject, message = told(2)
            assert (topic, subject, message["error"]) == ("pipeline-notifications", "shop_batch failed", "FilesRejected")

            # A planted quality failure: the topic of data quality.
            quality = shoplake.home / "quality"
            shutil.copytree(SHIPPED_RULES, quality)
            (quality / "planted.yml").write_text("tables:\n  - table: curated.transactions\n    rules:\n      - {rule: RowCount < 10, severity: warn}\n"
                                                 "  - table: processed.products\n    rules:\n      - {rule: RowCount < 1, severity: block}\n")
            day = next(object for object in files if "transactions" in object)
            drop(shoplake, "raw/transactions/date=2010-12-25/again.csv.gz", files[day], age_seconds=60)
            rows = ended(shoplake, "shop_batch", 3)
            assert (rows[2]["status"], rows[2]["error"]) == ("FAILED", "QualityCheckFailed"), rows[2]
            topic, subject, message = told(3)
            assert (topic, subject) == ("data-quality-alerts", "shop_batch: data quality") and "RowCount < 1" in message["cause"]
            assert served.stop() == 0
        assert (len(notifications(shoplake)), len(smtp.mails), len(hook.requests)) == (3, 3, 3), "each once, also after the server's end"


def test_flows_are_started_over_http(triggered):
    shoplake = triggered
    with serving(shoplake) as served:
        def post(body, token=TOKEN, flow="hello"):
            status, _, answer = served.request("POST", f"/v1/flows/{flow}/executions", body if isinstance(body, str) else json.dumps(body),
                                               {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
            return status, json.loads(answer)
        assert post({"name": "one", "input": {"name": "world"}}) == (201, {"flow": "hello", "name": "one", "is_new": True})
        assert post({"name": "one", "input": {"name": "world"}})[0] == 200
        assert post({"name": "one", "input": {"name": "other"}})[0] == 409
        assert ended(shoplake, "hello", 1)[0]["output"] == {"text": "hello world"}
        status, _, answer = served.get("/v1/flows/hello/executions/one", Authorization=f"Bearer {TOKEN}")
        assert status == 200 and json.loads(answer)["status"] == "SUCCEEDED" and json.loads(answer)["started_by"] == "http:on_request"
        assert post({}, token="another-token-of-this-test-01")[0] == 401
        assert post({}, flow="shop_batch")[0] == 401  # which has no http trigger
        assert served.get("/v1/flows/hello/executions/one")[0] == 401
        assert post("{")[0] == 400 and post({"input": 3})[0] == 400
        assert post({"name": "a b", "input": {}})[0] == 400
        status, _, _ = served.get("/v1/flows/hello/executions/none", Authorization=f"Bearer {TOKEN}")
        assert status == 404
        assert served.stop() == 0


def test_a_command_starts_what_the_server_runs(triggered):
    shoplake = triggered
    with serving(shoplake) as served:
        assert "next: shoplake flow status hello" in shoplake("flow", "start", "hello", "--input", '{"greeting": "a", "name": "b"}').stdout
        assert ended(shoplake, "hello", 1)[0]["output"] == {"text": "a b"}
        metrics = served.get("/metrics")[2].decode()
        assert 'shoplake_flow_executions_total{flow="hello",status="SUCCEEDED"} 1' in metrics
        assert served.stop() == 0


def test_wrong_triggers_are_said_at_start(shoplake):
    (shoplake.home / "flows").mkdir(parents=True)
    (shoplake.home / "flows/triggers.yml").write_text("triggers:\n  a:\n    flow: shop_batsh\n    schedule: rate(1 hour)\n")
    done = shoplake("serve", "--port", "0", check=False)
    assert done.returncode == 2 and "Did you mean shop_batch?" in done.stderr
