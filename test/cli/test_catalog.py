"""`shoplake catalog`: compaction, expiry, orphans, rollback, retention, and reading the past, against a small lake."""
import gzip
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import pytest

DAY = 86_400


def event(number, date="20201210"):
    return {
        "event_date": date,
        "event_timestamp": str(1607600000000000 + number * 1_000_000),
        "event_name": ["page_view", "purchase"][number % 2],
        "user_pseudo_id": f"user.{number % 7}",
    }


def load(shoplake, tmp_path, name, numbers, date="20201210"):
    file = tmp_path / f"{name}.ndjson"
    file.write_text("".join(json.dumps(event(number, date)) + "\n" for number in numbers))
    shoplake("load", "events", file)


@pytest.fixture
def lake(shoplake, tmp_path):
    """processed.events of ten small loads in two days."""
    for part in range(10):
        load(shoplake, tmp_path, f"part{part}", range(part * 10, part * 10 + 10), ["20201210", "20201211"][part % 2])
    return shoplake


def content(shoplake):
    return shoplake.rows("select event_timestamp, event_name, _shoplake_source_object, _shoplake_line from processed.events order by all")


def files_below(folder):
    return sorted(path for path in pathlib.Path(folder).rglob("*") if path.is_file())


def data_files(shoplake, table="processed/events"):
    return [path for path in files_below(shoplake.home / "lake" / table / "data") if path.suffix == ".parquet"]


def make_old(paths, days=3):
    past = time.time() - days * DAY
    for path in paths:
        os.utime(path, (past, past))


def row_counts(shoplake):
    names = [relation["name"] for relation in shoplake("catalog", "ls", "--json").json()]
    return shoplake.rows("select " + ", ".join(f'(select count(*) from {name}) as "{name}"' for name in names))


def assert_no_orphans(shoplake):
    """What killed commands have left is found once it is old; then there is nothing more, and every table is as it was."""
    shoplake("catalog", "expire", "--older-than", "0", "--now")
    rows = row_counts(shoplake)
    make_old(files_below(shoplake.home / "lake"))
    shoplake("catalog", "orphans")
    assert shoplake("catalog", "orphans", "--json").json()["orphans"] == []
    assert files_below(shoplake.home / "lake/tmp") == []
    assert row_counts(shoplake) == rows


def history(shoplake, table="processed.events"):
    return shoplake("catalog", "history", table, "--json").json()


# ── compaction ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_compaction_makes_fewer_sorted_files_of_the_same_rows(lake):
    before = content(lake)
    plan = lake("catalog", "compact", "processed.events", "--dry-run", "--json").json()
    assert plan["dry_run"] and plan["tables"][0]["files_removed"] == 10 and plan["tables"][0]["files_added"] == 0
    assert len(history(lake)) == 10
    (report,) = lake("catalog", "compact", "processed.events", "--json").json()["tables"]
    assert (report["commits"], report["partitions"], report["files_removed"], report["files_added"]) == (1, 2, 10, 2)
    assert report["rows"] == 100 and report["rows_dropped"] == 0
    assert report["sorted_by"] == ["event_date", "event_timestamp", "_shoplake_event_id"]
    assert content(lake) == before
    newest = history(lake)[0]
    assert newest["operation"] == "replace" and newest["by"] == "compaction"
    assert newest["summary"]["total-data-files"] == "2" and newest["summary"]["total-records"] == "100"
    # In the files' own order the rows are sorted.
    stamps = [row["event_timestamp"] for row in lake.rows("select event_timestamp from processed.events where event_date = '20201210'")]
    assert stamps == sorted(stamps)
    # A second time there is nothing to do.
    assert lake("catalog", "compact", "processed.events", "--json").json()["tables"][0]["commits"] == 0
    assert len(history(lake)) == 11


def test_compaction_by_size_and_by_other_columns(lake):
    before = content(lake)
    small = min(path.stat().st_size for path in data_files(lake))
    (report,) = lake("catalog", "compact", "processed.events", "--target-size", f"{small}B", "--all-files", "--sort", "user_pseudo_id,event_timestamp", "--json").json()["tables"]
    assert report["files_added"] > 2
    assert content(lake) == before
    assert report["sorted_by"] == ["user_pseudo_id", "event_timestamp"]
    outcome = lake("catalog", "compact", "processed.events", "--sort", "no_such", check=False)
    assert outcome.returncode == 2 and "no column no_such" in outcome.stderr


def test_compaction_of_everything_and_of_names_that_are_wrong(lake):
    names = {table["name"] for table in lake("catalog", "compact", "--dry-run", "--json").json()["tables"]}
    assert {"processed.events", "quarantine.events"} <= names
    outcome = lake("catalog", "compact", "processed.event", check=False)
    assert outcome.returncode == 2 and "Did you mean processed.events" in outcome.stderr
    assert lake("catalog", "compact", "nowhere", check=False).returncode == 2


def test_a_reader_of_the_past_sees_through_compaction_and_expiry_keeps_what_is_named(lake):
    fifth = history(lake)[5]
    lake("catalog", "compact", "processed.events")
    assert lake("query", "select count(*) as n from processed.events", "--at", fifth["snapshot_id"], "--format", "json").json() == [{"n": 50}]
    lake("catalog", "expire", "processed.events", "--older-than", "0", "--now")
    assert len(history(lake)) == 1
    assert len(data_files(lake)) == 2
    assert lake.value("select count(*) from processed.events") == 100
    gone = lake("query", "select 1 from processed.events", "--at", fifth["snapshot_id"], check=False)
    assert gone.returncode == 2 and "snapshot" in gone.stderr
    gone = lake("query", "select 1 from processed.events", "--at", fifth["committed_at"], check=False)
    assert gone.returncode == 2 and "no snapshot of" in gone.stderr, "what was forgotten is not empty"
    assert lake("query", "select count(*) as n from quarantine.events", "--at", fifth["committed_at"], "--format", "json").json() == [{"n": 0}]


def test_a_killed_compaction_changes_nothing_and_its_files_are_orphans(lake):
    before = content(lake)
    for _ in range(4):
        process = lake.start("catalog", "compact", "processed.events", "--all-files")
        while process.poll() is None and len(data_files(lake)) <= 10:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert content(lake) == before
    lake("catalog", "compact", "processed.events", "--all-files")
    lake("catalog", "expire", "--older-than", "0", "--now")
    everything = files_below(lake.home / "lake")
    make_old(everything)
    lake("catalog", "orphans")
    assert len(data_files(lake)) == 2 and content(lake) == before
    assert lake("catalog", "orphans", "--json").json()["orphans"] == []
    assert files_below(lake.home / "lake/tmp") == []


# ── expiry ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_expiry_by_count_and_age(lake):
    assert lake("catalog", "expire", "processed.events", "--json").json()["tables"] == [{"name": "processed.events", "expired": 0, "kept": 10, "error": None}]
    dry = lake("catalog", "expire", "processed.events", "--older-than", "0", "--keep", "4", "--dry-run", "--json").json()
    assert dry["tables"][0]["expired"] == 6 and len(history(lake)) == 10
    lake("catalog", "expire", "processed.events", "--older-than", "0", "--keep", "4")
    assert len(history(lake)) == 4
    assert lake.value("select count(*) from processed.events") == 100
    bad = lake("catalog", "expire", "--older-than", "soon", check=False)
    assert bad.returncode == 2 and "no length of time" in bad.stderr


# ── orphans ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_orphans_are_what_nothing_names_and_old_enough(lake):
    folder = lake.home / "lake"
    raw = files_below(folder / "raw")
    strays = [folder / "processed/events/data/left.parquet", folder / "processed/events/metadata/left.avro", folder / "curated/never_committed/data/x=1/left.parquet", folder / "tmp/left"]
    own = [folder / "processed/somebody/date=2026-01-01/mine.parquet", folder / "processed/notes.txt"]
    for path in strays + own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    young = lake("catalog", "orphans", "--json").json()
    assert young["orphans"] == [] and young["too_young"] >= 4
    make_old(files_below(folder))
    dry = lake("catalog", "orphans", "--dry-run", "--json").json()
    assert {orphan["path"] for orphan in dry["orphans"]} == {str(path) for path in strays}
    assert all(path.exists() for path in strays)
    lake("catalog", "orphans")
    assert not any(path.exists() for path in strays)
    assert all(path.exists() for path in own + raw)
    assert lake.value("select count(*) from processed.events") == 100
    # With metadata that cannot be read nothing is removed.
    strays[0].write_text("x")
    make_old(strays[:1])
    metadata = next(path for path in files_below(folder / "quarantine/events/metadata"))
    metadata.write_text("{")
    outcome = lake("catalog", "orphans", check=False)
    assert outcome.returncode == 3 and strays[0].exists()


def test_rejected_files_are_no_orphans(shoplake, tmp_path):
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts/data.yml").write_text("dataset: data\ntable: processed.data\npartition_by: none\nunknown_fields: {keep_in: _extra}\nfields:\n  - {name: id, type: string, required: true}\n")
    shoplake.home.mkdir()
    (shoplake.home / "shoplake.yml").write_text(f"datasets: {tmp_path / 'contracts'}\n")
    (tmp_path / "a.csv").write_text("no,known,column\n")
    assert shoplake("load", "data", tmp_path / "a.csv", check=False).returncode == 3
    kept = files_below(shoplake.home / "lake/quarantine/_files")
    assert len(kept) == 2
    make_old(kept)
    assert shoplake("catalog", "orphans", "--json").json()["orphans"] == []
    assert files_below(shoplake.home / "lake/quarantine/_files") == kept


# ── rollback ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rollback_is_a_commit_and_says_what_is_lost(lake):
    fifth = history(lake)[5]  # 50 rows
    refused = lake("catalog", "rollback", "processed.events", "--to", fifth["snapshot_id"], check=False)
    assert refused.returncode == 1 and "5 loaded raw objects" in refused.stderr and "--force" in refused.stderr
    assert len(history(lake)) == 10
    dry = lake("catalog", "rollback", "processed.events", "--to", fifth["snapshot_id"], "--dry-run", "--json").json()
    assert dry["snapshots_undone"] == 5 and len(dry["objects"]) == 5 and dry["snapshot_id"] is None
    report = lake("catalog", "rollback", "processed.events", "--to", fifth["snapshot_id"], "--force", "--json").json()
    assert lake.value("select count(*) from processed.events") == 50
    newest = history(lake)[0]
    assert newest["snapshot_id"] == report["snapshot_id"] and newest["current"] and newest["by"] == "rollback"
    assert newest["summary"]["total-records"] == "50" and newest["summary"]["deleted-records"] == "50"
    assert len(history(lake)) == 11
    # And back again, by its time.
    forward = history(lake)[1]
    lake("catalog", "rollback", "processed.events", "--to", forward["committed_at"])
    assert lake.value("select count(*) from processed.events") == 100
    outcome = lake("catalog", "rollback", "processed.events", "--to", "12345", check=False)
    assert outcome.returncode == 2 and "no snapshot 12345" in outcome.stderr
    assert lake("catalog", "rollback", "processed.events", "--to", "1999-01-01", check=False).returncode == 2
    same = lake("catalog", "rollback", "processed.events", "--to", history(lake)[0]["snapshot_id"])
    assert "already" in same.stdout


def test_a_compaction_can_be_rolled_back_without_loss(lake):
    before = content(lake)
    snapshot = history(lake)[0]["snapshot_id"]
    lake("catalog", "compact", "processed.events")
    lake("catalog", "rollback", "processed.events", "--to", snapshot)
    assert content(lake) == before
    assert history(lake)[0]["summary"]["total-data-files"] == "10"


# ── retention ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_retention_of_raw_objects_and_partitions(lake):
    raw = files_below(lake.home / "lake/raw/events")
    assert len(raw) == 10
    moved = lake.home / "lake/raw/events/date=2020-01-01"
    moved.mkdir()
    stray = moved / "never_loaded.ndjson"
    stray.write_text("{}")
    lines = lake("catalog", "retain", "--dry-run", "--json").json()["zones"]
    assert [(line["zone"], line["dataset"], line["days"], line["removed"]) for line in lines] == [("raw", "events", 30, 1)]
    assert stray.exists()
    lake("catalog", "retain")
    assert not stray.exists() and files_below(lake.home / "lake/raw/events") == raw
    (lake.home / "shoplake.yml").write_text("retention: {raw: forever, processed: 30d, datasets: {events: {quarantine: 7d}}}\n")
    lines = {line["dataset"]: line for line in lake("catalog", "retain", "--json").json()["zones"]}
    assert lines["processed.events"]["removed"] == 10 and lines["processed.events"]["rows"] == 100
    assert lake.value("select count(*) from processed.events") == 0
    assert history(lake)[0]["by"] == "retention"
    (lake.home / "shoplake.yml").write_text("retention: {raw: soon}\n")
    outcome = lake("catalog", "retain", check=False)
    assert outcome.returncode == 2 and "shoplake.yml:1" in outcome.stderr and "soon" in outcome.stderr


def test_retention_of_rejected_files(shoplake, home, tmp_path):
    shoplake("init", home)
    for number in range(3):
        folder = home / "lake/raw/transactions/date=2011-01-01"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{number}.csv"
        path.write_text(f"no,header,that,is,known,{number}\n")
        os.utime(path, (time.time() - 400 * 86400,) * 2)
    assert shoplake("ingest", "--json").json()["rejected"] == 3
    kept = home / "lake/quarantine/_files/transactions/date=2011-01-01"
    assert len(list(kept.iterdir())) == 6
    shoplake("catalog", "retain")
    assert len(list(kept.iterdir())) == 6, "quarantine is kept for ever unless something else is said"
    (home / "shoplake.yml").write_text("retention: {raw: forever, quarantine: 30d}\n")
    shoplake("catalog", "retain")
    assert len(list(kept.iterdir())) == 6, "they were rejected now, however old they and their day are"
    for number, days in [(0, 31), (1, 29)]:
        os.utime(kept / f"{number}.csv.reason.json", (time.time() - days * 86400,) * 2)
    planned = shoplake("catalog", "retain", "--dry-run", "--json").json()["zones"]
    assert [(line["zone"], line["dataset"], line["days"], line["removed"]) for line in planned if line["removed"]] == [("quarantine", "transactions", 30, 2)]
    assert len(shoplake("quarantine", "ls", "--json").json()) == 3
    shoplake("catalog", "retain")
    assert sorted(path.name for path in kept.iterdir()) == ["1.csv", "1.csv.reason.json", "2.csv", "2.csv.reason.json"]
    assert len(shoplake("quarantine", "ls", "--json").json()) == 2, "the registry knows no file that is not there"
    (home / "shoplake.yml").write_text("retention: {raw: forever, quarantine: 7d, datasets: {transactions: {quarantine: forever}}}\n")
    shoplake("catalog", "retain")
    assert len(list(kept.iterdir())) == 4


# ── reading the past ──────────────────────────────────────────────────────────────────────────────────────────────


def test_every_table_and_view_can_be_read_as_of_a_moment(shoplake, tmp_path):
    load(shoplake, tmp_path, "first", range(20))
    shoplake("build")
    names = [relation["name"] for relation in shoplake("catalog", "ls", "--json").json()]
    then = {name: shoplake.rows(f"select count(*) as n from {name}") for name in names}
    kinds = {relation["name"]: relation["kind"] for relation in shoplake("catalog", "ls", "--json").json()}
    moment = max(entry["committed_at"] for name, kind in kinds.items() if kind == "table" for entry in history(shoplake, name))
    load(shoplake, tmp_path, "second", range(20, 60), "20201211")
    shoplake("build")
    assert shoplake.value("select count(*) from processed.events") == 60
    for name in names:
        now = shoplake("query", f"select count(*) as n from {name}", "--at", moment, "--format", "json")
        assert now.json() == then[name], name


@pytest.mark.parametrize("command", ["compact", "expire", "orphans", "rollback", "retain"])
def test_help_has_an_example_and_exit_codes(shoplake, command):
    text = shoplake("catalog", command, "--help").stdout
    assert f"shoplake catalog {command}" in text and "Exit codes" in text and "--dry-run" in text


# ── crawling ──────────────────────────────────────────────────────────────────────────────────────────────────────


def write(shoplake, path, text):
    file = shoplake.home / "lake" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith(".gz"):
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)
    return file


def crawl(shoplake, place, *arguments):
    return {table["name"]: table for table in shoplake("catalog", "crawl", place, *arguments, "--json").json()["tables"]}


def kinds(table):
    return sorted((change["kind"], change["detail"]) for change in table["changes"])


def test_raw_files_become_tables_that_queries_read(shoplake):
    shoplake("catalog", "ls")
    write(shoplake, "raw/orders/date=2026-01-01/a.csv", "id,price,name\n1,2,x\n2,3.5,\"y, z\"\n")
    write(shoplake, "raw/orders/date=2026-01-02/b.csv", "name;id;zip\nq;3;01234\n")
    write(shoplake, "raw/clicks/year=2026/month=01/day=05/c.ndjson.gz", '{"a":1,"s":{"x":1}}\n{"a":2,"tags":["t"]}\n')
    write(shoplake, "raw/clicks/year=2026/month=12/day=06/d.json", '[{"a":3.5,"s":{"y":"why"}}]')
    write(shoplake, "raw/clicks/readme.txt", "this is no table\n")
    tables = crawl(shoplake, "raw")
    assert set(tables) == {"raw.orders", "raw.clicks"}
    orders = tables["raw.orders"]
    assert orders["new"] and orders["objects"] == 2 and orders["partitions"] == 2
    assert ("column_added", "zip string") in kinds(orders) and ("partition_added", "date=2026-01-02") in kinds(orders)
    assert ("column_added", "price double") in kinds(orders)
    assert shoplake.rows("select id, price, name, zip, date from raw.orders order by id") == [
        {"id": 1, "price": 2.0, "name": "x", "zip": None, "date": "2026-01-01"},
        {"id": 2, "price": 3.5, "name": "y, z", "zip": None, "date": "2026-01-01"},
        {"id": 3, "price": None, "name": "q", "zip": "01234", "date": "2026-01-02"},
    ]
    assert shoplake.rows("select a, s.x, s.y, tags, year, month, day from raw.clicks order by a") == [
        {"a": 1.0, "x": 1, "y": None, "tags": None, "year": 2026, "month": 1, "day": 5},
        {"a": 2.0, "x": None, "y": None, "tags": ["t"], "year": 2026, "month": 1, "day": 5},
        {"a": 3.5, "x": None, "y": "why", "tags": None, "year": 2026, "month": 12, "day": 6},
    ]
    assert "readme.txt" in tables["raw.clicks"]["problems"][0]
    source = shoplake.value("select any_value(_shoplake_source_object) from raw.orders where id = 3")
    assert source.endswith("raw/orders/date=2026-01-02/b.csv")
    # Idempotent, and nothing is read again.
    again = crawl(shoplake, "raw")
    assert all(table["objects_read"] == 0 and table["changes"] == [] and not table["new"] for table in again.values())
    # A query itself still reads no files, and a view reads none outside of the lake.
    assert shoplake("query", "select * from read_csv('/etc/passwd')", check=False).returncode == 2


def test_a_crawl_follows_what_changes(shoplake):
    first = write(shoplake, "raw/t/date=2026-01-01/a.ndjson", '{"id":1,"n":1,"old":true}\n')
    crawl(shoplake, "raw")
    write(shoplake, "raw/t/date=2026-01-02/b.ndjson", '{"id":2,"n":2.5,"more":"x"}\n')
    table = crawl(shoplake, "raw/t")["raw.t"]
    assert table["objects_read"] == 1
    assert kinds(table) == [("column_added", "more string"), ("partition_added", "date=2026-01-02"), ("type_changed", "n from long to double")]
    assert shoplake.rows("select id, n, more, old from raw.t order by id") == [{"id": 1, "n": 1.0, "more": None, "old": True}, {"id": 2, "n": 2.5, "more": "x", "old": None}]
    # A conflict makes a string, and is told.
    write(shoplake, "raw/t/date=2026-01-02/c.ndjson", '{"id":3,"n":"many"}\n')
    table = crawl(shoplake, "raw/t")["raw.t"]
    assert table["conflicts"] == [{"column": "n", "what": "double and string: string"}]
    assert [row["n"] for row in shoplake.rows("select n from raw.t order by id")] == ["1", "2.5", "many"]
    # What vanished is seen.
    first.unlink()
    first.parent.rmdir()
    table = crawl(shoplake, "raw/t")["raw.t"]
    assert ("partition_gone", "date=2026-01-01") in kinds(table) and ("column_gone", "old boolean") in kinds(table)
    assert table["objects_gone"] == 1
    for path in files_below(shoplake.home / "lake/raw/t"):
        path.unlink()
    table = crawl(shoplake, "raw")["raw.t"]
    assert ("table_gone", "raw/t") in kinds(table)
    assert shoplake("query", "select * from raw.t", check=False).returncode == 2
    entries = shoplake("catalog", "crawl", "raw.t", "--history", "--json").json()
    assert [entry["kind"] for entry in entries][0] == "table_added" and "table_gone" in [entry["kind"] for entry in entries]


def test_policies_of_a_crawl(shoplake):
    write(shoplake, "raw/t/a.csv", "id,n,old\n1,1,x\n")
    dry = crawl(shoplake, "raw", "--policy", "log")["raw.t"]
    assert dry["new"] and shoplake("query", "select * from raw.t", check=False).returncode == 2
    crawl(shoplake, "raw")
    write(shoplake, "raw/t/a.csv", "id,n,fresh\n1,1.5,x\n")
    logged = crawl(shoplake, "raw", "--policy", "log")["raw.t"]
    assert [kind for kind, _ in kinds(logged)] == ["column_added", "column_gone", "type_changed"]
    assert set(shoplake.rows("select * from raw.t limit 0") or []) == set()
    added = crawl(shoplake, "raw", "--policy", "add-only")["raw.t"]
    assert kinds(added) == [("column_added", "fresh string")]
    assert sorted(text.split(":")[0] for text in added["not_applied"]) == ["column_gone", "type_changed"]
    updated = crawl(shoplake, "raw", "--policy", "update")["raw.t"]
    assert [kind for kind, _ in kinds(updated)] == ["column_gone", "type_changed"]
    assert shoplake.rows("select id, n, fresh from raw.t") == [{"id": 1, "n": 1.5, "fresh": "x"}]
    assert shoplake("catalog", "crawl", "raw", "--policy", "sometimes", check=False).returncode == 2
    assert shoplake("catalog", "crawl", "/etc", check=False).returncode == 2
    assert shoplake("catalog", "crawl", "raw/none", check=False).returncode == 2


def test_parquet_becomes_an_iceberg_table_as_it_lies(shoplake):
    folder = shoplake.home / "lake/processed/sales"
    shoplake("catalog", "ls")

    def make(path, sql):
        """Parquet by the program itself."""
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shoplake("query", sql, "--format", "parquet", "--output", folder / path)

    make("region=eu/day=2026-01-01/a.parquet", "select i as id, i * 0.5 as price, 'n' || i as name from range(100) t(i)")
    make("region=us/day=2026-01-02/b.parquet", "select i as id, i * 0.5 as price, 'n' || i as name from range(100, 150) t(i)")
    before = {path: path.read_bytes() for path in files_below(folder)}
    table = crawl(shoplake, "processed")["processed.sales"]
    assert table["error"] is None and table["new"], table
    assert shoplake.rows("select region, day, count(*) as n, sum(id) as s, min(name) as first from processed.sales group by all order by all") == [
        {"region": "eu", "day": "2026-01-01", "n": 100, "s": 4950, "first": "n0"},
        {"region": "us", "day": "2026-01-02", "n": 50, "s": 6225, "first": "n100"},
    ]
    assert shoplake.value("select count(*) from processed.sales where region = 'us' and id > 140") == 9
    # More files, one changed shape, one gone.
    make("region=us/day=2026-01-03/c.parquet", "select i as id, i * 0.5 as price, 'n' || i as name, true as is_new from range(200, 210) t(i)")
    (folder / "region=eu/day=2026-01-01/a.parquet").unlink()
    table = crawl(shoplake, "processed")["processed.sales"]
    assert table["error"] is None and ("column_added", "is_new boolean") in kinds(table)
    assert shoplake.rows("select count(*) as n, count(is_new) as m from processed.sales") == [{"n": 60, "m": 10}]
    assert crawl(shoplake, "processed")["processed.sales"]["changes"] == []
    # Nothing was rewritten, and maintenance leaves the files that are somebody's own.
    shoplake("catalog", "compact", "processed.sales", "--all-files")
    shoplake("catalog", "expire", "--older-than", "0", "--now")
    make_old(files_below(shoplake.home / "lake"))
    shoplake("catalog", "orphans")
    assert shoplake.rows("select count(*) as n, count(is_new) as m from processed.sales") == [{"n": 60, "m": 10}]
    assert {path: path.read_bytes() for path in before if path.exists()} == {path: data for path, data in before.items() if path.exists()}
    assert (folder / "region=us/day=2026-01-02/b.parquet").exists()


def test_a_table_is_registered_by_its_metadata(lake):
    metadata = lake("catalog", "show", "processed.events", "--json").json()["metadata_location"]
    lake("catalog", "register", "curated.again", metadata)
    assert lake.value("select count(*) from curated.again") == 100
    assert lake("catalog", "register", "curated.again", metadata, check=False).returncode == 2
    assert lake("catalog", "register", "curated.other", "/etc/passwd", check=False).returncode == 2
    outside = lake("catalog", "register", "curated.other", "/tmp/00000-x.metadata.json", check=False)
    assert outside.returncode == 2 and "not below the lake" in outside.stderr


def crawl_killed_after(shoplake, seconds, zone):
    process = shoplake.start("catalog", "crawl", zone)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def test_a_killed_crawl_is_finished_by_the_next(shoplake):
    def objects(numbers):
        for number in numbers:
            write(shoplake, f"raw/many/date=2026-01-{number % 28 + 1:02}/{number}.ndjson", f'{{"id":{number},"v{number % 5}":1}}\n')

    objects(range(100))
    crawl(shoplake, "raw")
    objects(range(100, 300))
    for delay in (0.05, 0.15, 0.3):
        crawl_killed_after(shoplake, delay, "raw")
        # Raw tables are read as they lie; what a crawl had begun is not seen.
        seen = shoplake.rows("select count(*) as n, count(v0) as z from raw.many")[0]
        assert seen in ({"n": 100, "z": 20}, {"n": 300, "z": 60}), seen
    crawl(shoplake, "raw")
    assert shoplake.rows("select count(*) as n, count(v0) as z, count(distinct date) as d from raw.many") == [{"n": 300, "z": 60, "d": 28}]
    assert crawl(shoplake, "raw")["raw.many"]["objects_read"] == 0
    assert_no_orphans(shoplake)


def test_a_killed_crawl_of_parquet_registers_each_file_once(shoplake):
    folder = shoplake.home / "lake/processed/sales"
    shoplake("catalog", "ls")
    for number in range(40):
        path = folder / f"day={number % 10}/{number}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        shoplake("query", f"select {number} as id, 'x' as name", "--format", "parquet", "--output", path)
    for delay in (0.02, 0.05, 0.1):
        crawl_killed_after(shoplake, delay, "processed")
        known = [relation["name"] for relation in shoplake("catalog", "ls", "--json").json()]
        if "processed.sales" in known:
            assert shoplake.value("select count(*) from processed.sales") in (0, 40)
    crawl(shoplake, "processed")
    assert shoplake.rows("select count(*) as n, count(distinct id) as d from processed.sales") == [{"n": 40, "d": 40}]
    assert_no_orphans(shoplake)


# ── publishing ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_killed_between_writing_and_publishing(shoplake, tmp_path):
    """Readers see all of a load or nothing of it, the same command finishes it, and nothing is left over."""
    (shoplake.home / "quality").mkdir(parents=True)
    # Asked by the engine, so that there is time between the data files and their commit.
    (shoplake.home / "quality/own.yml").write_text('table: processed.events\nrules:\n  - {rule: IsUnique "event_timestamp", severity: block}\n')
    load(shoplake, tmp_path, "first", range(50))
    file = tmp_path / "second.ndjson"
    file.write_text("".join(json.dumps(event(number)) + "\n" for number in range(100, 20_100)))
    seen, stop = set(), threading.Event()

    def read():
        while not stop.is_set():
            seen.add(shoplake.value("select count(*) from processed.events"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        kills = 0
        for _ in range(6):
            before = set(data_files(shoplake))
            process = shoplake.start("load", "events", file)
            while process.poll() is None and set(data_files(shoplake)) <= before:
                pass
            kills += process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert shoplake.value("select count(*) from processed.events") in (50, 20_050)
        assert kills > 0
        shoplake("load", "events", file)
    finally:
        stop.set()
        reader.join()
    assert seen <= {50, 20_050}
    assert shoplake.value("select count(distinct event_timestamp) from processed.events") == 20_050
    assert_no_orphans(shoplake)


def test_a_killed_build_leaves_no_orphan(lake, tmp_path):
    lake("build")
    expected = lake.value("select count(*) from marts.fact_events")
    for lines in (3, 12, 25):
        process = lake.start("build", "--rebuild")
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert lake.value("select count(*) from marts.fact_events") == expected
    lake("build", "--rebuild")
    assert_no_orphans(lake)
