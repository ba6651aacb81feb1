"""Records that broke the contract, tried again after the contract was changed."""
import json
import os
import pathlib
import shutil

from sending import all_counted, wait_until
from serving import serving

CONTRACTS = pathlib.Path(os.environ.get("SHOPLAKE_SOURCE", "."), "datasets")
STRICT = "name: currency, type: string, required: true"
LOOSE = "name: currency, type: string"


def write_contract(home, wanted, there):
    path = home / "contracts/clickstream.yml"
    text = path.read_text(encoding="utf-8")
    assert text.count(there) == 1
    path.write_text(text.replace(there, wanted), encoding="utf-8")


def event(name, **members):
    return json.dumps({"event_id": name, "event_type": "purchase", "timestamp": "2026-11-20T10:00:00Z", "user_id": "u-1", "session_id": "s-1",
                       "price": 10.0, "quantity": 1} | members).encode() + b"\n"


def test_retried_records_keep_their_time_and_are_counted_once(shoplake):
    shoplake.home.mkdir()
    shutil.copytree(CONTRACTS, shoplake.home / "contracts")
    (shoplake.home / "shoplake.yml").write_text("datasets: contracts\n")
    write_contract(shoplake.home, STRICT, LOOSE)
    with serving(shoplake) as served:
        for body in (event("good", currency="EUR"), event("one"), event("two") + event("one"), b'{"event_id": "never"}\n'):
            assert served.request("POST", "/v1/events/clickstream", body)[0] == 200
        wait_until(lambda: served.api("live")["dead_letters"] == 4, "the dead letters are counted")
        all_counted(served)
        assert served.stop() == 0
    assert shoplake.value("select count(*) from processed.clickstream") == 1
    rejected = {row["line"]: row["at"] for row in shoplake.rows("select line, quarantined_at as at from quarantine.clickstream")}
    assert len(rejected) == 4

    # The contract still says no: all of them stay.
    report = shoplake("quarantine", "retry", "clickstream", "--json").json()
    assert (report["tried"], report["accepted"], report["rejected"]) == (4, 0, 4)
    assert shoplake.value("select count(*) from quarantine.clickstream") == 4

    write_contract(shoplake.home, LOOSE, STRICT)
    report = shoplake("quarantine", "retry", "clickstream", "--json").json()
    assert (report["tried"], report["accepted"], report["already_there"], report["rejected"]) == (4, 2, 1, 1)
    rows = shoplake.rows("select event_id, _shoplake_line as line, _shoplake_ingested_at as at, _shoplake_source_object as object from processed.clickstream")
    assert sorted(row["event_id"] for row in rows) == ["good", "one", "two"]
    for row in rows:
        assert row["object"] == "wal/clickstream"
        if row["event_id"] != "good":
            assert row["at"] == rejected[row["line"]], "the time at which it was received"
    left = shoplake("quarantine", "show", "clickstream", "--json").json()
    assert [json.loads(record["record"])["event_id"] for record in left] == ["never"]

    # Nothing is left to try but what no contract takes, and what was accepted is counted once by what comes after.
    report = shoplake("quarantine", "retry", "clickstream", "--json").json()
    assert (report["tried"], report["accepted"], report["already_there"], report["rejected"]) == (1, 0, 0, 1)
    with serving(shoplake) as served:
        assert served.request("POST", "/v1/events/clickstream", event("two", currency="EUR") + event("three"))[0] == 200
        view = all_counted(served)
        assert view["dead_letters"] == 0
        assert served.stop() == 0
    assert shoplake.value("select count(*) from processed.clickstream") == 4
    assert shoplake.value("select count(*) from marts.fact_events") == 4
    shoplake("build", "--full-refresh")
    assert shoplake.value("select count(*) from marts.fact_events") == 4
