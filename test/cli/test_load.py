"""shoplake load and quarantine, from outside: real exports, broken input, kills at random moments, two at once."""
import collections
import gzip
import json
import os
import shutil
import signal
import time

import pytest

MUST_LOAD = 24_219


def event(number, **more):
    return {"event_date": "20260101", "event_timestamp": 1_767_225_600_000_000 + number, "event_name": "page_view", "user_pseudo_id": f"u{number}"} | more


def write_lines(path, events):
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    return path


# Everything of a row but what differs from load to load. (A hash of each row; NULL and empty are told apart.)
CONTENT = """
    select count(*) as row_count, sum(hash(columns(* exclude (_shoplake_ingested_at, _shoplake_source_object, _shoplake_line)))::hugeint)::varchar
    from processed.events
"""


def content(shoplake):
    """Every column's checksum, which does not depend on the order of rows."""
    return shoplake.rows(CONTENT)[0]


def load(shoplake, *arguments, **options):
    return shoplake("load", "events", *arguments, "--json", **options)


def data_files(home):
    """Of tables: rejected files are kept in quarantine/_files."""
    return sorted(path for path in (home / "lake").rglob("*.parquet") if "_files" not in path.parts)


def test_sampled_export_in_both_formats_and_twice(shoplake, shoplake_in, tmp_path, test_data):
    outcome = shoplake("load", "events", test_data / "ga4/ga4_events_sampled.ndjson.gz")
    assert "24,219 rows, 0 rejects" in outcome.stdout
    assert shoplake.value("select count(*) from processed.events") == MUST_LOAD
    again = load(shoplake, test_data / "ga4/ga4_events_sampled.ndjson.gz").json()
    assert (again["rows"], again["files"][0]["status"]) == (0, "skipped")
    assert shoplake.value("select count(*) from processed.events") == MUST_LOAD

    renamed = tmp_path / "other_name.gz"
    shutil.copy(test_data / "ga4/ga4_events_sampled.ndjson.gz", renamed)
    assert load(shoplake, renamed).json()["files"][0]["status"] == "skipped"

    other = shoplake_in(tmp_path / "parquet_home")
    report = load(other, test_data / "ga4/ga4_events_sampled.snappy.parquet").json()
    assert (report["rows"], report["rejected"]) == (MUST_LOAD, 0)
    assert content(other) == content(shoplake)
    # The same rows, one by one.
    columns = "* exclude (_shoplake_ingested_at, _shoplake_source_object)"
    for each in (shoplake, other):
        each("query", f"select {columns} from processed.events order by _shoplake_line", "--format", "csv")
    first, second = (each("query", f"select {columns} from processed.events order by _shoplake_line", "--format", "csv").stdout for each in (shoplake, other))
    assert first == second


def test_raw_bytes_are_kept(shoplake, home, test_data):
    source = test_data / "ga4/ga4_export_small.ndjson.gz"
    report = load(shoplake, source).json()["files"][0]
    assert report["rows"] == 2_003
    assert (home / "lake" / report["raw_object"]).read_bytes() == source.read_bytes()
    assert report["raw_object"].startswith("raw/events/date=") and report["raw_object"].endswith("/ga4_export_small.ndjson.gz")
    assert shoplake.value("select any_value(_shoplake_source_object) from processed.events") == report["raw_object"]
    assert not list((home / "lake/tmp").glob("load-*"))


def test_one_name_with_two_contents(shoplake, home, tmp_path):
    paths = []
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        paths.append(write_lines(tmp_path / str(number) / "events.ndjson", [event(number)]))
    files = load(shoplake, *paths).json()["files"]
    objects = [f["raw_object"] for f in files]
    assert len(set(objects)) == 2
    for path, raw_object in zip(paths, objects):
        assert (home / "lake" / raw_object).read_bytes() == path.read_bytes()


def test_json_suite_among_good_lines(shoplake, tmp_path, test_data):
    """n_ files must not harm their neighbours; some hold line ends and so are several lines, some lines several values."""
    lines, good, blank = [], 0, 0
    for path in sorted((test_data / "json/test_parsing").glob("n_*.json")):
        lines.append(json.dumps(event(good)).encode())
        good += 1
        for line in path.read_bytes().split(b"\n"):
            lines.append(line)
            blank += not line.strip(b" \t\r\n")
    lines.append(json.dumps(event(good)).encode())
    good += 1
    source = tmp_path / "suite.ndjson"
    source.write_bytes(b"\n".join(lines) + b"\n")
    report = load(shoplake, source).json()
    assert report["rows"] == good
    assert shoplake.value("select count(distinct user_pseudo_id) from processed.events") == good
    rejected = shoplake("quarantine", "show", "events", "--limit", "1000", "--json").json()
    assert len({record["line"] for record in rejected}) == len(lines) - good - blank
    assert len(rejected) == report["rejected"]
    for record in rejected:
        assert record["reason_code"] and record["message"] and record["source_object"].endswith("suite.ndjson")
        start = record["byte_offset"]
        raw = source.read_bytes()[start : start + record["record_bytes"]]
        assert raw in lines[record["line"] - 1]
    strict = load(shoplake, source, "--strict", check=False)
    assert strict.returncode == 0, "it was loaded before: nothing is rejected now"


def test_json_suite_as_values(shoplake, tmp_path, test_data):
    """y_ values are accepted inside a record, n_ values reject it, i_ values do either; nothing crashes."""
    for kind in ("y", "i", "n"):
        source = tmp_path / f"{kind}.ndjson"
        values = [path.read_bytes() for path in sorted((test_data / "json/test_parsing").glob(f"{kind}_*.json"))]
        values = [value for value in values if b"\n" not in value]
        source.write_bytes(b"".join(b'{"event_date":"20260101","event_timestamp":1767225600000000,"event_name":"x","value":' + v + b"}\n" for v in values))
        report = load(shoplake, source).json()
        assert report["rows"] + report["rejected"] == len(values)
        if kind == "y":
            assert report["rejected"] == 0
        if kind == "n":
            assert report["rows"] == 0
    for text in (row["_extra"] for row in shoplake.rows("select _extra from processed.events where _extra is not null")):
        json.loads(text, parse_constant=pytest.fail)


def test_strict_says_3_and_loads(shoplake, tmp_path):
    source = tmp_path / "some.ndjson"
    source.write_text(json.dumps(event(1)) + "\nbroken\n")
    outcome = shoplake("load", "events", source, "--strict", check=False)
    assert outcome.returncode == 3
    assert shoplake.value("select count(*) from processed.events") == 1
    (group,) = shoplake("quarantine", "ls", "--json").json()
    assert (group["reason_code"], group["count"], group["first_line"]) == ("json.malformed", 1, 2)


def test_cut_gzip_loads_nothing(shoplake, home, tmp_path, test_data):
    whole = (test_data / "ga4/ga4_export_small.ndjson.gz").read_bytes()
    for size in (len(whole) // 2, len(whole) - 1, 20):
        source = tmp_path / f"cut{size}.ndjson.gz"
        source.write_bytes(whole[:size])
        outcome = load(shoplake, source, check=False)
        assert outcome.returncode == 3, outcome
        assert outcome.json()["files"][0]["error"]["code"] == "io.gzip_truncated"
    assert data_files(home) == []
    assert not list((home / "lake/raw").rglob("*.gz"))
    assert shoplake.value("select count(*) from processed.events") == 0


def test_odd_inputs(shoplake, home, tmp_path, test_data):
    empty = tmp_path / "empty.ndjson"
    empty.write_bytes(b"")
    assert load(shoplake, empty).json()["rows"] == 0
    assert load(shoplake, empty).json()["files"][0]["status"] == "skipped"

    for argument, code in ((tmp_path, "load.is_directory"), (tmp_path / "absent.ndjson", "load.no_such_file")):
        outcome = load(shoplake, argument, check=False)
        assert outcome.returncode == 2
        assert outcome.json()["error"]["code"] == code
    assert shoplake("load", "nothing", empty, check=False).returncode == 2

    long_line = tmp_path / "long.ndjson"
    long_line.write_text(json.dumps(event(1)) + "\n" + json.dumps(event(2, platform="x" * (64 << 20))) + "\n" + json.dumps(event(3)) + "\n")
    report = load(shoplake, long_line).json()
    assert (report["rows"], report["files"][0]["rejected_by_reason"]) == (2, {"record.too_large": 1})

    latin = tmp_path / "latin1.ndjson"
    latin.write_bytes(json.dumps(event(4)).encode() + b"\n" + json.dumps(event(5, platform="Z?rich")).encode().replace(b"?", b"\xfc") + b"\n")
    report = load(shoplake, latin).json()
    assert (report["rows"], report["files"][0]["rejected_by_reason"]) == (1, {"json.invalid_utf8": 1})

    array = tmp_path / "array.json"
    array.write_text(json.dumps([event(6), event(7)], indent=2))
    assert load(shoplake, array).json()["rows"] == 2
    compressed = tmp_path / "events_without_ending"
    compressed.write_bytes(gzip.compress((json.dumps(event(8)) + "\n").encode()) + gzip.compress((json.dumps(event(9)) + "\n").encode()))
    assert load(shoplake, compressed).json()["rows"] == 2


def test_bad_parquet(shoplake, home, test_data):
    for path in sorted((test_data / "parquet/bad_data").glob("*.parquet")):
        before = data_files(home)
        outcome = load(shoplake, path, check=False)
        report = outcome.json()
        if outcome.returncode == 0:  # readable after all, but no event: everything is in quarantine
            assert report["rows"] == 0
        else:
            assert outcome.returncode == 3, outcome
            assert report["files"][0]["error"]["code"].startswith("transform."), outcome
            assert data_files(home) == before
    assert shoplake.value("select count(*) from processed.events") == 0


def test_other_parquet_files_end_well(shoplake, test_data):
    """Files of every kind that are no events: clear errors or quarantine, never a crash, never rows."""
    for path in sorted((test_data / "parquet/data").glob("*.parquet")):
        outcome = load(shoplake, path, check=False)
        assert outcome.returncode in (0, 3), (path, outcome)
        assert outcome.json()["rows"] == 0, (path, outcome)


def test_personal_data_and_drift(shoplake, tmp_path):
    address = "jo.doe@example.com"
    source = write_lines(
        tmp_path / "mail.ndjson",
        [
            event(
                1,
                user_id=address,
                event_params=[
                    {"key": "page_location", "value": {"string_value": "https://x.example/?email=jo.doe%40example.com&x=1"}},
                    {"key": "note", "value": {"string_value": f"write to {address}."}},
                ],
                user_properties=[{"key": "contact", "value": {"string_value": address}}],
                new_column={"mail": address, "n": 1},
            )
        ],
    )
    report = load(shoplake, source).json()["files"][0]
    assert report["drift"] == [{"field": "new_column", "type": "object", "count": 1}]
    (row,) = shoplake.rows("select * from processed.events")
    assert "doe" not in json.dumps(row)
    assert row["event_params"][0]["value"]["string_value"] == "https://x.example/?email=[email]&x=1"
    assert json.loads(row["_extra"]) == {"new_column": {"mail": "[email]", "n": 1}}
    assert row["user_id"].startswith("email:")


def test_two_at_once_load_once(shoplake, test_data):
    shoplake("load", "events", test_data / "ga4/ga4_export_small.ndjson.gz")
    processes = [shoplake.start("load", "events", str(test_data / "ga4/ga4_events_sampled.ndjson.gz"), "--json") for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    statuses = collections.Counter(json.loads(out)["files"][0]["status"] for out, _ in answers)
    assert statuses == {"loaded": 1, "skipped": 1}
    assert shoplake.value("select count(*) from processed.events") == MUST_LOAD + 2_003


def test_kill_at_any_moment(shoplake, shoplake_in, home, tmp_path, test_data, seeded_random):
    """kill -9 at 50 random moments: the same command then ends with the table of an undisturbed run."""
    source = test_data / "ga4/ga4_events_sampled.ndjson.gz"
    undisturbed = shoplake_in(tmp_path / "undisturbed")
    begin = time.monotonic()
    load(undisturbed, source)
    seconds = time.monotonic() - begin
    expected = content(undisturbed)
    killed = 0
    for attempt in range(50):
        each = shoplake_in(tmp_path / f"home{attempt}")
        process = each.start("load", "events", str(source))
        try:
            process.wait(timeout=seeded_random.uniform(0, seconds * 1.1))
        except Exception:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
        process.communicate()
        load(each, source)
        assert content(each) == expected, each.home  # the home is kept by pytest
        assert load(each, source).json()["rows"] == 0
        shutil.rmtree(each.home)
    assert killed > 0
