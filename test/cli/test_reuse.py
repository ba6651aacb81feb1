"""What a second `shoplake build` leaves out because nothing has changed, and everything that makes it do the work again."""
import json
import pathlib

import pytest

PROJECT = {
    "dbt_project.yml": "name: small\nversion: '1.0'\nconfig-version: 2\nvars: {factor: 2}\n",
    "seeds/orders.csv": "id,day,amount\n1,2026-01-01,10\n2,2026-01-02,20\n",
    "models/stg.sql": "{{ config(materialized='view') }}\nselect id, day, amount from {{ ref('orders') }}",
    "models/doubled.sql": "{{ config(materialized='table') }}\nselect id, amount * {{ var('factor') }} as amount from {{ ref('stg') }}",
    "models/total.sql": "{{ config(materialized='table') }}\nselect sum(amount) as total from {{ ref('doubled') }}",
    "models/days.sql": "{{ config(materialized='incremental', unique_key='day') }}\nselect day, count(*) as orders from {{ ref('orders') }}\n"
                       "{% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %} group by day",
    "models/clock.sql": "{{ config(materialized='table') }}\nselect now() as made_at",
    "macros/hundredth.sql": "{% macro unit() %}1{% endmacro %}",
    "models/units.sql": "{{ config(materialized='table') }}\nselect {{ unit() }} as unit",
    "models/schema.yml": "models:\n  - {name: doubled, columns: [{name: id, data_tests: [unique, not_null]}]}\n"
                         "  - {name: clock, columns: [{name: made_at, data_tests: [not_null]}]}\n"
                         "unit_tests:\n  - name: adds_up\n    model: total\n    given: [{input: ref('doubled'), rows: [{id: 1, amount: 3}, {id: 2, amount: 4}]}]\n"
                         "    expect: {rows: [{total: 7}]}\n",
    "tests/no_negative.sql": "select * from {{ ref('doubled') }} where amount < 0",
}
ALWAYS = {"clock", "adds_up"}


@pytest.fixture
def project(tmp_path):
    for path, text in PROJECT.items():
        write(tmp_path / "project", path, text)
    return tmp_path / "project"


def write(project, path, text):
    file = pathlib.Path(project, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def name(event):
    parts = event["unique_id"].split(".")
    return parts[3] if parts[0] == "unit_test" else parts[2]


def build(shoplake, project, *arguments, command="build"):
    """Names of the nodes that were done, and of those that were kept."""
    events = shoplake(command, "--project-dir", project, "--json", *arguments).json_lines()
    finished = [event for event in events if event["event"] == "finished"]
    names = {True: set(), False: set()}
    for event in finished:
        assert event["status"] in ("success", "pass"), event
        names[event.get("kept", False)].add(name(event))
    assert next(event for event in events if event["event"] == "summary")["kept"] == len(names[True])
    return names[False], names[True]


def settled(shoplake, project):
    """The first build makes everything, the second finds the incremental model with nothing to do."""
    assert build(shoplake, project)[1] == set()
    build(shoplake, project)
    done, kept = build(shoplake, project)
    assert done == ALWAYS | {"not_null_clock_made_at"}
    return done, kept


def metadata(shoplake, name):
    return shoplake("catalog", "history", name, "--json").stdout


def test_nothing_new_nothing_done(shoplake, project):
    _, kept = settled(shoplake, project)
    assert kept == {"orders", "stg", "doubled", "total", "days", "units", "unique_doubled_id", "not_null_doubled_id", "no_negative"}
    before = metadata(shoplake, "main.total")
    outcome = shoplake("build", "--project-dir", project)
    assert "OK kept sql table model main.total" in outcome.stdout and "UNCHANGED" in outcome.stdout
    assert "9 of 12 unchanged and kept" in outcome.stdout and "Done. PASS=12" in outcome.stdout
    assert metadata(shoplake, "main.total") == before
    artifact = json.loads((project / "target/run_results.json").read_text())["results"]
    total = next(result for result in artifact if result["unique_id"] == "model.small.total")
    assert (total["status"], total["message"], total["compiled"]) == ("success", "unchanged, kept", True)
    assert shoplake.value("select total from main.total") == 60


@pytest.mark.parametrize("path, text, redone", [
    ("seeds/orders.csv", "id,day,amount\n1,2026-01-01,11\n2,2026-01-02,20\n", {"orders", "stg", "doubled", "total", "days"}),
    ("models/doubled.sql", "{{ config(materialized='table') }}\nselect id, amount * 2 + 0 as amount from {{ ref('stg') }}", {"doubled", "total"}),
    ("models/stg.sql", "{{ config(materialized='view') }}\nselect id, day, amount + 1 as amount from {{ ref('orders') }}", {"stg", "doubled", "total"}),
    ("models/units.sql", "{{ config(materialized='table', partition_by='unit') }}\nselect {{ unit() }} as unit", {"units"}),
    ("macros/hundredth.sql", "{% macro unit() %}100{% endmacro %}", {"units"}),
    ("dbt_project.yml", "name: small\nversion: '1.0'\nconfig-version: 2\nvars: {factor: 3}\n", {"doubled", "total"}),
    ("dbt_project.yml", PROJECT["dbt_project.yml"] + "on-run-start: ['select 1']\n", {"orders", "stg", "doubled", "total", "days", "units"}),
])
def test_what_has_changed_and_what_reads_it_is_done_again(shoplake, project, path, text, redone):
    settled(shoplake, project)
    write(project, path, text)
    models = {"orders", "stg", "doubled", "total", "days", "units"}
    done, kept = build(shoplake, project, "--exclude", "clock")
    assert done & models == redone and models - redone <= kept
    assert ("unique_doubled_id" in done) == ("doubled" in redone)  # the tests of what was made anew


def test_vars_full_refresh_and_rebuild(shoplake, project):
    settled(shoplake, project)
    done, kept = build(shoplake, project, "--vars", "{factor: 5}")
    assert {"doubled", "total"} <= done and {"orders", "days", "units"} <= kept
    assert shoplake.value("select total from main.total") == 150
    done, _ = build(shoplake, project)  # and back
    assert {"doubled", "total"} <= done
    assert build(shoplake, project, "--full-refresh")[1] == set()
    assert build(shoplake, project, "--rebuild")[1] == set()
    build(shoplake, project)
    assert build(shoplake, project)[0] == ALWAYS | {"not_null_clock_made_at"}
    assert build(shoplake, project, command="run")[0] == {"clock"}
    assert build(shoplake, project, command="test")[1] == set()  # who asks for tests gets them
    assert build(shoplake, project, command="seed")[1] == set()


def test_a_table_that_somebody_else_has_changed_is_made_anew(shoplake, project):
    settled(shoplake, project)
    first = json.loads(metadata(shoplake, "main.total"))
    build(shoplake, project, "--rebuild", "--select", "total")
    assert shoplake.value("select total from main.total") == 60
    shoplake("catalog", "rollback", "main.total", "--to", str(first[0]["snapshot_id"]))
    done, kept = build(shoplake, project)
    assert "total" in done and "doubled" in kept


@pytest.mark.parametrize("path, text, again", [
    # A no-break space is white space to the engine: what it hides is a clock.
    ("models/units.sql", "{{ config(materialized='table') }}\nselect 1 as unit where date '2026-01-01' <=\u00a0current_date", {"units"}),
    # What a statement leaves in the engine has no version.
    ("models/units.sql", "{{ config(materialized='table') }}\n{% do run_query('create or replace macro later(x) as x + 1') %}\nselect later(1) as unit", {"units"}),
    ("models/units.sql", "{{ config(materialized='table', pre_hook='create or replace macro later(x) as x + 1') }}\nselect later(1) as unit", {"units"}),
    # Its fingerprint is not that of what a rule sees.
    ("quality", "DataFreshness \"day\" <= 24 hours", {"doubled"}),
    ("quality", "CustomSql \"select count(*) from main.orders\" > 0", {"doubled"}),
    ("quality", "RowCount > 0", set()),
])
def test_what_may_give_something_else_is_done_each_time(shoplake, project, path, text, again):
    if path == "quality":
        folder = shoplake.home / "quality"
        folder.mkdir(parents=True)
        (folder / "own.yml").write_text(f"tables:\n  - table: main.doubled\n    rules:\n      - {{rule: {json.dumps(text)}, severity: block}}\n")
        write(project, "models/doubled.sql", "{{ config(materialized='table') }}\nselect id, current_date as day, amount from {{ ref('stg') }}".replace(
            "current_date", "date '2999-01-01'"))
    else:
        write(project, path, text)
    for _ in range(2):
        build(shoplake, project)
    done, kept = build(shoplake, project)
    assert again <= done
    if path == "quality":
        assert ("doubled" in kept) == ("doubled" not in again)


def test_white_space_at_the_end_of_a_seed_is_content(shoplake, project):
    write(project, "seeds/names.csv", "id,name\n1,a  ")
    build(shoplake, project)
    assert shoplake.value("select length(name) from main.names") == 3
    write(project, "seeds/names.csv", "id,name\n1,a")
    assert "names" in build(shoplake, project)[0]
    assert shoplake.value("select length(name) from main.names") == 1


def test_a_failed_test_is_run_again_and_still_gates(shoplake, project):
    write(project, "tests/no_negative.sql", "select * from {{ ref('doubled') }} where amount > 0")
    for _ in range(3):
        outcome = shoplake("build", "--project-dir", project, "--json", check=False)
        assert outcome.returncode == 1
        result = {name(event): event for event in outcome.json_lines() if event["event"] == "finished"}
        assert result["no_negative"]["status"] == "fail" and result["total"]["status"] == "skipped"
    assert result["doubled"]["kept"] is True


@pytest.mark.parametrize("config, settles", [("unique_key='day'", True), ("", False), ("unique_key='day', meta={'settles': true}", True)])
def test_an_incremental_model_is_kept_once_it_has_nothing_to_do(shoplake, project, config, settles):
    """Without a key each run adds its rows again, as in dbt: that must not stop because nothing has changed."""
    write(project, "models/days.sql", f"{{{{ config(materialized='incremental', {config}) }}}}\n"
          "select day, count(*) as orders from {{ ref('orders') }}\n"
          + ("{% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %}\n" if settles else "") + "group by day")
    first, _ = build(shoplake, project, "--select", "+days")
    second, _ = build(shoplake, project, "--select", "+days")
    third, _ = build(shoplake, project, "--select", "+days")
    assert ("days" in second) == ("settles" not in config) and ("days" in third) == (not settles)
    assert shoplake.value("select count(*) from main.days") == (2 if settles else 6)
    write(project, "seeds/orders.csv", PROJECT["seeds/orders.csv"] + "3,2026-01-03,5\n")
    done, _ = build(shoplake, project, "--select", "+days")
    assert "days" in done and shoplake.value("select count(*) from main.days") == (3 if settles else 9)
