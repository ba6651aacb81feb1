"""`shoplake warehouse`: tables of the lake through a real PostgreSQL, and what Redshift, Spectrum and Athena are told."""
import json
import os
import signal
import subprocess

import duckdb
import pytest
from postgres_server import PASSWORD, postgres
from redshift_server import Redshift

# Every type of the lake, and what is hostile to each. A project of its own makes the table.
ODD_TABLE = """
select * from (values
    (1, true, 2147483647, 9223372036854775807, 1.5::float, 0.1::double, 12345678901234567890.123456789::decimal(38, 9), date '2026-11-21',
     time '23:59:59.999999', timestamp '2026-11-21 10:00:00.123456', timestamptz '2026-11-21 10:00:00.5+02', 'plain', uuid '12345678-1234-1234-1234-123456789012',
     '\\x00\\xFFab'::blob,
     {'a': 1, 'b c"d': [{'t': 'x' || chr(0) || '"\\', 'n': 'nan'::double}], 'm': map {'k"1': 1.25::decimal(9, 2), 'ü': null}}, ['a', null, '']),
    (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
    (3, false, -2147483648, -9223372036854775807 - 1, 'inf'::float, 'nan'::double, -0.000000001::decimal(38, 9), date '0001-01-01',
     time '00:00:00', timestamp '0001-01-01 00:00:00', timestamptz '9999-12-31 23:59:59.999999+00', '', uuid '00000000-0000-0000-0000-000000000000', ''::blob,
     {'a': null, 'b c"d': [], 'm': map {}}, []),
    (4, true, 0, 0, '-inf'::float, 1e308::double, 0::decimal(38, 9), date '9999-12-31', time '12:00:00', timestamp '1969-12-31 23:59:59.999999',
     timestamptz '1970-01-01 00:00:00+00', E'a"b''c\\\\d\\n\\\\.\\r\\n\\t;--,' || chr(0) || 'ü🛒\\N', null, null, null, ['\\N', 'NULL', 'null']),
    (5, true, 0, 0, 0, 0, 0, null, null, null, null, '\\.', null, null, null, null),
    (6, true, 0, 0, 0, 0, 0, null, null, null, null, '\\N', null, null, null, null),
    (7, true, 0, 0, 0, 0, 0, null, null, null, null, 'NULL', null, null, null, null)
) as odd("order", "Größe", "user", "SELECT", real_value, "a b", "q""uote", "d'ate", "time", "per%cent", "semi;colon", "text", "{}", "back\\slash", nested, list)
"""


@pytest.fixture(scope="module")
def server():
    with postgres() as running:
        yield running


@pytest.fixture
def load(shoplake, server):
    def run(table, *arguments, check=True, to=None, **options):
        outcome = shoplake("warehouse", "load", table, "--to", to or server.url, *arguments, "--json", check=check,
                           env=options.pop("env", server.environment), **options)
        assert PASSWORD not in outcome.stdout + outcome.stderr
        assert_nothing_staged(shoplake)
        return outcome
    yield run
    server.sql("drop schema if exists target, curated, staging, processed cascade")


def assert_nothing_staged(shoplake):
    assert list((shoplake.home / "lake/tmp").glob("warehouse-*")) == []
    assert list((shoplake.home / "warehouse-stages").glob("*")) == []


def build(shoplake, tmp_path, **models):
    """Tables curated.<name> of the given SQL."""
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True, exist_ok=True)
    (project / "dbt_project.yml").write_text("name: p\nversion: '1.0'\nprofile: p\nmodels: {p: {+materialized: table, +schema: curated}}\n")
    (project / "macros").mkdir(exist_ok=True)
    (project / "macros/s.sql").write_text("{% macro generate_schema_name(name, node) %}{{ name }}{% endmacro %}")
    for name, sql in models.items():
        (project / f"models/{name}.sql").write_text(sql)
    shoplake("build", "--project-dir", project)


def test_every_type_and_hostile_value(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, odd=ODD_TABLE)
    report = load("curated.odd", "--into", 'target."o""dd; drop"').json()
    assert (report["rows"], report["inserted"], report["deleted"], report["loaded_before"]) == (7, 7, 0, False)
    types = server.rows("select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'target.\"o\"\"dd; drop\"'::regclass and attnum > 0 order by attnum")
    assert {each["name"]: each["type"] for each in types} == {
        "order": "integer", "Größe": "boolean", "user": "integer", "SELECT": "bigint", "real_value": "real", "a b": "double precision",
        'q"uote': "numeric(38,9)", "d'ate": "date", "time": "time without time zone", "per%cent": "timestamp without time zone",
        "semi;colon": "timestamp with time zone", "text": "text", "{}": "uuid", "back\\slash": "bytea", "nested": "jsonb", "list": "jsonb"}
    rows = {row["order"]: row for row in server.rows('select * from target."o""dd; drop"')}
    assert set(rows[2].values()) == {2, None}
    one, three, four = rows[1], rows[3], rows[4]
    assert (one["user"], one["SELECT"], one["real_value"], one["a b"]) == (2**31 - 1, 2**63 - 1, 1.5, 0.1)
    exact = server.rows("""select "q""uote"::text as decimal, "per%cent"::text as ts, "semi;colon"::text as tz, "time"::text as time from target."o""dd; drop" order by "order" """)
    assert exact[0] == {"decimal": "12345678901234567890.123456789", "ts": "2026-11-21 10:00:00.123456", "tz": "2026-11-21 08:00:00.5+00", "time": "23:59:59.999999"}
    assert exact[2]["decimal"] == "-0.000000001" and exact[2]["tz"] == "9999-12-31 23:59:59.999999+00"
    assert (three["SELECT"], three["real_value"], three["a b"], three["d'ate"]) == (-2**63, "Infinity", "NaN", "0001-01-01")
    assert four["real_value"] == "-Infinity" and exact[3]["ts"] == "1969-12-31 23:59:59.999999"
    assert one["back\\slash"] == "\\x00ff6162" and three["back\\slash"] == "\\x"
    # The empty text is not NULL; U+0000 is the one character that PostgreSQL cannot hold.
    assert three["text"] == "" and four["text"] == "a\"b'c\\d\n\\.\r\n\t;--,\ufffdü🛒\\N"
    assert [rows[number]["text"] for number in (5, 6, 7)] == ["\\.", "\\N", "NULL"]
    assert one["nested"] == {"a": 1, 'b c"d': [{"t": 'x\ufffd"\\', "n": None}], "m": {'k"1': 1.25, "ü": None}}
    assert three["nested"] == {"a": None, 'b c"d': [], "m": {}} and four["nested"] is None
    assert (one["list"], three["list"], four["list"]) == (["a", None, ""], [], ["\\N", "NULL", "null"])


def test_a_batch_is_loaded_once_and_a_new_snapshot_replaces(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, kpis="select 1 as id, 'a' as name union all select 2, 'b'")
    first = load("curated.kpis").json()
    assert first["into"] == '"curated"."kpis"' and first["batch_id"] == f"curated.kpis@{first['snapshot_id']}"
    again = load("curated.kpis").json()
    assert again["loaded_before"] and again["rows"] == 0
    assert load("curated.kpis", "--mode", "append").json()["loaded_before"]
    build(shoplake, tmp_path, kpis="select 2 as id, 'c' as name, true as is_new")
    second = load("curated.kpis").json()
    assert (second["deleted"], second["inserted"]) == (2, 1)
    # The column that is new was added.
    assert server.rows("select * from curated.kpis") == [{"id": 2, "name": "c", "is_new": True}]
    assert server.rows("select target_table, mode, source, row_count from curated.shoplake_batch order by loaded_at") == [
        {"target_table": "kpis", "mode": "replace", "source": "curated.kpis", "row_count": count} for count in (2, 1)]
    appended = load("curated.kpis", "--mode", "append", "--batch", "it's \\ another").json()
    assert appended["inserted"] == 1 and server.sql("select count(*) from curated.kpis") == "2"


def test_upsert_keeps_what_it_does_not_know(shoplake, server, load, tmp_path):
    server.sql("create schema target; create table target.people (id bigint primary key, name varchar(20), note text default 'none', "
               "since timestamptz default now()); insert into target.people values (1, 'old', 'kept'), (9, 'other', 'kept'); "
               "alter schema target owner to loader; alter table target.people owner to loader")
    build(shoplake, tmp_path, people="select * from (values (1, 'new'), (2, 'more'), (3, null)) as p(id, name)")
    report = load("curated.people", "--into", "target.people", "--mode", "upsert", "--key", "id").json()
    assert (report["updated"], report["inserted"], report["deleted"]) == (1, 2, 0)
    assert server.rows("select id, name, note from target.people order by 1") == [
        {"id": 1, "name": "new", "note": "kept"}, {"id": 2, "name": "more", "note": "none"}, {"id": 3, "name": None, "note": "none"},
        {"id": 9, "name": "other", "note": "kept"}]
    for sql, code in (("select null::int as id, 'x' as name", "warehouse.null_key"),
                      ("select 1 as id, 'x' as name union all select 1, 'y'", "warehouse.duplicate_key")):
        build(shoplake, tmp_path, people=sql)
        outcome = load("curated.people", "--into", "target.people", "--mode", "upsert", "--key", "id", check=False)
        assert (outcome.returncode, outcome.json()["error"]["code"]) == (3, code)
    assert server.sql("select count(*) from target.people") == "4"
    assert server.sql("select count(*) from target.shoplake_batch") == "1"


def test_replace_by_key_touches_only_the_days_that_come(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, days="select * from (values (date '2026-01-01', 1), (date '2026-01-02', 2), (null, 3)) as d(day, value)")
    load("curated.days")
    build(shoplake, tmp_path, days="select * from (values (date '2026-01-02', 20), (date '2026-01-02', 21), (null, 30), (date '2026-01-03', 4)) as d(day, value)")
    report = load("curated.days", "--key", "day", "--where", "value <> 4 or day is null").json()
    assert (report["rows"], report["deleted"], report["inserted"]) == (3, 2, 3) and "?" in report["batch_id"]
    assert server.rows("select coalesce(day::text, '-') as day, value from curated.days order by value") == [
        {"day": "2026-01-01", "value": 1}, {"day": "2026-01-02", "value": 20}, {"day": "2026-01-02", "value": 21}, {"day": "-", "value": 30}]


def test_what_the_server_refuses_changes_nothing(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, words="select 1 as id, 'many' as word", long_names=f"select 1 as {'x' * 64}", folded='select 1 as a')
    server.sql("create schema target; create table target.words (id bigint, word integer); insert into target.words values (5, 5); "
               "create view target.seen as select 1 as id; alter schema target owner to loader; alter table target.words owner to loader")

    def failure(*arguments, **options):
        outcome = load(*arguments, check=False, **options)
        return outcome.returncode, outcome.json()["error"]["code"]

    assert failure("curated.words", "--into", "target.words") == (1, "warehouse.sql")
    assert server.rows("select * from target.words") == [{"id": 5, "word": 5}]
    assert server.sql("select count(*) from target.shoplake_batch") == "0"
    assert failure("curated.words", "--into", "target.seen") == (2, "warehouse.not_a_table")
    assert failure("curated.words", "--into", "words") == (2, "warehouse.bad_name")
    assert failure("curated.long_names") == (2, "warehouse.bad_name")
    assert failure("curated.none") == (2, "warehouse.no_such_table")
    assert failure("curated.words", "--mode", "upsert") == (2, "warehouse.bad_key")
    assert failure("curated.words", "--mode", "append", "--key", "id") == (2, "warehouse.bad_key")
    assert failure("curated.words", "--key", "nothing") == (2, "warehouse.bad_key")
    assert failure("curated.words", "--where", "id in (select 1 from read_csv('/etc/passwd'))")[0] == 2
    assert failure("curated.words", to=f"postgresql://loader@127.0.0.1:{server.port}/none") == (2, "warehouse.login")
    assert failure("curated.words", env={"PGPASSWORD": "wrong"}) == (2, "warehouse.login")
    assert failure("curated.words", to="mysql://localhost/x") == (2, "warehouse.bad_url")
    assert failure("curated.words", to="postgresql://127.0.0.1:1/x") == (4, "warehouse.cannot_connect")


def test_views_want_a_name_for_their_batch(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, seen="{{ config(materialized='view') }} select 1 as id")
    outcome = load("curated.seen", check=False)
    assert (outcome.returncode, outcome.json()["error"]["code"]) == (2, "warehouse.no_batch")
    assert load("curated.seen", "--batch", "2026-11-21").json()["rows"] == 1
    assert load("curated.seen", "--batch", "2026-11-21").json()["loaded_before"]


def test_killed_at_any_moment_it_is_loaded_once_and_leaves_nothing(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, many="select range as id, 'row ' || range as text from range(200000)")
    command = ["warehouse", "load", "curated.many", "--mode", "append", "--to", server.url]
    # The target is locked by somebody else: the load has to wait with its stage written, and is killed there.
    load("curated.many", "--where", "false", "--batch", "creates the table")
    blocker = subprocess.Popen([str(server.bin / "psql"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "loader", "-d", "shop", "-AtX"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ, **server.environment))
    blocker.stdin.write("begin; lock table curated.many in access exclusive mode; select 'locked';\n")
    blocker.stdin.flush()
    while blocker.stdout.readline().strip() != "locked":
        assert blocker.poll() is None
    process = shoplake.start(*command, env=server.environment)
    while server.sql("select count(*) from pg_locks where not granted") == "0":
        assert process.poll() is None, process.communicate()
    assert len(list((shoplake.home / "lake/tmp").glob("warehouse-*/rows.csv"))) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    blocker.communicate("rollback;\n")
    report = load("curated.many", "--mode", "append").json()  # asserts that nothing stays staged
    assert report["rows"] == 200000
    assert load("curated.many", "--mode", "append").json()["loaded_before"]
    assert server.sql("select count(*), count(distinct id), sum(length(text)) from curated.many") == "200000|200000|" + str(
        sum(len(f"row {number}") for number in range(200000)))


def test_two_at_once_load_a_batch_once(shoplake, server, load, tmp_path):
    build(shoplake, tmp_path, both="select range as id from range(1000)")
    processes = [shoplake.start("warehouse", "load", "curated.both", "--mode", "append", "--to", server.url, "--json", env=server.environment)
                 for _ in range(3)]
    outcomes = [json.loads(process.communicate()[0]) for process in processes]
    assert sorted(outcome["loaded_before"] for outcome in outcomes) == [False, True, True]
    assert server.sql("select count(*) from curated.both") == "1000"


def test_ga4_kpis_reach_their_table(shoplake, server, load, tmp_path):
    """analytics.ga4_events_cleaned of the lake is analytics.ga4_events_cleaned of the warehouse."""
    lines = [{"property": "77", "report": "traffic", "date": "20261120", "sessionSource": f"s{number}", "sessions": number, "totalUsers": 1,
              "screenPageViews": 2, "eventCount": 3, "purchaseRevenue": 0.1} for number in range(50)]
    path = tmp_path / "ga4_events_2026-11-20_010203.json"
    path.write_text("\n".join(map(json.dumps, lines)))
    shoplake("load", "ga4_report", path)
    shoplake("build", "--select", "path:models/ga4_report")
    assert load("analytics.ga4_events_cleaned").json()["rows"] == 50
    assert server.sql("select count(*), sum(sessions), sum(purchase_revenue_micros), min(purchase_revenue) from analytics.ga4_events_cleaned") == "50|1225|5000000|0.10"
    server.sql("drop schema analytics cascade")


def test_redshift_is_told_to_copy_the_stage(shoplake, tmp_path):
    build(shoplake, tmp_path, odd="select 1 as \"Id\", timestamptz '2026-11-21 10:00:00+02' as at, [{'a': 'x' || chr(0)}] as nested, uuid '12345678-1234-1234-1234-123456789012' as u, time '10:00:00' as t")
    redshift = Redshift()
    lake = str(shoplake.home / "lake")
    staged = []

    def count(url):
        assert url.startswith("s3://shop-lake/prod/tmp/warehouse-") and url.endswith("/")
        rows = duckdb.sql(f"select * from read_parquet('{lake}/{url.removeprefix('s3://shop-lake/prod/')}*.parquet')")
        staged.append((dict(zip(rows.columns, map(str, rows.types))), rows.fetchall()))
        return len(staged[-1][1])

    redshift.staged_rows = count
    role = "arn:aws:iam::123456789012:role/copy-role"
    arguments = ["warehouse", "load", "curated.odd", "--to", redshift.url, "--s3-root", "s3://shop-lake/prod/", "--json"]
    try:
        report = shoplake(*arguments, "--iam-role", role, "--region", "eu-central-1", "--mode", "upsert", "--key", "Id").json()
        assert (report["rows"], report["into"]) == (1, '"curated"."odd"')
        assert_nothing_staged(shoplake)
        types, rows = staged[0]
        assert types == {"Id": "INTEGER", "at": "TIMESTAMP", "nested": "STRUCT(a VARCHAR)[]", "u": "VARCHAR", "t": "VARCHAR"}
        assert str(rows[0][1]) == "2026-11-21 08:00:00" and rows[0][2:] == ([{"a": "x\ufffd"}], "12345678-1234-1234-1234-123456789012", "10:00:00")
        texts = [each if isinstance(each, str) else each[0] for each in redshift.statements]
        assert 'CREATE TABLE "curated"."odd" ("id" integer, "at" timestamptz, "nested" super, "u" varchar(36), "t" varchar(15))' in texts
        last = texts[texts.index("BEGIN", texts.index("COMMIT")):]
        assert last[1] == 'LOCK "curated"."odd"' and last[-1] == "COMMIT" and last.count("COMMIT") == 1
        (copy,) = [text for text in last if text.startswith("COPY")]
        assert copy.startswith("COPY shoplake_stage FROM 's3://shop-lake/prod/tmp/warehouse-")
        assert copy.endswith(f"/' IAM_ROLE '{role}' REGION 'eu-central-1' FORMAT AS PARQUET SERIALIZETOJSON")
        assert 'CREATE TEMP TABLE shoplake_stage ("id" integer, "at" timestamp, "nested" super, "u" varchar(36), "t" varchar(15))' in last
        (update,) = [text for text in last if text.startswith("UPDATE")]
        assert "\"at\" = s.\"at\" AT TIME ZONE 'UTC'" in update and update.endswith('WHERE "curated"."odd"."id" = s."id"')
        assert not any("TRUNCATE" in text for text in texts)  # it would commit
        again = shoplake(*arguments, "--iam-role", role).json()
        assert again["loaded_before"] and len(staged) == 1
        redshift.batches.clear()
        redshift.fails_at = "COPY"
        failed = shoplake(*arguments, "--iam-role", "default", check=False)
        assert (failed.returncode, failed.json()["error"]["code"]) == (1, "warehouse.sql")
        assert redshift.statements[-1] == "ROLLBACK"
        assert_nothing_staged(shoplake)
        connections = redshift.connections
        bare = [*arguments[:-3], "--json"]
        for more, code in ((arguments[-3:-1], "warehouse.bad_role"), ([*arguments[-3:-1], "--iam-role", "x' or"], "warehouse.bad_role"),
                           (["--iam-role", "default", "--s3-root", "s3://a'b"], "warehouse.bad_url"),
                           (["--iam-role", "default"], "warehouse.bad_url")):
            assert shoplake(*bare, *more, check=False).json()["error"]["code"] == code
        plan = shoplake(*arguments[:-1], "--iam-role", "default", "--dry-run").stdout
        assert "IAM_ROLE default FORMAT AS PARQUET SERIALIZETOJSON;" in plan and 'DELETE FROM "curated"."odd";' in plan
        assert redshift.connections == connections
    finally:
        redshift.close()


def test_external_tables_name_the_files_of_the_snapshot(shoplake, tmp_path):
    build(shoplake, tmp_path, odd="select 1 as \"Id\", 'x' as text, timestamptz '2026-11-21 10:00:00+02' as at, 1.5::decimal(9,2) as amount, {'a': [1], 'm': map {'k': 1::double}} as nested")
    build(shoplake, tmp_path, odd="select 2 as \"Id\", 'y' as text, timestamptz '2026-11-21 10:00:00+02' as at, 1.5::decimal(9,2) as amount, {'a': [1], 'm': map {'k': 1::double}} as nested")
    root = ["--s3-root", "s3://shop-lake/prod"]
    athena = shoplake("warehouse", "ddl", "curated.odd", "--dialect", "athena", *root).stdout
    assert athena.startswith("CREATE EXTERNAL TABLE `curated`.`odd` (\n  `id` int,\n  `text` string,\n  `at` timestamp,\n  `amount` decimal(9,2),\n"
                             "  `nested` struct<`a`:array<int>,`m`:map<string,double>>\n)\n")
    assert athena.endswith("LOCATION 's3://shop-lake/prod/external/curated.odd/athena/';\n")
    spectrum = shoplake("warehouse", "ddl", "curated.odd", "--dialect", "spectrum", "--into", "spectrum.odd", *root, "--json").json()
    assert spectrum["statement"] == (
        'CREATE EXTERNAL TABLE "spectrum"."odd" (\n  "id" integer,\n  "text" varchar(65535),\n  "at" timestamp,\n  "amount" decimal(9,2),\n'
        '  "nested" struct<a:array<integer>,m:map<varchar(65535),double precision>>\n)\nSTORED AS PARQUET\n'
        "LOCATION 's3://shop-lake/prod/external/curated.odd/spectrum/manifest';\n")
    lake = shoplake.home / "lake"
    manifest = json.loads((lake / spectrum["file_list"]).read_text())
    listed = [entry["url"] for entry in manifest["entries"]]
    assert listed == (lake / "external/curated.odd/athena/files.txt").read_text().splitlines()
    local = [lake / url.removeprefix("s3://shop-lake/prod/") for url in listed]
    assert [entry["meta"]["content_length"] for entry in manifest["entries"]] == [path.stat().st_size for path in local]
    # Both snapshots' files are in the folder; the list has those that count.
    assert duckdb.sql(f"select \"Id\" from read_parquet({[str(path) for path in local]})").fetchall() == [(2,)]
    outcome = shoplake("warehouse", "ddl", "curated.odd", "--dialect", "athena", "--json", check=False)
    assert (outcome.returncode, outcome.json()["error"]["code"]) == (2, "warehouse.bad_url")
    assert shoplake("warehouse", "ddl", "curated.none", "--dialect", "athena", *root, "--json", check=False).json()["error"]["code"] == "warehouse.no_such_table"
