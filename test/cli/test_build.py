"""`shoplake build` and its sisters, as a user sees them: results, selection, failures, crashes, concurrency, artifacts."""
import json
import pathlib
import shutil
import signal
import subprocess

import pytest

CRASHES = 50
INCREMENTAL_MODEL = """
{{{{ config(materialized='incremental', {config}) }}}}
select order_id, customer_id, ordered_on, amount, status from {{{{ ref('orders') }}}}
{{% if is_incremental() %}}
where ordered_on >= (select coalesce(max(ordered_on), date '1900-01-01') from {{{{ this }}}})
{{% endif %}}
"""
HEADER = "order_id,customer_id,ordered_on,amount,status\n"
FIRST_ORDERS = "1,10,2026-01-01,12.50,paid\n2,11,2026-01-01,3.20,paid\n3,10,2026-01-02,7.00,paid\n"


@pytest.fixture
def project(source, tmp_path):
    folder = tmp_path / "shop"
    shutil.copytree(source / "test/projects/shop", folder)
    return folder


def run(shoplake, command, project, *arguments, check=True):
    return shoplake(command, "--project-dir", project, *arguments, check=check)


def write(project, path, text):
    file = pathlib.Path(project, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def results(project):
    artifact = json.loads(pathlib.Path(project, "target/run_results.json").read_text())
    return {result["unique_id"]: result for result in artifact["results"]}


def statuses(project):
    return {unique_id.split(".")[2]: result["status"] for unique_id, result in results(project).items()}


def names(outcome):
    return set(outcome.stdout.split())


def test_build_makes_tables_and_runs_tests(shoplake, project):
    outcome = run(shoplake, "build", project)
    assert "Completed successfully" not in outcome.stdout  # one test warns
    assert "Done. PASS=15 WARN=1 ERROR=0 SKIP=0 TOTAL=16" in outcome.stdout, outcome
    assert "OK created sql table model marts.customer_totals" in outcome.stdout
    assert "WARN 1 not_null_customer_totals_name" in outcome.stdout
    assert shoplake.rows("select * from marts.customer_totals order by customer_id") == [
        {"customer_id": 10, "name": "Ada", "order_count": 1, "total_cents": 1250, "last_ordered_on": "2026-01-01"},
        {"customer_id": 11, "name": "Grace", "order_count": 1, "total_cents": 320, "last_ordered_on": "2026-01-01"},
        {"customer_id": 12, "name": None, "order_count": 1, "total_cents": 9999, "last_ordered_on": "2026-01-03"},
    ]
    assert shoplake.value("select count(*) from staging.stg_orders") == 4
    assert shoplake.rows("select ordered_on, order_count from marts.daily order by 1") == [
        {"ordered_on": "2026-01-01", "order_count": 2},
        {"ordered_on": "2026-01-02", "order_count": 1},
        {"ordered_on": "2026-01-03", "order_count": 1},
    ]
    first = shoplake.rows("select * from marts.report order by 1")
    run(shoplake, "build", project)
    assert shoplake.rows("select * from marts.report order by 1") == first


def test_compiled_sql_is_written(shoplake, project):
    run(shoplake, "seed", project)
    outcome = run(shoplake, "compile", project, "--select", "customer_totals")
    assert "Compiled node 'customer_totals' is:" in outcome.stdout
    compiled = (project / "target/compiled/shop/models/marts/customer_totals.sql").read_text()
    assert "__dbt__cte__paid_orders as (" in compiled
    assert '"staging"."stg_orders"' in compiled


def test_vars(shoplake, project):
    run(shoplake, "build", project, "--vars", "{minimum_amount: 10}", "--exclude", "test_type:data")
    assert shoplake.value("select count(*) from staging.stg_orders") == 2


def test_a_failing_model_keeps_the_old_table_and_skips_what_is_downstream(shoplake, project):
    run(shoplake, "build", project)
    write(project, "models/marts/customer_totals.sql", "select * from {{ ref('customers') }} where no_such_column = 1")
    outcome = run(shoplake, "build", project, "--exclude", "test_type:unit", check=False)
    assert outcome.returncode == 1
    assert "Database Error in model customer_totals (models/marts/customer_totals.sql)" in outcome.stdout
    assert "no_such_column" in outcome.stdout
    assert f"compiled code at {project}/target/compiled/shop/models/marts/customer_totals.sql" in outcome.stdout
    assert statuses(project)["customer_totals"] == "error"
    assert statuses(project)["report"] == "skipped"
    assert statuses(project)["totals_agree"] == "skipped"
    assert statuses(project)["daily"] == "success"
    assert shoplake.value("select sum(total_cents) from marts.customer_totals") == 11569

    # An error that only shows while rows flow leaves the old table, too.
    write(project, "models/marts/customer_totals.sql", "select error('row ' || customer_id) as x from {{ ref('customers') }}")
    assert run(shoplake, "run", project, check=False).returncode == 1
    assert shoplake.value("select sum(total_cents) from marts.customer_totals") == 11569


def test_what_cannot_be_published_takes_all_that_was_made_from_it_along(shoplake, project):
    in_the_way = pathlib.Path(shoplake.home, "lake/curated/customer_totals/metadata")
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("a file where the table's folder of metadata would be")
    outcome = run(shoplake, "build", project, "--exclude", "test_type:unit", check=False)
    assert outcome.returncode != 0
    assert statuses(project)["customer_totals"] == "error"
    assert statuses(project)["report"] == "skipped"
    assert statuses(project)["totals_agree"] == "skipped"
    assert statuses(project)["daily"] == "success"
    published = {(row["table_schema"], row["table_name"]) for row in shoplake.rows("select table_schema, table_name from information_schema.tables")}
    assert ("marts", "daily") in published
    assert not {("marts", "customer_totals"), ("marts", "report")} & published
    in_the_way.unlink()
    run(shoplake, "build", project)
    assert shoplake.value("select sum(total_cents) from marts.customer_totals") == 11569


def test_a_failing_test_keeps_what_is_downstream_from_being_built(shoplake, project):
    write(project, "tests/totals_agree.sql", "select * from {{ ref('customer_totals') }}")
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 1
    assert "FAIL 3 totals_agree" in outcome.stdout
    assert "Got 3 results, configured to fail if != 0" in outcome.stdout
    assert statuses(project)["report"] == "skipped"
    assert run(shoplake, "run", project).returncode == 0  # `run` knows no tests


def relations(shoplake, project):
    listed = run(shoplake, "ls", project, "--resource-type", "model", "--resource-type", "seed", "--output", "json", "--quiet").stdout
    return {node["name"]: (node["schema"], node["alias"]) for node in map(json.loads, listed.splitlines())}


@pytest.mark.parametrize("macro, schema_of", [
    ("{% macro generate_schema_name(custom_schema_name, node) %}fixed_{{ custom_schema_name or 'none' }}{% endmacro %}", lambda name, usual: f"fixed_{usual}"),
    ("{% macro generate_schema_name(custom_schema_name, node) %}of_{{ node.name }}{% endmacro %}", lambda name, usual: f"of_{name}"),
    ("{% macro generate_schema_name(custom_schema_name, node) %}{{ tail(custom_schema_name) }}{% endmacro %}"
     "{% macro tail(value) %}of_{{ model.name }}{% endmacro %}", lambda name, usual: f"of_{name}"),
])
def test_a_naming_macro_is_asked_for_every_node_it_tells_apart(shoplake, project, macro, schema_of):
    write(project, "macros/generate_schema_name.sql", "{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or 'none' }}{% endmacro %}")
    before = relations(shoplake, project)
    assert len({schema for schema, _ in before.values()}) > 1 and len(before) > 2
    write(project, "macros/generate_schema_name.sql", macro)
    assert relations(shoplake, project) == {name: (schema_of(name, schema), alias) for name, (schema, alias) in before.items()}


def test_an_alias_macro_of_the_project_is_asked(shoplake, project):
    before = relations(shoplake, project)
    write(project, "macros/alias.sql", "{% macro generate_alias_name(custom_alias_name=none, node=none) %}{{ node.name }}_x{% endmacro %}")
    assert relations(shoplake, project) == {name: (schema, name + "_x") for name, (schema, _) in before.items()}


@pytest.mark.parametrize(
    "config, status",
    [
        ("severity='warn'", "warn"),
        ("error_if='> 5'", "warn"),
        ("error_if='> 5', warn_if='> 5'", "pass"),
        ("limit=2", "fail"),
        ("fail_calc='max(customer_id)', error_if='>= 12'", "fail"),
        ("fail_calc='max(customer_id)', error_if='>= 13', warn_if='> 100'", "pass"),
    ],
)
def test_severity(shoplake, project, config, status):
    write(project, "tests/totals_agree.sql", "{{ config(" + config + ") }} select * from {{ ref('customer_totals') }}")
    run(shoplake, "build", project, "--select", "+totals_agree", check=False)
    result = results(project)["test.shop.totals_agree"]
    assert result["status"] == status
    if "limit" in config:
        assert result["failures"] == 2


def test_store_failures(shoplake, project):
    run(shoplake, "build", project, "--store-failures", check=False)
    assert shoplake.rows("select * from dbt_test__audit.not_null_customer_totals_name")[0]["customer_id"] == 12


def test_unit_test_failure_shows_the_difference(shoplake, project):
    yaml = (project / "models/marts/_marts.yml").read_text().replace("total_cents: 150", "total_cents: 151")
    write(project, "models/marts/_marts.yml", yaml)
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 1
    assert "Failure in unit_test returned_orders_do_not_count (models/marts/_marts.yml:" in outcome.stdout
    assert "missing" in outcome.stdout and "unexpected" in outcome.stdout and "151" in outcome.stdout
    assert statuses(project)["customer_totals"] == "skipped"


def test_unit_test_overrides(shoplake, project):
    write(project, "models/marts/tuned.sql", "select {{ var('minimum_amount') }} as v, {{ cents('1') }} as c, "
          "{{ is_incremental() }} as i, n from {{ ref('report') }}")
    write(project, "models/marts/tuned.yml", """
unit_tests:
  - name: overridden
    model: tuned
    overrides:
      vars: {minimum_amount: 42}
      macros: {cents: "7", is_incremental: true}
    given:
      - {input: ref('report'), format: sql, rows: "select 5 as n"}
    expect:
      rows: [{v: 42, c: 7, i: true, n: 5}]
""")
    run(shoplake, "build", project, "--select", "tuned,test_type:unit tuned,resource_type:unit_test")


@pytest.mark.parametrize(
    "selection, expected",
    [
        (["customer_totals"], {"customer_totals"}),
        (["+customer_totals"], {"orders", "customers", "stg_orders", "paid_orders", "customer_totals"}),
        (["1+customer_totals"], {"customers", "paid_orders", "customer_totals"}),
        (["daily+"], {"daily", "report"}),
        (["@daily"], {"daily", "report", "customer_totals", "paid_orders", "stg_orders", "orders", "customers"}),
        (["tag:daily"], {"daily"}),
        (["tag:staging"], {"stg_orders", "paid_orders"}),
        (["path:models/marts"], {"customer_totals", "daily", "report"}),
        (["models/marts/daily.sql"], {"daily"}),
        (["daily.sql"], {"daily"}),
        (["config.materialized:table"], {"customer_totals", "daily", "report"}),
        (["shop.marts.*"], {"customer_totals", "daily", "report"}),
        (["marts"], {"customer_totals", "daily", "report"}),
        (["*_orders"], {"stg_orders", "paid_orders"}),
        (["daily", "customer_totals"], {"daily", "customer_totals"}),
        (["+report,tag:staging"], {"stg_orders", "paid_orders"}),
        (["package:shop,resource_type:seed"], {"orders", "customers"}),
        (["+exposure:board,config.materialized:table"], {"customer_totals", "daily", "report"}),
    ],
)
def test_selection(shoplake, project, selection, expected):
    outcome = run(shoplake, "ls", project, "--output", "name", "--resource-type", "model", "--resource-type", "seed", "--select", *selection)
    found = {line for line in outcome.stdout.splitlines() if " " not in line and line}
    assert found == expected


def test_exclude_and_test_types(shoplake, project):
    outcome = run(shoplake, "ls", project, "--output", "name", "--resource-type", "model", "--exclude", "tag:staging", "report")
    assert names(outcome) == {"customer_totals", "daily"}
    generic = names(run(shoplake, "ls", project, "--output", "name", "--select", "test_type:generic"))
    assert "unique_orders_order_id" in generic and "totals_agree" not in generic
    assert names(run(shoplake, "ls", project, "--output", "name", "--select", "test_type:singular")) == {"totals_agree"}
    assert names(run(shoplake, "ls", project, "--output", "name", "--select", "test_type:unit")) == {"returned_orders_do_not_count"}
    assert names(run(shoplake, "ls", project, "--output", "name", "--select", "customer_totals,test_name:unique")) == {"unique_customer_totals_customer_id"}


def test_bad_selection_says_so(shoplake, project):
    assert run(shoplake, "ls", project, "--select", "state:modified", check=False).returncode == 2
    outcome = run(shoplake, "build", project, "--select", "no_such_model")
    assert "does not match any enabled nodes" in outcome.stdout and "Nothing to do" in outcome.stdout


INCREMENTAL = {
    "append": "incremental_strategy='append'",
    "delete+insert": "incremental_strategy='delete+insert', unique_key='order_id'",
    "default with a key": "unique_key='order_id'",
    "two keys": "incremental_strategy='delete+insert', unique_key=['order_id', 'customer_id']",
    "merge": "incremental_strategy='merge', unique_key='order_id'",
    "partitioned merge": "incremental_strategy='merge', unique_key='order_id', partition_by=['ordered_on']",
    "insert_overwrite": "incremental_strategy='insert_overwrite', partition_by=['ordered_on']",
}


@pytest.mark.parametrize("strategy", INCREMENTAL)
def test_incremental_equals_full_refresh(shoplake, project, strategy):
    model = INCREMENTAL_MODEL.format(config=INCREMENTAL[strategy])
    if strategy == "append":
        model = model.replace(">=", ">")
    write(project, "models/marts/kept.sql", model)
    orders = FIRST_ORDERS
    steps = [
        "4,12,2026-01-03,99.99,paid\n",
        "5,12,2026-01-04,1.00,paid\n6,13,2026-01-04,2.00,paid\n",
        "7,10,2026-01-06,5.00,paid\n",
    ]
    write(project, "seeds/orders.csv", HEADER + orders)
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    for step in steps:
        orders += step
        if strategy != "append":  # the newest day is read again: its rows may have changed
            orders = orders.replace("99.99,paid", "88.88,returned")
        write(project, "seeds/orders.csv", HEADER + orders)
        run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    everything = "select * from marts.kept order by order_id"
    incremental = shoplake.rows(everything)
    assert len(incremental) == 7
    run(shoplake, "run", project, "--select", "kept", "--full-refresh")
    assert shoplake.rows(everything) == incremental


def test_merge_updates_only_the_named_columns(shoplake, project):
    write(project, "models/marts/kept.sql", "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='order_id', "
          "merge_update_columns=['status']) }} select order_id, amount, status from {{ ref('orders') }}")
    write(project, "seeds/orders.csv", HEADER + FIRST_ORDERS)
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    write(project, "seeds/orders.csv", HEADER + "1,10,2026-01-01,55.00,returned\n9,9,2026-01-09,9.00,paid\n")
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    rows = shoplake.rows("select order_id, cast(amount as varchar) as amount, status from marts.kept order by 1")
    assert [tuple(row.values()) for row in rows] == [(1, "12.50", "returned"), (2, "3.20", "paid"), (3, "7.00", "paid"), (9, "9.00", "paid")]


def test_merge_refuses_a_key_that_stands_twice(shoplake, project):
    write(project, "models/marts/kept.sql", "{{ config(materialized='incremental', incremental_strategy='merge', unique_key='customer_id') }} "
          "select customer_id, amount from {{ ref('orders') }}")
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    before = shoplake.rows("select * from marts.kept order by all")
    outcome = run(shoplake, "run", project, "--select", "kept", check=False)
    assert outcome.returncode == 1 and "more than once" in outcome.stdout
    assert shoplake.rows("select * from marts.kept order by all") == before


def test_incremental_predicates_limit_what_is_deleted(shoplake, project):
    write(project, "models/marts/kept.sql", "{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='status', "
          "incremental_predicates=[\"DBT_INTERNAL_DEST.order_id > 1\"]) }} select order_id, status from {{ ref('orders') }}")
    write(project, "seeds/orders.csv", HEADER + FIRST_ORDERS)
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    write(project, "seeds/orders.csv", HEADER + "7,10,2026-01-06,5.00,paid\n")
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    assert [row["order_id"] for row in shoplake.rows("select order_id from marts.kept order by 1")] == [1, 7]


@pytest.mark.parametrize(
    "policy, columns, code",
    [
        ("ignore", ["order_id", "status"], 0),
        ("append_new_columns", ["order_id", "status", "amount"], 0),
        ("sync_all_columns", ["order_id", "status", "amount"], 0),
        ("fail", ["order_id", "status"], 1),
    ],
)
def test_on_schema_change_with_a_new_column(shoplake, project, policy, columns, code):
    model = "{{{{ config(materialized='incremental', unique_key='order_id', on_schema_change='{}') }}}} select {} from {{{{ ref('orders') }}}} {}"
    write(project, "models/marts/kept.sql", model.format(policy, "order_id, status", ""))
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    write(project, "models/marts/kept.sql", model.format(policy, "order_id, status, amount", "where order_id = 1"))
    outcome = run(shoplake, "run", project, "--select", "kept", check=False)
    assert outcome.returncode == code, outcome
    rows = shoplake.rows("select * from marts.kept order by order_id")
    assert list(rows[0]) == columns and len(rows) == 4
    if "amount" in columns:
        assert rows[0]["amount"] is not None and rows[1]["amount"] is None


def test_sync_all_columns_removes_and_changes(shoplake, project):
    config = "{{ config(materialized='incremental', unique_key='order_id', on_schema_change='sync_all_columns') }} "
    write(project, "models/marts/kept.sql", config + "select order_id, status, customer_id from {{ ref('orders') }}")
    run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
    write(project, "models/marts/kept.sql", config + "select order_id, cast(customer_id as varchar) as customer_id from {{ ref('orders') }} where order_id = 4")
    run(shoplake, "run", project, "--select", "kept")
    assert shoplake.rows("select * from marts.kept order by 1")[::3] == [{"order_id": 1, "customer_id": "10"}, {"order_id": 4, "customer_id": "12"}]


def test_types_that_iceberg_does_not_have(shoplake, project):
    write(project, "models/marts/kinds.sql", """
        select sum(order_id) as a_hugeint, 1::utinyint as a_byte, 18446744073709551615::ubigint as a_ubigint, interval 2 day as an_interval,
            'x'::enum('x', 'y') as an_enum, null as nothing, [1, 2] as a_list, {'a': 1, 'b': ['x']} as a_struct, map {'k': 1} as a_map,
            timestamptz '2026-01-01 00:00:00+00' as a_moment, time '10:11:12' as a_time, 'ab'::blob as bytes, 1.5::decimal(10,3) as a_decimal,
            [{'n': 1::utinyint}] as nested, 'f6a1a0a6-0000-4000-8000-000000000000'::uuid as an_id
        from {{ ref('orders') }}""")
    run(shoplake, "build", project, "--select", "+kinds", "--exclude", "test_type:data")
    (row,) = shoplake.rows("select *, typeof(a_hugeint) as t from marts.kinds")
    assert row["t"] == "DECIMAL(38,0)" and int(row["a_hugeint"]) == 10
    assert row["an_interval"] == "2 days" and row["an_enum"] == "x" and row["nothing"] is None
    assert row["a_list"] == [1, 2] and row["a_struct"] == {"a": 1, "b": ["x"]} and row["nested"] == [{"n": 1}]


def test_a_model_may_turn_from_table_to_view_and_back(shoplake, project):
    for kind in ("table", "view", "incremental", "table"):
        write(project, "models/marts/kept.sql", "{{ config(materialized='" + kind + "') }} select count(*) as n from {{ ref('orders') }}")
        run(shoplake, "build", project, "--select", "+kept", "--exclude", "test_type:data")
        assert shoplake.value("select max(n) from marts.kept") == 4


def test_hooks(shoplake, project):
    write(project, "dbt_project.yml", (project / "dbt_project.yml").read_text() + "\non-run-start: [\"select 1\"]\non-run-end: [\"select error('{{ target.name }} end')\"]\n")
    outcome = run(shoplake, "run", project, "--select", "stg_orders", check=False)
    assert outcome.returncode == 1 and "dev end" in outcome.stdout


@pytest.mark.parametrize(
    "path, text, words",
    [
        ("models/marts/a.sql", "select * from {{ ref('b') }}", ["a.sql", "ref('b')", "not found"]),
        ("models/marts/a.sql", "select {{ 1 + }}", ["a.sql:1"]),
        ("models/marts/x.yml", "models:\n  - name: daily\n   oops: 1\n", ["x.yml:3"]),
        ("models/marts/x.yml", "models:\n  - name: daily\n", ["x.yml:2", "second time"]),
        ("models/marts/x.yml", "models:\n  - name: report\n    data_tests:\n      - no_such_test\n", ["x.yml:4", "no_such_test"]),
        ("models/staging/daily.sql", "select 1 as x", ["daily", "models/marts/daily.sql"]),
        ("models/marts/a.sql", "{{ config(materialized='snapshot') }} select 1 as x", ["a.sql", "snapshot"]),
        ("models/marts/stg_orders_2.sql", "{{ config(alias='daily') }} select 1 as x", ["marts.daily"]),
    ],
)
def test_mistakes_name_file_and_line(shoplake, project, path, text, words):
    write(project, path, text)
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode in (1, 2)
    for word in words:
        assert word in outcome.stderr, outcome


def test_a_circle_is_named(shoplake, project):
    write(project, "models/marts/a.sql", "select * from {{ ref('b') }}")
    write(project, "models/marts/b.sql", "select * from {{ ref('a') }}")
    outcome = run(shoplake, "build", project, check=False)
    assert outcome.returncode == 2
    assert "model.shop.a → model.shop.b → model.shop.a" in outcome.stderr or "model.shop.b → model.shop.a → model.shop.b" in outcome.stderr


def test_json_lines(shoplake, project):
    lines = run(shoplake, "build", project, "--json").json_lines()
    assert lines[-1]["event"] == "summary" and lines[-1]["error"] == 0 and lines[-1]["total"] == 16
    finished = [line for line in lines if line["event"] == "finished"]
    assert {line["status"] for line in finished} == {"success", "pass", "warn"}
    assert all("seconds" in line for line in finished)


def test_artifacts_have_dbts_shape(shoplake, project):
    run(shoplake, "build", project)
    run(shoplake, "docs", project)
    target = project / "target"
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["metadata"]["dbt_schema_version"] == "https://schemas.getdbt.com/dbt/manifest/v12.json"
    assert set(manifest) == {
        "metadata", "nodes", "sources", "macros", "docs", "exposures", "metrics", "groups", "selectors", "disabled",
        "parent_map", "child_map", "group_map", "saved_queries", "semantic_models", "unit_tests",
    }  # fmt: skip
    model = manifest["nodes"]["model.shop.customer_totals"]
    for key in ("alias", "checksum", "columns", "compiled_code", "config", "database", "depends_on", "description", "fqn", "language", "name",
                "original_file_path", "package_name", "patch_path", "path", "raw_code", "refs", "relation_name", "resource_type", "schema",
                "sources", "tags", "unique_id", "unrendered_config", "access", "constraints", "contract"):  # fmt: skip
        assert key in model, key
    assert model["relation_name"] == '"marts"."customer_totals"'
    assert model["depends_on"]["nodes"] == ["seed.shop.customers", "model.shop.paid_orders"]
    assert manifest["nodes"]["seed.shop.orders"]["description"] == "One row per order."
    assert manifest["child_map"]["model.shop.report"] == ["exposure.shop.board"]
    run_results = json.loads((target / "run_results.json").read_text())
    assert run_results["metadata"]["dbt_schema_version"] == "https://schemas.getdbt.com/dbt/run-results/v6.json"
    for key in ("status", "timing", "thread_id", "execution_time", "adapter_response", "message", "failures", "unique_id", "compiled",
                "compiled_code", "relation_name"):  # fmt: skip
        assert key in run_results["results"][0], key
    catalog = json.loads((target / "catalog.json").read_text())
    assert catalog["metadata"]["dbt_schema_version"] == "https://schemas.getdbt.com/dbt/catalog/v1.json"
    entry = catalog["nodes"]["model.shop.customer_totals"]
    assert entry["columns"]["customer_id"]["comment"] == "The customer." and entry["stats"]["num_rows"]["value"] == 3


def test_source_freshness(shoplake, project):
    run(shoplake, "seed", project)
    write(project, "models/sources.yml", """
sources:
  - name: raw_seeds
    tables:
      - name: orders
        loaded_at_field: cast(ordered_on as timestamp)
        freshness: {warn_after: {count: 1, period: day}, error_after: {count: 100000, period: day}}
      - name: customers
        freshness: {error_after: {count: 1, period: hour}}
""")
    outcome = shoplake("source", "freshness", "--project-dir", project)
    assert "WARN freshness of raw_seeds.orders" in outcome.stdout and "PASS freshness of raw_seeds.customers" in outcome.stdout
    sources = json.loads((project / "target/sources.json").read_text())
    assert {result["status"] for result in sources["results"]} == {"warn", "pass"}


def tables(shoplake):
    return {
        name: shoplake.rows(f"select * from {name} order by all")
        for name in ("marts.customer_totals", "marts.daily", "marts.report", "marts.kept", "raw_seeds.orders")
    }


def test_killed_at_any_moment_a_build_can_be_run_again(shoplake, shoplake_in, project, tmp_path, seeded_random):
    write(project, "models/marts/kept.sql", INCREMENTAL_MODEL.format(config="unique_key='order_id'"))
    clock = shoplake_in(tmp_path / "undisturbed")
    outcome = run(clock, "build", project)
    expected = tables(clock)
    lines = outcome.stdout.count("\n")
    for _ in range(CRASHES):
        # The moment is counted in lines of output, not in time: it does not depend on the machine.
        stop_after = seeded_random.randrange(1, lines)
        process = shoplake.start("build", "--project-dir", project, stderr=subprocess.DEVNULL)
        for _ in range(stop_after):
            if not process.stdout.readline():
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    run(shoplake, "build", project)
    assert tables(shoplake) == expected


def test_two_builds_at_once_and_a_reader_beside_them(shoplake, project):
    write(project, "models/marts/kept.sql", INCREMENTAL_MODEL.format(config="incremental_strategy='merge', unique_key='order_id'"))
    run(shoplake, "build", project)
    expected = tables(shoplake)
    for _ in range(3):
        builds = [shoplake.start("build", "--project-dir", project, "--target-path", project / f"target_{n}", stderr=subprocess.STDOUT) for n in range(2)]
        while any(build.poll() is None for build in builds):
            assert shoplake.value("select sum(total_cents) from marts.customer_totals") == 11569
            assert shoplake.value("select count(*) from marts.kept") == 4
        for build in builds:
            output = build.communicate()[0]
            assert build.returncode == 0, output
    assert tables(shoplake) == expected
