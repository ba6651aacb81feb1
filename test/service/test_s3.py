"""A lake in an object store is a lake: the same pipeline gives the same rows on the disk, on versitygw and on moto; outages end in
success or a plain error, and nothing half-done is seen; a user's query reads its tables and nothing else of the store."""
import contextlib
import datetime
import gzip
import http.server
import json
import threading

import pytest
from object_store import BUCKET, KEY, KEYS, SECRET, Fault, configure, free_port, in_store
from sending import Sender, all_counted, numbered, wait_until
from serving import serving

TABLES = ["processed.events", "marts.mart_attribution_comparison", "marts.mart_last_click_attribution", "marts.agg_funnel_daily", "marts.fact_sessions"]
EXIT_ENVIRONMENT = 4
# Columns that name a run, not what it did.
TIMES = "exclude (_shoplake_ingested_at)"


@pytest.fixture(scope="module")
def events(tmp_path_factory, shoplake_in):
    folder = tmp_path_factory.mktemp("events")
    path = folder / "events.ndjson"
    shoplake_in(folder / "home")("generate", "events", "--events", 6_000, "--days", 2, "--seed", 11, "--out", path)
    return path


def contents(shoplake, table):
    columns = TIMES if table.startswith("processed") else ""
    return sorted(map(repr, shoplake.rows(f"select * {columns} from {table}")))


def pipeline(shoplake, events, later):
    """load → build → live → more days → build; what the tables hold after each."""
    shoplake("load", "events", events)
    again = shoplake("load", "events", events, "--json").json()
    assert [file["status"] for file in again["files"]] == ["skipped"], again
    shoplake("build")
    seen = {"built": {table: contents(shoplake, table) for table in TABLES}}
    lines = numbered(events, "live")[:300]
    with serving(shoplake) as served:
        sender = Sender("events", [lines[at:at + 100] for at in range(0, len(lines), 100)], lambda: (served.host, served.port))
        sender.start()
        sender.join(120)
        sender.stop()
        assert len(sender.acknowledged) == len(lines)
        all_counted(served)
        status, answer = served.query("select count(*) as n from processed.events")
        assert status == 200, answer
        assert served.stop() == 0
    seen["live"] = {table: len(contents(shoplake, table)) for table in TABLES}
    seen["live marts"] = {table: contents(shoplake, table) for table in TABLES if table.startswith("marts.mart")}
    # The second build is incremental: it computes the days that changed.
    shoplake("load", "events", later)
    shoplake("build")
    seen["built again"] = {table: contents(shoplake, table) for table in TABLES if table.startswith("marts")}
    return seen


@pytest.fixture(scope="module")
def later(tmp_path_factory, shoplake_in):
    folder = tmp_path_factory.mktemp("later")
    path = folder / "later.ndjson"
    shoplake_in(folder / "home")("generate", "events", "--events", 2_000, "--days", 1, "--seed", 13, "--out", path)
    return path


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory, shoplake_in, events, later):
    return pipeline(shoplake_in(tmp_path_factory.mktemp("disk") / "home"), events, later)


def test_the_pipeline_gives_the_same_rows_as_on_the_disk(shoplake, store, prefix, events, later, on_disk):
    in_store(shoplake, store, prefix)
    assert pipeline(shoplake, events, later) == on_disk
    keys = store.keys(BUCKET, f"{prefix}/")
    assert {key.split("/")[1] for key in keys} >= {"raw", "processed", "curated"}
    assert not [key for key in keys if "/tmp/" in key or key.endswith(".tmp")]
    # On this machine only the control plane, the log and what is in progress.
    assert not (shoplake.home / "lake").exists()
    assert not list((shoplake.home / "tmp").glob("stage-*"))
    assert "stands already" not in shoplake("doctor", check=False).stdout


def delivered_ids(store, prefix):
    """The event ids in the delivered raw objects, each as often as it stands there."""
    ids = []
    for key in store.keys(BUCKET, f"{prefix}/raw/events/"):
        body = store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
        ids += [json.loads(line)["event_id"] for line in gzip.decompress(body).decode().splitlines() if line]
    return ids


def test_raw_objects_are_replayed_from_the_store(shoplake, gateway, prefix, events):
    in_store(shoplake, gateway, prefix)
    with open(shoplake.home / "shoplake.yml", "a", encoding="utf-8") as configuration:
        configuration.write("streams:\n  events: {buffering: {seconds: 0, mebibytes: 1}}\n")
    lines = numbered(events, "replayed")[:200]
    with serving(shoplake) as served:
        sender = Sender("events", [lines], lambda: (served.host, served.port))
        sender.start()
        sender.join(60)
        sender.stop()
        all_counted(served)
        wait_until(lambda: len(delivered_ids(gateway, prefix)) == len(lines), "everything is delivered")
        assert served.stop() == 0
    assert sorted(delivered_ids(gateway, prefix)) == sorted(name for name, _ in lines)
    today = datetime.datetime.now(datetime.timezone.utc)
    first, last = today - datetime.timedelta(days=2), today + datetime.timedelta(days=1)
    report = shoplake("replay", "events", "--from", f"{first:%Y-%m-%d}", "--to", f"{last:%Y-%m-%d}", "--json").json()
    assert (report["records"], report["added"], report["already_there"]) == (len(lines), 0, len(lines)), report
    assert shoplake.value("select count(*) from processed.events") == len(lines)


def test_pyiceberg_reads_and_appends_while_shoplake_does(shoplake, gateway, prefix, events):
    pytest.importorskip("pyiceberg", reason="pyiceberg is not installed (test/requirements/service.in)")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (test/requirements/service.in)")
    from pyiceberg.catalog import load_catalog

    in_store(shoplake, gateway, prefix)
    shoplake("load", "events", events)
    rows = shoplake.value("select count(*) from processed.events")
    with serving(shoplake) as served:
        # Endpoint and region come from the catalog; keys are the client's own.
        catalog = load_catalog("shoplake", type="rest", uri=served.address, **{"s3.access-key-id": KEY, "s3.secret-access-key": SECRET})
        table = catalog.load_table("processed.events")
        assert table.location() == f"s3://{BUCKET}/{prefix}/processed/events"
        assert table.scan().to_arrow().num_rows == rows
        made = catalog.create_table("marts.notes", pa.schema([("id", pa.int64()), ("text", pa.string())]))
        assert made.location().startswith(f"s3://{BUCKET}/{prefix}/")
        for number in range(3):
            made.append(pa.table({"id": [number], "text": [f"note {number}"]}))
            made.refresh()
        assert shoplake.rows("select * from marts.notes order by id") == [{"id": n, "text": f"note {n}"} for n in range(3)]
        catalog.purge_table("marts.notes")
        assert not gateway.keys(BUCKET, f"{prefix}/curated/notes/")


def test_a_query_reads_tables_and_nothing_else(shoplake, gateway, prefix, events):
    in_store(shoplake, gateway, prefix)
    shoplake("load", "events", events)
    client = gateway.client()
    client.put_object(Bucket="other", Key="x.csv", Body=b"a\n1\n")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}/raw/x.csv", Body=b"a\n1\n")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}-of-others/x.csv", Body=b"a\n1\n")
    assert shoplake.value("select count(*) > 0 as n from processed.events") is True
    forbidden = [
        "select * from read_csv('s3://other/x.csv')",
        f"select * from read_csv('s3://{BUCKET}/{prefix}-of-others/x.csv')",
        f"select * from read_csv('s3://{BUCKET}/{prefix}/raw/x.csv')",
        f"select * from 's3://{BUCKET}/{prefix}/raw/x.csv'",
        f"select * from read_text('s3://{BUCKET}/{prefix}/raw/x.csv?s3_endpoint=127.0.0.1:9')",
        f"select * from glob('s3://{BUCKET}/*')",
        "select * from read_text('/etc/passwd')",
        "select * from duckdb_secrets()",
        "select * from which_secret('s3://shop', 's3')",
        "from duckdb_secrets(redact=false)",
        "create or replace secret lake (type s3, key_id 'x', secret 'y')",
        "drop secret lake",
        f"copy (select 1) to 's3://{BUCKET}/{prefix}/y.csv'",
        "set s3_endpoint = '127.0.0.1:9'",
        "select * from duckdb_settings()",
    ]
    for sql in forbidden:
        outcome = shoplake("query", sql, "--format", "json", check=False)
        assert outcome.returncode != 0, sql
        assert SECRET not in outcome.stdout + outcome.stderr and "root:" not in outcome.stdout, sql
    with serving(shoplake) as served:
        for sql in forbidden:
            status, answer = served.query(sql)
            assert status >= 400 and SECRET not in json.dumps(answer), sql
    # Nor in anything that is kept.
    for path in shoplake.home.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_keys_come_from_settings_profile_or_environment(shoplake, gateway, prefix, tmp_path, monkeypatch, events):
    for name in KEYS:
        if name != "AWS_EC2_METADATA_DISABLED":
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    in_store(shoplake, gateway, prefix)
    none = shoplake("load", "events", events, "--json", check=False)
    assert none.returncode == 2 and json.loads(none.stdout or none.stderr)["error"]["code"].endswith("aws.no_credentials"), repr(none)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(f"[shop]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n", encoding="utf-8")
    in_store(shoplake, gateway, prefix, profile="shop")
    assert "keys from profile shop" in shoplake("doctor", check=False).stdout
    monkeypatch.setenv("MY_SECRET", SECRET)
    in_store(shoplake, gateway, prefix, access_key_id=KEY, secret_access_key="${MY_SECRET}")
    shoplake("load", "events", events)
    assert shoplake.value("select count(*) > 0 as n from processed.events") is True
    in_store(shoplake, gateway, prefix, access_key_id=KEY, secret_access_key="wrong")
    more = tmp_path / "more.ndjson"
    more.write_text("".join(line + "\n" for _, line in numbered(events, "more")[:10]), encoding="utf-8")
    wrong = shoplake("load", "events", more, "--json", check=False)
    assert wrong.returncode == EXIT_ENVIRONMENT and "s3.access_denied" in wrong.stdout + wrong.stderr, repr(wrong)


@contextlib.contextmanager
def answering(answers):
    """A server of metadata; what it was asked, with headers, and None where it does not know."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self):
            asked.append((f"{self.command} {self.path}", {name.lower(): value for name, value in self.headers.items()}))
            body = answers.get(asked[-1][0])
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or "")))
            self.end_headers()
            self.wfile.write((body or "").encode())

        do_GET = do_PUT = answer

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def test_keys_come_from_the_role_of_a_container_or_machine(shoplake, gateway, prefix, tmp_path, monkeypatch, events):
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    in_store(shoplake, gateway, prefix)
    keys = json.dumps({"AccessKeyId": KEY, "SecretAccessKey": SECRET, "Expiration": "2099-01-01T00:00:00Z"})
    roles = "/latest/meta-data/iam/security-credentials/"
    with answering({"GET /keys": keys}) as (address, asked):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{address}/keys")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer me")
        shoplake("load", "events", events)
        assert {request for request, _ in asked} == {"GET /keys"} and asked[0][1]["authorization"] == "Bearer me"
        assert "keys from the container's endpoint" in shoplake("doctor", check=False).stdout
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    with answering({"PUT /latest/api/token": "T", f"GET {roles}": "shop", f"GET {roles}shop": keys}) as (address, asked):
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", address)
        assert shoplake.value("select count(*) from processed.events") == 6000
        assert [request for request, _ in asked] == ["PUT /latest/api/token", f"GET {roles}", f"GET {roles}shop"]
        assert asked[-1][1]["x-aws-ec2-metadata-token"] == "T"


def test_init_and_doctor_know_the_store(shoplake, gateway, prefix, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", gateway.endpoint)
    shoplake("init", "--lake", f"s3://{BUCKET}/{prefix}")
    (check,) = [check for check in shoplake("doctor", "--json", check=False).json()["checks"] if check["name"] == "lake"]
    assert check["status"] == "ok" and "with conditional writes" in check["detail"], check
    assert not gateway.keys(BUCKET, f"{prefix}/")
    configure(shoplake.home, gateway.endpoint, "s3://absent/lake")
    (check,) = [check for check in shoplake("doctor", "--json", check=False).json()["checks"] if check["name"] == "lake"]
    assert check["status"] == "problem" and "NoSuchBucket" in check["detail"], check
    (shoplake.home / "shoplake.yml").write_text("lake: gs://bucket/x\n", encoding="utf-8")
    assert shoplake("query", "select 1", check=False).returncode == 2


def test_encryption_is_asked_for(shoplake, proxy, prefix, events):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}", sse="AES256")
    shoplake("load", "events", events)
    writes = [(method, path, headers) for method, path, headers in proxy.seen
              if (method == "PUT" and "partNumber" not in path) or (method == "POST" and "uploads" in path)]
    assert writes
    for method, path, headers in writes:
        assert headers.get("x-amz-server-side-encryption") == "AES256", (method, path)


OUTAGES = [
    ("refuse", "PUT", ""), ("half_request", "PUT", ""), ("lost_answer", "PUT", ""), ("500", "PUT", ""), ("503", "PUT", ""), ("slow", "PUT", ""),
    ("refuse", "GET", ""), ("half_answer", "GET", ""), ("short_answer", "GET", ""), ("503", "GET", ""), ("slow", "GET", ""),
    ("503", "HEAD", ""), ("refuse", "HEAD", ""),
]


@pytest.mark.parametrize("kind, method, match", OUTAGES, ids=lambda value: str(value) or "any")
def test_a_passing_outage_is_survived(shoplake, proxy, prefix, events, kind, method, match):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}", stall_timeout_seconds=2)
    proxy.fail(Fault(kind, method, match, times=1 if kind == "slow" else 3))
    shoplake("load", "events", events)
    assert shoplake.value("select count(*) from processed.events") == 6000
    fault = proxy.fail(Fault(kind, method, match, times=1 if kind == "slow" else 3))
    assert shoplake.value("select count(distinct event_name) from processed.events") > 0
    if method == "GET":
        assert fault.met > 0


@pytest.mark.parametrize("kind, method", [("refuse", "PUT"), ("503", "PUT"), ("lost_answer", "PUT"), ("503", None), ("refuse", None)], ids=str)
def test_a_lasting_outage_is_a_plain_error_and_nothing_is_half_loaded(shoplake, proxy, prefix, events, kind, method):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}", attempts=2)
    proxy.fail(Fault(kind, method, "", times=10_000))
    outcome = shoplake("load", "events", events, "--json", check=False)
    assert outcome.returncode == EXIT_ENVIRONMENT and "s3.unavailable" in outcome.stdout + outcome.stderr, repr(outcome)
    proxy.fail()
    assert shoplake("query", "select count(*) as n from processed.events", "--format", "json", check=False).stdout.strip() in ("", '[{"n":0}]')
    shoplake("load", "events", events)
    assert shoplake.value("select count(*) from processed.events") == 6000


def test_nobody_listens(shoplake, prefix, events):
    configure(shoplake.home, f"http://127.0.0.1:{free_port()}", f"s3://{BUCKET}/{prefix}", attempts=2)
    outcome = shoplake("load", "events", events, check=False)
    assert outcome.returncode == EXIT_ENVIRONMENT and "s3.unavailable" in outcome.stderr, repr(outcome)


@pytest.mark.parametrize("kind, method, match", [
    ("503", "POST", "uploads"), ("refuse", "PUT", "partNumber"), ("half_request", "PUT", "partNumber"), ("lost_answer", "PUT", "partNumber"),
    ("503", "PUT", "partNumber"), ("503", "POST", "uploadId"), ("refuse", "POST", "uploadId"), ("lost_answer", "POST", "uploadId")], ids=str)
def test_an_upload_in_parts_survives(shoplake, gateway, proxy, prefix, tmp_path, large_events, kind, method, match):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}")
    fault = proxy.fail(Fault(kind, method, match, times=2))
    shoplake("load", "events", large_events)
    assert fault.met == 2
    assert shoplake.value("select count(*) from processed.events") == 40_000
    (raw,) = [key for key in gateway.keys(BUCKET, f"{prefix}/raw/") if key.endswith(".ndjson")]
    assert gateway.client().get_object(Bucket=BUCKET, Key=raw)["Body"].read() == large_events.read_bytes()
    assert not [upload for upload in gateway.uploads(BUCKET) if upload["Key"].startswith(prefix)]


@pytest.fixture(scope="module")
def large_events(tmp_path_factory, shoplake_in):
    folder = tmp_path_factory.mktemp("large")
    path = folder / "events.ndjson"
    shoplake_in(folder / "home")("generate", "events", "--events", 40_000, "--days", 1, "--seed", 12, "--out", path)
    assert path.stat().st_size > 20_000_000
    return path


@pytest.mark.parametrize("nth", [1, 3, 6, 9, 12])
def test_killed_while_loading(shoplake, proxy, prefix, events, nth):
    """kill -9 when the nth object is being written: nothing of it is seen, and the same command finishes the work."""
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}")
    killed_at = proxy.kill_at_write(shoplake, nth, "load", "events", events)
    rows = shoplake("query", "select count(*) as n from processed.events", "--format", "json", check=False)
    counted = json.loads(rows.stdout)[0]["n"] if rows.returncode == 0 else 0
    assert counted in (0, 6000), (killed_at, counted)
    shoplake("load", "events", events)
    assert shoplake.value("select count(*) from processed.events") == 6000
    assert shoplake.value("select count(*) from (select distinct * from processed.events)") == 6000


@pytest.mark.parametrize("nth", [1, 8, 25, 60])
def test_killed_while_building(shoplake, shoplake_in, proxy, prefix, events, on_disk, nth):
    configure(shoplake.home, proxy.endpoint, f"s3://{BUCKET}/{prefix}")
    shoplake("load", "events", events)
    proxy.kill_at_write(shoplake, nth, "build")
    shoplake("build")
    for table in TABLES:
        assert contents(shoplake, table) == on_disk["built"][table], table
