"""The transform of flat events: `./run bench --only clickstream`.

One million clickstream events as gzip NDJSON → typed → ip and email removed → revenue, hour, day_of_week and event_date computed →
Parquet, Snappy, partitioned by day. shoplake's time is that of the whole command `load clickstream`: copy to the raw zone, masks of
e-mail addresses in URLs, drift, synced files and the commit are in it. The peers do what is named in the first line and nothing else;
interpreter, imports and the start of Spark's JVM are not counted, in their favour.

    python bench/clickstream.py duckdb|polars|chdb|spark INPUT OUTPUT_FOLDER THREADS

runs one peer and prints one JSON object: {"seconds": …, "cpu_seconds": …, "rss_bytes": …}.
"""
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

NAMES = {"shoplake": "shoplake", "duckdb": "DuckDB 1.5.5", "polars": "Polars 2.1.0", "chdb": "chdb 4.4.0 (ClickHouse)", "spark": "PySpark 3.5.5"}
TEXTS_BEFORE = ["event_id", "event_type"]
TEXTS_AFTER = ["user_id", "session_id", "page_url", "referrer", "user_agent", "device", "country", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "product_id", "currency"]
PERSONAL = ["ip", "email"]


def columns(text, timestamp, real, integer):
    return {name: text for name in TEXTS_BEFORE} | {"timestamp": timestamp} | {name: text for name in TEXTS_AFTER} | {"price": real, "quantity": integer} | {name: text for name in PERSONAL}


def run_duckdb(source, target, threads):
    import duckdb

    spelled = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in columns("VARCHAR", "TIMESTAMP", "DOUBLE", "BIGINT").items()) + "}"
    connection = duckdb.connect(config={"threads": threads})
    begin = time.perf_counter()
    connection.execute(f"""
        copy (select * exclude (ip, email), price * quantity as revenue, hour("timestamp") as hour, isodow("timestamp") as day_of_week, "timestamp"::date as event_date
              from read_json('{source}', format = 'newline_delimited', columns = {spelled}))
        to '{target}' (format parquet, compression snappy, partition_by (event_date))""")
    return time.perf_counter() - begin


def run_polars(source, target, threads):
    import polars as pl

    begin = time.perf_counter()
    # Times are read as text and converted: its reader of NDJSON takes no zone.
    frame = pl.scan_ndjson(source, schema=columns(pl.String, pl.String, pl.Float64, pl.Int64)).drop(PERSONAL).with_columns(pl.col("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ"))
    at = pl.col("timestamp")
    frame = frame.with_columns(revenue=pl.col("price") * pl.col("quantity"), hour=at.dt.hour(), day_of_week=at.dt.weekday(), event_date=at.dt.date()).collect()
    for (day,), part in frame.partition_by("event_date", as_dict=True).items():
        folder = pathlib.Path(target) / f"event_date={day}"
        folder.mkdir(parents=True)
        part.write_parquet(folder / "part.parquet", compression="snappy")
    return time.perf_counter() - begin


def run_chdb(source, target, threads):
    import chdb

    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns("Nullable(String)", "DateTime64(6, ''UTC'')", "Nullable(Float64)", "Nullable(Int64)").items())
    pathlib.Path(target).mkdir(parents=True)
    begin = time.perf_counter()
    chdb.query(f"""
        insert into function file('{target}/{{_partition_id}}.parquet', 'Parquet') partition by event_date
        select * except (ip, email), price * quantity as revenue, toHour(timestamp) as hour, toDayOfWeek(timestamp) as day_of_week, toDate(timestamp) as event_date
        from file('{source}', 'JSONEachRow', '{schema}')
        settings max_threads = {threads}, output_format_parquet_compression_method = 'snappy', date_time_input_format = 'best_effort', engine_file_truncate_on_insert = 1""")
    return time.perf_counter() - begin


def run_spark(source, target, threads):
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f

    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns("string", "timestamp", "double", "bigint").items())
    spark = (SparkSession.builder.master(f"local[{threads}]").config("spark.ui.enabled", "false").config("spark.driver.memory", "4g").config("spark.sql.session.timeZone", "UTC")
             .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    begin = time.perf_counter()
    at = f.col("timestamp")
    frame = spark.read.schema(schema).json(source).drop(*PERSONAL)
    frame = frame.withColumns({"revenue": f.col("price") * f.col("quantity"), "hour": f.hour(at), "day_of_week": f.weekday(at) + 1, "event_date": f.to_date(at)})
    frame.write.partitionBy("event_date").option("compression", "snappy").parquet(target)
    return time.perf_counter() - begin


def parquet_bytes(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*.parquet"))


def once(command, home=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"NO_COLOR": "1"} | ({"SHOPLAKE_HOME": str(home)} if home else {})
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], env=env, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if process.returncode != 0:
            sys.exit(f"bench: {' '.join(map(str, command))} ended with {process.returncode}")
        return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "rss_bytes": usage.ru_maxrss * 1024}, out.read().decode()


def run(binary, folder, repeat, peers, events, threads, say):
    """{"input": …, "programs": {name: medians of the runs}}"""
    source = folder / f"clickstream-{events}.ndjson.gz"
    _, made = once([binary, "generate", "clickstream", "--events", events, "--days", 7, "--seed", 7, "--out", source, "--json"])
    made = json.loads(made)
    runs = {name: [] for name in ["shoplake", *peers]}
    for number in range(repeat):
        for name in runs:
            if name == "spark" and number > 0:
                continue  # one run is enough to place it
            os.sync()  # what the run before left unwritten must not slow this one
            target = folder / f"clickstream-{name}"
            shutil.rmtree(target, ignore_errors=True)
            if name == "shoplake":
                outcome, text = once([binary, "load", "clickstream", source, "--json"], target)
                report_of_load = json.loads(text)
                assert (report_of_load["rows"], report_of_load["rejected"]) == (events, 0), text
                outcome["parquet_bytes"] = parquet_bytes(target / "lake/processed")
            else:
                _, text = once([sys.executable, __file__, name, source, target, threads])
                outcome = json.loads(text.strip().splitlines()[-1])
                outcome["parquet_bytes"] = parquet_bytes(target)
            shutil.rmtree(target, ignore_errors=True)
            runs[name].append(outcome)
            say(f"  clickstream {NAMES[name]:<28} {outcome['seconds']:8.2f} s  {outcome['cpu_seconds']:8.2f} s of CPU  {outcome['parquet_bytes'] / made['json_bytes']:7.1%} of the JSON")
    programs = {name: {key: statistics.median(one[key] for one in each) for key in each[0]} | {"runs": each} for name, each in runs.items()}
    return {"input": made, "programs": programs}


def report(results):
    """Markdown."""
    made, programs = results["input"], results["programs"]
    own = programs["shoplake"]
    lines = [f"## clickstream, {made['events']:,} events ({made['json_bytes'] / 1e6:,.0f} MB of JSON)", "",
             "| program | seconds | ratio to shoplake | CPU s | ratio | peak MiB | Parquet / JSON | runs |", "|---|---|---|---|---|---|---|---|"]
    for name, each in sorted(programs.items(), key=lambda item: item[1]["seconds"]):
        lines.append(f"| {NAMES[name]} | {each['seconds']:.2f} | {each['seconds'] / own['seconds']:.2f} | {each['cpu_seconds']:.2f} | {each['cpu_seconds'] / own['cpu_seconds']:.2f} | "
                     f"{each['rss_bytes'] / 2**20:,.0f} | {each['parquet_bytes'] / made['json_bytes']:.1%} | {len(each['runs'])} |")
    return "\n".join([*lines, ""])


def cpu_seconds():
    """Of this process and of the ones that it waited for or started and still runs (Spark's JVM)."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    children = pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    for child in children:
        fields = pathlib.Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def peak_bytes():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for child in pathlib.Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        for line in pathlib.Path(f"/proc/{child}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]) * 1024)
    return peak


def main():
    peer, source, target, threads = sys.argv[1:]
    programs = {"duckdb": run_duckdb, "polars": run_polars, "chdb": run_chdb, "spark": run_spark}
    if peer == "polars":
        os.environ["POLARS_MAX_THREADS"] = threads
    begin = cpu_seconds()
    seconds = programs[peer](source, target, int(threads))
    # Imports and the start of the JVM are in the CPU time.
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds() - begin, "rss_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
