"""Loads the shop's files as `shoplake load` does. An installation without their contracts gets plain ones, and invoices as JSON."""
import csv
import gzip
import json
import pathlib

CONTRACTS = {
    "transactions": """dataset: transactions
table: processed.transactions
partition_by: date
event_identity: none
unknown_fields: {keep_in: _extra, treatment: mask}
fields:
  - {name: invoice_no, type: string, required: true}
  - {name: stock_code, type: string, required: true}
  - {name: description, type: string}
  - {name: quantity, type: long, required: true}
  - {name: invoice_date, type: timestamp, required: true}
  - {name: unit_price, type: double, required: true}
  - {name: customer_id, type: long}
  - {name: country, type: string}
computed:
  date: date(invoice_date)
""",
    "products": """dataset: products
table: processed.products
partition_by: date
event_identity: none
unknown_fields: {keep_in: _extra, treatment: mask}
fields:
  - {name: product_id, type: string, required: true}
  - {name: name, type: string, required: true}
  - {name: category, type: string}
  - {name: subcategory, type: string}
  - {name: brand, type: string}
  - {name: price, type: double, required: true}
  - {name: currency, type: string}
  - {name: cost, type: double}
  - {name: stock_quantity, type: long}
  - {name: reorder_level, type: long}
  - {name: is_active, type: boolean}
  - {name: created_at, type: timestamp}
  - {name: updated_at, type: timestamp, required: true}
computed:
  date: date(updated_at)
""",
    "reviews": """dataset: reviews
table: processed.reviews
partition_by: review_date
event_identity: none
unknown_fields: {keep_in: _extra, treatment: mask}
fields:
  - {name: review_id, type: string, required: true}
  - {name: product_id, type: string, required: true}
  - {name: customer_id, type: string, treatment: hash}
  - {name: rating, type: long, required: true, min: 1, max: 5}
  - {name: title, type: string}
  - {name: text, type: string, treatment: mask, pii: direct}
  - {name: language, type: string}
  - {name: created_at, type: timestamp, required: true}
  - {name: updated_at, type: timestamp}
  - {name: is_verified, type: boolean}
computed:
  review_date: date(created_at)
""",
}
COLUMNS = {"InvoiceNo": "invoice_no", "StockCode": "stock_code", "Description": "description", "Quantity": "quantity",
           "InvoiceDate": "invoice_date", "UnitPrice": "unit_price", "CustomerID": "customer_id", "Country": "country"}


def has_contracts(source):
    return all((source / f"datasets/{name}.yml").exists() for name in CONTRACTS)


def load(shoplake, source, dataset, files):
    """Loads files of the dataset, in the given order."""
    if has_contracts(source):
        shoplake("load", dataset, *files)
        return
    contracts = shoplake.home / "datasets"
    if not contracts.exists():
        contracts.mkdir(parents=True)
        for name in ("events", "clickstream"):
            (contracts / f"{name}.yml").write_text((source / f"datasets/{name}.yml").read_text(encoding="utf-8"), encoding="utf-8")
        for name, text in CONTRACTS.items():
            (contracts / f"{name}.yml").write_text(text, encoding="utf-8")
        (shoplake.home / "shoplake.yml").write_text("datasets: datasets\n", encoding="utf-8")
    shoplake("load", dataset, *(as_json(shoplake, file) if dataset == "transactions" else file for file in files))


def as_json(shoplake, file):
    file = pathlib.Path(file)
    folder = shoplake.home / "converted"
    folder.mkdir(exist_ok=True)
    path = folder / (file.parent.name.replace("date=", "") + "-" + file.name.split(".")[0] + ".ndjson")
    opened = gzip.open(file, "rt", encoding="utf-8", newline="") if file.suffix == ".gz" else open(file, encoding="utf-8", newline="")
    with opened as text, open(path, "w", encoding="utf-8") as out:
        for row in csv.DictReader(text):
            out.write(json.dumps({COLUMNS[name]: value for name, value in row.items() if name in COLUMNS and value not in ("", None)}) + "\n")
    return path
