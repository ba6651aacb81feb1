"""dbt snapshots by `shoplake snapshot` and `shoplake build`: versions, graph order, what cannot be done, retries."""
import json
import shutil

import pytest


@pytest.fixture
def project(source, tmp_path):
    folder = tmp_path / "versions"
    shutil.copytree(source / "test/projects/versions", folder)
    shutil.rmtree(folder / "snapshots")
    (folder / "models/marts/current_customers.sql").unlink()
    (folder / "models/source/stock.sql").unlink()
    return folder


def snapshot(project, config, query="select * from {{ ref('customers') }}", name="versions_of_customers"):
    path = project / f"snapshots/{name}.sql"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{{% snapshot {name} %}}\n{{{{ config({config}) }}}}\n{query}\n{{% endsnapshot %}}\n")


def customers(project, rows):
    (project / "models/source/customers.sql").write_text(f"select * from (values {rows}) as t (customer_id, name)")


def run(shoplake, command, project, *arguments, check=True):
    return shoplake(command, "--project-dir", project, *arguments, check=check)


CHECK = "strategy='check', check_cols='all'"


def test_versions_in_graph_order_with_tests_and_selection(shoplake, project):
    snapshot(project, CHECK)
    (project / "models/marts/names.sql").write_text(
        "select name, dbt_valid_to is null as is_current from {{ ref('versions_of_customers') }}")
    (project / "snapshots/_snapshots.yml").write_text(
        "snapshots:\n  - name: versions_of_customers\n    columns:\n      - name: dbt_scd_id\n        data_tests: [unique, not_null]\n")
    customers(project, "(1, 'Ada'), (2, 'Grace')")
    outcome = run(shoplake, "build", project)
    assert "OK snapshotted snapshot history.versions_of_customers" in outcome.stdout
    assert "Found 2 models, 1 snapshot, 2 data tests" in outcome.stdout
    assert "PASS=5 WARN=0 ERROR=0 SKIP=0 TOTAL=5" in outcome.stdout
    customers(project, "(1, 'Ada L.'), (2, 'Grace')")
    run(shoplake, "run", project)  # knows no snapshots
    assert shoplake.value("select count(*) from history.versions_of_customers") == 2
    run(shoplake, "snapshot", project)
    assert shoplake.rows("select name, dbt_valid_to is null as is_current from history.versions_of_customers order by all") == [
        {"name": "Ada", "is_current": False}, {"name": "Ada L.", "is_current": True}, {"name": "Grace", "is_current": True}]
    listed = run(shoplake, "ls", project, "--select", "resource_type:snapshot", "customers+", "--output", "name", "--quiet").stdout
    assert "versions_of_customers" in listed.split()
    assert run(shoplake, "ls", project, "--resource-type", "snapshot", "--quiet").stdout.split() == [
        "versions.versions_of_customers.versions_of_customers"]
    run(shoplake, "snapshot", project)
    (result,) = json.loads((project / "target/run_results.json").read_text())["results"]
    assert (result["unique_id"], result["status"]) == ("snapshot.versions.versions_of_customers", "success")
    assert result["compiled_code"].strip() == 'select * from "source"."customers"'
    assert shoplake.value("select count(*) from history.versions_of_customers") == 3


def test_a_run_without_news_commits_nothing_and_full_refresh_keeps_history(shoplake, project):
    snapshot(project, CHECK)
    customers(project, "(1, 'Ada')")
    run(shoplake, "build", project)
    before = shoplake.rows("from history.versions_of_customers")
    history = shoplake("catalog", "history", "history.versions_of_customers").stdout
    run(shoplake, "snapshot", project)
    run(shoplake, "build", project, "--full-refresh")
    assert shoplake("catalog", "history", "history.versions_of_customers").stdout == history
    assert shoplake.rows("from history.versions_of_customers") == before


@pytest.mark.parametrize("config, message", [
    ("strategy='check'", "has the strategy check and no check_cols"),
    ("strategy='check', check_cols='some'", "has check_cols 'some'"),
    ("strategy='timestamp'", "has the strategy timestamp and no updated_at"),
    ("strategy='timestamp', updated_at='x', check_cols=['y']", "has the strategy timestamp and check_cols"),
    ("strategy='own_idea'", "has the strategy 'own_idea'"),
    ("check_cols='all'", "has no strategy"),
    ("strategy='check', check_cols='all', unique_key=none", "has no unique_key"),
    (CHECK + ", hard_deletes='maybe'", "has hard_deletes 'maybe'"),
    (CHECK + ", hard_deletes='ignore', invalidate_hard_deletes=true", "sets both hard_deletes and invalidate_hard_deletes"),
    (CHECK + ", materialized='table'", "is materialized as 'table'"),
])
def test_wrong_configuration_is_said_before_anything_runs(shoplake, project, config, message):
    snapshot(project, config)
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 2
    assert f"snapshots/versions_of_customers.sql: the snapshot versions_of_customers {message}" in outcome.stderr


@pytest.mark.parametrize("text, message", [
    ("{% snapshot a %}\nselect 1", "snapshots/a.sql:1: the snapshot a has no {% endsnapshot %}"),
    ("select 1\n{% endsnapshot %}", "snapshots/a.sql:2: endsnapshot without a snapshot"),
    ("{% snapshot a %}\n{% snapshot b %}{% endsnapshot %}{% endsnapshot %}", "snapshots/a.sql:2: a snapshot block begins inside another"),
    ("{% snapshot %}{% endsnapshot %}", "snapshots/a.sql:1: a snapshot block has no name"),
])
def test_blocks_must_be_whole(shoplake, project, text, message):
    (project / "snapshots").mkdir()
    (project / "snapshots/a.sql").write_text(text)
    outcome = run(shoplake, "parse", project, check=False)
    assert outcome.returncode == 2 and message in outcome.stderr


@pytest.mark.parametrize("rows, missing, repeated", [("(1, 'a'), (1, 'b'), (2, 'c')", 0, 1), ("(null, 'a'), (2, 'b')", 1, 0)])
def test_a_key_that_is_no_key_changes_nothing(shoplake, project, rows, missing, repeated):
    snapshot(project, CHECK)
    customers(project, "(1, 'Ada')")
    run(shoplake, "build", project)
    customers(project, rows)
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 1
    assert f"is NULL in {missing} row(s), and {repeated} key(s) are there more than once" in outcome.stdout
    assert shoplake.value("select count(*) from history.versions_of_customers") == 1


def test_what_is_there_already_is_not_overwritten(shoplake, project):
    customers(project, "(1, 'Ada')")
    snapshot(project, CHECK + ", target_schema='source', alias='customers'")
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 2 and "would both be built as source.customers" in outcome.stderr

    shutil.rmtree(project / "snapshots")
    plain = project / "models/marts/plain.sql"
    plain.write_text("{{ config(schema='history') }} select 1 as customer_id")
    run(shoplake, "run", project)
    plain.unlink()
    snapshot(project, CHECK + ", alias='plain'")
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 1
    assert 'the table "history"."plain" has no column dbt_scd_id, dbt_updated_at, dbt_valid_from, dbt_valid_to' in outcome.stdout
    assert shoplake.rows("from history.plain") == [{"customer_id": 1}]


def test_a_value_that_does_not_fit_the_history_is_an_error(shoplake, project):
    snapshot(project, CHECK)
    customers(project, "(1, 5)")
    run(shoplake, "build", project)
    customers(project, "(1, 6.0)")
    run(shoplake, "build", project)
    assert shoplake.rows("select name from history.versions_of_customers order by all") == [{"name": 5}, {"name": 6}]
    customers(project, "(1, 6.5)")
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 1
    assert "column name of the snapshot \"history\".\"versions_of_customers\" is INTEGER, and the query now gives a DECIMAL(2,1) that does not fit: 6.5" in outcome.stdout
    assert shoplake.value("select count(*) from history.versions_of_customers") == 2


def test_what_the_disk_refuses_is_tried_again(shoplake, project):
    """A link to itself stands where the table's folder must be: three more attempts, each after a longer wait."""
    customers(project, "(1, 'Ada')")
    shoplake("init", shoplake.home)
    obstacle = shoplake.home / "lake/curated/source.customers"
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.symlink_to(obstacle.name)
    outcome = run(shoplake, "build", project, "--json", check=False)
    assert outcome.returncode == 1
    events = outcome.json_lines()
    messages = [event["message"] for event in events if event["event"] == "message"]
    assert all(message.startswith("model customers: cannot ") for message in messages), messages
    assert [message.split("; ")[-1] for message in messages] == [
        "trying again in 1 s (1 of 3)", "trying again in 2 s (2 of 3)", "trying again in 4 s (3 of 3)"]
    assert events[-1]["error"] == 1 and events[-1]["seconds"] > 7
    obstacle.unlink()
    run(shoplake, "build", project)
    assert shoplake.rows("from source.customers") == [{"customer_id": 1, "name": "Ada"}]
