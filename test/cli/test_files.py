"""Files that were dropped into the raw zone, the shop's JSON datasets, and what is personal in them."""
import errno
import fcntl
import gzip
import json
import os
import time

import pytest

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def drop(home, dataset, day, name, content, age_seconds=60):
    """Puts a file into the raw zone, as if it had been written a minute ago."""
    folder = home / "lake/raw" / dataset / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    at = time.time() - age_seconds
    os.utime(path, (at, at))
    return path


def ingest(shoplake, *arguments, **options):
    return shoplake("ingest", *arguments, "--json", **options).json()


def line(number, day, quantity=1):
    return f"{number},A,x,{quantity},{day} 10:00,2.50,,France\n"


def test_dropped_files_are_loaded_where_they_stand(shoplake, home):
    shoplake("init", home)
    path = drop(home, "transactions", "2011-01-01", "a.csv", HEADER + line(1, "2011-01-01") + "2,B\n")
    drop(home, "transactions", "2011-01-02", "a.csv", HEADER + line(3, "2011-01-02"))
    drop(home, "transactions", "2011-01-02", "b.csv.part", HEADER)
    drop(home, "transactions", "2011-01-02", ".hidden", HEADER)
    written = open(drop(home, "transactions", "2011-01-02", "now.csv", HEADER + line(4, "2011-01-02"), age_seconds=0), "a")
    before = path.stat()
    report = ingest(shoplake)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "what was dropped is not written"
    assert report == {"seen": 5, "unfinished": 3, "loaded": 2, "skipped": 0, "rejected": 0, "rows": 2, "rejected_rows": 1, "exit_code": 0}
    assert shoplake.value("select string_agg(_shoplake_source_object, ' ' order by invoice_no) from processed.transactions") == "raw/transactions/date=2011-01-01/a.csv raw/transactions/date=2011-01-02/a.csv"
    again = ingest(shoplake, "--strict")
    assert (again["loaded"], again["skipped"], again["unfinished"]) == (0, 0, 3), "nothing is new, and nothing is read again"

    # What was being written is complete now, and one file has changed.
    written.close()
    at = time.time() - 60
    os.utime(home / "lake/raw/transactions/date=2011-01-02/now.csv", (at, at))
    drop(home, "transactions", "2011-01-01", "a.csv", HEADER + line(1, "2011-01-01", 5) + line(2, "2011-01-01", 7), age_seconds=30)
    report = ingest(shoplake)
    assert (report["loaded"], report["rows"]) == (2, 3)
    assert [row["quantity"] for row in shoplake.rows("select quantity::int as quantity from processed.transactions order by invoice_no")] == [5, 7, 1, 1]
    assert shoplake.value("select count(*) from quarantine.transactions") == 0, "the rejects of the content before went with it"
    assert path.exists()
    # The same content with another time, and under another name.
    drop(home, "transactions", "2011-01-02", "a.csv", HEADER + line(3, "2011-01-02"), age_seconds=20)
    drop(home, "transactions", "2011-01-03", "copy.csv", HEADER + line(3, "2011-01-02"))
    report = ingest(shoplake)
    assert (report["loaded"], report["skipped"]) == (0, 2)
    assert ingest(shoplake)["skipped"] == 0, "they are known now"


def knows_writers(folder):
    """Whether the file system tells who has a file open, as the program asks it."""
    path = folder / "probe"
    path.write_text("x")
    with open(path) as reader, open(path, "a"):
        try:
            fcntl.fcntl(reader, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
    return False


def test_what_is_being_written_is_not_read(shoplake, home, tmp_path):
    if not knows_writers(tmp_path):
        pytest.skip("the file system of the test's folder does not tell who has a file open")
    shoplake("init", home)
    content = gzip.compress((HEADER + "".join(line(n, "2011-01-01") for n in range(5000))).encode())
    path = drop(home, "transactions", "2011-01-01", "slow.csv.gz", content[:2000], age_seconds=10)
    with open(path, "ab") as writer:
        report = ingest(shoplake)
        assert (report["unfinished"], report["rejected"], path.exists()) == (1, 0, True), "it was not written to for ten seconds, but it is open"
        writer.write(content[2000:])
    os.utime(path, (time.time() - 1, time.time() - 1))
    report = ingest(shoplake)
    assert (report["loaded"], report["rows"]) == (1, 5000), "a second after it was closed"
    # A descriptor that nobody closes does not keep a file out for ever.
    path = drop(home, "transactions", "2011-01-02", "kept_open.csv", HEADER + line(1, "2011-01-02"), age_seconds=61)
    with open(path, "a"):
        assert ingest(shoplake)["loaded"] == 1
    # An empty file may be about to be written.
    path = drop(home, "transactions", "2011-01-03", "begun.csv", "", age_seconds=1)
    assert ingest(shoplake)["unfinished"] == 1


def test_rejected_files_move_to_quarantine(shoplake, home):
    shoplake("init", home)
    good = HEADER + line(1, "2011-01-01")
    rejected = {
        "cut.csv.gz": (gzip.compress(good.encode() * 100)[:50], "io.gzip_truncated"),
        "json.csv": ("{}\n", "transform.not_csv"),
        "empty.csv": ("", "csv.empty"),
        "other.csv": ("a,b\n1,2\n", "csv.no_header"),
        "utf16.csv": (good.encode("utf-16"), "transform.utf16"),
        "book.csv": (b"PK\x03\x04" + bytes(100), "transform.archive"),
        "bytes.csv": (b"InvoiceNo,\0\0\n", "csv.not_text"),
    }
    for name, (content, _) in rejected.items():
        drop(home, "transactions", "2011-01-01", name, content)
    drop(home, "transactions", "2011-01-01", "good.csv", good)
    report = ingest(shoplake, "--strict", check=False)
    assert (report["loaded"], report["rejected"], report["exit_code"]) == (1, len(rejected), 3)
    groups = {group["source_object"].rsplit("/", 1)[1]: group for group in shoplake("quarantine", "ls", "--json").json() if group["is_file"]}
    assert {name: group["reason_code"] for name, group in groups.items()} == {name: code for name, (_, code) in rejected.items()}
    for name, (content, code) in rejected.items():
        kept = home / "lake" / groups[name]["source_object"]
        assert kept.read_bytes() == (content if isinstance(content, bytes) else content.encode())
        assert json.loads(kept.with_name(name + ".reason.json").read_text())["reason_code"] == code
        assert not (home / "lake/raw/transactions/date=2011-01-01" / name).exists()
    # The right file comes under the name.
    drop(home, "transactions", "2011-01-01", "other.csv", HEADER + line(2, "2011-01-01"))
    assert ingest(shoplake)["loaded"] == 1
    assert "other.csv" not in {group["source_object"].rsplit("/", 1)[1] for group in shoplake("quarantine", "ls", "--json").json()}


def test_files_given_to_load_and_dropped_ones_are_the_same(shoplake, home, tmp_path):
    path = tmp_path / "2011-01-01.csv"
    path.write_text(HEADER + line(1, "2011-01-01"))
    shoplake("load", "transactions", path)
    path.write_text(HEADER + line(1, "2011-01-01", 9))
    shoplake("load", "transactions", path)
    assert len(list((home / "lake/raw/transactions/date=2011-01-01").iterdir())) == 2, "both contents are kept"
    assert ingest(shoplake)["loaded"] == 0, "they are not dropped files"
    assert shoplake.value("select quantity::int from processed.transactions") == 9


def test_a_compacted_table_still_replaces(shoplake, home, tmp_path):
    """The rows of a file whose data files are gone are found by their source object."""
    for day in ("2011-01-01", "2011-01-02"):
        path = tmp_path / f"{day}.csv"
        path.write_text(HEADER + "".join(line(number, "2011-01-01") for number in range(3)) + line(day[-1] * 3, "2011-01-01") + "x,y\n")
        shoplake("load", "transactions", path)
    import sqlite3
    database = sqlite3.connect(home / "state.sqlite")
    # As if the day's data files and rejects had been merged: the registry names files that the tables no longer have.
    paths = [row[0] for row in database.execute("select path from object_data_file where object like '%2011-01-02%'")]
    assert len(paths) == 2
    database.execute("update object_data_file set path = path || '.gone' where object like '%2011-01-02%'")
    database.commit()
    database.close()
    (tmp_path / "2011-01-02.csv").write_text(HEADER + line("9", "2011-01-01"))
    assert shoplake("load", "transactions", tmp_path / "2011-01-02.csv", "--json").json()["rows"] == 1
    assert [row["invoice_no"] for row in shoplake.rows("select invoice_no from processed.transactions order by invoice_no")] == ["0", "1", "111", "2", "9"]
    assert [row["o"] for row in shoplake.rows("select source_object as o from quarantine.transactions")] == ["raw/transactions/date=2011-01-01/2011-01-01.csv"]


@pytest.fixture(scope="module")
def naughty(test_data):
    strings = json.loads((test_data / "strings/blns.json").read_text())
    assert len(strings) > 500
    return strings


def answers(shoplake, sql):
    return [row["text"] for row in shoplake.rows(sql)]


def test_naughty_strings_survive(shoplake, tmp_path, naughty):
    products = tmp_path / "products.json"
    products.write_text(json.dumps([{"product_id": str(i), "name": text or "-", "price": "9.99", "description": text} for i, text in enumerate(naughty)]))
    assert shoplake("load", "products", products, "--json").json()["rejected"] == 0
    assert answers(shoplake, "select name as text from processed.products order by product_id::int") == [text or "-" for text in naughty]
    assert answers(shoplake, "select description as text from processed.products order by product_id::int") == naughty

    # Addresses in free text are masked; these have none.
    texts = [text for text in naughty if "@" not in text]
    reviews = tmp_path / "reviews.ndjson"
    reviews.write_text("".join(json.dumps({"review_id": str(i), "product_id": "1", "rating": 5, "created_at": "2026-01-01", "text": text}, ensure_ascii=i % 2 == 0) + "\n" for i, text in enumerate(texts)), encoding="utf-8", errors="surrogatepass")
    assert shoplake("load", "reviews", reviews, "--json").json()["rejected"] == 0
    assert answers(shoplake, "select text from processed.reviews order by review_id::int") == texts

    import csv
    path = tmp_path / "2011-01-01.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.strip().split(","))
        for i, text in enumerate(naughty):
            writer.writerow([i, "A", text, 1, "2011-01-01 10:00", "2.50", "", "France"])
    report = shoplake("load", "transactions", path, "--json").json()
    assert report["rows"] + report["rejected"] == len(naughty)
    assert set(report["files"][0]["rejected_by_reason"]) <= {"csv.nul_byte", "contract.invalid_length"}
    loaded = {row["i"]: row["text"] for row in shoplake.rows("select invoice_no::int as i, description as text from processed.transactions")}
    assert {i: text or None for i, text in enumerate(naughty) if i in loaded} == loaded


SECRETS = ["jane.doe@example.com", "Jane Doe-Secret", "203.0.113.77", "2001:db8:85a3::7348", "+49 30 1234567", "Customer-4711"]


def reviews(tmp_path):
    mail, person, ip, ip6, phone, customer = SECRETS
    rows = [
        {"review_id": "1", "product_id": "p", "rating": 5, "created_at": "2026-01-01T10:00:00Z", "text": f"mail me: {mail}", "title": mail, "author": person, "email": mail, "ip": ip, "phone": phone, "customer_id": customer},
        {"review_id": "2", "product_id": "p", "rating": 9, "created_at": "2026-01-01T10:00:00Z", "text": f"rejected, from {mail}", "author_name": person, "customer_email": mail, "ip_address": ip6, "user_id": customer},
        {"review_id": "3", "product_id": "p", "rating": 1, "created_at": "2026-01-02T10:00:00Z", "text": "x", "reviewer_name": person, "ip": ip6, "phone_number": phone, "reviewer_id": customer, "contact": mail},
    ]
    path = tmp_path / "2026-01-03_reviews.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_no_personal_data_behind_the_raw_zone(shoplake, shoplake_in, home, tmp_path):
    path = reviews(tmp_path)
    outcome = shoplake("load", "reviews", path, "--verbose")
    said = outcome.stdout + outcome.stderr
    for sql in ("select * from processed.reviews", "from (describe processed.reviews)"):
        said += shoplake("query", sql, "--format", "csv").stdout + shoplake("query", sql, "--format", "json").stdout
    for secret in SECRETS:
        assert secret not in said
    # Every file but the zones that keep bytes as received; Parquet is searched as its rows and as it is stored.
    for file in home.rglob("*"):
        zone = file.relative_to(home).parts[:2]
        if not file.is_file() or zone in {("lake", "raw"), ("lake", "quarantine")}:
            continue
        content = file.read_bytes()
        for secret in SECRETS:
            assert secret.encode() not in content, file
    first, third = shoplake.rows("select customer_id, ip, title, text from processed.reviews order by review_id")
    assert first["customer_id"] == third["customer_id"] and len(first["customer_id"]) == 64
    assert (first["ip"], third["ip"]) == ("203.0.113.0", "2001:db8:85a3::")
    assert (first["title"], first["text"]) == ("[email]", "mail me: [email]")
    # The key is the home's own: another home has other hashes.
    key = home / "hash.key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_text().strip()) == 64
    other = shoplake_in(tmp_path / "other")
    other("load", "reviews", path)
    assert other.value("select any_value(customer_id) from processed.reviews") != first["customer_id"]
    key.chmod(0o644)
    outcome = shoplake("load", "reviews", path, check=False)
    assert outcome.returncode == 4 and "is readable by others" in outcome.stderr


def test_a_contract_that_changes_evolves_the_table(shoplake, home, tmp_path):
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    home.mkdir()
    (home / "shoplake.yml").write_text(f"datasets: {contracts}\n")

    def contract(price, more=""):
        (contracts / "goods.yml").write_text(
            "dataset: goods\ntable: processed.goods\npartition_by: none\nunknown_fields: {keep_in: _extra}\nfields:\n"
            f'  - {{name: id, type: string, required: true}}\n  - {{name: price, type: "{price}"}}\n{more}')

    def load(number, text):
        path = tmp_path / f"goods{number}.csv"
        path.write_text(text)
        return shoplake("load", "goods", path, "--json", check=False)

    contract("decimal(6,2)")
    assert load(1, "id,price\na,1234.50\n").json()["rows"] == 1
    contract("decimal(12,2)", "  - {name: stock, type: long}\n")
    assert [d["effect"] for d in shoplake("contract", "diff", "goods", "--json").json()["differences"]] == ["compatible", "compatible"]
    assert load(2, "id,price,stock\nb,123456789.50,3\n").json()["rows"] == 1
    assert shoplake.rows("select id, price::varchar as price, stock::int as stock from processed.goods order by id") == [
        {"id": "a", "price": "1234.50", "stock": None}, {"id": "b", "price": "123456789.50", "stock": 3}]
    assert shoplake("contract", "diff", "goods").stdout.startswith("no difference")
    contract("double")
    outcome = shoplake("contract", "diff", "goods", "--json", check=False)
    assert outcome.returncode == 1 and outcome.json()["breaking"]
    outcome = load(3, "id,price\nc,1\n")
    assert outcome.returncode != 0 and outcome.json()["files"][0]["error"]["code"] == "catalog.incompatible_schema"
    assert "price" in outcome.json()["files"][0]["error"]["message"]
