"""Several writers on one table for a while: shoplake processes, PyIceberg, compaction, expiry, a crawl, some of them killed. No
row is lost or doubled, commits are one line of history, readers see whole commits, and nothing is left over in the end.

SHOPLAKE_WRITERS_SECONDS  how long (default 12; the promise is kept for 120)
"""
import contextlib
import json
import os
import pathlib
import re
import threading
import time

import pytest
from serving import serving

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (test/requirements/service.in)")
pytest.importorskip("pyiceberg", reason="pyiceberg is not installed (test/requirements/service.in)")

from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.exceptions import CommitFailedException  # noqa: E402

SECONDS = float(os.environ.get("SHOPLAKE_WRITERS_SECONDS", "12"))
ROWS = 20


def lines(writer, number):
    return "".join(
        json.dumps({
            "event_date": "20201210",
            "event_timestamp": str(1607600000000000 + number * 1000 + row),
            "event_name": "page_view",
            "user_pseudo_id": f"{writer}.{number}.{row}",
        }) + "\n"
        for row in range(ROWS))


class Crew:
    """Threads that go on until the time is up; what goes wrong in one is the test's failure."""

    def __init__(self, seconds):
        self.ends_at = time.monotonic() + seconds
        self.threads = []
        self.problems = []

    def add(self, work, *arguments):
        def run():
            try:
                work(*arguments)
            except BaseException as problem:  # noqa: BLE001 - whatever it is, the test must see it
                self.problems.append(repr(problem))

        self.threads.append(threading.Thread(target=run))

    @property
    def goes_on(self):
        return time.monotonic() < self.ends_at and not self.problems

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        assert not self.problems


def history(shoplake):
    return shoplake("catalog", "history", "processed.events", "--json").json()


def files_below(folder):
    return {path for path in pathlib.Path(folder).rglob("*") if path.is_file()}


def test_writers_of_all_kinds_lose_nothing(shoplake, tmp_path, seeded_random):
    first = tmp_path / "first.ndjson"
    first.write_text(lines("first", 0))
    shoplake("load", "events", first)
    counts = {"loads": 1, "appends": 0, "deletes": 0, "conflicts": 0, "compactions": 0, "kills": 0, "reads": 0}
    changed = threading.Condition()
    deleting = threading.Event()

    def count(name, amount=1):
        with changed:
            counts[name] += amount
            changed.notify_all()

    def let_others_commit():
        """A client that reads, writes files and then commits loses each race against one that is done in a tenth of the time."""
        with changed:
            changed.wait_for(lambda: not deleting.is_set() and counts["appends"] * 5 >= counts["loads"] + counts["compactions"], timeout=5)

    with serving(shoplake) as served:
        crew = Crew(SECONDS)

        def load(writer):
            number = 0
            while crew.goes_on:
                number += 1
                file = tmp_path / f"{writer}-{number}.ndjson"
                file.write_text(lines(writer, number))
                shoplake("load", "events", file)
                count("loads")
                let_others_commit()

        def append():
            catalog = load_catalog("shoplake", type="rest", uri=served.address)
            table = catalog.load_table("processed.events")
            number = 0
            while crew.goes_on:
                number += 1
                row = pa.Table.from_pylist([{"event_date": "20201211", "_shoplake_event_id": f"py{number}", "user_pseudo_id": "pyiceberg"}], schema=table.schema().as_arrow())
                while True:
                    try:
                        table.append(row)
                        break
                    except CommitFailedException:  # what the protocol asks of a client that lost the race
                        count("conflicts")
                        table.refresh()
                count("appends")
                if number % 5 == 0:  # reads and writes data files anew: against busy writers it loses each time
                    deleting.set()
                    for _ in range(3):
                        try:
                            table.refresh()
                            table.delete(f"_shoplake_event_id = 'py{number}'")
                            count("deletes")
                            break
                        except CommitFailedException:
                            count("conflicts")
                    deleting.clear()
                    count("reads", 0)  # whoever waits looks again
                    table.refresh()

        def compact():
            while crew.goes_on:
                outcome = shoplake("catalog", "compact", "processed.events", "--json", check=False)
                assert outcome.returncode in (0, 4), repr(outcome)
                if outcome.returncode == 0:
                    count("compactions", outcome.json()["tables"][0]["commits"])
                shoplake("catalog", "expire", "processed.events", "--older-than", "0", "--keep", "200")
                let_others_commit()

        def kill():
            while crew.goes_on:
                for command in (("catalog", "compact", "processed.events", "--all-files"), ("catalog", "crawl", "raw")):
                    process = shoplake.start(*command)
                    with contextlib.suppress(Exception):
                        process.wait(timeout=seeded_random.uniform(0.05, 0.6))
                    process.kill()
                    process.communicate()
                    count("kills")
                    let_others_commit()

        def read():
            """Whole commits only: loads come in ROWS rows each."""
            seen = 0
            while crew.goes_on:
                answer = shoplake.rows("select count(*) as n, count(distinct _shoplake_source_object) as o from processed.events where event_date = '20201210'")[0]
                assert answer["n"] == answer["o"] * ROWS, answer
                assert answer["n"] >= seen, "a reader saw rows go"
                seen = answer["n"]
                count("reads")

        for work in ((load, "one"), (load, "two"), (append,), (compact,), (kill,), (read,)):
            crew.add(*work)
        crew.run()
        text = served.get("/metrics")[2].decode()
        assert re.search(r"^shoplake_catalog_commits_total [1-9]", text, re.MULTILINE)
        assert re.search(r"^shoplake_catalog_commit_conflicts_total \d", text, re.MULTILINE)

    print(counts)
    assert counts["loads"] > 2 and counts["appends"] > 2 and counts["reads"] > 0 and (counts["deletes"] > 0 or SECONDS < 60)
    # Nothing lost, nothing twice.
    assert shoplake.value("select count(*) from processed.events where event_date = '20201210'") == counts["loads"] * ROWS
    assert shoplake.value("select count(distinct user_pseudo_id) from processed.events where event_date = '20201210'") == counts["loads"] * ROWS
    assert shoplake.value("select count(*) from processed.events where event_date = '20201211'") == counts["appends"] - counts["deletes"]
    # One line of history: each snapshot has one parent, the one before.
    snapshots = history(shoplake)
    numbers = [snapshot["sequence_number"] for snapshot in snapshots]
    assert numbers == sorted(set(numbers), reverse=True)
    for newer, older in zip(snapshots, snapshots[1:]):
        assert newer["parent_id"] == older["snapshot_id"]
    retries = sum(int(snapshot["summary"].get("shoplake.commit-retries", 0)) for snapshot in snapshots)
    print({"snapshots": len(snapshots), "retries": retries})
    # What was killed leaves nothing behind.
    shoplake("catalog", "compact", "processed.events")
    shoplake("catalog", "expire", "--older-than", "0", "--now")
    past = time.time() - 3 * 86_400
    for path in files_below(shoplake.home / "lake"):
        os.utime(path, (past, past))
    shoplake("catalog", "orphans")
    assert shoplake("catalog", "orphans", "--json").json()["orphans"] == []
    assert files_below(shoplake.home / "lake/tmp") == set()
    assert shoplake.value("select count(*) from processed.events where event_date = '20201210'") == counts["loads"] * ROWS
    (crawled,) = shoplake("catalog", "crawl", "raw", "--json").json()["tables"]
    assert crawled["error"] is None
    assert shoplake("catalog", "crawl", "raw", "--json").json()["tables"][0]["objects_read"] == 0
    assert shoplake.value("select count(*) from raw.events") == counts["loads"] * ROWS


def test_pyiceberg_reads_and_appends_to_every_table_that_shoplake_writes(shoplake, tmp_path):
    file = tmp_path / "events.ndjson"
    shoplake("generate", "events", "--events", 2000, "--days", 3, "--seed", 5, "--out", file)
    shoplake("load", "events", file)
    shoplake("build")
    with serving(shoplake) as served:
        catalog = load_catalog("shoplake", type="rest", uri=served.address)
        names = [name for space in catalog.list_namespaces() for name in catalog.list_tables(space)]
        assert len(names) > 10
        for name in names:
            table = catalog.load_table(name)
            rows = table.scan().to_arrow()
            before = shoplake.value(f"select count(*) from {'.'.join(name)}")
            assert rows.num_rows == before, name
            if rows.num_rows == 0:
                continue
            added = rows.slice(0, 1)
            for _ in range(5):
                try:
                    table.append(added)
                    break
                except CommitFailedException:
                    table.refresh()
            assert shoplake.value(f"select count(*) from {'.'.join(name)}") == before + 1, name
            assert catalog.load_table(name).scan().to_arrow().num_rows == before + 1, name
        # And shoplake writes its models again: their tests see the rows that PyIceberg doubled.
        outcome = shoplake("build", check=False)
        assert outcome.returncode == 1 and "Failure in test" in outcome.stdout, repr(outcome)
        assert "conflict" not in outcome.stdout + outcome.stderr
