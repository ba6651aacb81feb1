"""Other engines at shoplake's Iceberg REST catalog: PyIceberg and DuckDB from their registries create, read, append, evolve
and delete; shoplake reads what they wrote, they read what shoplake wrote, and concurrent writers lose nothing."""
import contextlib
import datetime
import json
import threading

import pytest
from serving import serving

duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed (test/requirements/service.in)")
pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (test/requirements/service.in)")
pytest.importorskip("pyiceberg", reason="pyiceberg is not installed (test/requirements/service.in)")

from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.exceptions import (  # noqa: E402
    CommitFailedException,
    NamespaceNotEmptyError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402
from pyiceberg.transforms import BucketTransform, DayTransform, TruncateTransform  # noqa: E402
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType  # noqa: E402

UTC = datetime.timezone.utc


class Lake:
    """One served home and its clients."""

    def __init__(self, shoplake, served):
        self.shoplake = shoplake
        self.served = served
        self.pyiceberg = load_catalog("shoplake", type="rest", uri=served.address)

    def duckdb(self):
        connection = duckdb.connect()
        for extension in ("avro", "httpfs", "iceberg"):
            path = self.shoplake.binary.resolve().parent.parent / "lib/duckdb" / f"{extension}.duckdb_extension"
            connection.execute(f"LOAD '{path}'")
        connection.execute(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{self.served.address}', AUTHORIZATION_TYPE 'none')")
        return connection

    def rest(self, method, path, body=None):
        status, _, answer = self.served.request(method, "/v1/" + path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        return status, json.loads(answer) if answer else None


@pytest.fixture
def lake(shoplake):
    with serving(shoplake) as served:
        yield Lake(shoplake, served)


@pytest.fixture
def events(tmp_path, shoplake):
    """A small load of generated events: processed.events as shoplake itself writes it."""
    file = tmp_path / "events.ndjson"
    shoplake("generate", "events", "--events", 2000, "--days", 3, "--seed", 5, "--out", file)
    shoplake("load", "events", file)
    return file


def people(first, count):
    return pa.table({
        "id": pa.array(range(first, first + count), pa.int64()),
        "name": pa.array([f"name {i}" if i % 3 else None for i in range(first, first + count)], pa.string()),
        "at": pa.array([datetime.datetime(2026, 1, 1 + i % 3, 12, tzinfo=UTC) for i in range(count)], pa.timestamp("us", tz="UTC")),
    })


def ids(arrow):
    return sorted(arrow["id"].to_pylist())


def test_pyiceberg_creates_appends_evolves_and_deletes(lake):
    catalog = lake.pyiceberg
    assert ("processed",) in catalog.list_namespaces()
    catalog.create_namespace("shop", {"owner": "test"})
    assert catalog.load_namespace_properties("shop")["owner"] == "test"
    table = catalog.create_table("shop.people", people(0, 1).schema)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table("shop.people", people(0, 1).schema)
    table.append(people(0, 5))
    table.append(people(5, 5))
    with table.update_schema() as update:
        update.add_column("city", StringType())
    table.delete("id = 3")
    table.overwrite(people(100, 2).append_column("city", pa.array(["x", None])), overwrite_filter="id = 4")
    expected = [0, 1, 2, 5, 6, 7, 8, 9, 100, 101]
    assert ids(table.scan().to_arrow()) == expected
    assert [row["id"] for row in lake.shoplake.rows("select id from shop.people order by id")] == expected
    assert lake.shoplake.value("select count(*) from shop.people where city = 'x'") == 1
    assert sorted(row[0] for row in lake.duckdb().execute("select id from lake.shop.people").fetchall()) == expected
    history = lake.shoplake("catalog", "history", "shop.people", "--json").json()
    assert [entry["current"] for entry in history].count(True) == 1
    catalog.rename_table("shop.people", "shop.persons")
    with pytest.raises(NoSuchTableError):
        catalog.load_table("shop.people")
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace("shop")
    catalog.purge_table("shop.persons")
    catalog.drop_namespace("shop")
    with pytest.raises(NoSuchNamespaceError):
        catalog.load_namespace_properties("shop")


def test_duckdb_creates_inserts_updates_deletes_and_alters(lake):
    connection = lake.duckdb()
    connection.execute("create table lake.marts.m (id bigint, name varchar, day date)")
    connection.execute("insert into lake.marts.m values (1, 'a', '2026-01-01'), (2, 'b', '2026-01-02')")
    connection.execute("insert into lake.marts.m values (3, 'c', '2026-01-03')")
    connection.execute("delete from lake.marts.m where id = 2")  # position deletes
    connection.execute("update lake.marts.m set name = 'z' where id = 3")
    connection.execute("alter table lake.marts.m add column extra integer")
    connection.execute("create table lake.marts.sums as select i, i * 2 as j from range(10) t(i)")
    connection.execute("begin; insert into lake.marts.m values (9, 'q', '2026-01-04', 5); insert into lake.marts.sums values (100, 200); commit")
    expected = [(1, "a", None), (3, "z", None), (9, "q", 5)]
    assert connection.execute("select id, name, extra from lake.marts.m order by id").fetchall() == expected
    assert [tuple(row.values()) for row in lake.shoplake.rows("select id, name, extra from marts.m order by id")] == expected
    assert lake.shoplake.value("select sum(j) from marts.sums") == 290
    rows = lake.pyiceberg.load_table("marts.m").scan().to_arrow().to_pylist()
    assert sorted((row["id"], row["name"], row["extra"]) for row in rows) == expected
    lake.pyiceberg.load_table("marts.m").append(pa.table({
        "id": pa.array([50], pa.int64()), "name": ["py"], "day": [datetime.date(2026, 2, 1)], "extra": pa.array([7], pa.int32())}))
    assert lake.shoplake.value("select sum(extra) from marts.m") == 12
    connection.execute("drop table lake.marts.sums")
    assert lake.rest("HEAD", "namespaces/marts/tables/sums")[0] == 404


def test_clients_read_what_shoplake_loads_and_append_to_it(lake, events):
    total = lake.shoplake.value("select count(*) from processed.events")
    assert total > 0
    table = lake.pyiceberg.load_table("processed.events")
    scanned = table.scan(selected_fields=("event_date", "event_name", "_shoplake_event_id", "device")).to_arrow()
    assert scanned.num_rows == total
    assert len(set(scanned["_shoplake_event_id"].to_pylist())) == lake.shoplake.value("select count(distinct _shoplake_event_id) from processed.events")
    day = scanned["event_date"][0].as_py()
    wanted = lake.shoplake.value(f"select count(*) from processed.events where event_date = '{day}'")
    assert table.scan(row_filter=f"event_date = '{day}'", selected_fields=("event_date",)).to_arrow().num_rows == wanted
    assert len({task.file.file_path for task in table.scan(row_filter=f"event_date = '{day}'").plan_files()}) < len(list(table.scan().plan_files()))
    connection = lake.duckdb()
    assert connection.execute(f"select count(*) from lake.processed.events where event_date = '{day}'").fetchone()[0] == wanted

    table.append(pa.Table.from_pylist([{"event_date": "20200101", "event_name": "from_pyiceberg", "_shoplake_event_id": "p1"}], schema=table.schema().as_arrow()))
    connection.execute("insert into lake.processed.events (event_date, event_name) values ('20200102', 'from_duckdb')")
    assert lake.shoplake.rows("select event_name from processed.events where event_date < '20200103' order by 1") == [
        {"event_name": "from_duckdb"}, {"event_name": "from_pyiceberg"}]
    connection.execute("delete from lake.processed.events where event_name = 'from_pyiceberg'")
    assert lake.shoplake.value("select count(*) from processed.events") == total + 1
    # Not asked of PyIceberg: 0.11.1 loses the sequence numbers of manifests whose entries inherit their snapshot id, as
    # DuckDB's do, and so does not apply DuckDB's deletes to files that others wrote.
    assert connection.execute("select count(*) from lake.processed.events").fetchone()[0] == total + 1


def test_partition_transforms_of_another_engine(lake):
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "at", TimestamptzType()), NestedField(3, "name", StringType()))
    spec = PartitionSpec(
        PartitionField(2, 1000, DayTransform(), "at_day"), PartitionField(1, 1001, BucketTransform(4), "bucket"),
        PartitionField(3, 1002, TruncateTransform(5), "short"))
    table = lake.pyiceberg.create_table("marts.parts", schema, partition_spec=spec)
    table.append(people(0, 7))
    assert ids(table.scan().to_arrow()) == list(range(7))
    assert lake.shoplake.value("select count(*) from marts.parts where \"at\" >= '2026-01-02'") == 4
    shown = lake.shoplake("catalog", "show", "marts.parts", "--json").json()
    assert shown["partitioned_by"] == ["day(at)", "bucket[4](id)", "truncate[5](name)"]
    with table.update_spec() as update:
        update.remove_field("bucket")
    table.append(people(7, 3))
    assert lake.shoplake.value("select count(*) from marts.parts") == 10


def test_concurrent_writers_lose_nothing(lake, events, tmp_path):
    """Two shoplake loads (processes) and a PyIceberg writer, all on one table, while it is queried."""
    before = lake.shoplake.value("select count(*) from processed.events")
    files = []
    for seed in (21, 22, 23, 24):
        file = tmp_path / f"more-{seed}.ndjson"
        lake.shoplake("generate", "events", "--events", 500, "--days", 2, "--seed", seed, "--out", file)
        files.append(file)
    lines = sum(len(file.read_text().splitlines()) for file in files)
    problems = []

    @contextlib.contextmanager
    def reported():
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - whatever it is, the test must see it
            problems.append(repr(problem))

    def load(mine):
        with reported():
            for file in mine:
                lake.shoplake("load", "events", file)

    appended = 12
    conflicts = 0

    def append():
        nonlocal conflicts
        with reported():
            table = lake.pyiceberg.load_table("processed.events")
            for number in range(appended):
                row = pa.Table.from_pylist([{"event_date": "20190101", "_shoplake_event_id": f"py{number}"}], schema=table.schema().as_arrow())
                while True:
                    try:
                        table.append(row)
                        break
                    except CommitFailedException:  # what the protocol asks of a client that lost the race
                        conflicts += 1
                        table.refresh()

    threads = [threading.Thread(target=load, args=(files[:2],)), threading.Thread(target=load, args=(files[2:],)), threading.Thread(target=append)]
    for thread in threads:
        thread.start()
    counts = [lake.shoplake.value("select count(*) from processed.events")]
    while any(thread.is_alive() for thread in threads):
        counts.append(lake.shoplake.value("select count(*) from processed.events"))
    assert problems == []
    assert counts == sorted(counts)
    table = lake.pyiceberg.load_table("processed.events")
    assert table.scan(row_filter="event_date = '20190101'", selected_fields=("_shoplake_event_id",)).to_arrow().num_rows == appended
    after = lake.shoplake.value("select count(*) from processed.events")
    assert after - before == appended + lines - lake.shoplake.value("select coalesce(sum(1), 0) from quarantine.events")


def test_transaction_is_atomic_and_errors_have_their_types(lake):
    lake.pyiceberg.create_table("marts.a", people(0, 1).schema)
    requirement = [{"type": "assert-current-schema-id", "current-schema-id": 7}]
    update = [{"action": "set-properties", "updates": {"x": "1"}}]
    change = {"identifier": {"namespace": ["marts"], "name": "a"}, "updates": update}
    status, answer = lake.rest("POST", "transactions/commit", {"table-changes": [change | {"requirements": requirement}]})
    assert (status, answer["error"]["type"]) == (409, "CommitFailedException")
    status, answer = lake.rest("GET", "namespaces/marts/tables/absent")
    assert (status, answer["error"]["type"]) == (404, "NoSuchTableException")
    status, answer = lake.rest("POST", "namespaces/marts/tables/a", {"requirements": [], "updates": [{"action": "dance"}]})
    assert (status, answer["error"]["type"]) == (400, "BadRequestException")
    assert "dance" in answer["error"]["message"]
    assert lake.rest("POST", "transactions/commit", {"table-changes": [change | {"requirements": []}]})[0] == 204
    assert lake.pyiceberg.load_table("marts.a").properties["x"] == "1"
