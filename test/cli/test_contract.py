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
    assert f"{wrong}:{number + 1}:38: type \"number\" is not known" in outcome.stderr
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


def test_mistakes_have_their_column(shoplake, tmp_path):
    (tmp_path / "a.yml").write_text("dataset: a\ntable: processed.a\npartition_by: none\nunknown_fields: {keep_in: e}\nfields:\n  - {name: a, type: number}\n")
    outcome = shoplake("contract", "check", tmp_path / "a.yml", check=False)
    assert outcome.returncode == 2 and f'{tmp_path / "a.yml"}:6:21: type "number" is not known' in outcome.stderr


def test_check_by_name_and_of_all(shoplake, source):
    assert "valid, transactions → processed.transactions" in shoplake("contract", "check", "transactions").stdout
    assert len(shoplake("contract", "check").stdout.splitlines()) == len(list((source / "datasets").glob("*.yml")))
    assert shoplake("contract", "check", "no_such", check=False).returncode == 2


ORDERS = (
    "OrderNo,Ordered,CustomerID,E-mail,Client IP,Phone,Status,Total price,Weight,Zip,Note,Paid,First name\n"
    + "".join(f'A{i:05},{1 + i % 28}/{1 + i % 12}/2026 {i % 24}:05,{1000 + i % 50},c{i}@example.com,10.0.0.{i % 250},+49 30 12345{i:03},{["new", "paid", "sent"][i % 3]},'
              f'{i}.50,{i / 7},0{i % 9}123,"call c{i}@example.com, please",{"true" if i % 2 else "false"},Jane\n' for i in range(200))
)


def test_init_drafts_a_contract_that_loads_its_file(shoplake, home, tmp_path):
    data = tmp_path / "orders.csv"
    data.write_text(ORDERS)
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    home.mkdir()
    (home / "shoplake.yml").write_text(f"datasets: {contracts}\n")
    outcome = shoplake("contract", "init", data, "-o", contracts / "orders.yml")
    assert "drafted from 200 records" in outcome.stdout
    draft = (contracts / "orders.yml").read_text()
    for expected in (
        "name: order_no, type: string, also: [OrderNo], required: true",
        'name: ordered, type: timestamp, also: [Ordered], format: "%d/%m/%Y %H:%M", required: true',
        "name: customer_id, type: long, also: [CustomerID], required: true, pii: pseudonymous, treatment: keep",
        'name: e_mail, type: string, also: ["E-mail"], pii: direct, treatment: drop',
        'name: client_ip, type: string, also: ["Client IP"], required: true, pii: direct, treatment: truncate_ip',
        "name: phone, type: string, also: [Phone], pii: direct, treatment: drop",
        "values: [new, paid, sent]",
        'name: total_price, type: "decimal(12,2)"',
        "name: weight, type: double",
        "name: zip, type: string",
        "name: note, type: string, also: [Note], required: true, pii: direct, treatment: mask",
        "name: paid, type: boolean",
        'name: first_name, type: string, also: ["First name"], pii: direct, treatment: drop',
        "key: [order_no]",
        "partition_by: date",
    ):
        assert expected in draft, draft
    shoplake("contract", "check", contracts / "orders.yml")
    report = shoplake("load", "orders", data, "--json").json()
    assert (report["rows"], report["rejected"]) == (200, 0)
    (row,) = shoplake.rows("select total_price::varchar as total, note, client_ip, ordered::varchar as ordered from processed.orders where order_no = 'A00003'")
    assert (row["total"], row["note"], row["client_ip"]) == ("3.50", "call [email], please", "10.0.0.0")
    again = shoplake("contract", "init", data, "-o", contracts / "orders.yml", check=False)
    assert again.returncode != 0 and "exists already" in again.stderr


def test_init_reads_json_and_parquet(shoplake, tmp_path, test_data):
    path = tmp_path / "products.ndjson"
    path.write_text("".join(json.dumps({"id": f"p{i}", "price": i + 0.25, "tags": ["a"], "stock": {"count": i, "place": None}, "options": [{"k": "x", "v": i}], "updatedAt": "2026-01-01T00:00:00Z", "mixed": i if i % 2 else "x"}) + "\n" for i in range(10)))
    draft = shoplake("contract", "init", path).stdout
    for expected in ("{name: id, type: string, required: true}", 'price, type: "decimal(12,2)"', "tags, type: list, element: {type: string}",
                     "name: stock\n    type: struct", "name: options\n    type: list", "updated_at, type: timestamp, also: [updatedAt], required: true",
                     "mixed, type: string"):
        assert expected in draft, draft
    (tmp_path / "products.yml").write_text(draft)
    shoplake("contract", "check", tmp_path / "products.yml")
    draft = shoplake("contract", "init", test_data / "ga4/ga4_events_sampled.snappy.parquet", "--dataset", "ga").stdout
    (tmp_path / "ga.yml").write_text(draft)
    shoplake("contract", "check", tmp_path / "ga.yml")
    assert "name: event_params\n    type: list" in draft
    (tmp_path / "empty.json").write_text("\n")
    assert shoplake("contract", "init", tmp_path / "empty.json", check=False).returncode == 3
    assert shoplake("contract", "init", tmp_path / "none.json", check=False).returncode == 2


def test_diff_says_what_breaks(shoplake, source, tmp_path):
    changed = tmp_path / "transactions.yml"
    text = (source / "datasets/transactions.yml").read_text()
    changed.write_text(text.replace("max_length: 500", "max_length: 900"))
    outcome = shoplake("contract", "diff", "transactions", changed, "--json").json()
    assert outcome == {"differences": [{"effect": "compatible", "place": "description", "what": "has wider limits"}], "breaking": False}
    changed.write_text(text.replace("name: quantity, type: long", "name: quantity, type: double"))
    outcome = shoplake("contract", "diff", "transactions", changed, check=False)
    assert outcome.returncode == 1 and "breaking    quantity: long becomes double" in outcome.stdout
    assert shoplake("contract", "diff", "transactions", check=False).returncode == 2, "there is no table yet"
