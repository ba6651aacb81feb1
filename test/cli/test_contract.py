"""shoplake contract check, from outside; and the limits of a contract in a load."""
import json


def test_the_contracts_that_come_with_shoplake_are_valid(shoplake, source, home):
    paths = sorted((source / "datasets").glob("*.yml"))
    outcome = shoplake("contract", "check", *paths)
    assert len(outcome.stdout.splitlines()) == len(paths) > 0
    (events,) = shoplake("contract", "check", source / "datasets/events.yml", "--json").json()["contracts"]
    assert (events["valid"], events["dataset"], events["table"], events["fields"]) == (True, "events", "processed.events", 31)
    assert 0 < events["treated"] < events["personal"] < events["values"]
    assert not home.exists(), "checking needs no home"


def test_a_mistake_has_its_line(shoplake, source, tmp_path):
    right = source / "datasets/events.yml"
    lines = right.read_text().splitlines()
    number = next(i for i, line in enumerate(lines) if "name: event_value_in_usd" in line)
    lines[number] = lines[number].replace("type: double", "type: number")
    wrong = tmp_path / "events.yml"
    wrong.write_text("\n".join(lines))
    outcome = shoplake("contract", "check", wrong, right, check=False)
    assert outcome.returncode == 2
    assert f"{wrong}:{number + 1}: type \"number\" is not known" in outcome.stderr
    assert f"{right}: valid" in outcome.stdout, "the others are checked all the same"
    first, second = shoplake("contract", "check", wrong, right, "--json", check=False).json()["contracts"]
    assert (first["valid"], first["error"]["code"], second["valid"]) == (False, "contract.invalid", True)


def test_what_is_no_contract(shoplake, tmp_path):
    (tmp_path / "list.yml").write_text("- a\n")
    (tmp_path / "open.yml").write_text("dataset: [a\n")
    (tmp_path / "empty.yml").write_text("")
    (tmp_path / "bytes.yml").write_bytes(bytes(range(256)))
    (tmp_path / "deep.yml").write_text("[" * 100_000)
    for name in ("list.yml", "open.yml", "empty.yml", "bytes.yml", "deep.yml", "missing.yml", "."):
        outcome = shoplake("contract", "check", tmp_path / name, check=False)
        assert outcome.returncode == 2, repr(outcome)
        assert outcome.stderr.startswith("error: "), repr(outcome)


def test_impossible_timestamps_are_quarantined(shoplake, tmp_path):
    first, last = 946_684_800_000_000, 4_102_444_799_999_999  # 2000-01-01 to the end of 2099
    given = [first - 1, first, last, last + 1, 0, -1, 1_767_225_600, 2**63 - 1]
    source = tmp_path / "events.ndjson"
    source.write_text("".join(json.dumps({"event_date": "20260101", "event_timestamp": at, "event_name": "x"}) + "\n" for at in given))
    report = shoplake("load", "events", source, "--json").json()["files"][0]
    assert (report["rows"], report["rejected_by_reason"]) == (2, {"contract.out_of_range": 6})
    assert {row["event_timestamp"] for row in shoplake.rows("select event_timestamp::varchar as event_timestamp from processed.events")} == {str(first), str(last)}
    messages = shoplake.rows("select line, message from quarantine.events order by line")
    assert messages[0] == {"line": 1, "message": f"event_timestamp is {first - 1}, not within {first} and {last}"}
    assert [row["line"] for row in messages] == [1, 4, 5, 6, 7, 8]
