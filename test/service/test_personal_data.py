"""No e-mail address, IP address or name of the input anywhere behind the raw zone, but where the contract keeps it: every byte of
every file of the home is searched, Parquet as it is stored and by its values, gzip, Avro and SQLite unpacked, and all that is said."""
import gzip
import io
import json
import pathlib
import sqlite3
import zlib

import pytest
from serving import serving

pytest.importorskip("pyarrow", reason="pyarrow is not installed (test/requirements/service.in)")
import pyarrow.parquet as parquet  # noqa: E402

MAIL, OTHER_MAIL = "jane.doe@example.com", "j.roe+shop@mail.example.org"
PERSON, IP, IP6, PHONE, CUSTOMER = "Jane Doe-Secret", "203.0.113.77", "2001:db8:85a3::7348", "+49 30 1234567", "Customer-4711"
SECRETS = [MAIL, OTHER_MAIL, PERSON, IP, IP6, PHONE, CUSTOMER]
# Bytes as received: what rejects must be retried from, and what tables can be rebuilt from (docs/formats/quarantine.md).
AS_RECEIVED = {("lake", "raw"), ("lake", "quarantine"), ("wal",)}

PAGES = ["/", "/shop.html", "/metrics", "/api/freshness", "/api/summary", "/api/series", "/api/shop", "/api/pipeline", "/api/quality", "/api/live", "/api/alarms", "/api/cost"]


def varint(stream):
    value = shift = 0
    while True:
        (byte,) = stream.read(1)
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)


def avro_blocks(data):
    """The blocks of an Avro object container, unpacked."""
    stream = io.BytesIO(data)
    assert stream.read(4) == b"Obj\x01"
    metadata = {}
    while count := varint(stream):
        assert count > 0
        for _ in range(count):
            key = stream.read(varint(stream))
            metadata[key] = stream.read(varint(stream))
    stream.read(16)
    while stream.tell() < len(data):
        varint(stream)
        block = stream.read(varint(stream))
        yield zlib.decompress(block, -15) if metadata.get(b"avro.codec") == b"deflate" else block
        stream.read(16)


def contents(path):
    """All that a file says: its bytes, and what is packed in them."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    elif data.startswith(b"PAR1"):
        for column in parquet.read_table(path).columns:
            yield repr(column.to_pylist()).encode()
    elif data.startswith(b"Obj\x01"):
        yield from avro_blocks(data)
    elif data.startswith(b"SQLite format 3\0"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode()


def found(home, secrets, inside):
    """(secret, file) of the files in the zones of bytes as received, or of all others."""
    hits, kinds = [], set()
    for file in sorted(pathlib.Path(home).rglob("*")):
        parts = file.relative_to(home).parts
        if not file.is_file() or any(parts[:len(zone)] == zone for zone in AS_RECEIVED) != inside:
            continue
        kinds.add(file.suffix)
        for content in contents(file):
            lower = content.lower()
            hits += [(secret, str(file.relative_to(home))) for secret in secrets if secret.lower().encode() in lower]
    return hits, kinds


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def clickstream(number, **members):
    return {"event_id": f"e{number}", "event_type": "page_view", "timestamp": "2026-01-01T10:00:00Z", "session_id": "s", "ip": IP, "email": MAIL,
            "page_url": f"https://shop.example/?mail={MAIL}", "referrer": f"https://mail.example/{OTHER_MAIL}", "user_id": OTHER_MAIL,
            "utm": {"source": MAIL, "campaign": f"for {OTHER_MAIL}"}, "ip_address": None} | members


def review(number, **members):
    return {"review_id": f"r{number}", "product_id": "p", "rating": 5, "created_at": "2026-01-01T10:00:00Z", "text": f"mail me: {MAIL}", "title": OTHER_MAIL,
            "author": PERSON, "email": MAIL, "ip": IP if number % 2 else IP6, "phone": PHONE, "customer_id": CUSTOMER, "contact": OTHER_MAIL} | members


def ga4(number):
    return {"event_date": "20260101", "event_timestamp": 1_767_225_600_000_000 + number, "event_name": "page_view", "user_pseudo_id": f"u{number}",
            "event_params": [{"key": "page_location", "value": {"string_value": f"https://shop.example/?e={MAIL}"}},
                             {"key": "search_term", "value": {"string_value": OTHER_MAIL}}]}


def test_nothing_personal_is_left_behind_the_raw_zone(shoplake, tmp_path):
    home, said = shoplake.home, []

    def run(*arguments, **options):
        outcome = shoplake(*arguments, **options)
        said.append(outcome.stdout + outcome.stderr)
        return outcome

    products = write(tmp_path / "products.ndjson", [{"product_id": "p", "name": "x", "price": "1.00", "updated_at": "2026-01-01T00:00:00Z"}])
    invoices = tmp_path / "2026-01-01.csv"
    invoices.write_text(f"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country,Mail\n1,p,x,1,2026-01-01 10:00,1.50,17850,France,{MAIL}\n")
    run("load", "products", products, "--verbose")
    run("load", "transactions", invoices, "--verbose")
    run("load", "reviews", write(tmp_path / "reviews.ndjson", [review(n) for n in range(20)]), "--verbose")
    run("load", "events", write(tmp_path / "events.ndjson", [ga4(n) for n in range(20)]), "--verbose")
    run("load", "clickstream", write(tmp_path / "clickstream.ndjson", [clickstream(n) for n in range(20)]), "--verbose")
    run("build")
    for command in (("quality", "run"), ("quality", "ls"), ("quality", "show", "processed.reviews"), ("catalog", "crawl", "raw"), ("catalog", "compact"), ("catalog", "ls")):
        run(*command, check=False)
    with serving(shoplake) as served:
        body = "".join(json.dumps(clickstream(n)) + "\n" for n in range(100, 120)).encode()
        assert served.request("POST", "/v1/events/clickstream", body)[0] == 200
        tables = [relation["name"] for relation in shoplake("catalog", "ls", "--json").json() if relation["name"].split(".")[0] not in ("raw", "quarantine")]
        assert {"processed.clickstream", "processed.reviews", "processed.transactions"} <= set(tables) and len(tables) > 30
        for name in tables:
            said.append(json.dumps(served.query(f"select * from {name}")[1]))
        for page in PAGES:
            status, _, text = served.get(page)
            assert status == 200, page
            said.append(text.decode(errors="replace"))
        assert served.stop() == 0
        said.append(served.process.stderr.read())
    run("build")
    for name in ("processed.reviews", "processed.clickstream"):
        run("query", f"select * from {name}", "--format", "csv")
    hits, kinds = found(home, SECRETS, inside=False)
    assert hits == [] and {".parquet", ".avro", ".json", ".sqlite"} <= kinds
    assert [secret for secret in SECRETS if secret.lower() in "\n".join(said).lower()] == []
    # The search can find: what was received is there.
    received, _ = found(home, SECRETS, inside=True)
    assert {secret for secret, _ in received} == set(SECRETS)
    assert [file for _, file in received if file.startswith("lake/quarantine")] == [], "no record was rejected"
    # What the contract keeps is kept.
    assert shoplake.value("select max(customer_id) from processed.transactions") == 17850


def test_a_rejected_record_is_kept_as_received_and_nowhere_else(shoplake, tmp_path):
    rows = [review(1, rating=9), review(2, review_id=None), review(3, created_at=f"never, says {PERSON}"), review(4)]
    outcome = shoplake("load", "reviews", write(tmp_path / "reviews.ndjson", rows), "--verbose", "--json")
    assert (outcome.json()["rows"], outcome.json()["rejected"]) == (1, 3)
    said = outcome.stdout + outcome.stderr + shoplake("catalog", "compact", "--json", check=False).stdout
    hits, _ = found(shoplake.home, SECRETS, inside=False)
    assert hits == []
    assert [secret for secret in SECRETS if secret.lower() in said.lower()] == []
    # Of quarantine the columns record, and message where a time could not be read.
    for row in shoplake.rows("select * exclude (record) from quarantine.reviews"):
        leaked = [secret for secret in SECRETS if secret.lower() in json.dumps(row).lower()]
        assert leaked == [] or row["reason_code"] == "contract.invalid_timestamp", row
    kept, _ = found(shoplake.home, [MAIL], inside=True)
    assert {file.split("/")[1] for _, file in kept} == {"raw", "quarantine"}
