"""The dataset transactions on the real days of UCI Online Retail, and what the same figures are by a few lines of Python."""
import csv
import decimal
import gzip
import io
import shutil

import pytest

# Everything of a row but when it was loaded.
CONTENT = "select count(*) as n, sum(hash(columns(* exclude (_shoplake_ingested_at)))::hugeint)::varchar from processed.transactions"
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def content(shoplake):
    return shoplake.rows(CONTENT)[0]


def load(shoplake, *paths, **options):
    return shoplake("load", "transactions", *paths, "--json", **options).json()


@pytest.fixture(scope="module")
def days(test_data):
    return sorted((test_data / "retail").glob("*.csv.gz"))


def read(paths):
    for path in paths:
        yield from csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode()))


def test_all_days_agree_with_python(shoplake, days):
    report = load(shoplake, *days)
    assert {file["status"] for file in report["files"]} == {"loaded"} and len(days) > 160
    rows = list(read(days))
    assert report["rows"] + report["rejected"] == len(rows)
    assert report["rejected"] == 0, "all rows are real"
    revenue = sum(decimal.Decimal(row["UnitPrice"]) * int(row["Quantity"]) for row in rows)
    cancelled = [row for row in rows if row["InvoiceNo"].startswith("C")]
    expected = {
        "lines": len(rows),
        "invoices": len({row["InvoiceNo"] for row in rows}),
        "customers": len({float(row["CustomerID"]) for row in rows if row["CustomerID"]}),
        "guests": sum(not row["CustomerID"] for row in rows),
        "no_description": sum(not row["Description"] for row in rows),
        "pieces": sum(int(row["Quantity"]) for row in rows),
        "cancelled_lines": len(cancelled),
        "cancellations": len({row["InvoiceNo"] for row in cancelled}),
        "days": len({row["InvoiceDate"][:10] for row in rows}),
        "countries": len({row["Country"] for row in rows}),
        "revenue": str(revenue),
        "dearest": max((row["UnitPrice"] for row in rows), key=float).rstrip("0").rstrip("."),
    }
    (found,) = shoplake.rows("""
        select count(*) as lines, count(distinct invoice_no) as invoices, count(distinct customer_id) as customers,
            count(*) filter (customer_id is null) as guests, count(*) filter (description is null) as no_description,
            sum(quantity)::bigint as pieces, count(*) filter (is_cancellation) as cancelled_lines,
            count(distinct invoice_no) filter (is_cancellation) as cancellations, count(distinct date) as days,
            count(distinct country) as countries, sum(revenue)::varchar as revenue,
            rtrim(rtrim(max(unit_price)::varchar, '0'), '.') as dearest
        from processed.transactions""")
    assert decimal.Decimal(found.pop("revenue")) == decimal.Decimal(expected.pop("revenue"))
    assert {key: str(value) for key, value in found.items()} == {key: str(value) for key, value in expected.items()}
    assert shoplake.value("select count(*) from processed.transactions where revenue <> unit_price * quantity or date <> invoice_date::date or year <> year(invoice_date) or hour <> hour(invoice_date) or day_of_week <> isodow(invoice_date)") == 0
    again = load(shoplake, *days)
    assert again["rows"] == 0 and {file["status"] for file in again["files"]} == {"skipped"}


def test_the_order_of_the_days_does_not_matter(shoplake, shoplake_in, tmp_path, days, seeded_random):
    some = seeded_random.sample(days, 25)
    load(shoplake, *sorted(some))
    expected = content(shoplake)
    at_random = shoplake_in(tmp_path / "random")
    load(at_random, *some)
    assert content(at_random) == expected
    one_by_one = shoplake_in(tmp_path / "one_by_one")
    for path in seeded_random.sample(some, len(some)):
        load(one_by_one, path)
    assert content(one_by_one) == expected


def test_a_changed_file_takes_the_place_of_the_one_before(shoplake, tmp_path, days):
    folder = tmp_path / "exports"
    folder.mkdir()
    paths = [shutil.copy(path, folder / path.name) for path in days[:3]]
    load(shoplake, *paths)
    before = content(shoplake)
    rows = list(read(days[:3]))
    day = list(read([days[1]]))

    text = gzip.decompress(days[1].read_bytes()).decode()
    changed = text.rstrip("\n").rsplit("\n", 1)[0] + "\n" + "999999,NEW,\"A, \"\"B\"\"\",2," + days[1].name[:10] + " 23:59:00,1.5,,Utopia\nx,y,z\n"
    (folder / days[1].name).write_bytes(gzip.compress(changed.encode()))
    report = load(shoplake, *paths)
    assert [file["status"] for file in report["files"]] == ["skipped", "loaded", "skipped"]
    assert (report["rows"], report["rejected"]) == (len(day), 1)
    assert report["files"][1]["replaced_object"] != report["files"][1]["raw_object"]
    assert shoplake.value("select count(*) from processed.transactions") == len(rows)
    assert shoplake.rows("select description, revenue::varchar as revenue from processed.transactions where country = 'Utopia'") == [{"description": 'A, "B"', "revenue": "3.000"}]
    assert shoplake.value("select count(*) from quarantine.transactions") == 1

    # And back: the content of before counts again, its rows and no rejects.
    shutil.copy(days[1], folder / days[1].name)
    assert load(shoplake, *paths)["files"][1]["status"] == "loaded"
    assert shoplake.value("select count(*) from quarantine.transactions") == 0
    after = shoplake.rows("select count(*) as n, sum(hash(columns(* exclude (_shoplake_ingested_at, _shoplake_source_object)))::hugeint)::varchar as content from processed.transactions")
    again = shoplake.rows("select count(*) as n from processed.transactions")
    assert after[0]["n"] == before["n"] == again[0]["n"]
    # A content that another file has: the rows of the first go, they are counted once.
    shutil.copy(days[0], folder / days[1].name)
    report = load(shoplake, folder / days[1].name)
    assert report["files"][0]["status"] == "skipped" and report["files"][0]["replaced_object"]
    assert shoplake.value("select count(*) from processed.transactions") == len(rows) - len(day)


LINES = [
    # columns and line ends do not matter
    ("order", "Country,UnitPrice,Quantity,InvoiceDate,StockCode,InvoiceNo\nFrance,2.55,6,2011-01-01 10:00,A,1\n", 1, {}),
    ("bom", "\ufeff" + HEADER + "1,A,x,6,2011-01-01 10:00,2.55,17850,France\n", 1, {}),
    ("crlf", (HEADER + "1,A,x,6,2011-01-01 10:00,2.55,17850.0,France\n").replace("\n", "\r\n"), 1, {}),
    ("semicolon", (HEADER + "1,A,x,6,2011-01-01 10:00,2.55,17850,France\n").replace(",", ";"), 1, {}),
    ("tab", (HEADER + "1,A,x,6,2011-01-01 10:00,2.55,17850,France\n").replace(",", "\t"), 1, {}),
    ("quoted_newline", HEADER + '1,A,"two\nlines, ""quoted""",6,2011-01-01 10:00,2.55,,France\n', 1, {}),
    # a new column is kept and reported, a missing one is NULL and reported
    ("new_column", HEADER.replace("\n", ",Channel\n") + "1,A,x,6,2011-01-01 10:00,2.55,,France,web\n", 1, {"drift": ["Channel"]}),
    ("no_description", HEADER.replace("Description,", "") + "1,A,6,2011-01-01 10:00,2.55,,France\n", 1, {"missing": ["description"]}),
    ("renamed", HEADER.replace("Country", "Land") + "1,A,x,6,2011-01-01 10:00,2.55,,France\n", 1, {"drift": ["Land"], "missing": ["country"]}),
    # int → double → string
    ("double", HEADER + "1,A,x,6.0,2011-01-01 10:00,2.55,,France\n1,A,x,6.5,2011-01-01 10:00,2.55,,France\n", 1, {"rejected": {"contract.wrong_type": 1}}),
    ("string", HEADER + "1,A,x,six,2011-01-01 10:00,2.55,,France\n", 0, {"rejected": {"contract.wrong_type": 1}}),
    # numbers with separators are not guessed
    ("thousands", HEADER + '1,A,x,6,2011-01-01 10:00,"1,002.55",,France\n', 0, {"rejected": {"contract.wrong_type": 1}}),
    ("ragged", HEADER + "1,A,x,6,2011-01-01 10:00,2.55,,France,more\n1,A,x,6\n", 0, {"rejected": {"csv.ragged_row": 2}}),
    ("open_quote", HEADER + '1,A,x,6,2011-01-01 10:00,2.55,,France\n1,A,"x,6\n', 1, {"rejected": {"csv.malformed": 1}}),
]


@pytest.mark.parametrize("name,text,rows,drift", LINES, ids=[line[0] for line in LINES])
def test_a_drifting_month(shoplake, tmp_path, name, text, rows, drift):
    path = tmp_path / "2011-01-01.csv"
    path.write_text(text, newline="")
    report = load(shoplake, path)["files"][0]
    assert (report["rows"], report["rejected_by_reason"]) == (rows, drift.get("rejected", {}))
    assert [entry["field"] for entry in report["drift"]] == drift.get("drift", [])
    if "missing" in drift:
        assert report["missing_columns"] == drift["missing"]
    if rows:
        assert shoplake.rows("select invoice_no, stock_code, quantity::int as quantity, revenue::varchar as revenue from processed.transactions") == [{"invoice_no": "1", "stock_code": "A", "quantity": 6, "revenue": "15.300"}]
    if name == "new_column":
        assert shoplake.value("select _extra from processed.transactions") == '{"Channel":"web"}'
    if name == "quoted_newline":
        assert shoplake.value("select description from processed.transactions") == 'two\nlines, "quoted"'


FIELDS = HEADER.strip().split(",")
# The same rows in other words: name, what the writer of the file does, what a row becomes.
SPELLINGS = [
    ("as ever", {}, dict),
    ("reordered", {"fields": FIELDS[::-1]}, dict),
    ("byte order mark", {"encoding": "utf-8-sig"}, dict),
    ("CRLF", {"lineterminator": "\r\n"}, dict),
    ("semicolons", {"delimiter": ";"}, dict),
    ("tabs", {"delimiter": "\t"}, dict),
    ("all in quotes", {"quoting": csv.QUOTE_ALL}, dict),
    ("Latin-1", {"encoding": "latin-1"}, dict),
    ("Excel's export", {"encoding": "cp1252", "delimiter": ";", "lineterminator": "\r\n"}, dict),
    ("whole numbers with a point", {}, lambda row: row | {"Quantity": row["Quantity"] + ".0", "CustomerID": row["CustomerID"] and row["CustomerID"].split(".")[0] + ".0"}),
    ("names in snake_case", {"names": {"InvoiceNo": "invoice_no", "StockCode": "stock_code", "UnitPrice": "unit_price", "CustomerID": "customer_id"}}, dict),
]


def spelled(path, rows, change=dict, fields=FIELDS, names=None, encoding="utf-8", **dialect):
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, **({"lineterminator": "\n"} | dialect))
        writer.writerow([(names or {}).get(field, field) for field in fields])
        for row in map(change, rows):
            writer.writerow([row.get(field, "") for field in fields])
    return path


def days_of(days, count):
    """Real days, each with a text of two lines and letters that are no ASCII."""
    for path in sorted(days, key=lambda path: path.stat().st_size)[:count]:
        rows = list(read([path]))
        rows[0]["Description"] = 'Caf\u00e9, "two\nlines"'
        yield path.name.removesuffix(".gz"), rows


def test_a_month_of_other_spellings_is_the_same_month(shoplake, shoplake_in, tmp_path, days):
    plain = shoplake_in(tmp_path / "plain")
    (tmp_path / "plain.csv").mkdir()
    (tmp_path / "drifted.csv").mkdir()
    expected, drifted = [], []
    for (name, rows), (_, dialect, change) in zip(days_of(days, len(SPELLINGS)), SPELLINGS, strict=True):
        expected.append(spelled(tmp_path / "plain.csv" / name, rows))
        drifted.append(spelled(tmp_path / "drifted.csv" / name, rows, change, **dialect))
    before = load(plain, *expected)
    report = load(shoplake, *drifted)
    assert (report["rows"], report["rejected"]) == (before["rows"], 0) and before["rejected"] == 0
    assert [file["drift"] for file in report["files"]] == [[]] * len(SPELLINGS)
    assert [file["missing_columns"] for file in report["files"]] == [[]] * len(SPELLINGS)
    assert [file["encoding"] for file in report["files"]].count("windows-1252") == 2
    assert content(shoplake) == content(plain)


def test_a_month_that_drifts_day_by_day_loses_nothing_silently(shoplake, tmp_path, days):
    def first(row, **changes):
        return row | (changes if row["Description"].startswith("Caf") else {})

    drifts = [
        ("a new column", {"fields": FIELDS + ["Channel"]}, lambda row: row | {"Channel": "web"}, 0, ["Channel"], []),
        ("two new columns", {"fields": FIELDS + ["Channel", "Coupon"]}, lambda row: row | {"Channel": "web", "Coupon": "C1"}, 0, ["Channel", "Coupon"], []),
        ("a renamed column", {"names": {"Country": "Land"}}, dict, 0, ["Land"], ["country"]),
        ("a column less", {"fields": [field for field in FIELDS if field != "CustomerID"]}, dict, 0, [], ["customer_id"]),
        ("a long that is a double", {}, lambda row: first(row, Quantity="6.5"), 1, [], []),
        ("a long that is a text", {}, lambda row: first(row, Quantity="six"), 1, [], []),
        ("thousands", {}, lambda row: first(row, UnitPrice="1,002.55"), 1, [], []),
        ("a point for a comma", {}, lambda row: first(row, UnitPrice="2,55"), 1, [], []),
        ("a day of no calendar", {}, lambda row: first(row, InvoiceDate="2011-02-30 10:00"), 1, [], []),
    ]
    real = list(days_of(days, len(drifts)))
    for (name, rows), (_, dialect, change, *_) in zip(real, drifts, strict=True):
        spelled(tmp_path / name, rows, change, **dialect)
    report = load(shoplake, *(tmp_path / name for name, _ in real))
    assert report["rows"] + report["rejected"] == sum(len(rows) for _, rows in real), "rows in = rows out + rejects"
    for file, (name, rows), (what, _, _, rejected, drift, missing) in zip(report["files"], real, drifts, strict=True):
        assert (file["rows"], file["rejected"]) == (len(rows) - rejected, rejected), what
        assert ([entry["field"] for entry in file["drift"]], file["missing_columns"]) == (drift, missing), what
    # Each reject stands in quarantine with its line as it came; each value of an unknown column is in _extra.
    quarantined = shoplake.rows("select source_object as o, line::int as line, record from quarantine.transactions order by o")
    assert [row["line"] for row in quarantined] == [2] * 5 and all("Caf\u00e9" in row["record"] for row in quarantined)
    assert shoplake.value("select count(*) from processed.transactions where _extra like '%\"Channel\":\"web\"%'") == sum(len(rows) for _, rows in real[:2])
    assert shoplake.value("select count(*) from processed.transactions where country is null") == len(real[2][1])
    text = shoplake("load", "transactions", *(tmp_path / name for name, _ in real), "--reload").stdout
    for part in ("drift: new field Channel", "drift: new field Land", "drift: no column country in 1 file, NULL", "drift: no column customer_id", "rejected: 4 × contract.wrong_type", "rejected: 1 × contract.invalid_timestamp"):
        assert part in text, part


def test_other_encodings_are_told(shoplake, tmp_path):
    path = tmp_path / "2011-01-02.csv"
    path.write_bytes((HEADER + "1,A,Caf\u00e9 \u201cx\u201d \u20ac,6,2011-01-02 10:00,2.55,,France\n").encode("cp1252"))
    outcome = shoplake("load", "transactions", path)
    assert "read as windows-1252" in outcome.stdout
    assert shoplake.value("select description from processed.transactions") == "Caf\u00e9 \u201cx\u201d \u20ac"
    path.write_bytes((HEADER + "1,A,x,6,2011-01-02 10:00,2.55,,France\n").encode("utf-16"))
    outcome = shoplake("load", "transactions", path, check=False)
    assert outcome.returncode == 3 and "is UTF-16" in outcome.stderr


def test_missing_required_columns_reject_the_file(shoplake, home, tmp_path):
    path = tmp_path / "2011-01-03.csv"
    path.write_text("InvoiceNo,StockCode\n1,A\n")
    outcome = shoplake("load", "transactions", path, "--json", check=False)
    assert outcome.returncode == 3
    (file,) = outcome.json()["files"]
    assert file["error"]["code"] == "csv.missing_column" and "no column quantity" in file["error"]["message"]
    kept = home / "lake" / file["quarantined_as"]
    assert kept.read_text() == path.read_text()
    assert '"reason_code":"csv.missing_column"' in kept.with_name(kept.name + ".reason.json").read_text()
    (group,) = shoplake("quarantine", "ls", "--json").json()
    assert (group["reason_code"], group["is_file"], group["source_object"]) == ("csv.missing_column", True, file["quarantined_as"])
    assert "the file" in shoplake("quarantine", "ls").stdout


def test_reload_after_the_contract_changed(shoplake, home, tmp_path, source):
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    text = (source / "datasets/transactions.yml").read_text()
    (contracts / "transactions.yml").write_text(text)
    home.mkdir()
    (home / "shoplake.yml").write_text(f"datasets: {contracts}\n")
    path = tmp_path / "2011-01-01.csv"
    path.write_text(HEADER + '1,A,x,1,2011-01-01 10:00,1.50,,France\n2,A,x,1,2011-01-01 10:00,"1,002.50",,France\n')
    report = load(shoplake, path)
    assert (report["rows"], report["rejected"]) == (1, 1)
    (contracts / "transactions.yml").write_text(text.replace("on_changed_file: replace", 'on_changed_file: replace\ncsv: {thousands_separator: ","}'))
    assert load(shoplake, path)["files"][0]["status"] == "skipped"
    report = load(shoplake, path, "--reload")
    assert (report["rows"], report["rejected"]) == (2, 0)
    assert shoplake.value("select sum(revenue)::varchar from processed.transactions") == "1004.000"
    assert shoplake.value("select count(*) from quarantine.transactions") == 0
    assert load(shoplake, path)["files"][0]["status"] == "skipped"
    (contracts / "transactions.yml").write_text(text.replace("on_changed_file: replace", "on_changed_file: add"))
    outcome = shoplake("load", "transactions", path, "--reload", check=False)
    assert outcome.returncode == 2 and "cannot be loaded again" in outcome.stderr


def test_numbers_as_declared(shoplake, home, tmp_path, source):
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    text = (source / "datasets/transactions.yml").read_text()
    (contracts / "transactions.yml").write_text(text.replace("on_changed_file: replace", 'on_changed_file: replace\ncsv: {decimal_point: ",", thousands_separator: "."}'))
    home.mkdir()
    (home / "shoplake.yml").write_text(f"datasets: {contracts}\n")
    path = tmp_path / "2011-01-01.csv"
    path.write_text((HEADER + "1,A,x,1.006,2011-01-01 10:00,1.002%55,,France\n").replace(",", ";").replace("%", ","))
    assert load(shoplake, path)["rows"] == 1
    assert shoplake.value("select revenue::varchar from processed.transactions") == "1008565.300"
