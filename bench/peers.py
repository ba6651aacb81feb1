"""One peer's version of `shoplake load`: gzip NDJSON in Google's GA4 export schema → typed by the whole explicit schema (nested
fields, integers that come as text) → e-mail addresses masked in event_params → Parquet, Snappy, partitioned by event_date.
No commit, no identity, no quarantine, no drift report: those are left out in the peers' favour.

    python bench/peers.py duckdb|polars|chdb|spark INPUT OUTPUT_FOLDER THREADS

Prints one JSON object: {"seconds": …, "rss_bytes": …}. Seconds are those of the conversion alone: interpreter, imports and (for
Spark) the start of the JVM and session are not counted, in the peer's favour.
"""
import json
import pathlib
import resource
import sys
import time

import yaml

CONTRACT = pathlib.Path(__file__).resolve().parent.parent / "datasets/events.yml"
EMAIL = r"[A-Za-z0-9._%+-]+(@|%40)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
MASK = "[e-mail]"


def fields():
    return yaml.safe_load(CONTRACT.read_text())["fields"]


def type_of(field, names, struct, array):
    """The type of a contract's field, spelled for one engine."""
    if field["type"] in ("struct", "list"):
        inner = struct([(each["name"], type_of(each, names, struct, array)) for each in field["fields"]])
        return array(inner) if field["type"] == "list" else inner
    return names[field["type"]]


def run_duckdb(source, target, threads):
    import duckdb

    names = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN"}
    columns = {f["name"]: type_of(f, names, lambda fs: "STRUCT(" + ", ".join(f'"{n}" {t}' for n, t in fs) + ")", lambda t: t + "[]") for f in fields()}
    spelled = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items()) + "}"
    connection = duckdb.connect(config={"threads": threads})
    begin = time.perf_counter()
    connection.execute(f"""
        copy (
          select * replace (list_transform(event_params, p -> struct_pack(key := p.key, value := struct_pack(
              string_value := regexp_replace(p.value.string_value, '{EMAIL}', '{MASK}', 'g'), int_value := p.value.int_value,
              float_value := p.value.float_value, double_value := p.value.double_value))) as event_params)
          from read_json('{source}', format = 'newline_delimited', columns = {spelled}, maximum_object_size = 16777216)
        ) to '{target}' (format parquet, compression snappy, partition_by (event_date))""")
    return time.perf_counter() - begin


def run_polars(source, target, threads):
    import polars as pl

    def dtypes(longs):
        names = {"string": pl.String, "long": longs, "double": pl.Float64, "boolean": pl.Boolean}
        return {f["name"]: type_of(f, names, lambda fs: pl.Struct({n: t for n, t in fs}), pl.List) for f in fields()}

    read, wanted = dtypes(pl.String), dtypes(pl.Int64)
    begin = time.perf_counter()
    # Integers come as text, which the reader does not turn into numbers: read as text and cast. E-mail is not masked (in its favour).
    # The streaming engine, for all rows at once take more than 10 KiB of memory each.
    pl.scan_ndjson(source, schema=read).cast(wanted).sink_parquet(pl.PartitionBy(target, key="event_date"), compression="snappy", mkdir=True, engine="streaming")
    return time.perf_counter() - begin


def run_chdb(source, target, threads):
    import chdb

    names = {"string": "Nullable(String)", "long": "Nullable(Int64)", "double": "Nullable(Float64)", "boolean": "Nullable(Bool)"}
    schema = ", ".join(
        f["name"] + " " + ("String" if f["name"] == "event_date" else type_of(f, names, lambda fs: "Tuple(" + ", ".join(f"{n} {t}" for n, t in fs) + ")", lambda t: f"Array({t})"))
        for f in fields())
    pathlib.Path(target).mkdir(parents=True)
    masked = f"arrayMap(p -> tuple(p.1, tuple(replaceRegexpAll(p.2.1, '{EMAIL}', '{MASK}'), p.2.2, p.2.3, p.2.4)), event_params)"
    kind = "Array(Tuple(key Nullable(String), value Tuple(string_value Nullable(String), int_value Nullable(Int64), float_value Nullable(Float64), double_value Nullable(Float64))))"
    begin = time.perf_counter()
    chdb.query(f"""
        insert into function file('{target}/{{_partition_id}}.parquet', 'Parquet') partition by event_date
        select * replace (cast({masked} as {kind}) as event_params) from file('{source}', 'JSONEachRow', '{schema.replace("'", "''")}')
        settings max_threads = {threads}, output_format_parquet_compression_method = 'snappy', input_format_skip_unknown_fields = 1,
                 input_format_json_defaults_for_missing_elements_in_named_tuple = 1, input_format_null_as_default = 1,
                 engine_file_truncate_on_insert = 1""")
    return time.perf_counter() - begin


def run_spark(source, target, threads):
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as f
    from pyspark.sql import types as t

    def schema(longs):
        names = {"string": t.StringType(), "long": longs, "double": t.DoubleType(), "boolean": t.BooleanType()}
        return t.StructType([t.StructField(x["name"], type_of(x, names, lambda fs: t.StructType([t.StructField(n, k) for n, k in fs]), t.ArrayType)) for x in fields()])

    read, wanted = schema(t.StringType()), schema(t.LongType())
    spark = (SparkSession.builder.master(f"local[{threads}]").config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
             .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    begin = time.perf_counter()
    # As with Polars, integers that come as text are read as text and cast.
    frame = spark.read.schema(read).json(source).select([f.col(x.name).cast(x.dataType).alias(x.name) for x in wanted])
    masked = f.transform("event_params", lambda p: p.withField("value", p["value"].withField("string_value", f.regexp_replace(p["value"]["string_value"], EMAIL, MASK))))
    frame.withColumn("event_params", masked).write.partitionBy("event_date").option("compression", "snappy").parquet(target)
    seconds = time.perf_counter() - begin
    java = spark.sparkContext._gateway.proc.pid
    return seconds, peak_of(java)


def peak_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    peer, source, target, threads = sys.argv[1:]
    outcome = {"duckdb": run_duckdb, "polars": run_polars, "chdb": run_chdb, "spark": run_spark}[peer](source, target, int(threads))
    seconds, rss = outcome if isinstance(outcome, tuple) else (outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    print(json.dumps({"seconds": seconds, "rss_bytes": rss}))


if __name__ == "__main__":
    main()
