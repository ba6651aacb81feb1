"""kill -9 of `shoplake serve` at random moments under load: every acknowledged event is counted once, everywhere.

SHOPLAKE_CRASH_ROUNDS  how many kills (default 12; 200 for the long run)
"""
import os

import pytest
from sending import Sender, all_counted, numbered, raw_records, wait_until
from serving import serving

ROUNDS = int(os.environ.get("SHOPLAKE_CRASH_ROUNDS", "12"))
EVENTS_PER_ROUND = 400
# In every other round: rows are read from files again, and files are merged by joining them, as with many more events.
LOW_LIMITS = {"SHOPLAKE_LIVE_HOT_ROWS": "200", "SHOPLAKE_LIVE_JOINED_ROWS": "1"}
MARTS = ["marts.mart_attribution_comparison", "marts.mart_attribution_daily", "marts.mart_first_click_attribution",
         "marts.mart_last_click_attribution", "marts.agg_sessions_daily", "marts.agg_funnel_daily", "marts.fact_sessions"]


def contents(shoplake, table):
    return sorted(map(repr, shoplake.rows(f"select * from {table}")))


@pytest.fixture
def lines(shoplake, tmp_path):
    path = tmp_path / "events.ndjson"
    shoplake("generate", "events", "--events", ROUNDS * EVENTS_PER_ROUND, "--days", 2, "--seed", 11, "--out", path)
    return numbered(path, "crash")


def test_kill_9_loses_nothing_and_counts_nothing_twice(shoplake, shoplake_in, tmp_path, lines, seeded_random):
    place = [None]
    requests = []
    rest = list(lines)
    while rest:
        size = seeded_random.randint(1, 40)
        requests.append(rest[:size])
        rest = rest[size:]
    senders = [Sender("events", requests[half::2], lambda: place[0]) for half in range(2)]
    for sender in senders:
        sender.start()
    try:
        for number in range(ROUNDS):
            with serving(shoplake, env=LOW_LIMITS if number % 2 else None) as served:
                before = [len(sender.acknowledged) for sender in senders]
                place[0] = (served.host, served.port)
                # After so many acknowledgements, and a moment more: the kill falls into receipt, log, delivery, transform, commit or compaction.
                senders[0].wait_for(before[0] + seeded_random.randint(1, EVENTS_PER_ROUND // 2))
                senders[0].stopping.wait(seeded_random.random() * 1.2)
                served.process.kill()
                served.process.wait()
                place[0] = None
        with serving(shoplake) as served:
            place[0] = (served.host, served.port)
            for sender in senders:
                sender.join(300)
                assert not sender.is_alive() and sender.failure is None, sender.failure
            all_counted(served)
            live = {mart: contents(shoplake, mart) for mart in MARTS}
            assert served.stop() == 0
    finally:
        for sender in senders:
            sender.stop()

    sent = {name for name, _ in lines}
    assert set(senders[0].acknowledged) | set(senders[1].acknowledged) == sent
    assert shoplake.value("select count(*) from processed.events") == len(sent)
    assert shoplake.value("select count(distinct _shoplake_event_id) from processed.events") == len(sent)

    # The archive: what was sent once is there once. What was sent again after a kill, because no answer came, may be there as often.
    with serving(shoplake) as served:
        wait_until(lambda: raw_records(shoplake.home, "events").keys() == sent, "everything is delivered")
        assert served.stop() == 0
    sends = {name: senders[0].sends.get(name, 0) + senders[1].sends.get(name, 0) for name in sent}
    for name, count in raw_records(shoplake.home, "events").items():
        assert 1 <= count <= sends[name], name

    # The marts that the micro-batches made are those of a full build, and of the same events in a home that never crashed.
    shoplake("build", "--full-refresh")
    for mart in MARTS:
        assert contents(shoplake, mart) == live[mart], mart
    other = shoplake_in(tmp_path / "undisturbed")
    path = tmp_path / "all.ndjson"
    path.write_text("".join(line + "\n" for _, line in lines), encoding="utf-8")
    other("load", "events", path)
    other("build")
    for mart in MARTS:
        assert contents(other, mart) == live[mart], mart
