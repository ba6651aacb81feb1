"""What was rejected in files, tried again after the contract was changed (streams: test/service/test_quarantine_retry.py)."""
import json
import shutil
import sqlite3

import pytest

from test_files import drop, ingest

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
GOOD = "1,A,x,1,2011-01-01 10:00,1.50,,France\n"
THOUSANDS = '2,A,"two\nlines",1,2011-01-01 10:00,"1,002.50",,France\n'
NEVER = "3,A,x,one,2011-01-01 10:00,1.50,,France\n"
CONTENT = "select * exclude (_shoplake_ingested_at) from processed.transactions order by invoice_no"


@pytest.fixture
def contracts(home, tmp_path, source):
    folder = tmp_path / "contracts"
    shutil.copytree(source / "datasets", folder)
    home.mkdir()
    (home / "shoplake.yml").write_text(f"datasets: {folder}\n")
    return folder


def change(contracts, dataset, old, new):
    path = contracts / f"{dataset}.yml"
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def accept_thousands(contracts):
    change(contracts, "transactions", "on_changed_file: replace", 'on_changed_file: replace\ncsv: {thousands_separator: ","}')


def retry(shoplake, dataset, *arguments):
    return shoplake("quarantine", "retry", dataset, *arguments, "--json").json()


def counts(report):
    return report["tried"], report["accepted"], report["rejected"]


def left(shoplake, dataset):
    return [row["line"] for row in shoplake.rows(f"select line::int as line from quarantine.{dataset} order by line")]


def test_lines_of_csv(shoplake, shoplake_in, home, contracts, tmp_path):
    path = tmp_path / "2011-01-01.csv"
    path.write_text(HEADER + GOOD + THOUSANDS + NEVER)
    shoplake("load", "transactions", path)
    assert left(shoplake, "transactions") == [3, 5]
    before = shoplake("catalog", "show", "processed.transactions", "--json").json()["snapshot_id"]
    report = retry(shoplake, "transactions")
    assert counts(report) == (2, 0, 2) and report["files"][0]["status"] == "skipped"
    assert shoplake("catalog", "show", "processed.transactions", "--json").json()["snapshot_id"] == before, "nothing is written where nothing is better"
    assert left(shoplake, "transactions") == [3, 5]

    accept_thousands(contracts)
    report = retry(shoplake, "transactions")
    assert counts(report) == (2, 1, 1)
    assert (report["files"][0]["status"], report["files"][0]["rows"], report["files"][0]["rejected"]) == ("loaded", 2, 1)
    assert left(shoplake, "transactions") == [5]
    assert shoplake.rows("select invoice_no as i, description as d, unit_price::varchar as p, _shoplake_line::int as line from processed.transactions order by 1") == [
        {"i": "1", "d": "x", "p": "1.500", "line": 2}, {"i": "2", "d": "two\nlines", "p": "1002.500", "line": 3}]
    assert counts(retry(shoplake, "transactions")) == (1, 0, 1), "what is in is not tried again"
    with sqlite3.connect(home / "state.sqlite") as registry:
        assert registry.execute("select name, state, rows, rejected from ingested_file").fetchall() == [("2011-01-01.csv", "loaded", 2, 1)]
    # It is what a first load under the contract of today gives.
    fresh = shoplake_in(tmp_path / "fresh")
    fresh.home.mkdir()
    shutil.copy(home / "shoplake.yml", fresh.home)
    fresh("load", "transactions", path)
    assert fresh.rows(CONTENT) == shoplake.rows(CONTENT)
    # A changed file still takes the place of all of it.
    path.write_text(HEADER + GOOD)
    shoplake("load", "transactions", path)
    assert shoplake.value("select count(*) from processed.transactions") == 1 and left(shoplake, "transactions") == []


def test_other_spellings_of_csv(shoplake, contracts, tmp_path):
    path = tmp_path / "2011-01-02.csv"
    path.write_bytes((HEADER.replace(",", ";") + "1;A;Café €;1;2011-01-02 10:00;1,50;;France\n").encode("cp1252"))
    dropped = drop(shoplake.home, "transactions", "2011-01-03", "a.csv", "\ufeff" + (HEADER + '1,A,"a, ""b""",1,2011-01-03 10:00,"1,50",,France\n').replace("\n", "\r\n"))
    shoplake("load", "transactions", path)
    assert ingest(shoplake)["rejected_rows"] == 1
    change(contracts, "transactions", "on_changed_file: replace", 'on_changed_file: replace\ncsv: {decimal_point: ","}')
    assert counts(retry(shoplake, "transactions", "--reason", "contract.wrong_type")) == (2, 2, 0)
    assert shoplake.rows("select description as d, unit_price::varchar as p from processed.transactions order by date") == [{"d": "Café €", "p": "1.500"}, {"d": 'a, "b"', "p": "1.500"}]
    assert dropped.exists() and ingest(shoplake)["loaded"] == 0, "the dropped file is known as before"


def test_a_reason_that_nothing_has(shoplake, contracts, tmp_path):
    path = tmp_path / "2011-01-01.csv"
    path.write_text(HEADER + GOOD + THOUSANDS)
    shoplake("load", "transactions", path)
    accept_thousands(contracts)
    assert counts(retry(shoplake, "transactions", "--reason", "csv.ragged_row")) == (0, 0, 0)
    assert left(shoplake, "transactions") == [3]
    text = shoplake("quarantine", "retry", "transactions").stdout
    assert "2 rows, 0 rejects" in text and "retry transactions: 1 tried, 1 accepted, 0 were there already, 0 still rejected" in text
    outcome = shoplake("quarantine", "retry", "nothing", check=False)
    assert outcome.returncode == 2 and "quarantine.no_such_dataset" in outcome.stderr


def test_a_stricter_contract_takes_nothing_away(shoplake, contracts, tmp_path):
    path = tmp_path / "2011-01-01.csv"
    path.write_text(HEADER + GOOD + THOUSANDS + GOOD.replace("1,A", "4,A").replace("France", "Utopia"))
    shoplake("load", "transactions", path)
    accept_thousands(contracts)
    change(contracts, "transactions", "{name: country, type: string,", "{name: country, type: string, values: [Utopia],")
    assert counts(retry(shoplake, "transactions")) == (1, 0, 1)
    assert shoplake.value("select count(*) from processed.transactions") == 2


def test_files_that_were_rejected_as_a_whole(shoplake, home, contracts, tmp_path):
    header = HEADER.replace("Country", "Country").replace("Quantity,", "")
    row = "1,A,x,2011-01-01 10:00,1.50,,France\n"
    given = tmp_path / "2011-01-01.csv"
    given.write_text(header + row)
    assert shoplake("load", "transactions", given, check=False).returncode == 3
    drop(home, "transactions", "2011-01-02", "b.csv", header + row.replace("-01 10", "-02 10"))
    drop(home, "transactions", "2011-01-02", "other.csv", "a,b\n1,2\n")
    assert ingest(shoplake)["rejected"] == 2
    report = retry(shoplake, "transactions")
    assert [file["error"]["code"] for file in report["files"]] == ["csv.missing_column", "csv.missing_column", "csv.no_header"]
    assert len(list((home / "lake/quarantine/_files").rglob("*.csv"))) == 3, "what is no good stays, once"

    change(contracts, "transactions", "type: long, also: [Quantity], required: true", "type: long, also: [Quantity]")
    report = retry(shoplake, "transactions")
    assert sorted(file["status"] for file in report["files"]) == ["failed", "loaded", "loaded"]
    assert shoplake.value("select count(*) from processed.transactions where quantity is null") == 2
    assert sorted(path.name for path in (home / "lake/quarantine/_files").rglob("*") if path.is_file()) == ["other.csv", "other.csv.reason.json"]
    for file in report["files"]:
        if file["status"] == "loaded":
            assert (home / "lake" / file["raw_object"]).read_text().startswith(header)
    assert ingest(shoplake)["loaded"] == 0 and shoplake("load", "transactions", given, "--json").json()["files"][0]["status"] == "skipped"
    assert len(shoplake("quarantine", "ls", "transactions", "--json").json()) == 1


def test_a_later_file_keeps_its_place(shoplake, home, contracts, tmp_path):
    path = tmp_path / "2011-01-01.csv"
    path.write_text(HEADER + GOOD)
    shoplake("load", "transactions", path)
    path.write_text(HEADER.replace("Quantity", "Pieces") + GOOD)
    assert shoplake("load", "transactions", path, check=False).returncode == 3
    path.write_text(HEADER + GOOD + GOOD)
    shoplake("load", "transactions", path)
    change(contracts, "transactions", "also: [Quantity]", "also: [Quantity, Pieces]")
    assert retry(shoplake, "transactions")["files"] == []
    assert shoplake.value("select count(*) from processed.transactions") == 2


def test_a_file_whose_bytes_are_gone_stays(shoplake, home, contracts, tmp_path):
    for number in (1, 2):
        path = tmp_path / f"2011-01-0{number}.csv"
        path.write_text(HEADER + THOUSANDS.replace("2011-01-01", f"2011-01-0{number}"))
        shoplake("load", "transactions", path)
    accept_thousands(contracts)
    (home / "lake/raw/transactions/date=2011-01-01/2011-01-01.csv").unlink()
    report = retry(shoplake, "transactions")
    assert counts(report) == (2, 1, 1)
    assert [file.get("error", {}).get("code") for file in report["files"]] == ["io.not_found", None]
    assert shoplake.value("select count(*) from quarantine.transactions") == 1


def test_files_that_stand_side_by_side(shoplake, contracts, tmp_path):
    change(contracts, "transactions", "on_changed_file: replace", "on_changed_file: add")
    for name, number in (("a", 1), ("b", 5)):
        path = tmp_path / f"{name}.csv"
        path.write_text(HEADER + GOOD.replace("1,A", f"{number},A") + THOUSANDS.replace("2,A", f"{number + 1},A"))
        shoplake("load", "transactions", path)
    shoplake("catalog", "compact", "--all", check=False)
    change(contracts, "transactions", "on_changed_file: add", 'on_changed_file: add\ncsv: {thousands_separator: ","}')
    assert counts(retry(shoplake, "transactions")) == (2, 2, 0)
    assert [row["i"] for row in shoplake.rows("select invoice_no as i from processed.transactions order by 1")] == ["1", "2", "5", "6"]
    assert left(shoplake, "transactions") == [] and counts(retry(shoplake, "transactions")) == (0, 0, 0)


def test_records_of_json_files(shoplake, contracts, tmp_path):
    path = tmp_path / "2026-01-03_reviews.ndjson"
    row = {"review_id": "1", "product_id": "p", "rating": 5, "created_at": "2026-01-01T10:00:00Z", "text": "x"}
    long = row | {"review_id": "3", "rating": 7, "text": "y" * 100_000}
    path.write_text("".join(json.dumps(each) + "\n" for each in (row, row | {"review_id": "2", "rating": 6}, long)))
    shoplake("load", "reviews", path)
    assert left(shoplake, "reviews") == [2, 3]
    text = (contracts / "reviews.yml").read_text()
    (contracts / "reviews.yml").write_text(text.replace("max: 5", "max: 9").replace("[1, 2, 3, 4, 5]", "[1, 2, 3, 4, 5, 6, 7]"))
    report = retry(shoplake, "reviews")
    assert counts(report) == (2, 2, 0) and report["truncated"] == 0, "the file has whole what quarantine has cut"
    assert shoplake.value("select string_agg(review_id, ' ' order by review_id) from processed.reviews") == "1 2 3"


def test_a_csv_file_of_a_dataset_that_streams_feed(shoplake, contracts, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text('event_id,event_type,timestamp,price\na,view,2026-01-01T10:00:00Z,1\nb,view,2026-01-01T10:00:00Z,"2,5"\n')
    lines = tmp_path / "events.ndjson"
    lines.write_text('{"event_id": "c", "event_type": "view", "timestamp": "2026-01-01T10:00:00Z", "price": "three"}\n')
    shoplake("load", "clickstream", path)
    shoplake("load", "clickstream", lines)
    assert shoplake.value("select count(*) from quarantine.clickstream") == 2
    change(contracts, "clickstream", "partition_by: event_date", 'partition_by: event_date\ncsv: {decimal_point: ","}')
    report = retry(shoplake, "clickstream")
    assert counts(report) == (2, 1, 1) and len(report["files"]) == 1, "JSON is tried by the live path"
    assert shoplake.rows("select event_id as e, price from processed.clickstream order by 1") == [{"e": "a", "price": 1.0}, {"e": "b", "price": 2.5}]
