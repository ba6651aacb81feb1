"""CSV → typed Parquet: `./run bench --only retail`.

Real invoices (UCI Online Retail, found by SHOPLAKE_TEST_DATA), the lines of each day repeated until they are large enough to measure →
typed (decimal price, timestamp) → revenue, date, year, month, day, hour, day_of_week and is_cancellation computed → Parquet, Snappy,
partitioned by day; as a plain file and as gzip. shoplake's time is that of the whole command `load transactions`: copy to the raw zone,
the checks of the contract, quarantine, drift, synced files and the commit are in it. The peers do what is named above and nothing
else; interpreter and imports are not counted, in their favour.

    python bench/retail.py pandas|duckdb|polars INPUT OUTPUT_FOLDER THREADS

runs one peer and prints one JSON object: {"seconds": …, "cpu_seconds": …, "rss_bytes": …}.
"""
import gzip
import json
import os
import pathlib
import shutil
import statistics
import sys
import time

from clickstream import cpu_seconds, once, parquet_bytes, peak_bytes

NAMES = {"shoplake": "shoplake", "duckdb": "DuckDB 1.5.5", "polars": "Polars 2.1.0", "pandas": "pandas 3.1.1"}
PEERS = ["duckdb", "polars", "pandas"]
DATA = pathlib.Path(os.environ.get("SHOPLAKE_TEST_DATA", pathlib.Path(__file__).resolve().parent.parent.parent / "shared/data")) / "retail"
REPEATED = 20


def run_duckdb(source, target, threads):
    import duckdb

    types = "{'InvoiceNo': 'VARCHAR', 'StockCode': 'VARCHAR', 'Description': 'VARCHAR', 'Quantity': 'BIGINT', 'InvoiceDate': 'TIMESTAMP', 'UnitPrice': 'DECIMAL(12,3)', 'CustomerID': 'DOUBLE', 'Country': 'VARCHAR'}"
    connection = duckdb.connect(config={"threads": threads})
    begin = time.perf_counter()
    connection.execute(f"""
        copy (select InvoiceNo as invoice_no, StockCode as stock_code, Description as description, Quantity as quantity, InvoiceDate as invoice_date, UnitPrice as unit_price,
                     CustomerID::bigint as customer_id, Country as country, invoice_date::date as date, year(invoice_date) as year, month(invoice_date) as month, day(invoice_date) as day,
                     hour(invoice_date) as hour, isodow(invoice_date) as day_of_week, starts_with(invoice_no, 'C') as is_cancellation, unit_price * quantity as revenue
              from read_csv('{source}', header = true, columns = {types}))
        to '{target}' (format parquet, compression snappy, partition_by (date))""")
    return time.perf_counter() - begin


def run_polars(source, target, threads):
    import polars as pl

    schema = {"InvoiceNo": pl.String, "StockCode": pl.String, "Description": pl.String, "Quantity": pl.Int64, "InvoiceDate": pl.Datetime("us"), "UnitPrice": pl.Decimal(12, 3), "CustomerID": pl.Float64, "Country": pl.String}
    names = {"InvoiceNo": "invoice_no", "StockCode": "stock_code", "Description": "description", "Quantity": "quantity", "InvoiceDate": "invoice_date", "UnitPrice": "unit_price", "CustomerID": "customer_id", "Country": "country"}
    begin = time.perf_counter()
    at = pl.col("invoice_date")
    frame = pl.scan_csv(source, schema=schema).rename(names).with_columns(
        pl.col("customer_id").cast(pl.Int64), date=at.dt.date(), year=at.dt.year(), month=at.dt.month(), day=at.dt.day(), hour=at.dt.hour(), day_of_week=at.dt.weekday(),
        is_cancellation=pl.col("invoice_no").str.starts_with("C"), revenue=pl.col("unit_price") * pl.col("quantity"))
    frame.sink_parquet(pl.PartitionBy(target, key="date"), compression="snappy", mkdir=True, engine="streaming")
    return time.perf_counter() - begin


def run_pandas(source, target, threads):
    import pandas as pd

    begin = time.perf_counter()
    # Prices are doubles (in its favour): it has no decimals.
    frame = pd.read_csv(source, dtype={"InvoiceNo": "str", "StockCode": "str", "Description": "str", "Country": "str"}, parse_dates=["InvoiceDate"], date_format="%Y-%m-%d %H:%M:%S")
    frame.columns = ["invoice_no", "stock_code", "description", "quantity", "invoice_date", "unit_price", "customer_id", "country"]
    at = frame["invoice_date"].dt
    frame = frame.assign(customer_id=frame["customer_id"].astype("Int64"), date=at.date, year=at.year, month=at.month, day=at.day, hour=at.hour, day_of_week=at.dayofweek + 1,
                         is_cancellation=frame["invoice_no"].str.startswith("C"), revenue=frame["unit_price"] * frame["quantity"])
    frame.to_parquet(target, compression="snappy", partition_cols=["date"])
    return time.perf_counter() - begin


def make_input(folder, times):
    """One CSV file of the days, the lines of each repeated; and the same as gzip."""
    plain = folder / "retail.csv"
    days = sorted(DATA.glob("*.csv.gz"))
    rows = 0
    with open(plain, "w") as out:
        for number, path in enumerate(days):
            header, body = gzip.decompress(path.read_bytes()).decode().split("\n", 1)
            body = body.rstrip("\n") + "\n"
            out.write((header + "\n" if number == 0 else "") + body * times)
            rows += body.count("\n") * times
    packed = folder / "retail.csv.gz"
    with open(plain, "rb") as source, gzip.open(packed, "wb", compresslevel=6) as out:
        shutil.copyfileobj(source, out, 1 << 20)
    return {"rows": rows, "csv_bytes": plain.stat().st_size, "days": len(days)}, {"csv": plain, "csv.gz": packed}


def run(binary, folder, repeat, peers, threads, say, times=REPEATED):
    """{"input": …, "forms": {form: {name: medians of the runs}}}; nothing if there is no data."""
    if not DATA.is_dir():
        say(f"  retail: there is no data at {DATA} (SHOPLAKE_TEST_DATA)")
        return None
    made, sources = make_input(folder, times)
    forms = {}
    for form, source in sources.items():
        runs = {name: [] for name in ["shoplake", *peers]}
        for _ in range(repeat):
            for name in runs:
                os.sync()  # what the run before left unwritten must not slow this one
                target = folder / f"retail-{name}"
                shutil.rmtree(target, ignore_errors=True)
                if name == "shoplake":
                    outcome, text = once([binary, "load", "transactions", source, "--json"], target)
                    report_of_load = json.loads(text)
                    assert (report_of_load["rows"], report_of_load["rejected"]) == (made["rows"], 0), text
                    outcome["parquet_bytes"] = parquet_bytes(target / "lake/processed")
                else:
                    _, text = once([sys.executable, __file__, name, source, target, threads])
                    outcome = json.loads(text.strip().splitlines()[-1])
                    outcome["parquet_bytes"] = parquet_bytes(target)
                shutil.rmtree(target, ignore_errors=True)
                runs[name].append(outcome)
                say(f"  retail.{form:<7} {NAMES[name]:<16} {outcome['seconds']:8.2f} s  {outcome['cpu_seconds']:8.2f} s of CPU  {outcome['rss_bytes'] / 2**20:8.0f} MiB")
        forms[form] = {name: {key: statistics.median(one[key] for one in each) for key in each[0]} | {"runs": each} for name, each in runs.items()}
    for source in sources.values():
        source.unlink()
    return {"input": made, "forms": forms}


def report(results):
    """Markdown."""
    made = results["input"]
    lines = [f"## retail, {made['rows']:,} lines of invoices of {made['days']:,} days ({made['csv_bytes'] / 1e6:,.0f} MB of CSV)", ""]
    for form, programs in results["forms"].items():
        own = programs["shoplake"]
        lines += [f"As .{form}:", "", "| program | seconds | ratio to shoplake | CPU s | ratio | peak MiB | Parquet / CSV | runs |", "|---|---|---|---|---|---|---|---|"]
        for name, each in sorted(programs.items(), key=lambda item: item[1]["seconds"]):
            lines.append(f"| {NAMES[name]} | {each['seconds']:.2f} | {each['seconds'] / own['seconds']:.2f} | {each['cpu_seconds']:.2f} | {each['cpu_seconds'] / own['cpu_seconds']:.2f} | "
                         f"{each['rss_bytes'] / 2**20:,.0f} | {each['parquet_bytes'] / made['csv_bytes']:.1%} | {len(each['runs'])} |")
        lines.append("")
    return "\n".join(lines)


def main():
    peer, source, target, threads = sys.argv[1:]
    if peer == "polars":
        os.environ["POLARS_MAX_THREADS"] = threads
    begin = cpu_seconds()
    seconds = {"duckdb": run_duckdb, "polars": run_polars, "pandas": run_pandas}[peer](source, target, int(threads))
    # Imports are in the CPU time.
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds() - begin, "rss_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
