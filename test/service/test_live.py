"""The live path as a user meets it: what is sent stands in the marts within seconds, once, however it was sent."""
import gzip
import json

import pytest
from sending import Sender, all_counted, numbered, raw_records, wait_until
from serving import serving

MARTS = ["marts.mart_attribution_comparison", "marts.mart_attribution_daily", "marts.mart_first_click_attribution",
         "marts.mart_last_click_attribution", "marts.agg_sessions_daily", "marts.agg_funnel_daily"]


def contents(shoplake, table):
    return sorted(map(repr, shoplake.rows(f"select * from {table}")))


def send(served, stream, lines, size=500):
    sender = Sender(stream, [lines[i:i + size] for i in range(0, len(lines), size)], lambda: (served.host, served.port))
    sender.start()
    sender.join(300)
    sender.stop()
    assert len(sender.acknowledged) == len(lines)


@pytest.fixture
def lines(shoplake, tmp_path):
    path = tmp_path / "events.ndjson"
    shoplake("generate", "events", "--events", 10_000, "--days", 2, "--seed", 5, "--out", path)
    return numbered(path, "live")


def test_twice_in_other_order_over_two_endpoints_changes_no_number(shoplake, shoplake_in, tmp_path, lines, seeded_random):
    with serving(shoplake) as served:
        send(served, "events", lines)
        all_counted(served)
        once = {mart: contents(shoplake, mart) for mart in MARTS}
        rows = shoplake.value("select count(*) from processed.events")
        shuffled = list(lines)
        seeded_random.shuffle(shuffled)
        send(served, "events", shuffled[:5000], size=37)
        # The other half as records of the Firehose API.
        import base64

        for start in range(5000, len(shuffled), 500):
            records = [{"Data": base64.b64encode((line + "\n").encode()).decode()} for _, line in shuffled[start:start + 500]]
            status, _, body = served.request("POST", "/", json.dumps({"DeliveryStreamName": "events", "Records": records}),
                                             {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Firehose_20150804.PutRecordBatch"})
            assert status == 200 and json.loads(body)["FailedPutCount"] == 0, body
        all_counted(served)
        assert shoplake.value("select count(*) from processed.events") == rows == len(lines)
        for mart in MARTS:
            assert contents(shoplake, mart) == once[mart], mart
        assert served.stop() == 0
    other = shoplake_in(tmp_path / "other")
    path = tmp_path / "all.ndjson"
    path.write_text("".join(line + "\n" for _, line in lines), encoding="utf-8")
    other("load", "events", path)
    other("build")
    for mart in MARTS:
        assert contents(other, mart) == once[mart], mart


def test_a_build_beside_a_running_server(shoplake, lines):
    with serving(shoplake) as served:
        send(served, "events", lines[:4000])
        shoplake("build")
        send(served, "events", lines[4000:])
        all_counted(served)
        live = {mart: contents(shoplake, mart) for mart in MARTS}
        assert served.stop() == 0
    shoplake("build", "--full-refresh")
    for mart in MARTS:
        assert contents(shoplake, mart) == live[mart], mart


def test_what_breaks_the_contract_is_a_dead_letter(shoplake, lines):
    bad = [("bad-1", "{\"event_name\": \"x\"}"), ("bad-2", json.dumps({"event_date": "20260101", "event_timestamp": "soon", "event_name": "y"}))]
    with serving(shoplake) as served:
        send(served, "events", lines[:20] + bad)
        view = all_counted(served)
        assert view["dead_letters"] == 2
        assert served.stop() == 0
    assert shoplake.value("select count(*) from processed.events") == 20
    groups = shoplake("quarantine", "ls", "events", "--json").json()
    assert sum(group["count"] for group in groups) == 2
    assert {group["source_object"] for group in groups} == {"wal/events"}


def test_what_an_endpoint_refuses_is_a_dead_letter(shoplake):
    with serving(shoplake) as served:
        for body in (b"garbage", b'{"nonsense": 1}'):
            assert served.request("POST", "/mp/collect?measurement_id=G-1&api_secret=x", body)[0] == 204
        status, _, body = served.request("POST", "/v1/events/events", b"[1, 2]", {"Content-Type": "application/json"})
        assert json.loads(body)["accepted"] == 0, body
        wait_until(lambda: served.api("live")["dead_letters"] == 4, "the dead letters are counted")
        assert served.stop() == 0
    groups = shoplake("quarantine", "ls", "collector", "--json").json()
    assert {g["reason_code"]: g["count"] for g in groups} == {"ga4.bad_json": 1, "ga4.no_events": 1, "collect.not_an_object": 2}
    records = shoplake("quarantine", "show", "collector", "--reason", "ga4.bad_json", "--json").json()
    assert [r["record"] for r in records] == ["garbage"]


def test_a_stream_that_is_not_live_enters_by_its_delivered_objects(shoplake, lines):
    shoplake.home.mkdir()
    (shoplake.home / "shoplake.yml").write_text("streams:\n  events: {live: off, buffering: {seconds: 1, mebibytes: 1}}\n  archive: {}\n")

    def loaded():
        # The server takes events before it has made the table.
        answer = shoplake("query", "select count(*) from processed.events", "--format", "csv", check=False)
        return answer.stdout.split()[-1] if answer.returncode == 0 else None

    with serving(shoplake) as served:
        send(served, "events", lines[:1500])
        send(served, "archive", lines[:10])
        wait_until(lambda: loaded() == "1500", "the objects are loaded")
        assert served.stop() == 0
    assert {name for name in raw_records(shoplake.home, "events")} == {name for name, _ in lines[:1500]}
    sources = shoplake.rows("select distinct _shoplake_source_object as object from processed.events")
    assert all(row["object"].startswith("raw/events/year=") for row in sources)
    assert not list((shoplake.home / "lake/raw/events").glob("date=*")), "objects of the raw zone are loaded in place"


def test_a_replay_of_the_archive_changes_nothing_and_brings_back_what_is_lost(shoplake, shoplake_in, tmp_path, lines):
    with serving(shoplake) as served:
        send(served, "events", lines[:3000])
        all_counted(served)
        assert served.stop() == 0
    shoplake.home.joinpath("shoplake.yml").write_text("streams:\n  events: {buffering: {seconds: 0, mebibytes: 1}}\n")
    with serving(shoplake) as served:
        send(served, "events", lines[3000:3010])
        all_counted(served)
        wait_until(lambda: len(raw_records(shoplake.home, "events")) == 3010, "everything is delivered")
        assert served.stop() == 0
    before = {mart: contents(shoplake, mart) for mart in MARTS}
    report = shoplake("replay", "events", "--json").json()
    assert (report["records"], report["added"], report["already_there"]) == (3010, 0, 3010)
    assert {mart: contents(shoplake, mart) for mart in MARTS} == before

    # Another home that has the archive and nothing else gets the same tables out of it.
    import shutil

    other = shoplake_in(tmp_path / "restored")
    other("build")
    shutil.copytree(shoplake.home / "lake/raw/events", other.home / "lake/raw/events")
    assert other("replay", "events", "--json").json()["added"] == 3010
    for mart in MARTS:
        assert contents(other, mart) == before[mart], mart


def test_an_archive_of_many_small_objects_is_replayed_in_few_commits(shoplake, lines):
    shoplake("build")
    folder = shoplake.home / "lake/raw/events/year=2026/month=06/day=29"
    folder.mkdir(parents=True)
    for number, (_, line) in enumerate(lines[:600]):
        name = f"events-1-2026-06-29-{number // 60:02}-{number % 60:02}-00-{number:020}.gz"
        folder.joinpath(name).write_bytes(gzip.compress(line.encode() + b"\n"))
    folder.joinpath("events-1-2026-06-29-23-00-00-00000000000000000600.gz").write_bytes(gzip.compress(b""))
    commits = lambda: len(list((shoplake.home / "lake/processed/events/metadata").glob("*.metadata.json")))
    before = commits()
    report = shoplake("replay", "events", "--json").json()
    assert (report["objects"], report["records"], report["added"]) == (601, 600, 600)
    assert commits() - before <= 12, "256 objects to a commit, and compactions"
    assert shoplake.value("select count(distinct _shoplake_source_object) from processed.events") == 600
    assert shoplake("replay", "events", "--json").json()["already_there"] == 600

    # A damaged object ends the replay and is named; what stands before it is there.
    whole = gzip.compress(b"".join(line.encode() + b"\n" for _, line in lines[600:1500]))
    folder.joinpath("events-1-2026-06-29-22-00-00-00000000000000000600.gz").write_bytes(gzip.compress(lines[600][1].encode() + b"\n"))
    damaged = folder / "events-1-2026-06-29-22-30-00-00000000000000000601.gz"
    damaged.write_bytes(whole[:-2000])
    answer = shoplake("replay", "events", check=False)
    assert answer.returncode != 0 and damaged.name in answer.stderr, answer.stderr
    assert shoplake.value("select count(*) from processed.events") == 601
    damaged.write_bytes(whole)
    assert shoplake("replay", "events", "--json").json()["added"] == 899


def test_the_feed_shows_the_last_events(shoplake, lines):
    with serving(shoplake) as served:
        send(served, "events", lines[:100])
        all_counted(served)
        view = wait_until(lambda: (v := served.api("live"))["events"] and v, "the feed")
        assert 1 <= len(view["events"]) <= 20
        assert {"at", "name", "page", "source", "user", "value", "stream"} == set(view["events"][0])
        assert view["acknowledged"] == 100 and view["latency_ms"]["p50"] >= 0
        assert served.stop() == 0
