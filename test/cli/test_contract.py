"""shoplake contract check, from outside."""


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
