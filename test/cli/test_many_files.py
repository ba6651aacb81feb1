"""Many files of one command: what is prepared side by side ends as if the files had been taken one after another."""
import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def lines(first, count, day, quantity=1):
    return "".join(f"{first + n},S{n % 7},thing {n % 11},{quantity},{day} {n % 24:02}:00,2.50,,France\n" for n in range(count))


@pytest.fixture
def many(tmp_path):
    """Paths in the order in which they are to be loaded."""
    paths = []

    def add(name, content):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)

    for number in range(40):
        day = f"2011-01-{number % 28 + 1:02}"
        bad = "short,line\n" * (number % 3)
        add(f"{day}-part-{number}.csv", HEADER + lines(1000 * number, 50 + number, day) + bad)
    add("2011-02-01-large.csv", HEADER + lines(100_000, 60_000, "2011-02-01"))  # its MD5 is computed by another thread
    add("2011-02-02.csv.gz", gzip.compress((HEADER + lines(200_000, 5_000, "2011-02-02")).encode()))
    add("2011-02-03-cut.csv.gz", gzip.compress((HEADER + lines(300_000, 5_000, "2011-02-03")).encode())[:-200])
    add("2011-02-04-other.csv", "nothing,that,is,known\n1,2,3,4\n")
    add("2011-02-05-empty.csv", "")
    # One day and name, three contents: the last one counts. One content under three names: the first one counts, whatever
    # the others claim to be.
    add("first/date=2011-03-01/a.csv", HEADER + lines(400_000, 10, "2011-03-01"))
    add("second/date=2011-03-01/a.csv", HEADER + lines(500_000, 20, "2011-03-01") + "short,line\n")
    add("third/date=2011-03-01/a.csv", HEADER + lines(600_000, 30, "2011-03-01"))
    same = HEADER + lines(700_000, 10, "2011-03-02")
    add("2011-03-02.csv", same)
    add("2011-03-02-again.csv", same)
    add("2011-03-02-wrong.json", same)
    # A column more: the files behind it are prepared with a schema that is not the table's any more.
    add("2011-03-03-drift.csv", HEADER.strip() + ",Channel\n" + "1,A,x,1,2011-03-03 10:00,2.50,,France,web\n")
    add("2011-03-04.csv", HEADER + lines(800_000, 10, "2011-03-04"))
    return paths


def outcome(report):
    return [(file["path"].split("/in/")[-1], file["status"], file.get("rows"), file.get("rejected"), file.get("code") or file.get("error"), file.get("raw_object"), file.get("replaced_object")) for file in report["files"]]


def state(shoplake):
    """Rows, rejects and what the registries say, without times and snapshots."""
    rows = shoplake.rows("select * exclude (_shoplake_ingested_at) from processed.transactions order by all")
    rejects = shoplake.rows("select * exclude (quarantined_at) from quarantine.transactions order by all")
    with sqlite3.connect(f"file:{shoplake.home}/state.sqlite?mode=ro", uri=True) as database:
        files = database.execute("select dataset, date, name, state, reason, object, md5, size_bytes, rows, rejected from ingested_file order by 1, 2, 3").fetchall()
        contents = database.execute("select dataset, md5, size_bytes, raw_object, rows, rejected from loaded_object order by 1, 2, 3").fetchall()
    return rows, rejects, files, contents


def is_clean(home):
    """No copies of files are left. (Those of a load that was killed go a day later.)"""
    return not [path for path in (home / "lake/tmp").rglob("*") if path.is_file()]


def one_by_one(shoplake, paths):
    files = []
    for path in paths:
        files += shoplake("load", "transactions", path, "--json", check=False).json()["files"]
    return {"files": files}


def on_one_processor(shoplake, paths):
    processor = min(os.sched_getaffinity(0))
    process = shoplake.start("load", "transactions", *map(str, paths), "--json", preexec_fn=lambda: os.sched_setaffinity(0, {processor}))
    text, _ = process.communicate(timeout=300)
    return json.loads(text)


def test_all_at_once_is_one_after_another(shoplake_in, tmp_path, many):
    results = {}
    for name in ["one by one", "at once", "on one processor"]:
        shoplake = shoplake_in(tmp_path / name.replace(" ", "-"))
        if name == "one by one":
            report = one_by_one(shoplake, many)
        elif name == "on one processor":
            report = on_one_processor(shoplake, many)
        else:
            done = shoplake("load", "transactions", *many, "--json", check=False)
            assert done.returncode == 3, "a file that is no good says so, after all others"
            report = done.json()
        assert [file["path"] for file in report["files"]] == [str(path) for path in many]
        assert is_clean(shoplake.home)
        results[name] = (outcome(report), state(shoplake))
        shutil.rmtree(shoplake.home)
    statuses = {name: status for name, status, *_ in results["at once"][0]}
    assert [name for name, status in statuses.items() if status == "failed"] == ["2011-02-03-cut.csv.gz", "2011-02-04-other.csv", "2011-02-05-empty.csv"]
    assert [name for name, status in statuses.items() if status == "skipped"] == ["2011-03-02-again.csv", "2011-03-02-wrong.json"]
    rows, rejects, _, _ = results["at once"][1]
    assert len(rows) == sum(50 + n for n in range(40)) + 60_000 + 5_000 + 30 + 10 + 1 + 10
    assert len(rejects) == sum(n % 3 for n in range(40))
    assert results["at once"] == results["one by one"]
    assert results["on one processor"] == results["one by one"]


def test_dropped_files_at_once(shoplake, home, tmp_path, many):
    shoplake("init", home)
    for path in many:
        day = path.parent.name if path.parent.name.startswith("date=") else f"date={path.name[:10]}"
        target = home / "lake/raw/transactions" / day / (f"{path.parent.parent.name}-{path.name}" if path.parent.name.startswith("date=") else path.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        os.utime(target, (time.time() - 60, time.time() - 60))
    report = shoplake("ingest", "--json").json()
    assert (report["loaded"], report["skipped"], report["rejected"]) == (len(many) - 5, 2, 3)
    assert report["rows"] == shoplake.value("select count(*) from processed.transactions")
    again = shoplake("ingest", "--json").json()
    assert (again["loaded"], again["skipped"], again["rejected"]) == (0, 0, 0)
    assert is_clean(home)


def test_killed_and_interrupted_among_many(shoplake_in, tmp_path, many, seeded_random):
    whole = shoplake_in(tmp_path / "whole")
    begin = time.monotonic()
    whole("load", "transactions", *many, check=False)
    seconds = time.monotonic() - begin
    shoplake = shoplake_in(tmp_path / "killed")
    for number in [signal.SIGKILL, signal.SIGINT, signal.SIGKILL]:
        process = shoplake.start("load", "transactions", *map(str, many), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=seconds * seeded_random.uniform(0.1, 0.8))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        assert process.wait(timeout=60) in (3, 130, -signal.SIGKILL)
    shoplake("load", "transactions", *many, check=False)
    rows, rejects, files, contents = state(shoplake)
    # A file that is no good is kept anew by each run that sees it; of the others nothing tells how often they were begun.
    assert rows == state(whole)[0] and rejects == state(whole)[1] and contents == state(whole)[3]
    assert [file for file in files if file[3] != "rejected"] == [file for file in state(whole)[2] if file[3] != "rejected"]
