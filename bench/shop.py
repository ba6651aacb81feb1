"""A shop's raw files to curated tables: `./run bench --only shop [--gigabytes 1,10]`.

Mixed raw input of a given size: clickstream (NDJSON, gzip, a file a day), transactions (CSV, a file a day: real invoices of UCI Online Retail,
found by SHOPLAKE_TEST_DATA, each copy of them with numbers of its own), products and reviews (JSON, generated). Dropped into the raw zone, then

    shoplake ingest          validation and typed tables
    shoplake build           the jobs of the shop: cleaning, enrichment, aggregation, merge
    shoplake quality run     the rules of all tables

and all of it a second time, with nothing new. There is no peer: what stands against it is the five minutes that the document allows.
"""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from retail import DATA

# Without two tests that also ask for models of the attribution.
MODELS = ["--select", "+path:models/shop", "--exclude", "grains_are_unique", "sessions_are_sums_of_events"]
# Of each gigabyte of input.
EVENTS = 1_250_000
COPIES = 15
DAYS = 30


def step(binary, home, *words, codes=(0,)):
    env = {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"NO_COLOR": "1", "SHOPLAKE_HOME": str(home)}
    os.sync()  # what the step before left unwritten must not slow this one
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        process = subprocess.Popen([str(binary), *map(str, words)], env=env, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read().decode()
    if process.returncode not in codes:
        raise SystemExit(f"bench: shoplake {' '.join(map(str, words))} ended with {process.returncode}:\n{text[-2000:]}")
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "rss_bytes": usage.ru_maxrss * 1024}, text


def put_transactions(raw, copies):
    """Each copy has invoices of its own: the same lines again would be the same order."""
    size = 0
    for path in sorted(DATA.glob("*.csv.gz")):
        header, *lines = gzip.decompress(path.read_bytes()).decode().rstrip("\n").split("\n")
        folder = raw / f"transactions/date={path.name[:10]}"
        folder.mkdir(parents=True)
        with open(folder / path.name.removesuffix(".gz"), "w") as out:
            size += out.write(header + "\n")
            for copy in range(copies):
                size += out.write("".join((f"C{copy + 1:03}{line[1:]}" if line[0] == "C" else f"{copy + 1:03}{line}") + "\n" for line in lines))
    return size


def put_generated(binary, home, raw, dataset, events):
    with tempfile.TemporaryDirectory(dir=home) as made:
        step(binary, home, "generate", dataset, "--events", events, "--days", DAYS, "--seed", 3, "--out", made + "/")
        size = 0
        for number, path in enumerate(sorted(pathlib.Path(made).rglob("*.gz"))):
            day = path.parent.name if path.parent.name.startswith("date=") else f"date=2026-06-{number + 1:02}"
            folder = raw / dataset / day
            folder.mkdir(parents=True, exist_ok=True)
            with gzip.open(path) as file:
                while part := len(file.read(1 << 24)):
                    size += part
            shutil.move(path, folder / path.name)
    return size


def measure(binary, folder, gigabytes, say):
    home = folder / f"shop-{gigabytes}"
    raw = home / "lake/raw"
    raw.mkdir(parents=True)
    sizes = {"transactions": put_transactions(raw, COPIES * gigabytes)}
    for dataset in ["clickstream", "products", "reviews"]:
        sizes[dataset] = put_generated(binary, home, raw, dataset, EVENTS * gigabytes)
    for path in raw.rglob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60))  # or they would still be being written
    say(f"input: {sum(sizes.values()) / 1e6:,.0f} MB raw ({', '.join(f'{name} {size / 1e6:,.0f}' for name, size in sizes.items())})")
    runs = {}
    for run in ["first", "again"]:
        runs[run] = {}
        for name, words, codes in [("ingest", ["ingest", "--json"], (0,)), ("build", ["build", *MODELS], (0,)), ("quality", ["quality", "run"], (0, 1))]:
            runs[run][name], text = step(binary, home, *words, codes=codes)
            if name == "ingest" and run == "first":
                rejected = json.loads(text).get("rejected")
                say(f"  rejected: {rejected}")
            say(f"  shop {gigabytes:>2} GB  {run:<6} {name:<8} {runs[run][name]['seconds']:8.2f} s  {runs[run][name]['cpu_seconds']:8.2f} s of CPU  {runs[run][name]['rss_bytes'] / 2**20:8.0f} MiB")
    shutil.rmtree(home)
    return {"bytes": sizes, "runs": runs}


def run(binary, folder, sizes, say):
    """{gigabytes: {"bytes": …, "runs": {"first" | "again": {step: …}}}}; nothing if there is no data."""
    if not DATA.is_dir():
        say(f"  shop: there is no data at {DATA} (SHOPLAKE_TEST_DATA)")
        return None
    return {str(size): measure(binary, folder, size, say) for size in sizes}


def report(results):
    """Markdown."""
    lines = ["## shop: raw files to curated tables", "", "| input | run | ingest s | build s | quality s | sum s | CPU s | peak MiB |", "|---|---|---|---|---|---|---|---|"]
    for one in results.values():
        for name, steps in one["runs"].items():
            sums = {key: sum(each[key] for each in steps.values()) for key in ["seconds", "cpu_seconds"]}
            lines.append(f"| {sum(one['bytes'].values()) / 1e9:.2f} GB | {name} | " + " | ".join(f"{each['seconds']:.2f}" for each in steps.values()) +
                         f" | {sums['seconds']:.2f} | {sums['cpu_seconds']:.2f} | {max(each['rss_bytes'] for each in steps.values()) / 2**20:,.0f} |")
    sums = [(sum(one["bytes"].values()), *(sum(each[key] for each in one["runs"]["first"].values()) for key in ["seconds", "cpu_seconds"])) for one in results.values()]
    if len(sums) > 1:
        (small, short, idle), (large, long, busy) = sums[0], sums[-1]
        lines += ["", f"{large / small:.1f} times the input takes {long / short:.1f} times as long ({busy / idle:.1f} times the CPU time)."]
    return "\n".join(lines + [""])
