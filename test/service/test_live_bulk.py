"""kill -9 of a `shoplake serve` that takes a backlog in bulk: each event is counted once, and the marts are those of a build."""
import contextlib
import fcntl

from sending import Sender, all_counted, numbered, wait_until
from serving import serving
from test_live import MARTS, contents

EVENTS = 6000
# Small enough that this backlog takes many commits, and little of it is left to micro-batches.
LIMITS = {"SHOPLAKE_LIVE_BACKLOG_RECORDS": "400", "SHOPLAKE_LIVE_BULK_RECORDS": "150"}


@contextlib.contextmanager
def as_a_build_would(shoplake):
    """Holds the lock of the home's builds, so that the server acknowledges and does not count."""
    with open(shoplake.home / "live.lock", "a+", encoding="utf-8") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def is_taken(served, target):
    """Whether at most so many records wait. Before live has read its position everything in the log does."""
    return served.api("live")["waiting_records"] <= target


def test_kill_9_while_a_backlog_is_taken(shoplake, tmp_path, seeded_random):
    path = tmp_path / "events.ndjson"
    shoplake("generate", "events", "--events", EVENTS, "--days", 1, "--seed", 12, "--out", path)
    lines = numbered(path, "bulk")
    shoplake("build")
    with as_a_build_would(shoplake), serving(shoplake, env=LIMITS) as served:
        # A tenth is sent again: repetitions are left out, inside a bulk and between two.
        again = seeded_random.sample(lines, EVENTS // 10)
        everything = lines + again
        sender = Sender("events", [everything[at:at + 100] for at in range(0, len(everything), 100)], lambda: (served.host, served.port))
        sender.start()
        sender.join(300)
        sender.stop()
        assert len(sender.acknowledged) == len(everything)
        served.process.kill()
        served.process.wait()
    kills = 0
    behind = len(everything)
    while behind > 1000 and kills < 12:
        with serving(shoplake, env=LIMITS) as served:
            # After a commit or two, in the middle of the next.
            target = behind - seeded_random.randint(1, 400)
            wait_until(lambda: is_taken(served, target), "a bulk is committed")
            served.process.kill()
            served.process.wait()
        kills += 1
        behind = target
    assert kills > 3
    with serving(shoplake, env=LIMITS) as served:
        all_counted(served)
        assert served.stop() == 0
    assert shoplake.value("select count(*) from processed.events") == EVENTS
    assert shoplake.value("select count(distinct _shoplake_event_id) from processed.events") == EVENTS
    live = {mart: contents(shoplake, mart) for mart in MARTS}
    shoplake("build", "--full-refresh")
    for mart in MARTS:
        assert contents(shoplake, mart) == live[mart], mart
