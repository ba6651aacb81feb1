"""dbt snapshots: shoplake and dbt-core with dbt-duckdb keep the same versions, row for row, over runs with changed inputs."""
import datetime
import hashlib
import json
import pathlib
import shutil

import duckdb
import pytest
from dbt_runners import DbtCore

HISTORY = {
    "archive.customers_by_time": {},
    "history.customers_by_time_ended": {},
    "history.customers_deleted": {},
    "history.customers_checked": {"stamped": True},
    "history.customers_checked_ended": {"stamped": True, "names": ("version_id", "begins_at", "ends_at")},
    "history.customers_checked_at": {},
    "history.stock_by_key": {"stamped": True},
    "history.stock_by_expression": {},
}
OPEN = datetime.datetime(9999, 12, 31)
NAMES = ("dbt_scd_id", "dbt_valid_from", "dbt_valid_to")


def values(columns, rows):
    """A query that gives these rows; columns are name → type."""
    def row(items):
        return ", ".join(f"cast({'null' if item is None else repr(item)} as {kind})" for item, kind in zip(items, columns.values()))

    return f"select * from (values {', '.join(f'({row(items)})' for items in rows)}) as t ({', '.join(columns)})"


CUSTOMER = {"customer_id": "integer", "name": "varchar", "city": "varchar", "credit": "decimal(9,2)", "changed_at": "timestamp"}
STOCK = {"place": "varchar", "article_id": "bigint", "quantity": "integer", "counted_on": "date"}

# Each run's customers and stock, beside what it is about.
RUNS = [
    ("first", values(CUSTOMER, [
        (1, "Ada", "London", 10, "2026-01-01 08:00:00"), (2, "Grace", "Arlington", None, "2026-01-01 08:00:00.5"),
        (3, "Emmy", None, 7, "2026-01-01 09:00:00"), (4, "O|Brien", "Paris|", 1, None)]),
     values(STOCK, [("north", 1, 5, "2026-01-01"), ("north", 2, 0, "2026-01-01"), ("south", 1, None, "2026-01-01")])),
    ("changed, new, NULL to value and back", values(CUSTOMER, [
        (1, "Ada", "Paris", 10, "2026-01-02 08:00:00"), (2, "Grace", "Arlington", 3, "2026-01-01 08:00:00.5"),
        (3, "Emmy", "Erlangen", 7, "2026-01-02 09:00:00"), (4, "O|Brien", None, 1, "2026-01-02 00:00:00"),
        (5, "Mary", "Oslo", 2, "2026-01-02 08:00:00")]),
     values(STOCK, [("north", 1, 4, "2026-01-02"), ("north", 2, 0, "2026-01-02"), ("south", 1, 9, "2026-01-01"), ("south", 2, 1, "2026-01-02")])),
    ("nothing new", None, None),
    ("deleted", values(CUSTOMER, [
        (1, "Ada", "Paris", 10, "2026-01-02 08:00:00"), (3, "Emmy", "Erlangen", 7, "2026-01-02 09:00:00")]),
     values(STOCK, [("north", 1, 4, "2026-01-02")])),
    ("still deleted", None, None),
    ("back as it was, back changed", values(CUSTOMER, [
        (1, "Ada", "Paris", 10, "2026-01-02 08:00:00"), (2, "Grace", "Arlington", 3, "2026-01-01 08:00:00.5"),
        (3, "Emmy", "Erlangen", 7, "2026-01-02 09:00:00"), (5, "Mary", "Bergen", 2, "2026-01-05 08:00:00")]),
     values(STOCK, [("north", 1, 4, "2026-01-02"), ("south", 1, 9, "2026-01-06"), ("south", 2, 1, "2026-01-02")])),
    ("a new column", values(CUSTOMER | {"vip": "boolean"}, [
        (1, "Ada", "Paris", 10, "2026-01-02 08:00:00", True), (2, "Grace", "Boston", 3, "2026-01-07 08:00:00", None),
        (5, "Mary", "Bergen", 2, "2026-01-05 08:00:00", False)]),
     values(STOCK | {"note": "varchar"}, [("north", 1, 3, "2026-01-07", "new"), ("south", 1, 9, "2026-01-06", None)])),
    ("a column less, another order, a wider type", values(
        {"name": "varchar", "customer_id": "bigint", "changed_at": "timestamp", "vip": "boolean", "city": "varchar"}, [
            ("Ada", 1, "2026-01-08 08:00:00", True, "Paris"), ("Mary", 5, "2026-01-05 08:00:00", False, "Bergen"),
            ("Rosa", 6, "2026-01-08 08:00:00", False, "Ulm")]),
     values(STOCK | {"note": "varchar"}, [("north", 1, 3, "2026-01-07", "new"), ("south", 1, 9, "2026-01-06", None)])),
    ("older than before", values(
        {"name": "varchar", "customer_id": "bigint", "changed_at": "timestamp", "vip": "boolean", "city": "varchar"}, [
            ("Ada L.", 1, "2025-01-01 00:00:00", True, "Paris"), ("Mary", 5, "2026-01-05 08:00:00", False, "Bergen")]),
     values(STOCK | {"note": "varchar"}, [("north", 1, 2, "2026-01-01", "new"), ("south", 1, 9, "2026-01-06", None)])),
]


def identity(*parts):
    return hashlib.md5("|".join(parts).encode()).hexdigest()


class Versions:
    """The rows of a snapshot with what a clock decided taken out: moments of a run are the run's number, and an identity
    that holds such a moment is whether it is the one that belongs to the row."""

    def __init__(self, connection, relation, names, stamped, runs):
        self.runs = runs
        text = "cast({} as varchar)"
        key = {"stock_by_key": text.format("place") + " || '|' || " + text.format("article_id")}.get(
            relation.split(".")[-1].strip('"'), text.format("customer_id") if "customers" in relation else "''")
        scd, begin, _ = names
        described = connection.execute(f"describe from {relation}").fetchall()
        self.columns = [row[:2] for row in described]
        rows = connection.execute(f"select *, {key} || '|' || {text.format(begin)}, {text.format(begin)} from {relation}").fetchall()
        at = {name: index for index, (name, _) in enumerate(self.columns)}
        known = {row[at[scd]] for row in rows}
        self.rows = []
        for *row, made_of, moment in rows:
            if stamped and row[at[scd]] == hashlib.md5(made_of.encode()).hexdigest():
                row[at[scd]] = "of its key and moment"
            elif "dbt_is_deleted" in at and row[at["dbt_is_deleted"]] == "True":
                assert row[at[scd]] in {identity(other, moment) for other in known}
                row[at[scd]] = "of the version before and its moment"
            self.rows.append(tuple(self.neutral(item) for item in row))
        self.rows.sort(key=repr)

    def neutral(self, item):
        if isinstance(item, datetime.datetime) and self.runs[0][0] <= item < OPEN:
            (number,) = [number for number, (begin, end) in enumerate(self.runs) if begin <= item <= end]
            return f"run {number}"
        return item


def moment():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


@pytest.fixture
def project(source, tmp_path):
    folder = tmp_path / "versions"
    shutil.copytree(source / "test/projects/versions", folder)
    return folder


def nodes(path):
    manifest = json.loads(pathlib.Path(path, "manifest.json").read_text())
    return {name: node for name, node in manifest["nodes"].items() if name.startswith("snapshot.")}


def test_both_runners_keep_the_same_versions(shoplake, project, tmp_path):
    dbt = DbtCore(project, tmp_path / "dbt")
    spans = {"shoplake": [], "dbt": []}
    for number, (about, customers, stock) in enumerate(RUNS):
        if customers:
            (project / "models/source/customers.sql").write_text(customers)
            (project / "models/source/stock.sql").write_text(stock)
        begin = moment()
        shoplake("build", "--project-dir", project)
        spans["shoplake"].append((begin, moment()))
        begin = moment()
        dbt("build")
        spans["dbt"].append((begin, moment()))
        with duckdb.connect(str(dbt.database), read_only=True) as theirs, duckdb.connect() as ours:
            for name, how in HISTORY.items():
                path = tmp_path / f"{name}-{number}.parquet"
                shoplake("query", f"from {name}", "--format", "parquet", "--output", path)
                names, stamped = how.get("names", NAMES), how.get("stamped", False)
                left = Versions(ours, view(ours, name, path), names, stamped, spans["shoplake"])
                right = Versions(theirs, name, names, stamped, spans["dbt"])
                assert left.columns == right.columns, (about, name)
                assert left.rows == right.rows, (about, name)
        assert shoplake.rows("from marts.current_customers order by all") == json.loads(json.dumps(
            [{"customer_id": row[0], "name": row[1]} for row in duckdb.connect(str(dbt.database), read_only=True).execute(
                "from marts.current_customers order by all").fetchall()])), about
    assert_same_nodes(nodes(project / "target"), nodes(dbt.folder / "target"))


def view(connection, name, path):
    schema, table = name.split(".")
    connection.execute(f"create schema if not exists {schema}")
    connection.execute(f"create or replace view {name} as from read_parquet('{path}')")
    return name


def assert_same_nodes(ours, theirs):
    assert set(ours) == set(theirs)
    for name, node in ours.items():
        other = theirs[name]
        for key in ("resource_type", "schema", "alias", "name", "fqn", "original_file_path", "refs", "sources", "description", "package_name"):
            assert node[key] == other[key], (name, key)
        assert node["depends_on"]["nodes"] == other["depends_on"]["nodes"]
        assert node["raw_code"].strip() == other["raw_code"].strip()
        assert {key: node["config"].get(key) for key in other["config"]} == other["config"], name
