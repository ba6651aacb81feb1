"""`shoplake serve` over HTTP: addresses, limits, caching, queries, start and stop."""
import csv
import fcntl
import gzip
import io
import json
import re
import socket
import subprocess
import urllib.parse

import pytest
from serving import serving

BLOCKS = ["summary", "series", "channels", "funnel", "retention"]


@pytest.fixture(scope="module")
def lake(tmp_path_factory, shoplake_in):
    folder = tmp_path_factory.mktemp("serve")
    shoplake = shoplake_in(folder / "home")
    shoplake("generate", "events", "--events", 5000, "--days", 14, "--seed", 3, "--out", folder / "events.ndjson.gz")
    shoplake("load", "events", folder / "events.ndjson.gz")
    shoplake("build")
    return shoplake


@pytest.fixture(scope="module")
def served(lake):
    with serving(lake) as server:
        yield server


def test_health_and_readiness(served):
    assert served.get("/health")[0] == 200
    while (answer := served.get("/ready"))[0] == 503:  # until the first view is computed
        assert answer[1]["retry-after"] == "1"
    assert json.loads(answer[2]) == {"status": "ready"}


def test_ready_line_names_everything(served):
    assert set(served.ready) == {"address", "port", "dashboard", "catalog", "home"}
    assert served.ready["dashboard"] == f"http://127.0.0.1:{served.port}/"


def test_page_allows_nothing_but_its_own_files(served):
    status, headers, body = served.get("/")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["style-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    text = body.decode()
    assert not re.search(r"https?://|<style|style=|\son\w+=", text)
    for source in re.findall(r'(?:src|href)="(/[^"#]*)"', text):
        assert served.get(source)[0] == 200, source


def test_assets_have_strong_tags_and_gzip(served):
    for path in ("/", "/style.css", "/js/main.js", "/echarts.min.js"):
        status, headers, plain = served.get(path)
        assert status == 200 and re.fullmatch(r'"[0-9a-f]{32}"', headers["etag"])
        status, packed_headers, packed = served.get(path, Accept_Encoding="gzip")
        assert packed_headers["content-encoding"] == "gzip" and packed_headers["etag"] != headers["etag"]
        assert gzip.decompress(packed) == plain and len(packed) < len(plain)
        assert served.get(path, If_None_Match=headers["etag"])[0] == 304
        assert served.get(path, If_None_Match=packed_headers["etag"], Accept_Encoding="gzip")[0] == 304
        assert served.request("HEAD", path)[0] == 200


@pytest.mark.parametrize("path", ["/../state.sqlite", "/%2e%2e/state.sqlite", "/js/../../dbt/dbt_project.yml", "//etc/passwd", "/.git/config", "/js/", "/index.html%00"])
def test_nothing_outside_the_page_is_served(served, path):
    status, _, body = served.get(path)
    assert status == 404 and json.loads(body)["error"]["code"] == "serve.no_such_address"


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_answer_as_json_and_csv(served, lake, block):
    answer = served.api(block)
    assert answer["state"] == "ready" and answer["block"] == block and answer["rows"]
    assert lake.rows(answer["explain"]["sql"]) == answer["rows"]
    status, headers, body = served.get(f"/api/{block}?format=csv")
    assert status == 200 and headers["content-type"] == "text/csv; charset=utf-8"
    assert f'shoplake-{block}-{answer["from"]}_{answer["to"]}.csv' in headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
    as_text = [{k: "" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for k, v in row.items()} for row in answer["rows"]]
    assert [list(row) for row in rows] == [list(row) for row in as_text]
    numbers = lambda row: {k: float(v) if re.fullmatch(r"-?[0-9.e+-]+", v) and not re.fullmatch(r"\d{4}-\d\d-\d\d", v) else v for k, v in row.items()}
    assert [numbers(row) for row in rows] == [numbers(row) for row in as_text]


def test_slices_add_up(served):
    """A block of all channels is the sum of the blocks of each: the statements of slices follow the marts' rules."""
    channels = served.api("freshness")["channels"]
    assert len(channels) > 4
    whole = served.api("funnel")["rows"]
    parts = [served.api("funnel", ("channel", channel))["rows"] for channel in channels]
    assert [stage["sessions"] for stage in whole] == [sum(part[i]["sessions"] for part in parts) for i in range(3)]
    every = [("channel", channel) for channel in channels]
    assert served.api("funnel", *every)["rows"] == whole
    assert served.api("retention", *every)["rows"] == served.api("retention")["rows"]
    assert served.api("channels", *every)["rows"] == served.api("channels")["rows"]
    assert served.api("series", *every)["rows"] == served.api("series")["rows"]


def test_hostile_parameters_are_only_text(served):
    for name in ["'; drop table marts.x; --", "$from", "$channels(x)", "')) or 1=1 --", "ä" * 100, "%", "\u202e", "日本"]:
        answer = served.api("channels", ("channel", name))
        assert answer["rows"] == [] and answer["channels"] == [name]
        assert served.api("series", ("event", name))["rows"][0]["first_click_conversions"] == 0
        assert served.api("funnel", ("channel", name))["rows"][0]["sessions"] == 0


@pytest.mark.parametrize("query, code", [
    ("from=yesterday", "serve.bad_parameter"), ("from=2026-02-30", "serve.bad_parameter"), ("from=2026-06-02&to=2026-06-01", "serve.bad_parameter"),
    ("from=1901-01-01&to=2026-01-01", "serve.bad_parameter"), ("chanel=Email", "serve.bad_parameter"), ("format=xml", "serve.bad_parameter"), ("channel=%00", "serve.bad_parameter"),
    ("channel=%ff", "serve.bad_parameter"),
    ("channel=" + "x" * 501, "serve.bad_parameter"), ("&".join(f"channel={i}" for i in range(101)), "serve.bad_parameter")])
def test_bad_parameters_are_said(served, query, code):
    status, _, body = served.get("/api/series?" + query)
    error = json.loads(body)["error"]
    assert status == 400 and error["code"] == code and error["message"] and error["advice"]


def test_unchanged_lake_is_not_read_again(served):
    _, headers, first = served.get("/api/channels")
    status, again, body = served.get("/api/channels", If_None_Match=headers["etag"])
    assert (status, body) == (304, b"") and again["etag"] == headers["etag"]
    assert served.get("/api/channels")[2] == first


def test_queries_read_and_nothing_else(served, tmp_path):
    status, answer = served.query("select channel, sessions from marts.mart_channel_performance order by 1, 2", limit=2)
    assert status == 200 and [c["name"] for c in answer["columns"]] == ["channel", "sessions"]
    assert len(answer["rows"]) == 2 and answer["truncated"] and answer["row_count"] > 2
    target = tmp_path / "written"
    for sql in ["drop table marts.fact_events", f"copy (select 1) to '{target}'", "select * from read_text('/etc/passwd')", "attach ':memory:' as x",
                "select 1; select 2", "set memory_limit = '1GB'", "selec 1", "select * from marts.no_such_table", ""]:
        status, answer = served.query(sql)
        assert status in (400, 404) and answer["error"]["code"] and answer["error"]["message"], sql
    assert not target.exists()


def test_queries_from_other_sites_are_refused(served):
    body = json.dumps({"sql": "select 1"})
    post = lambda **headers: served.request("POST", "/api/query", body, {k.replace("_", "-"): v for k, v in headers.items()})[0]
    assert post(Content_Type="text/plain") == 400
    assert post(Content_Type="application/json", Origin="http://evil.example") == 403
    assert post(Content_Type="application/json", Sec_Fetch_Site="cross-site") == 403
    assert served.get("/health", Host="evil.example")[0] == 421
    assert served.request("GET", "/api/query")[0] == 405


def test_bad_query_requests_are_said(served):
    for body in ["", "[]", "{", '{"sql": 1}', '{"sql": "select 1", "limit": 0}', '{"sql": "select 1", "limit": 1e9}', '{"sql": "select 1", "more": 1}']:
        status, _, answer = served.request("POST", "/api/query", body, {"Content-Type": "application/json"})
        assert status == 400 and json.loads(answer)["error"]["code"] == "serve.bad_query_request", body
    status, _, answer = served.request("POST", "/api/query", b"x" * 300_000, {"Content-Type": "application/json"})
    assert status == 413


def test_catalog_is_served(served):
    status, _, body = served.get("/v1/config")
    assert status == 200 and "endpoints" in json.loads(body)
    status, _, body = served.get("/v1/namespaces/marts/tables")
    assert {"namespace": ["marts"], "name": "fact_events"} in json.loads(body)["identifiers"]
    assert served.request("HEAD", "/v1/namespaces/marts/tables/fact_events")[0] in (200, 204)
    assert served.request("HEAD", "/v1/namespaces/marts/tables/none")[0] == 404
    assert served.get("/v1/namespaces/" + urllib.parse.quote("a/b", safe=""))[0] == 404


def test_metrics_can_be_scraped(served):
    served.get("/nothing-here")
    status, headers, body = served.get("/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    text = body.decode()
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) [A-Za-z0-9_]+ .+|[A-Za-z0-9_]+(\{([a-z_]+="[^"]*",?)*\})? [-+0-9.e]+|.*\+Inf.*', line), line
    assert 'shoplake_build_info{version="' in text
    assert re.search(r'shoplake_http_requests_total\{route="page",method="GET",status="404"\} [1-9]', text)
    assert "process_resident_memory_bytes" in text


def test_page_follows_what_other_commands_do(tmp_path, shoplake_in):
    shoplake = shoplake_in(tmp_path / "home")
    with serving(shoplake) as server:
        empty = server.api("freshness")
        assert empty["state"] == "empty" and server.api("funnel")["state"] == "empty"
        assert server.api("funnel")["hint"]["command"] == "shoplake load events FILE.ndjson.gz"

        shoplake("generate", "events", "--events", 2000, "--days", 5, "--seed", 5, "--out", tmp_path / "events.ndjson")
        with open(tmp_path / "home/live.lock", "a+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)  # as a build would: live must not be the first to build
            shoplake("load", "events", tmp_path / "events.ndjson")
            loaded = server.api("freshness")
            assert loaded["version"] != empty["version"] and loaded["events"] == 2000
            assert loaded["state"] == "stale" and "not_built" in [reason["code"] for reason in loaded["reasons"]]
            assert server.api("funnel")["hint"]["command"] == "shoplake build"

        shoplake("build")
        built = server.api("freshness")
        assert not {"not_built", "not_rebuilt"} & {reason["code"] for reason in built["reasons"]}
        funnel = server.api("funnel")
        assert funnel["state"] == "ready" and funnel["rows"] == shoplake.rows(funnel["explain"]["sql"])

        bad = tmp_path / "more.ndjson"
        bad.write_text("{\n")
        shoplake("load", "events", bad, check=False)
        after = server.api("freshness")
        assert after["rejected"] == 1 and "rejected" in [reason["code"] for reason in after["reasons"]]


def test_builds_go_first_while_live_is_idle(tmp_path, shoplake_in):
    shoplake = shoplake_in(tmp_path / "home")
    shoplake("generate", "events", "--events", 500, "--days", 2, "--out", tmp_path / "events.ndjson")
    shoplake("load", "events", tmp_path / "events.ndjson")
    shoplake("build")
    with serving(shoplake) as server:
        while json.loads(server.get("/api/live")[2])["state"] not in ("waiting", "live"):
            pass
        for _ in range(5):
            shoplake("build")


def test_stops_cleanly(tmp_path, shoplake_in):
    with serving(shoplake_in(tmp_path / "home")) as server:
        assert server.get("/health")[0] == 200
        assert server.stop() == 0


def test_says_why_it_cannot_start(served, lake):
    taken = lake("serve", "--port", served.port, check=False, timeout=30)
    assert taken.returncode == 4 and "another program uses this port" in taken.stderr
    for address in ("nowhere:x", "1:2:3", "host:70000"):
        bad = lake("serve", "--listen", address, check=False, timeout=30)
        assert bad.returncode == 2 and "HOST:PORT" in bad.stderr, bad


def test_listens_where_told(lake):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([str(lake.binary), "serve", "--listen", f"localhost:{port}"], env=lake.environment(), stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline() for _ in range(5)]
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert any(f"http://127.0.0.1:{port}/" in line for line in lines), lines
    assert process.returncode == 0


def test_a_shop_that_sends_only_clickstream_is_not_empty(shoplake_in, tmp_path):
    shoplake = shoplake_in(tmp_path / "home")
    lines = [{"event_id": f"e{n}", "event_type": "page_view", "timestamp": f"2026-11-20T10:00:0{n}Z"} for n in range(3)] + [{"event_type": "no id"}]
    (tmp_path / "clicks.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shoplake("load", "clickstream", tmp_path / "clicks.ndjson")
    with serving(shoplake) as server:
        freshness = server.api("freshness")
        assert (freshness["state"], freshness["events"], freshness["rejected"]) == ("stale", 3, 1)
        assert freshness["last_event_at"] == "2026-11-20T10:00:02Z" and freshness["last_load_at"]
        assert [reason["code"] for reason in freshness["reasons"]][0] == "not_built"
        # What the page says it asked gives what it shows.
        statements = [sql for sql in freshness["explain"]["sql"].split(";\n") if sql]
        assert [server.query(sql)[1]["rows"][0][0] for sql in statements] == [3, 1]
        assert server.stop() == 0
