"""What /metrics says: under the documents' names, for every stage, and all of it documented."""
import json
import os
import pathlib
import re

from sending import wait_until
from serving import serving

SOURCE = pathlib.Path(os.environ.get("SHOPLAKE_SOURCE", "."))
EVENT = {"event_type": "page_view", "timestamp": "2026-11-21T05:15:00Z", "user_id": "u-1", "session_id": "s-1"}


def documented():
    rows = (SOURCE / "docs/metrics.md").read_text(encoding="utf-8").split("## All of them")[1].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Za-z_0-9]+)", cell)}


def described():
    """What the program has a HELP line for."""
    texts = [path.read_text(encoding="utf-8") for path in (SOURCE / "src").rglob("*.cc") if not path.name.endswith("_test.cc")]
    return {name for text in texts for name in re.findall(r'describe_(?:counter|gauge|histogram)\(\s*"([A-Za-z_0-9]+)"', text)}


def values(served):
    """Each series with its value; histograms by their count."""
    text = served.get("/metrics")[2].decode()
    return {match[1]: float(match[2]) for match in re.finditer(r"^([A-Za-z_0-9]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def post(served, stream, events):
    body = "".join(json.dumps(EVENT | {"event_id": name}) + "\n" for name in events).encode()
    status, _, answer = served.request("POST", f"/v1/events/{stream}", body)
    assert status == 200, answer


def test_every_stage_is_counted_and_every_metric_documented(shoplake):
    shoplake.home.mkdir()
    (shoplake.home / "shoplake.yml").write_text("streams:\n  visits: {dataset: clickstream, live: off, buffering: {seconds: 1, mebibytes: 1}}\n")
    with serving(shoplake) as served:
        post(served, "clickstream", ["a", "b", "c"])
        post(served, "visits", ["d", "e"])
        served.request("POST", "/v1/events/nobody", b"{}")
        wait_until(lambda: values(served).get('shoplake_transform_records_total{outcome="accepted"}') == 2, "the object is loaded")
        wait_until(lambda: values(served).get('shoplake_log_waiting_records{consumer="live"}') == 0, "live has all")
        found = values(served)
        for series, value in {
            'IncomingRecords{stream="clickstream"}': 3,
            'IncomingRecords{stream="visits"}': 2,
            'shoplake_collect_rejected_total{stream="(unknown)",source="plain",reason="collect.no_such_stream"}': 1,
            'shoplake_collect_dead_letters_total{reason="collect.no_such_stream"}': 1,
            'shoplake_wal_records_total': 6,
            'DeliveryToS3_Success{stream="visits"}': 1,
            'Invocations{stage="transform"}': 1,
            'Errors{stage="transform"}': 0,
            'Throttles{stage="transform"}': 0,
            'ConcurrentExecutions{stage="transform"}': 0,
            'Duration_count{stage="transform"}': 1,
            'shoplake_transform_waiting_objects': 0,
            'shoplake_transform_freshness_seconds': 0,
            'shoplake_log_freshness_seconds{consumer="live"}': 0,
            'shoplake_live_events_total{outcome="accepted"}': 3,
            'shoplake_http_requests_in_flight': 1,
            'shoplake_http_body_bytes_in_flight': 0,
        }.items():
            assert found.get(series) == value, (series, found.get(series))
        # Nothing of clickstream is delivered before a minute has passed: the consumer waits, and says for how long.
        assert found['shoplake_log_waiting_records{consumer="deliver"}'] >= 3
        assert found['shoplake_log_freshness_seconds{consumer="deliver"}'] > 0
        assert found["shoplake_transform_bytes_total"] > 0 and found["shoplake_wal_last_commit_time_seconds"] > 0
        exposed = set(re.findall(r"^# TYPE (\S+)", served.get("/metrics")[2].decode(), re.MULTILINE))
        assert exposed <= documented()
        assert served.stop() == 0
    assert described() == documented()
