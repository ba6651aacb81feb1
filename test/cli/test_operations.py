"""Alarms, topics, audit and cost from outside, without a server."""
import getpass
import json
import sqlite3

import pytest

EVENT = {"event_type": "page_view", "timestamp": "2026-11-21T05:15:00Z", "user_id": "visitor-17", "session_id": "s-1"}


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.ndjson"
    path.write_text("".join(json.dumps(EVENT | {"event_id": f"e-{number}"}) + "\n" for number in range(100)))
    return path


def configuration(shoplake, text):
    shoplake.home.mkdir(exist_ok=True)
    (shoplake.home / "shoplake.yml").write_text(text)


# ── alarms ──

def test_shipped_alarms_watch_what_the_documents_ask_for(shoplake):
    alarms = {alarm["name"]: alarm for alarm in shoplake("alarm", "ls", "--json").json()}
    assert {"pipeline-down", "data-freshness", "quality-rules", "dead-letters", "daily-budget", "monthly-budget", "conversion-rate-anomaly"} <= set(alarms)
    down = alarms["pipeline-down"]
    assert down["period"] * down["datapoints_to_alarm"] > 300 and down["missing_data"] == "breaching" and down["state"] == "INSUFFICIENT_DATA"
    assert {alarm["topic"] for alarm in alarms.values()} == {"pipeline-notifications", "data-quality-alerts", "cost-alerts"}


def test_a_home_has_its_own_alarms_and_mistakes_have_a_place(shoplake):
    folder = shoplake.home / "alarms"
    folder.mkdir(parents=True)
    (folder / "own.yml").write_text("alarms:\n  - {name: mine, metric: up, statistic: Minimum, comparison: LessThanThreshold, threshold: 1, topic: cost-alerts}\n")
    (alarm,) = shoplake("alarm", "ls", "--json").json()
    assert alarm["name"] == "mine" and alarm["place"].endswith("own.yml:2")
    (folder / "own.yml").write_text("alarms:\n  - {name: mine, metric: up, statistic: p99, comparison: LessThanThreshold, threshold: 1, topic: cost-alerts}\n")
    outcome = shoplake("alarm", "ls", "--json", check=False)
    assert outcome.returncode == 2 and outcome.json()["error"]["code"] == "watch.bad_alarm" and "own.yml:2:" in outcome.json()["error"]["message"]


def test_without_a_server_cron_finds_that_the_pipeline_is_down(shoplake):
    """Alarms are evaluated by any process; time that nobody watched is missing, and missing is breaching here."""
    configuration(shoplake, "topics: {pipeline-notifications: [{file: told.ndjson}]}\n")
    shoplake("alarm", "evaluate")
    with sqlite3.connect(shoplake.home / "state.sqlite") as database:
        database.execute("update alarm_states set evaluated_until = evaluated_until - 3600 * 1000000")
    changes = shoplake("alarm", "evaluate", "--json").json()
    assert [c for c in changes if c["alarm"] == "pipeline-down"] == [], "nobody watched before this minute"
    with sqlite3.connect(shoplake.home / "state.sqlite") as database:
        database.execute("update alarm_states set evaluated_until = evaluated_until - 3600 * 1000000, since = since - 3600 * 1000000")
    changes = shoplake("alarm", "evaluate", "--json").json()
    assert [(c["from"], c["to"]) for c in changes if c["alarm"] == "pipeline-down"] == [("INSUFFICIENT_DATA", "ALARM")]
    told = [json.loads(line) for line in (shoplake.home / "told.ndjson").read_text().splitlines()]
    assert [one["Subject"] for one in told] == ["ALARM: pipeline-down"]
    assert shoplake("alarm", "evaluate", "--json").json() == []
    detail = shoplake("alarm", "show", "pipeline-down", "--json").json()
    assert detail["state"] == "ALARM" and set(detail["datapoints"]) == {None}


def test_an_unknown_alarm_is_told(shoplake):
    outcome = shoplake("alarm", "show", "pipeline-dwon", "--json", check=False)
    assert outcome.returncode == 2 and outcome.json()["error"]["code"] == "watch.no_such_alarm"
    assert "pipeline-down" in outcome.json()["error"]["advice"]


# ── topics ──

@pytest.mark.parametrize("text, message", [
    ("topics: {x y: []}", '"x y" names no topic'),
    ("topics: {cost-alerts: [{mail: a@b}]}", "a subscription has no key mail"),
    ("topics: {cost-alerts: [{email: nobody}]}", "is no e-mail address"),
    ("topics: {cost-alerts: [{slack: ftp://x}]}", "the value is no address"),
    ("topics: {cost-alerts: [{email: a@b, file: c}]}", "has one receiver"),
    ("topics: {cost-alerts: [{file: c}, {file: c}]}", "stands twice"),
    ("topics: {cost-alerts: [{file: c, secret: s}]}", "only a webhook has a secret"),
    ("topics: {cost-alerts: [{webhook: 'http://h/', secret: '${NO_SUCH_VARIABLE}'}]}", "the environment has no NO_SUCH_VARIABLE"),
    ("smtp: {host: h}", "smtp needs host and from"),
    ("smtp: {host: h, from: a@b.c, user: u, password: p, security: none}", "a password is not sent without TLS"),
    ("budgets: {daily: much}", "is no amount in dollars"),
    ("budgets: {weekly: 5}", "budgets has no key weekly"),
])
def test_mistakes_in_the_configuration_have_a_line(shoplake, text, message):
    configuration(shoplake, "threads: 2\n" + text + "\n")
    outcome = shoplake("topic", "ls", "--json", check=False)
    error = outcome.json()["error"]
    assert outcome.returncode == 2 and error["code"] == "home.configuration"
    assert message in error["message"] and "shoplake.yml:2:" in error["message"]


def test_a_notification_without_subscriptions_is_kept(shoplake):
    shoplake("topic", "publish", "arn:aws:sns:eu-central-1:123456789012:cost-alerts", "--subject", "s", "--message", "-", "--id", "n", input="from standard input")
    shoplake("topic", "deliver")
    (one,) = shoplake("topic", "history", "cost-alerts", "--json").json()
    assert (one["id"], one["message"], one["deliveries"]) == ("n", "from standard input", [])
    assert shoplake("topic", "publish", "cost-alerts", "--subject", "two\nlines", "--message", "m", check=False).returncode == 2


# ── audit ──

def test_audit_says_who_did_what(shoplake, events):
    shoplake("load", "clickstream", events)
    shoplake("load", "nothing", events, check=False)
    shoplake("query", "select count(*) from processed.clickstream")
    shoplake("quality", "run", "--quiet", check=False)
    records = shoplake("audit", "ls", "--json").json()
    assert [(r["action"], r["object"]) for r in reversed(records)] == [("load", "clickstream"), ("load", "nothing"), ("quality run", "")]
    first = records[-1]
    assert first["source"] == "cli" and first["who"] == getpass.getuser() and first["outcome"] == "done" and first["took_ms"] > 0
    assert records[-2]["outcome"] not in ("done", None)
    assert "visitor-17" not in (shoplake.home / "audit.sqlite").read_bytes().decode("latin-1"), "nothing of visitors"
    assert len(shoplake("audit", "ls", "--action", "load", "--json").json()) == 2
    assert shoplake("audit", "ls", "--who", "nobody-of-this-name", "--json").json() == []
    assert len(shoplake("audit", "ls", "--since", "1h", "--json").json()) == 3
    assert shoplake("audit", "ls", "--since", "2099-01-01", "--json").json() == []
    assert shoplake("audit", "ls", "--since", "soon", check=False).returncode == 2
    assert "clickstream" in shoplake("audit", "ls").stdout
    assert shoplake("audit", "verify", "--json").json() == {"rows": 6, "valid": True, "finding": None}


def test_a_changed_audit_log_does_not_verify(shoplake, events):
    shoplake("load", "clickstream", events)
    with sqlite3.connect(shoplake.home / "audit.sqlite") as database:
        with pytest.raises(sqlite3.Error, match="append-only"):
            database.execute("delete from audit_log")
        database.execute("drop trigger audit_log_is_not_changed")
        database.execute("update audit_log set who = 'somebody else' where id = 1")
    outcome = shoplake("audit", "verify", "--json", check=False)
    assert outcome.returncode == 1 and outcome.json()["valid"] is False


def test_a_command_that_was_killed_is_known(shoplake, events):
    shoplake("load", "clickstream", events)
    with sqlite3.connect(shoplake.home / "audit.sqlite") as database:
        (begins,) = database.execute("select count(*) from audit_log where outcome is null").fetchone()
        (ends,) = database.execute("select count(*) from audit_log where begun is not null").fetchone()
    assert (begins, ends) == (1, 1), "its begin is written before it does anything"


# ── cost ──

def test_cost_is_measured_by_stage_and_query(shoplake, events):
    shoplake("load", "clickstream", events)
    shoplake("query", "select count(*), max(user_id) from processed.clickstream where user_id <> 'visitor-17'")
    report = shoplake("cost", "--day", "today", "--json").json()
    lines = {(line["stage"], line["meter"]): line for line in report["lines"]}
    load = lines["load", "glue_dpu_seconds"]
    assert load["quantity"] >= 120 and load["dollars"] == pytest.approx(load["quantity"] / 3600 * 0.44), "a job is billed for a minute at least"
    assert lines["query", "athena_bytes"]["quantity"] == 10 * 1024 * 1024, "a query is billed for 10 MiB at least"
    assert report["total"] == pytest.approx(sum(line["dollars"] for line in report["lines"]))
    (query,) = report["queries"]
    assert query["query"] == "select count(*), max(user_id) from processed.clickstream where user_id <> ?"
    assert query["count"] == 1 and 0 < query["scanned_bytes"] < 10 * 1024 * 1024
    assert report["prices_of"] <= report["to"] and report["region"] == "us-east-1"
    assert "load" in shoplake("cost").stdout and "athena_bytes" in shoplake("cost", "--day", "today").stdout
    assert "user_id <> ?" in shoplake("cost", "--by", "query").stdout
    assert shoplake("cost", "--day", "2020-01-01", "--json").json()["total"] == 0
    assert shoplake("cost", "--day", "someday", check=False).returncode == 2


def test_own_prices(shoplake, events, source):
    text = (source / "prices/aws.yml").read_text().replace("dollars: 0.44", "dollars: 4.40")
    shoplake.home.mkdir()
    (shoplake.home / "prices.yml").write_text(text)
    shoplake("load", "clickstream", events)
    (line,) = shoplake("cost", "--json").json()["lines"]
    assert line["dollars"] == pytest.approx(line["quantity"] / 3600 * 4.40)
    (shoplake.home / "prices.yml").write_text(text.replace("per: 3600", "per: hour"))
    outcome = shoplake("cost", "--json", check=False)
    assert outcome.returncode == 2 and outcome.json()["error"]["code"] == "cost.bad_prices"
