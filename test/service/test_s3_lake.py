"""What keeps a lake works on a lake in an object store, too: files that are dropped into it, crawls, compaction, expiry, orphans,
rollback, retention, quality rules, and PyIceberg as a second writer."""
import gzip
import json
import shutil
import sqlite3
import threading

import pytest
from object_store import BUCKET, KEY, SECRET, Fault, configure, in_store
from sending import wait_until
from serving import serving

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


class Bucket:
    """The objects of one lake, by their path from its root."""

    def __init__(self, store, prefix):
        self.client = store.client()
        self.store = store
        self.prefix = prefix

    def put(self, path, content):
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}", Body=content if isinstance(content, bytes) else content.encode())

    def get(self, path):
        return self.client.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}")["Body"].read()

    def delete(self, path):
        self.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{path}")

    def paths(self, folder=""):
        return sorted(key[len(self.prefix) + 1:] for key in self.store.keys(BUCKET, f"{self.prefix}/{folder}"))


@pytest.fixture
def lake(shoplake, gateway, prefix):
    return in_store(shoplake, gateway, prefix)


@pytest.fixture
def bucket(gateway, prefix):
    return Bucket(gateway, prefix)


def event(number, date="20201210", **more):
    return {
        "event_date": date,
        "event_timestamp": str(1607600000000000 + number * 1_000_000),
        "event_name": ["page_view", "purchase"][number % 2],
        "user_pseudo_id": f"user.{number % 7}",
    } | more


def load_events(shoplake, tmp_path, name, numbers, date="20201210", check=True, **more):
    file = tmp_path / f"{name}.ndjson"
    file.write_text("".join(json.dumps(event(number, date, **more)) + "\n" for number in numbers))
    return shoplake("load", "events", file, check=check)


def sale(number, day, quantity=1):
    return f"{number},A,x,{quantity},{day} 10:00,2.50,,France\n"


def history(shoplake, table="processed.events"):
    return shoplake("catalog", "history", table, "--json").json()


# ── one home a lake ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lake_belongs_to_one_home(shoplake, shoplake_in, store, prefix, tmp_path):
    lake, bucket = in_store(shoplake, store, prefix), Bucket(store, prefix)
    load_events(lake, tmp_path, "one", range(10))
    other = in_store(shoplake_in(tmp_path / "other"), store, prefix)
    refused = load_events(other, tmp_path, "two", range(10, 20), check=False)
    assert refused.returncode == 2 and "home.lake_of_another" in refused.stderr and ".shoplake-home" in refused.stderr, repr(refused)
    # Killed after the claim and before it was noted, and copied elsewhere, the home is the same.
    (lake.home / "lake-claimed").unlink()
    assert lake.value("select count(*) from processed.events") == 10
    copied = shoplake_in(tmp_path / "copied")
    shutil.copytree(lake.home, copied.home)
    (copied.home / "lake-claimed").unlink()
    assert copied.value("select count(*) from processed.events") == 10
    # Until it is gone for good.
    bucket.delete(".shoplake-home")
    assert other.rows("select 1 as x") == [{"x": 1}]
    assert lake.value("select count(*) from processed.events") == 10, "it is asked once"


def test_a_store_without_conditional_writes_is_used_without_a_claim(shoplake, proxy, gateway, prefix, tmp_path):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}")
    fault = proxy.fail(Fault("501", "PUT", ".shoplake-home"))
    load_events(shoplake, tmp_path, "one", range(10))
    assert fault.met == 1 and ".shoplake-home" not in Bucket(gateway, prefix).paths()
    assert shoplake.value("select count(*) from processed.events") == 10
    assert ".shoplake-home" not in Bucket(gateway, prefix).paths()


# ── dropped files ─────────────────────────────────────────────────────────────────────────────────────────────────


def ingest_all(shoplake):
    """One pass after another until nothing is unfinished; the sum of what they did."""
    total = {}

    def is_done():
        report = shoplake("ingest", "--json").json()
        for name in ("loaded", "skipped", "rejected", "rows", "rejected_rows"):
            total[name] = total.get(name, 0) + report[name]
        return report["unfinished"] == 0

    wait_until(is_done, "every dropped object has settled")
    return total


def test_dropped_objects_are_loaded_where_they_are(shoplake, store, prefix):
    lake, bucket = in_store(shoplake, store, prefix), Bucket(store, prefix)
    assert ingest_all(lake)["loaded"] == 0, "an empty lake"
    first = HEADER + sale(1, "2011-01-01") + "2,B\n"
    bucket.put("raw/transactions/date=2011-01-01/a.csv", first)
    bucket.put("raw/transactions/date=2011-01-02/b.csv.gz", gzip.compress((HEADER + sale(3, "2011-01-02")).encode()))
    bucket.put("raw/transactions/date=2011-01-02/deeper/c.csv", HEADER + sale(4, "2011-01-02"))
    bucket.put("raw/transactions/date=2011-01-02/not.csv", "a,b\n1,2\n")
    assert ingest_all(lake) == {"loaded": 2, "skipped": 0, "rejected": 1, "rows": 2, "rejected_rows": 1}
    assert lake.value("select string_agg(_shoplake_source_object, ' ' order by invoice_no) from processed.transactions") == (
        "raw/transactions/date=2011-01-01/a.csv raw/transactions/date=2011-01-02/b.csv.gz")
    assert bucket.get("raw/transactions/date=2011-01-01/a.csv") == first.encode(), "it stays as it came"
    assert lake.value("select count(*) from quarantine.transactions") == 1
    # What was rejected as a whole moved away, with its reason.
    assert bucket.get("quarantine/_files/transactions/date=2011-01-02/not.csv") == b"a,b\n1,2\n"
    assert json.loads(bucket.get("quarantine/_files/transactions/date=2011-01-02/not.csv.reason.json"))["reason_code"] == "csv.no_header"
    assert "raw/transactions/date=2011-01-02/not.csv" not in bucket.paths()
    inspected = lake("inspect", "object", f"s3://{BUCKET}/{prefix}/raw/transactions/date=2011-01-02/b.csv.gz", "--json").json()
    assert inspected["problem"] is None and inspected["payload_bytes"] == len(HEADER + sale(3, "2011-01-02")), inspected
    groups = lake("quarantine", "ls", "--json").json()
    assert {group["source_object"].rsplit("/", 1)[1] for group in groups if group["is_file"]} == {"not.csv"}
    assert ingest_all(lake)["loaded"] == 0, "nothing is new"
    # A changed file replaces the rows of the one before; a known content is skipped.
    bucket.put("raw/transactions/date=2011-01-01/a.csv", HEADER + sale(1, "2011-01-01", 5) + sale(2, "2011-01-01", 7))
    bucket.put("raw/transactions/date=2011-01-03/copy.csv.gz", bucket.get("raw/transactions/date=2011-01-02/b.csv.gz"))
    report = ingest_all(lake)
    assert (report["loaded"], report["skipped"], report["rows"]) == (1, 1, 2), report
    assert [row["quantity"] for row in lake.rows("select quantity::int as quantity from processed.transactions order by invoice_no")] == [5, 7, 1]
    assert lake.value("select count(*) from quarantine.transactions") == 0


def test_a_server_polls_the_store(lake, bucket):
    with serving(lake) as served:
        bucket.put("raw/transactions/date=2011-01-01/a.csv", HEADER + sale(1, "2011-01-01"))

        def is_loaded():
            status, answer = served.query("select count(*) as n from processed.transactions")
            return status == 200 and answer["rows"] == [[1]]

        wait_until(is_loaded, "the server has loaded the object")
        metrics = dict(line.split(" ") for line in served.get("/metrics")[2].decode().splitlines() if line.startswith("shoplake_s3_"))
        assert float(metrics["shoplake_s3_requests_total"]) > 10 and float(metrics["shoplake_s3_sent_bytes_total"]) > 1000
        assert metrics["shoplake_s3_failures_total"] == "0"
        assert served.stop() == 0


def test_files_of_every_kind_are_loaded(lake, bucket, tmp_path):
    """`load` copies to the raw zone; Parquet, CSV and JSON are read from the copy."""
    lake("query", "select '1' as invoice_no, 'A' as stock_code, 'x' as description, 2 as quantity, timestamp '2011-01-01 10:00' as invoice_date, "
                  "2.50 as unit_price, 5 as customer_id, 'France' as country", "--format", "parquet", "--output", tmp_path / "2011-01-01.parquet")
    csv = tmp_path / "2011-01-02.csv"
    csv.write_text(HEADER + sale(2, "2011-01-02"))
    lake("load", "transactions", tmp_path / "2011-01-01.parquet", csv)
    assert lake.value("select sum(quantity)::int from processed.transactions") == 3
    assert bucket.get("raw/transactions/date=2011-01-02/2011-01-02.csv") == csv.read_bytes()
    # The same content again, and from another place of the store.
    assert [file["status"] for file in lake("load", "transactions", csv, "--json").json()["files"]] == ["skipped"]
    bucket.client.put_object(Bucket="other", Key="in/2011-01-03.csv", Body=(HEADER + sale(3, "2011-01-03")).encode())
    lake("load", "transactions", "s3://other/in/2011-01-03.csv")
    assert lake.value("select count(*) from processed.transactions") == 3
    missing = lake("load", "transactions", "s3://other/in/none.csv", check=False)
    assert missing.returncode == 2 and "no file s3://other/in/none.csv" in missing.stderr


# ── maintenance ───────────────────────────────────────────────────────────────────────────────────────────────────


def content(shoplake):
    return shoplake.rows("select event_timestamp, event_name, _shoplake_source_object, _shoplake_line from processed.events order by all")


def data_files(bucket, table="processed/events"):
    return [path for path in bucket.paths(f"{table}/data/") if path.endswith(".parquet")]


@pytest.fixture
def loaded(lake, tmp_path):
    """processed.events of six small loads in two days."""
    for part in range(6):
        load_events(lake, tmp_path, f"part{part}", range(part * 10, part * 10 + 10), ["20201210", "20201211"][part % 2])
    return lake


def test_compaction_expiry_and_orphans(loaded, bucket):
    before = content(loaded)
    third = history(loaded)[3]
    assert len(data_files(bucket)) == 6
    (report,) = loaded("catalog", "compact", "processed.events", "--json").json()["tables"]
    assert (report["files_removed"], report["files_added"], report["rows_dropped"]) == (6, 2, 0)
    assert content(loaded) == before
    for at in (third["snapshot_id"], third["committed_at"]):
        assert loaded("query", "select count(*) as n from processed.events", "--at", at, "--format", "json").json() == [{"n": 30}]
    assert loaded("catalog", "compact", "processed.events", "--json").json()["tables"][0]["commits"] == 0
    loaded("catalog", "expire", "--older-than", "0", "--now")
    assert len(data_files(bucket)) == 2
    assert content(loaded) == before
    assert loaded("query", "select 1 from processed.events", "--at", third["snapshot_id"], check=False).returncode == 2
    # What nothing names goes once it is old enough, and nothing else.
    bucket.put("processed/events/data/stray.parquet", "x")
    bucket.put("curated/gone/metadata/00000-x.metadata.json", "{}")
    bucket.put("processed/somebodys.txt", "x")
    kept = bucket.paths()
    assert loaded("catalog", "orphans", "--json").json()["orphans"] == []
    assert bucket.paths() == kept
    removed = loaded("catalog", "orphans", "--older-than", "0", "--json").json()
    assert len(removed["orphans"]) == 2, removed
    assert set(kept) - set(bucket.paths()) == {"processed/events/data/stray.parquet", "curated/gone/metadata/00000-x.metadata.json"}
    assert content(loaded) == before


def test_rollback(loaded):
    before = content(loaded)
    snapshot = history(loaded)[0]["snapshot_id"]
    loaded("catalog", "compact", "processed.events")
    loaded("catalog", "rollback", "processed.events", "--to", snapshot)
    assert content(loaded) == before
    refused = loaded("catalog", "rollback", "processed.events", "--to", history(loaded)[-1]["snapshot_id"], check=False)
    assert refused.returncode == 1 and "--force" in refused.stderr
    loaded("catalog", "rollback", "processed.events", "--to", history(loaded)[-1]["snapshot_id"], "--force")
    assert loaded.value("select count(*) from processed.events") == 10


@pytest.mark.parametrize("nth", [1, 2, 3, 5])
def test_a_killed_compaction_changes_nothing(shoplake, proxy, prefix, tmp_path, gateway, nth):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}")
    for part in range(4):
        load_events(shoplake, tmp_path, f"part{part}", range(part * 10, part * 10 + 10), ["20201210", "20201211"][part % 2])
    before = content(shoplake)
    proxy.kill_at_write(shoplake, nth, "catalog", "compact", "processed.events")
    assert content(shoplake) == before
    shoplake("catalog", "compact", "processed.events")
    assert content(shoplake) == before
    shoplake("catalog", "expire", "--older-than", "0", "--now")
    shoplake("catalog", "orphans", "--older-than", "0")
    assert len(data_files(Bucket(gateway, prefix))) == 2
    assert content(shoplake) == before
    assert not [upload for upload in gateway.uploads(BUCKET) if upload["Key"].startswith(prefix)]


def test_a_table_is_registered_and_purged(loaded, bucket):
    metadata = loaded("catalog", "show", "processed.events", "--json").json()["metadata_location"]
    assert metadata.startswith("s3://")
    loaded("catalog", "register", "curated.again", metadata)
    assert loaded.value("select count(*) from curated.again") == 60
    outside = loaded("catalog", "register", "curated.other", "s3://other/00000-x.metadata.json", check=False)
    assert outside.returncode == 2 and "not below the lake" in outside.stderr


# ── retention ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_retention_removes_old_objects_and_partitions(loaded, bucket):
    raw = bucket.paths("raw/")
    bucket.put("raw/events/date=2020-01-01/never_loaded.ndjson", "{}")
    lines = loaded("catalog", "retain", "--dry-run", "--json").json()["zones"]
    assert [(line["zone"], line["dataset"], line["days"], line["removed"]) for line in lines] == [("raw", "events", 30, 1)]
    assert len(bucket.paths("raw/")) == len(raw) + 1
    loaded("catalog", "retain")
    assert bucket.paths("raw/") == raw
    with sqlite3.connect(loaded.home / "state.sqlite") as state:
        assert state.execute("select object from retention_removal").fetchall() == [("raw/events/date=2020-01-01/never_loaded.ndjson",)]
    with open(loaded.home / "shoplake.yml", "a", encoding="utf-8") as settings:
        settings.write("retention: {raw: forever, processed: 30d}\n")
    lines = {line["dataset"]: line for line in loaded("catalog", "retain", "--json").json()["zones"]}
    assert lines["processed.events"]["rows"] == 60
    assert loaded.value("select count(*) from processed.events") == 0


def test_the_store_is_given_the_retention(shoplake, shoplake_in, gateway, mock, prefix, tmp_path):
    theirs = {"ID": "theirs", "Filter": {"Prefix": "x/"}, "Status": "Enabled", "Expiration": {"Days": 3}}
    mock.client().put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration={"Rules": [theirs]})
    in_store(shoplake, mock, prefix)

    def rules():
        found = mock.client().get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
        return {rule["ID"]: rule.get("Expiration", {}).get("Days") for rule in found}

    shown = shoplake("catalog", "lifecycle", "--json").json()
    assert shown["written"] is False and rules() == {"theirs": 3}
    for _ in range(2):
        assert shoplake("catalog", "lifecycle", "--write", "--json").json()["written"] is True
    assert rules() == {"theirs": 3, f"shoplake:{prefix}/uploads": None, f"shoplake:{prefix}/raw/": 37}
    # Another policy replaces the rules of this lake, and of no other.
    with open(shoplake.home / "shoplake.yml", "a", encoding="utf-8") as settings:
        settings.write("retention: {raw: forever, query-results: 5d, datasets: {events: {raw: 90d}}}\n")
    assert "s3://" in shoplake("catalog", "lifecycle", "--grace-days", 0, "--write").stdout
    assert rules() == {"theirs": 3, f"shoplake:{prefix}/uploads": None, f"shoplake:{prefix}/raw/events/": 90, f"shoplake:{prefix}/query-results/": 5}
    without = in_store(shoplake_in(tmp_path / "without"), gateway, prefix)
    answer = without("catalog", "lifecycle", "--write", "--json").json()
    assert answer["supported"] is False and answer["written"] is False
    on_disk = shoplake_in(tmp_path / "disk")("catalog", "lifecycle", check=False)
    assert on_disk.returncode == 2 and "lake: s3://" in on_disk.stderr


# ── crawling ──────────────────────────────────────────────────────────────────────────────────────────────────────


def crawl(shoplake, place):
    return {table["name"]: table for table in shoplake("catalog", "crawl", place, "--json").json()["tables"]}


def kinds(table):
    return sorted((change["kind"], change["detail"]) for change in table["changes"])


def test_raw_objects_become_tables(lake, bucket):
    bucket.put("raw/orders/date=2026-01-01/a.csv", "id,price,name\n1,2,x\n2,3.5,\"y, z\"\n")
    bucket.put("raw/orders/date=2026-01-02/b b+%20.csv", "name;id;zip\nq;3;01234\n")
    bucket.put("raw/clicks/year=2026/month=01/c.ndjson.gz", gzip.compress(b'{"a":1,"s":{"x":1}}\n{"a":2}\n'))
    tables = crawl(lake, "raw")
    assert set(tables) == {"raw.orders", "raw.clicks"} and all(table["error"] is None for table in tables.values()), tables
    assert lake.rows("select id, price, name, zip, date from raw.orders order by id") == [
        {"id": 1, "price": 2.0, "name": "x", "zip": None, "date": "2026-01-01"},
        {"id": 2, "price": 3.5, "name": "y, z", "zip": None, "date": "2026-01-01"},
        {"id": 3, "price": None, "name": "q", "zip": "01234", "date": "2026-01-02"},
    ]
    assert lake.rows("select a, s.x, year, month from raw.clicks order by a") == [{"a": 1, "x": 1, "year": 2026, "month": 1}, {"a": 2, "x": None, "year": 2026, "month": 1}]
    assert all(table["objects_read"] == 0 and not table["changes"] for table in crawl(lake, "raw").values())
    with serving(lake) as served:
        # A server that has read an object reads the one that replaces it.
        assert served.query("select count(*) as n from raw.orders")[1]["rows"] == [[3]]
        bucket.put("raw/orders/date=2026-01-01/a.csv", "id,price,name\n1,2,x\n2,3.5,\"y, z\"\n4,1,w\n5,1,w\n")
        bucket.delete("raw/orders/date=2026-01-02/b b+%20.csv")
        table = crawl(lake, "raw")["raw.orders"]
        assert table["objects_read"] == 1 and table["objects_gone"] == 1
        assert ("partition_gone", "date=2026-01-02") in kinds(table) and ("column_gone", "zip string") in kinds(table)
        status, answer = served.query("select id, name from raw.orders order by id")
        assert status == 200 and answer["rows"] == [[1, "x"], [2, "y, z"], [4, "w"], [5, "w"]], answer


def test_parquet_becomes_an_iceberg_table_as_it_lies(lake, bucket, tmp_path):
    def make(path, sql):
        file = tmp_path / "made.parquet"
        lake("query", sql, "--format", "parquet", "--output", file)
        bucket.put(path, file.read_bytes())

    make("processed/sales/region=eu/a.parquet", "select i as id, i * 0.5 as price from range(100) t(i)")
    make("processed/sales/region=us/b.parquet", "select i as id, i * 0.5 as price from range(100, 150) t(i)")
    table = crawl(lake, "processed")["processed.sales"]
    assert table["error"] is None and table["new"], table
    rows = "select region, count(*) as n, sum(id)::int as s from processed.sales group by all order by all"
    assert lake.rows(rows) == [{"region": "eu", "n": 100, "s": 4950}, {"region": "us", "n": 50, "s": 6225}]
    bucket.delete("processed/sales/region=eu/a.parquet")
    make("processed/sales/region=us/c.parquet", "select i as id, i * 0.5 as price, true as is_new from range(200, 210) t(i)")
    table = crawl(lake, "processed")["processed.sales"]
    assert table["error"] is None and ("column_added", "is_new boolean") in kinds(table)
    assert lake.rows("select count(*) as n, count(is_new) as m from processed.sales") == [{"n": 60, "m": 10}]


def test_a_crawl_of_many_objects_survives_an_outage(shoplake, proxy, gateway, prefix):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}")
    bucket = Bucket(gateway, prefix)
    for number in range(60):
        bucket.put(f"raw/many/date=2026-01-{number % 28 + 1:02}/{number}.ndjson", f'{{"id":{number},"v{number % 5}":1}}\n')
    faults = [proxy.fail(Fault("503", "GET", "raw/many", times=5))]
    table = crawl(shoplake, "raw")["raw.many"]
    assert table["error"] is None and table["objects"] == 60 and faults[0].met == 5
    assert shoplake.rows("select count(*) as n, count(v0) as z, count(distinct date) as d from raw.many") == [{"n": 60, "z": 12, "d": 28}]


# ── quality ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_block_rules_are_asked_before_anything_is_published(lake, bucket, tmp_path):
    (lake.home / "quality").mkdir()
    (lake.home / "quality/rules.yml").write_text("""
table: processed.events
severity: block
rules:
  - {rule: IsUnique "event_timestamp", name: moments}
  - RowCount >= last()
""", encoding="utf-8")
    load_events(lake, tmp_path, "good", range(4))
    objects = data_files(bucket)
    blocked = load_events(lake, tmp_path, "bad", [3, 5], date="20201211", check=False)
    assert blocked.returncode == 1 and "rule moments" in blocked.stdout + blocked.stderr, repr(blocked)
    assert lake.value("select count(*) from processed.events") == 4
    assert data_files(bucket) == objects, "what is not published leaves nothing"
    assert len(bucket.paths("raw/events/")) == 2, "what was received is kept"
    report = lake("quality", "run", "--json", check=False)
    assert report.returncode == 0, repr(report)
    rows = lake.rows("select rule_name, outcome, is_published from quality.results where triggered_by = 'load' order by run_at, rule_name")
    assert [(row["rule_name"], row["outcome"], row["is_published"]) for row in rows] == [
        ("RowCount >= last()", "skipped", True), ("moments", "pass", True), ("RowCount >= last()", "pass", False), ("moments", "fail", False)]
    assert bucket.paths("quality/") or bucket.paths("curated/results/") or [path for path in bucket.paths() if "results" in path]


def test_an_expectation_holds_a_file_back_until_it_is_retried(lake, bucket, tmp_path, source):
    contracts = tmp_path / "contracts"
    shutil.copytree(source / "datasets", contracts)
    text = (contracts / "transactions.yml").read_text()
    strict = text.replace("expectations:\n", "expectations:\n  - {rule: 'ColumnValues \"country\" in [\"France\"]', severity: block}\n")
    with open(lake.home / "shoplake.yml", "a", encoding="utf-8") as file:
        file.write(f"datasets: {contracts}\n")
    (contracts / "transactions.yml").write_text(strict)
    bucket.put("raw/transactions/date=2026-01-01/a.csv", HEADER + sale(1, "2026-01-01"))
    bucket.put("raw/transactions/date=2026-01-02/b.csv", HEADER + sale(2, "2026-01-02").replace("France", "Utopia") + sale(3, "2026-01-02") + sale("x-y", "2026-01-02"))
    bucket.put("raw/transactions/date=2026-01-03/c.csv", "no,known,column\n")
    report = ingest_all(lake)
    assert (report["loaded"], report["rejected"]) == (1, 2)
    assert "raw/transactions/date=2026-01-02/b.csv" in bucket.paths() and "quarantine/_files/transactions/date=2026-01-03/c.csv" in bucket.paths()
    groups = {group["source_object"]: group for group in lake("quarantine", "ls", "transactions", "--json").json()}
    assert "1 of 2 rows do not satisfy" in groups["raw/transactions/date=2026-01-02/b.csv"]["message"]
    (contracts / "transactions.yml").write_text(text)
    files = {file["was"]: file for file in lake("quarantine", "retry", "transactions", "--json").json()["files"]}
    assert (files["blocked"]["status"], files["blocked"]["rows"], files["rejected"]["status"]) == ("loaded", 2, "failed")
    assert lake.value("select count(*) from processed.transactions") == 3 and lake.value("select count(*) from quarantine.transactions") == 1
    # Its reject, once the contract takes it; and the file without a column.
    (contracts / "transactions.yml").write_text(text.replace('pattern: "[A-Za-z]?[0-9]+", ', ""))
    report = lake("quarantine", "retry", "transactions", "--json").json()
    assert (report["tried"], report["accepted"], report["rejected"]) == (1, 1, 0)
    assert lake.value("select count(*) from processed.transactions") == 4 and lake.value("select count(*) from quarantine.transactions") == 0


# ── a second writer ───────────────────────────────────────────────────────────────────────────────────────────────

APPENDS = 12


def test_pyiceberg_appends_while_shoplake_loads_and_compacts(lake, bucket, tmp_path):
    pytest.importorskip("pyiceberg", reason="pyiceberg is not installed (test/requirements/service.in)")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (test/requirements/service.in)")
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import CommitFailedException

    load_events(lake, tmp_path, "first", range(10))
    problems, appended = [], []
    done = threading.Event()

    def append(address):
        try:
            catalog = load_catalog("shoplake", type="rest", uri=address, **{"s3.access-key-id": KEY, "s3.secret-access-key": SECRET})
            table = catalog.load_table("processed.events")
            for number in range(APPENDS):
                row = pa.Table.from_pylist([{"event_date": "20201211", "_shoplake_event_id": f"py{number}", "user_pseudo_id": "pyiceberg"}], schema=table.schema().as_arrow())
                while True:
                    try:
                        table.append(row)
                        break
                    except CommitFailedException:  # what the protocol asks of a client that lost the race
                        table.refresh()
                appended.append(number)
            assert table.refresh().scan().to_arrow().num_rows >= APPENDS
        except BaseException as problem:  # noqa: BLE001 - whatever it is, the test must see it
            problems.append(repr(problem))
        finally:
            done.set()

    with serving(lake) as served:
        writer = threading.Thread(target=append, args=(served.address,))
        writer.start()
        loads = 0
        while not done.is_set():
            loads += 1
            load_events(lake, tmp_path, f"load{loads}", range(loads * 10, loads * 10 + 10))
            lake("catalog", "compact", "processed.events")
            # A client that reads, writes and then commits needs a moment in which nobody else does.
            wanted = loads // 2
            wait_until(lambda: done.is_set() or len(appended) >= min(wanted, APPENDS), "PyIceberg gets on")
        writer.join()
        assert not problems, problems
    assert loads > 1 and len(appended) == APPENDS
    assert lake.value("select count(*) from processed.events where event_date = '20201210'") == (loads + 1) * 10
    assert lake.value("select count(distinct _shoplake_event_id) from processed.events where event_date = '20201211'") == APPENDS
    snapshots = history(lake)
    for newer, older in zip(snapshots, snapshots[1:]):
        assert newer["parent_id"] == older["snapshot_id"]
    lake("catalog", "compact", "processed.events")
    lake("catalog", "expire", "--older-than", "0", "--now")
    lake("catalog", "orphans", "--older-than", "0")
    assert lake.value("select count(*) from processed.events") == (loads + 1) * 10 + APPENDS


# ── models ────────────────────────────────────────────────────────────────────────────────────────────────────────

INCREMENTAL = """
{{{{ config(materialized='incremental', incremental_strategy='{strategy}'{more}) }}}}
select event_date, cast(event_timestamp as bigint) as moment, user_pseudo_id from {{{{ source('lake', 'events') }}}}
{{% if is_incremental() %}} where event_date >= (select max(event_date) from {{{{ this }}}}) {{% endif %}}
"""


@pytest.mark.parametrize("strategy, more", [("append", ""), ("merge", ", unique_key='moment'"), ("delete+insert", ", unique_key='moment'"),
                                            ("insert_overwrite", ", partition_by='event_date'")], ids=["append", "merge", "delete+insert", "insert_overwrite"])
def test_incremental_models(lake, bucket, tmp_path, strategy, more):
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "dbt_project.yml").write_text("name: p\nversion: '1.0'\nprofile: p\nmodel-paths: [models]\nmodels:\n  p:\n    +schema: marts\n", encoding="utf-8")
    (project / "models/sources.yml").write_text("version: 2\nsources:\n  - name: lake\n    schema: processed\n    tables: [{name: events}]\n", encoding="utf-8")
    (project / "macros").mkdir()
    (project / "macros/schema.sql").write_text("{% macro generate_schema_name(custom, node) %}{{ custom or 'marts' }}{% endmacro %}", encoding="utf-8")
    (project / "models/moments.sql").write_text(INCREMENTAL.format(strategy=strategy, more=more), encoding="utf-8")
    load_events(lake, tmp_path, "one", range(10))
    lake("build", "--project-dir", project)
    assert lake.value("select count(*) from marts.moments") == 10
    load_events(lake, tmp_path, "two", range(10, 30), date="20201211")
    lake("build", "--project-dir", project)
    again = {"append": 40}.get(strategy, 30)
    assert lake.value("select count(*) from marts.moments") == again
    assert lake.value("select count(distinct moment) from marts.moments") == 30
    lake("build", "--project-dir", project, "--full-refresh")
    assert lake.value("select count(*) from marts.moments") == 30
    assert not [path for path in bucket.paths() if "/tmp/" in path]
    assert not list((lake.home / "tmp").glob("stage-*"))
