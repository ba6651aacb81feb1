"""Quality rules from outside: `shoplake quality`, and that rows which break a block rule are not published."""
import json
import os
import pathlib
import signal
import sqlite3
import time

import pytest

ORDERS = """
{{ config(materialized='table') }}
select * from (values (1, 'DE', 10.0), (2, 'FR', 20.0), (3, 'DE', 30.0)) as t(order_id, country, amount)
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    write(folder, "dbt_project.yml", "name: p\nversion: '1.0'\nprofile: p\nmodel-paths: [models]\nmodels:\n  p:\n    +schema: marts\n")
    write(folder, "macros/schema.sql", "{% macro generate_schema_name(custom, node) %}{{ custom or 'marts' }}{% endmacro %}")
    write(folder, "models/orders.sql", ORDERS)
    write(folder, "models/by_country.sql", "select country, sum(amount) as amount from {{ ref('orders') }} group by 1")
    return folder


def write(folder, path, text):
    file = pathlib.Path(folder, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def rules(home, text, name="rules.yml"):
    write(home, f"quality/{name}", text)


def build(shoplake, project, *arguments, check=True):
    return shoplake("build", "--project-dir", project, *arguments, check=check)


def outcomes(report):
    return {(table["table"], rule["name"]): rule["outcome"] for table in report["tables"] for rule in table["rules"]}


def data_files(home):
    return sorted(path.name for path in (home / "lake").rglob("*.parquet") if "quality" not in path.parts)


def test_run_reports_and_keeps_history(shoplake, home, project):
    build(shoplake, project)
    rules(home, """
tables:
  - table: marts.orders
    rules:
      - RowCount = 3
      - {rule: IsUnique "country", name: countries}
      - {rule: RowCount > avg(last(10)) * 0.8, name: not fewer}
      - Mean "nowhere" > 1
  - table: marts.absent
    rules: [RowCount > 0]
""")
    report = shoplake("quality", "run", "--json").json()
    assert outcomes(report) == {
        ("marts.orders", "RowCount = 3"): "pass",
        ("marts.orders", "countries"): "fail",
        ("marts.orders", "not fewer"): "skipped",
        ("marts.orders", 'Mean "nowhere" > 1'): "error",
    }
    assert (report["passed"], report["failed"], report["errors"], report["skipped"]) == (1, 1, 1, 1)
    assert "marts.absent" in report["absent"] and not report["blocked"]
    by_name = {rule["name"]: rule for rule in report["tables"][0]["rules"]}
    assert by_name["countries"]["metric"] == "Column.[country].Uniqueness"
    assert by_name["countries"]["failed_rows"] == 2
    assert by_name["countries"]["examples"] == [{"country": "DE", "rows": 2}]
    snapshot = shoplake("catalog", "show", "marts.orders", "--json").json()["snapshot_id"]
    assert report["tables"][0]["snapshot_id"] == snapshot

    # The history is a table like any other, and last() reads it in another process.
    rows = shoplake.rows("select * from quality.results order by rule_name")
    assert {row["rule_name"]: row["outcome"] for row in rows} == {rule: outcome for (_, rule), outcome in outcomes(report).items()}
    assert {row["run_id"] for row in rows} == {report["run_id"]}
    assert {(row["table_name"], row["snapshot_id"], row["triggered_by"], row["is_published"]) for row in rows} == {("marts.orders", snapshot, "quality run", True)}
    second = shoplake("quality", "run", "marts.orders", "--json").json()
    not_fewer = {rule["name"]: rule for rule in second["tables"][0]["rules"]}["not fewer"]
    assert (not_fewer["outcome"], not_fewer["expected"]) == ("pass", "> 2.4 (> avg(last(10)) * 0.8)")
    write(project, "models/orders.sql", ORDERS.replace(", (2, 'FR', 20.0)", ""))
    build(shoplake, project)
    third = shoplake("quality", "run", "--json").json()
    assert outcomes(third)[("marts.orders", "not fewer")] == "fail"

    text = shoplake("quality", "run", "--no-record").stdout
    assert "marts.orders: " in text and "fail warn  countries" in text and 'for instance {"country":"DE","rows":2}' in text
    assert "marts.absent: the lake does not have it yet" in text
    assert shoplake.value("select count(distinct run_id) from quality.results") == 3


def test_ls_and_show(shoplake, home, project):
    build(shoplake, project)
    rules(home, "table: marts.orders\nrules:\n  - RowCount = 3\n  - {rule: RowCount = 4, severity: block, name: four, description: why}\n")
    assert "never" in shoplake("quality", "ls").stdout
    first = shoplake("quality", "run", "--json", check=False)
    assert first.returncode == 1 and first.json()["blocked"]
    shoplake("quality", "run", check=False)
    listed = {rule["name"]: rule for rule in shoplake("quality", "ls", "--json").json()}
    assert listed["four"]["outcome"] == "fail" and listed["four"]["severity"] == "block" and listed["four"]["description"] == "why"
    assert listed["RowCount = 3"]["outcome"] == "pass" and listed["RowCount = 3"]["value"] == 3
    assert listed["four"]["place"].endswith("quality/rules.yml:4")
    shown = shoplake("quality", "show", "marts.orders")
    assert "2/2" in shown.stdout and "0/2" in shown.stdout and "3 3" in shown.stdout
    history = shoplake("quality", "show", "marts.orders", "--json").json()
    assert len(history) == 4 and history[0]["run_at"] > history[-1]["run_at"]
    run_id = first.json()["run_id"]
    one = shoplake("quality", "show", run_id[:13], "--json").json()
    assert [row["run_id"] for row in one] == [run_id] * 2
    assert "four" in shoplake("quality", "show", run_id).stdout
    nothing = shoplake("quality", "show", "marts.none", check=False)
    assert nothing.returncode == 2 and "quality.no_results" in nothing.stderr
    unknown = shoplake("quality", "run", "marts.oders", check=False)
    assert unknown.returncode == 2 and "Did you mean marts.orders?" in unknown.stderr


def test_a_wrong_rule_set_is_told_by_line_and_column(shoplake, home, project):
    rules(home, "table: marts.orders\nseverity: block\nrules:\n  - RowCount > 0\n  - RowCont > 0\n")
    for command in (("quality", "check"), ("quality", "run"), ("quality", "ls"), ("build", "--project-dir", project)):
        outcome = shoplake(*command, check=False)
        assert outcome.returncode == 2, outcome
        assert "quality/rules.yml:5:5: there is no rule type RowCont\n" in outcome.stderr
        assert "dqdl.unknown_rule" in outcome.stderr
        assert "Did you mean RowCount?" in outcome.stderr
    assert shoplake("catalog", "ls", "marts", "--json").json() == []
    rules(home, "table: marts.orders\nrules:\n  - RowCount > 0\n")
    assert shoplake("quality", "check", "--json").json() == [{"path": str(home / "quality/rules.yml"), "tables": 1, "rules": 1}]


def test_shipped_rule_sets_are_well_formed(shoplake, source):
    checked = shoplake("quality", "check", "--json").json()
    assert {pathlib.Path(each["path"]).name for each in checked} == {path.name for path in (source / "quality").glob("*.yml")}
    schema = json.loads((source / "quality/quality.schema.json").read_text())
    assert set(schema["$defs"]["rule"]["oneOf"][1]["properties"]) == {"rule", "name", "severity", "where", "description", "owner"}


def test_a_model_that_breaks_a_block_rule_is_not_published(shoplake, home, project):
    build(shoplake, project)
    before = shoplake.rows("select * from marts.orders order by 1")
    files = data_files(home)
    rules(home, """
table: marts.orders
severity: block
rules:
  - {rule: ColumnValues "amount" > 0, name: amounts are positive}
  - RowCount >= last()
  - {rule: RowCount > 100, severity: warn}
""")
    write(project, "models/orders.sql", ORDERS.replace("30.0", "-30.0"))
    outcome = build(shoplake, project, check=False)
    assert outcome.returncode == 1
    assert "marts.orders is not published: rule amounts are positive" in outcome.stdout
    assert "1 of 3 rows do not satisfy > 0" in outcome.stdout
    assert "SKIP relation marts.by_country" in outcome.stdout or "SKIP" in outcome.stdout
    assert shoplake.rows("select * from marts.orders order by 1") == before
    assert data_files(home) == files  # nothing is left behind
    rows = shoplake.rows("select rule_name, outcome, is_published, triggered_by, examples, snapshot_id from quality.results order by 1")
    assert [(row["rule_name"], row["outcome"], row["is_published"]) for row in rows] == [("RowCount >= last()", "skipped", False), ("amounts are positive", "fail", False)]
    assert json.loads(rows[1]["examples"]) == [{"amount": "-30.0"}]

    write(project, "models/orders.sql", ORDERS.replace("30.0", "33.0"))
    build(shoplake, project)
    assert shoplake.value("select sum(amount)::int from marts.orders") == 63
    # Rows that were kept out do not count as an earlier run; published ones do.
    write(project, "models/orders.sql", ORDERS.replace(", (2, 'FR', 20.0)", ""))
    fewer = build(shoplake, project, check=False)
    assert fewer.returncode == 1 and "Dataset.*.RowCount is 2, not >= 3 (>= last())" in fewer.stdout
    assert shoplake.value("select count(*) from marts.orders") == 3


def test_a_block_rule_that_cannot_be_evaluated_blocks(shoplake, home, project):
    rules(home, 'table: marts.orders\nseverity: block\nrules:\n  - IsComplete "nowhere"\n')
    outcome = build(shoplake, project, check=False)
    assert outcome.returncode == 1 and "marts.orders has no column nowhere" in outcome.stdout
    assert "marts.orders" not in [relation["name"] for relation in shoplake("catalog", "ls", "--json").json()]


@pytest.mark.parametrize("strategy", ["append", "merge", "delete+insert", "insert_overwrite"])
def test_a_batch_of_an_incremental_model_is_audited_with_the_rows_that_stay(shoplake, home, project, strategy):
    key = "unique_key='order_id', " if strategy in ("merge", "delete+insert") else ""
    partition = "partition_by='country', " if strategy == "insert_overwrite" else ""

    def model(rows):
        write(project, "models/orders.sql",
              f"{{{{ config(materialized='incremental', {key}{partition}incremental_strategy='{strategy}') }}}}\nselect * from (values {rows}) as t(order_id, country, amount)")

    model("(1, 'DE', 10.0), (2, 'FR', 20.0)")
    build(shoplake, project)
    after = {"append": 4, "merge": 3, "delete+insert": 3, "insert_overwrite": 3}[strategy]
    rules(home, f'table: marts.orders\nseverity: block\nrules:\n  - RowCount = {after}\n  - ColumnValues "amount" < 90\n')
    files = data_files(home)
    model("(2, 'FR', 21.0), (3, 'FR', 99.0)")
    outcome = build(shoplake, project, check=False)
    assert outcome.returncode == 1, outcome
    assert f"1 of {after} rows do not satisfy < 90" in outcome.stdout
    assert "rule RowCount" not in outcome.stdout
    assert shoplake.rows("select order_id, amount::int as amount from marts.orders order by 1") == [{"order_id": 1, "amount": 10}, {"order_id": 2, "amount": 20}]
    assert data_files(home) == files
    model("(2, 'FR', 21.0), (3, 'FR', 50.0)")
    build(shoplake, project)
    assert shoplake.value("select count(*) from marts.orders") == after
    assert shoplake.value("select max(amount)::int from marts.orders") == 50


def event(number, **more):
    return {"event_date": "20260101", "event_timestamp": 1_767_225_600_000_000 + number, "event_name": "page_view", "user_pseudo_id": f"u{number}"} | more


def events_file(path, events):
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return path


def test_a_file_that_breaks_a_block_rule_is_not_published(shoplake, home, tmp_path):
    rules(home, """
table: processed.events
severity: block
rules:
  - {rule: IsUnique "user_pseudo_id", name: clients}
  - RowCount >= last()
  - {rule: RowCount > 1000, severity: warn}
""")
    good = events_file(tmp_path / "good.ndjson", [event(1), event(2)])
    bad = events_file(tmp_path / "bad.ndjson", [event(2, event_name="click"), event(3)])
    more = events_file(tmp_path / "more.ndjson", [event(4)])
    shoplake("load", "events", good)
    files = data_files(home)
    outcome = shoplake("load", "events", bad, more, "--json", check=False)
    assert outcome.returncode == 1
    blocked, loaded = outcome.json()["files"]
    assert blocked["status"] == "failed" and loaded["status"] == "loaded"
    assert "processed.events is not published: rule clients" in blocked["error"]["message"] if "error" in blocked else str(blocked)
    assert shoplake.rows("select user_pseudo_id as u from processed.events order by 1") == [{"u": "u1"}, {"u": "u2"}, {"u": "u4"}]
    assert len(data_files(home)) == len(files) + 1
    raw = [path.read_text() for path in (home / "lake/raw/events").rglob("*.ndjson")]
    assert bad.read_text() in raw  # what was received is kept, and the registry says why
    with sqlite3.connect(home / "state.sqlite") as registry:
        ((reason, message, kept),) = registry.execute("select reason, message, object from ingested_file where state = 'blocked'").fetchall()
    assert reason == "quality.blocked" and "rule clients" in message and (home / "lake" / kept).read_text() == bad.read_text()
    rows = shoplake.rows("select rule_name, outcome, is_published, triggered_by from quality.results order by run_at, rule_name")
    assert [(row["rule_name"], row["outcome"], row["is_published"]) for row in rows] == [
        ("RowCount >= last()", "skipped", True), ("clients", "pass", True),
        ("RowCount >= last()", "pass", False), ("clients", "fail", False),
        ("RowCount >= last()", "pass", True), ("clients", "pass", True),
    ]
    assert {row["triggered_by"] for row in rows} == {"load"}
    # Once the rule is gone the same file is loaded.
    rules(home, "table: processed.events\nrules: [RowCount > 0]\n")
    assert shoplake("load", "events", bad, "--json").json()["rows"] == 2
    assert shoplake.value("select count(*) from processed.events") == 5
    with sqlite3.connect(home / "state.sqlite") as registry:
        assert registry.execute("select count(*) from ingested_file where state = 'blocked'").fetchone() == (0,)


def test_loads_killed_at_any_moment_publish_only_what_was_audited(shoplake_in, tmp_path, seeded_random):
    good = events_file(tmp_path / "good.ndjson", [event(n) for n in range(20000)])
    bad = events_file(tmp_path / "bad.ndjson", [event(n % 100, event_name=f"e{n}") for n in range(20000)])
    killed = 0
    for attempt in range(10):
        each = shoplake_in(tmp_path / f"home{attempt}")
        rules(each.home, "table: processed.events\nseverity: block\nrules: [IsUnique \"user_pseudo_id\"]\n")
        begin = time.monotonic()
        each("load", "events", good)
        seconds = time.monotonic() - begin
        process = each.start("load", "events", str(bad))
        try:
            process.wait(timeout=seeded_random.uniform(0, seconds))
        except Exception:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        process.communicate()
        assert each.value("select count(*) from processed.events") == 20000
        assert each("load", "events", bad, check=False).returncode == 1
        assert each.value("select count(*) from processed.events") == 20000
    assert killed > 0


def test_killed_between_audit_and_publishing_leaves_the_old_table(shoplake, home, project, seeded_random):
    write(project, "models/orders.sql", "select range as order_id, 'DE' as country, 1.0 as amount from range(300000)")
    rules(home, 'table: marts.orders\nseverity: block\nrules:\n  - IsPrimaryKey "order_id"\n  - CustomSql "select max(amount) - min(amount) from primary" = 0\n')
    begin = time.monotonic()
    build(shoplake, project)
    seconds = time.monotonic() - begin
    killed = 0
    for attempt in range(12):
        write(project, "models/orders.sql", f"select range as order_id, 'DE' as country, {attempt + 2}.0 as amount from range(300000)")
        before = shoplake.rows("select min(amount)::int as a, max(amount)::int as b, count(*) as n from marts.orders")[0]
        process = shoplake.start("build", "--project-dir", str(project))
        try:
            process.wait(timeout=seeded_random.uniform(0, seconds))
        except Exception:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        process.communicate()
        after = shoplake.rows("select min(amount)::int as a, max(amount)::int as b, count(*) as n from marts.orders")[0]
        assert after in (before, {"a": attempt + 2, "b": attempt + 2, "n": 300000})
    assert killed > 0
    build(shoplake, project)
    shoplake("quality", "run")


def test_personal_data_is_not_shown(shoplake, home, tmp_path):
    events = tmp_path / "events.ndjson"
    events.write_text("".join(json.dumps({"event_date": "20260101", "event_timestamp": 1_767_225_600_000_000 + n, "event_name": "x" * (n % 2), "user_pseudo_id": "secret-client"}) + "\n" for n in range(4)))
    shoplake("load", "events", events)
    rules(home, 'table: processed.events\nrules:\n  - IsUnique "user_pseudo_id"\n  - {rule: ColumnLength "user_pseudo_id" < 3, name: short}\n  - ColumnValues "event_name" != EMPTY\n')
    report = shoplake("quality", "run", "--json")
    assert "secret-client" not in report.stdout and outcomes(report.json())[("processed.events", "short")] == "fail"
    assert "_shoplake_source_object" in report.stdout
    assert "secret-client" not in shoplake("query", "from quality.results", "--format", "json").stdout
    for path in (home / "lake/quality").rglob("*.parquet"):
        assert b"secret-client" not in path.read_bytes()


def test_small_files_of_the_history_are_merged(shoplake, home, project):
    build(shoplake, project)
    rules(home, "table: marts.orders\nrules: [RowCount = 3, RowCount >= avg(last(1000)) - sum(last(3))]\n")
    for _ in range(34):
        shoplake("quality", "run", "--quiet")
    shown = shoplake("catalog", "show", "quality.results", "--json").json()
    assert shown["files"] < 10 and shown["rows"] == 68
    assert shoplake.value("select count(distinct run_id) from quality.results") == 34
    assert len(shoplake("quality", "show", "marts.orders", "--json").json()) == 68


def test_two_runs_at_once_both_stand_in_the_history(shoplake, home, project):
    build(shoplake, project)
    rules(home, "table: marts.orders\nrules: [RowCount = 3]\n")
    processes = [shoplake.start("quality", "run") for _ in range(4)]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert shoplake.value("select count(distinct run_id) from quality.results") == 4
