"""Expectations of severity block in a contract: a load that breaks one is not published, and what was received waits."""
import json
import pathlib
import sqlite3

import pytest

from test_files import drop, ingest

CONTRACT = """dataset: goods
table: processed.goods
partition_by: none
unknown_fields: {keep_in: _extra}
on_changed_file: replace
fields:
  - {name: id, type: string, required: true}
  - {name: price, type: "decimal(9,2)"}
  - {name: stars, type: long}
  - {name: seen_at, type: timestamp}
  - {name: maker, type: string}
  - {name: buyer, type: string, pii: pseudonymous, treatment: keep}
expectations:
"""


class Goods:
    """A home with the contract of one dataset, and its files."""

    def __init__(self, shoplake, folder):
        self.shoplake, self.folder, self.home = shoplake, folder, shoplake.home
        (folder / "contracts").mkdir()
        self.home.mkdir()
        (self.home / "shoplake.yml").write_text(f"datasets: {folder / 'contracts'}\n")

    def expect(self, *rules, severity="block"):
        self.contract = CONTRACT + "".join(f"  - {{rule: {json.dumps(rule)}, severity: {severity}}}\n" for rule in rules)
        (self.folder / "contracts/goods.yml").write_text(self.contract.replace("expectations:\n", "") if not rules else self.contract)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def load(self, *paths, check=True):
        outcome = self.shoplake("load", "goods", *paths, "--json", check=check)
        return outcome if not check else outcome.json()["files"][0]

    def blocked(self, path):
        """The message of a load that is held back."""
        outcome = self.load(path, check=False)
        assert outcome.returncode == 1, outcome
        (file,) = outcome.json()["files"]
        assert (file["status"], file["error"]["code"]) == ("failed", "quality.blocked"), file
        return file["error"]["message"]

    def ids(self):
        return [row["id"] for row in self.shoplake.rows("select id from processed.goods order by id")]

    def registry(self):
        with sqlite3.connect(self.home / "state.sqlite") as database:
            return database.execute("select name, state, reason, message, object from ingested_file order by name").fetchall()

    def data_files(self):
        return sorted(path.name for path in (self.home / "lake/processed").rglob("*.parquet"))


@pytest.fixture
def goods(shoplake, tmp_path):
    return Goods(shoplake, tmp_path)


def test_a_load_that_breaks_an_expectation_is_not_published(shoplake, goods):
    goods.expect('ColumnValues "price" > 0', 'IsComplete "price"')
    goods.load(goods.file("1.csv", "id,price\na,1\nb,2\n"))
    before, files = shoplake("catalog", "show", "processed.goods", "--json").json()["snapshot_id"], goods.data_files()
    bad = goods.file("2.csv", "id,price\nc,3\nd,-4\ne,-5\n")
    other = goods.file("3.csv", "id,price\nf,6\n")
    outcome = shoplake("load", "goods", bad, other, "--json", check=False)
    assert outcome.returncode == 1
    held, loaded = outcome.json()["files"]
    assert (held["status"], loaded["status"]) == ("failed", "loaded"), "the others are loaded"
    line = goods.contract.split("\n").index('  - {rule: "ColumnValues \\"price\\" > 0", severity: block}') + 1
    for part in ("processed.goods is not published", 'rule ColumnValues "price" > 0', f"goods.yml:{line}", "2 of 3 rows do not satisfy > 0"):
        assert part in held["error"]["message"], part
    assert goods.ids() == ["a", "b", "f"]
    assert len(goods.data_files()) == len(files) + 1, "nothing of it is left"
    assert shoplake("catalog", "show", "processed.goods", "--json").json()["snapshot_id"] != before

    # What was received is kept, and said wherever one looks for it.
    (name, state, reason, message, kept) = goods.registry()[1]
    assert (name, state, reason) == ("2.csv", "blocked", "quality.blocked") and "2 of 3 rows" in message
    assert kept == held["raw_object"] and (goods.home / "lake" / kept).read_text() == bad.read_text()
    (listed,) = shoplake("quarantine", "ls", "goods", "--json").json()
    assert (listed["reason_code"], listed["source_object"], listed["is_file"]) == ("quality.blocked", kept, True)
    assert listed["message"] == message
    results = shoplake.rows("select rule_name, outcome, is_published, triggered_by, failed_rows::int as failed_rows, metrics from quality.results")
    assert results == [{"rule_name": 'ColumnValues "price" > 0', "outcome": "fail", "is_published": False, "triggered_by": "load", "failed_rows": 2, "metrics": "{}"}], \
        "what statistics prove is not asked, and a load's rows are no history of the table"
    text = shoplake("load", "goods", bad, check=False)
    assert text.returncode == 1 and f"failed, nothing of it was loaded, kept as {kept}" in text.stdout and "2 of 3 rows" in text.stderr

    # The same file is taken once the contract says something else, by the same command or from where it was kept.
    assert shoplake("quarantine", "retry", "goods", "--json").json()["files"][0]["error"]["code"] == "quality.blocked"
    assert goods.ids() == ["a", "b", "f"]
    goods.expect('IsComplete "price"')
    (retried,) = shoplake("quarantine", "retry", "goods", "--json").json()["files"]
    assert (retried["object"], retried["was"], retried["status"], retried["rows"]) == (kept, "blocked", "loaded", 3)
    assert goods.ids() == ["a", "b", "c", "d", "e", "f"]
    assert {state for _, state, *_ in goods.registry()} == {"loaded"} and shoplake("quarantine", "ls", "goods", "--json").json() == []
    assert goods.load(bad)["status"] == "skipped"


def test_the_same_command_takes_it_later(goods):
    goods.expect('ColumnValues "price" > 0')
    path = goods.file("1.csv", "id,price\na,-1\n")
    goods.blocked(path)
    assert goods.ids() == []
    goods.expect('ColumnValues "price" > -5')
    assert goods.load(path)["status"] == "loaded"
    assert goods.ids() == ["a"] and [state for _, state, *_ in goods.registry()] == ["loaded"]


def test_a_dropped_file_waits_where_it_stands(shoplake, goods):
    goods.expect('IsComplete "maker"')
    path = drop(goods.home, "goods", "2026-01-01", "a.csv", "id,maker\na,\n")
    drop(goods.home, "goods", "2026-01-01", "b.csv", "id,maker\nb,x\n")
    report = ingest(shoplake, "--strict", check=False)
    assert (report["loaded"], report["rejected"], report["exit_code"]) == (1, 1, 3)
    assert path.exists() and goods.ids() == ["b"]
    assert ingest(shoplake)["rejected"] == 0, "it is not looked at again until something changes"
    assert shoplake("quarantine", "ls", "goods", "--json").json()[0]["source_object"] == "raw/goods/date=2026-01-01/a.csv"
    # A right file under its name.
    drop(goods.home, "goods", "2026-01-01", "a.csv", "id,maker\na,y\n", age_seconds=30)
    assert ingest(shoplake, "--strict")["loaded"] == 1
    assert goods.ids() == ["a", "b"] and shoplake("quarantine", "ls", "goods", "--json").json() == []
    # Or the expectation goes.
    drop(goods.home, "goods", "2026-01-02", "c.csv", "id,maker\nc,\n")
    assert ingest(shoplake)["rejected"] == 1
    goods.expect()
    assert shoplake("quarantine", "retry", "goods", "--json").json()["files"][0]["status"] == "loaded"
    assert goods.ids() == ["a", "b", "c"] and ingest(shoplake)["loaded"] == 0


def test_rules_about_single_rows_ask_the_rows_that_come(shoplake, goods):
    goods.expect()
    goods.load(goods.file("old.csv", "id,price,stars\nold,-1,9\n"))
    goods.expect('ColumnValues "price" > 0', 'ColumnValues "stars" in [1, 2, 3, 4, 5, NULL]', 'ColumnLength "id" < 5', 'Completeness "stars" >= 0.5')
    assert goods.load(goods.file("good.csv", "id,price,stars\na,1,5\nb,2,\n"))["status"] == "loaded", "what is there already is not its fault"
    assert "1 of 2 rows do not satisfy > 0" in goods.blocked(goods.file("1.csv", "id,price,stars\nc,1,5\nd,-1,5\n"))
    assert "1 of 1 rows do not satisfy in [1, 2, 3, 4, 5, NULL]" in goods.blocked(goods.file("2.csv", "id,price,stars\ne,1,6\n"))
    assert "1 of 1 rows do not satisfy < 5" in goods.blocked(goods.file("3.csv", "id,price,stars\nlong-name,1,5\n"))
    assert "Completeness is 0.333333, not >= 0.5" in goods.blocked(goods.file("4.csv", "id,price,stars\nf,1,5\ng,1,\nh,1,\n"))
    assert goods.ids() == ["a", "b", "old"]
    # Of the table as a whole they are all still asked.
    run = shoplake("quality", "run", "processed.goods", "--json", check=False)
    assert run.returncode == 1 and run.json()["failed"] == 2


def test_rules_about_all_rows_ask_the_table_as_it_would_be(goods):
    goods.expect('IsUnique "id"', "RowCount <= 3")
    goods.load(goods.file("1.csv", "id,price\na,1\nb,2\n"))
    assert 'rule IsUnique "id"' in goods.blocked(goods.file("2.csv", "id,price\nb,3\n"))
    assert "Dataset.*.RowCount is 4, not <= 3" in goods.blocked(goods.file("2.csv", "id,price\nc,3\nd,4\n"))
    # What a changed file takes away is not there any more.
    assert goods.load(goods.file("1.csv", "id,price\na,5\nb,6\nc,7\n"))["status"] == "loaded"
    assert goods.ids() == ["a", "b", "c"]


def test_a_changed_file_that_breaks_an_expectation_leaves_the_rows_of_the_one_before(shoplake, goods):
    goods.expect("RowCount > 0", 'ColumnValues "price" > 0')
    good = "id,price\na,1\n"
    path = goods.file("1.csv", good)
    goods.load(path)
    goods.blocked(goods.file("1.csv", "id,price\na,-1\n"))
    assert [(name, state) for name, state, *_ in goods.registry()] == [("1.csv", "loaded"), ("1.csv (blocked)", "blocked")]
    # No row comes and the table would be empty.
    message = goods.blocked(goods.file("1.csv", "id,price\n"))
    assert "Dataset.*.RowCount is 0, not > 0" in message
    assert shoplake.rows("select id, price::varchar as price from processed.goods") == [{"id": "a", "price": "1.00"}]
    # Nor where the file takes the content of another one, so that its own rows go.
    goods.load(goods.file("2.csv", "id,price\nb,2\n"))
    goods.expect("RowCount > 1")
    assert "RowCount is 1, not > 1" in goods.blocked(goods.file("2.csv", good))
    assert goods.ids() == ["a", "b"]
    path.write_text(good)
    assert goods.load(path)["status"] == "skipped"


def test_freshness_asks_the_rows_that_come(shoplake, goods):
    goods.expect('DataFreshness "seen_at" <= 30 days')
    old = goods.file("old.csv", "id,seen_at\na,2020-01-01\n")
    assert "1 of 1 rows are older" in (message := goods.blocked(old)) or "DataFreshness" in message
    now = shoplake.value("select strftime(timezone('UTC', now()), '%Y-%m-%dT%H:%M:%SZ')")
    assert goods.load(goods.file("new.csv", f"id,seen_at\nb,{now}\n"))["status"] == "loaded"


def test_references_are_looked_up_in_the_lake(shoplake, goods, source):
    (goods.folder / "contracts/makers.yml").write_text(
        "dataset: makers\ntable: processed.makers\npartition_by: none\nunknown_fields: {keep_in: _extra}\nfields:\n  - {name: maker, type: string, required: true}\n")
    goods.expect('ReferentialIntegrity "maker" "processed.makers.maker" = 1')
    path = goods.file("1.csv", "id,maker\na,x\nb,y\n")
    assert "processed.makers" in goods.blocked(path), "a rule that cannot be evaluated blocks"
    makers = goods.file("makers.csv", "maker\nx\n")
    shoplake("load", "makers", makers)
    assert "1 of 2 rows have no counterpart in processed.makers.maker" in goods.blocked(path)
    makers.write_text("maker\ny\n")
    shoplake("load", "makers", makers)
    assert goods.load(path)["status"] == "loaded"
    # A table that refers to itself: new rows find old ones.
    goods.expect('ReferentialIntegrity "maker" "processed.goods.id" = 1')
    goods.load(goods.file("2.csv", "id,maker\nx,x\ny,y\n"))
    assert goods.load(goods.file("3.csv", "id,maker\nc,a\n"))["status"] == "loaded"
    assert "have no counterpart" in goods.blocked(goods.file("4.csv", "id,maker\nd,nobody\n"))


def test_what_statistics_prove_needs_no_engine(shoplake, goods):
    goods.expect("RowCount > 0", 'IsComplete "id"', 'ColumnValues "price" >= 0', 'ColumnValues "stars" in [1, 2, 3, 4, 5]', '(Completeness "maker" > 0.4) and (ColumnValues "price" < 1000)')
    for number in range(3):
        goods.load(goods.file(f"{number}.csv", f"id,price,stars,maker\na{number},0,1,x\nb{number},999.99,5,\n"))
    assert len(goods.ids()) == 6
    assert "quality.results" not in [relation["name"] for relation in shoplake("catalog", "ls", "--json").json()]


def test_shipped_contracts_need_no_engine(shoplake, tmp_path):
    files = {
        "transactions": "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,A,x,1,2011-01-01 10:00,1.50,,France\n",
        "products": '{"product_id": "A", "name": "x", "price": "1.50"}\n',
        "reviews": '{"review_id": "1", "product_id": "A", "rating": 1, "created_at": "2026-01-01"}\n{"review_id": "2", "product_id": "A", "rating": 5, "created_at": "2026-01-01"}\n',
    }
    for dataset, text in files.items():
        path = tmp_path / f"{dataset}.{'csv' if dataset == 'transactions' else 'ndjson'}"
        path.write_text(text)
        assert shoplake("load", dataset, path, "--json").json()["rejected"] == 0
    assert "quality.results" not in [relation["name"] for relation in shoplake("catalog", "ls", "--json").json()]


def test_warnings_hold_nothing_back(shoplake, goods):
    goods.expect('ColumnValues "price" > 0', 'IsUnique "id"', severity="warn")
    assert goods.load(goods.file("1.csv", "id,price\na,-1\na,-1\n"))["status"] == "loaded"
    assert shoplake("quality", "run", "processed.goods", "--json").json()["failed"] == 2


def test_rules_and_expectations_hold_back_together(shoplake, goods):
    goods.expect('IsComplete "maker"', 'ColumnValues "price" > 0')
    pathlib.Path(goods.home, "quality").mkdir()
    (goods.home / "quality/own.yml").write_text('table: processed.goods\nrules:\n  - {rule: IsUnique "id", severity: block}\n  - IsComplete "maker"\n')
    message = goods.blocked(goods.file("1.csv", "id,price,maker\na,-1,\na,1,x\n"))
    assert 'rule IsUnique "id"' in message and 'rule IsComplete "maker"' in message and "of the rows that were to come" in message
    listed = {rule["name"]: rule for rule in shoplake("quality", "ls", "processed.goods", "--json").json()}
    assert listed['IsComplete "maker"']["severity"] == "block", "it blocks if one of them says so"
    assert goods.load(goods.file("1.csv", "id,price,maker\na,1,x\n"))["status"] == "loaded"
    assert shoplake.value("select count(*) from quality.results where is_published and rule_name = 'IsUnique \"id\"'") == 1


def test_no_personal_value_is_told(shoplake, goods):
    goods.expect('ColumnLength "buyer" < 3')
    message = goods.blocked(goods.file("1.csv", "id,buyer\na,secret-person\n"))
    assert "secret-person" not in message
    said = shoplake("quality", "show", "processed.goods", "--json").stdout + shoplake("quarantine", "ls", "--json").stdout
    assert "secret-person" not in said and "1 of 1 rows" in said
    for file in goods.home.rglob("*"):
        if file.is_file() and file.relative_to(goods.home).parts[:2] != ("lake", "raw"):
            assert b"secret-person" not in file.read_bytes(), file
