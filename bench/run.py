#!/usr/bin/env python3
"""Speed of shoplake against named peers: one input, one machine, one go, runs interleaved; medians, ratios, peak memory.

    ./run bench                  load of 1,000,000 events, build of the demo's data, start-up times, cost over size to 1 M, what the collector takes,
                                 the transform of flat events, CSV to Parquet, a shop's gigabyte of raw files, and flows
    ./run bench --full           the same, and 10 M events (about 30 GB of disk)
    ./run bench --events 50000 --repeat 1 --only load        smaller, for trying things out

Writes bench/results/<date>.json and .md. What each peer does and what is left out in its favour is in bench/peers.py. A ratio is
the peer's time divided by shoplake's: above 1, shoplake is faster.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import catalog
import clickstream
import collect
import flows
import live
import retail
import shop

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SHOPLAKE_BIN", ROOT / "build/release/bin/shoplake"))
THREADS = len(os.sched_getaffinity(0))
# Its NDJSON reader holds the whole input and its columns at once (measured: 3.1 GiB for 200,000 events).
NEEDS_BYTES_PER_EVENT = {"polars": 17_000}
PEERS = ["duckdb", "polars", "chdb", "spark"]
NAMES = {"duckdb": "DuckDB 1.5.5", "polars": "Polars 2.1.0", "chdb": "chdb 4.4.0 (ClickHouse)", "spark": f"PySpark 3.5.5 local[{THREADS}]",
         "shoplake": "shoplake", "dbt": "dbt-core 1.9.8 + dbt-duckdb 1.9.4"}


def run(command, home=None, cwd=None, **environment):
    """Seconds of wall time, peak resident bytes of the process, and its standard output."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"NO_COLOR": "1"} | environment
    if home is not None:
        env["SHOPLAKE_HOME"] = str(home)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command], env=env, cwd=cwd, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        text = out.read().decode()
        if process.returncode != 0:
            sys.exit(f"bench: {' '.join(map(str, command))} ended with {process.returncode}\n{text[-2000:]}\n{err.read().decode()[-2000:]}")
    return seconds, usage.ru_maxrss * 1024, text


def summarized(runs):
    return {name: {"seconds": statistics.median(r["seconds"] for r in each), "rss_bytes": max(r["rss_bytes"] for r in each), "runs": each} for name, each in runs.items() if each}


def memory_available():
    line = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) * 1024


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.results = {}

    def say(self, text):
        print(text, flush=True)

    def input(self, events, days=30):
        path = self.folder / f"events-{events}-{days}.ndjson.gz"
        if not path.exists():
            _, _, text = run([BINARY, "generate", "events", "--events", events, "--days", days, "--seed", 7, "--out", path, "--json"])
            made = json.loads(text)
            self.say(f"input: {events:,} events over {days} days, {made['json_bytes'] / 2**20:,.0f} MiB of JSON, {made['file_bytes'] / 2**20:,.0f} MiB gzip, generated in {made['seconds']:.1f} s")
            self.results.setdefault("inputs", {})[str(events)] = made
        return path

    def load_once(self, path):
        home = self.folder / "home-load"
        remove(home)
        seconds, rss, text = run([BINARY, "load", "events", path, "--json"], home)
        report = json.loads(text)
        return home, {"seconds": seconds, "rss_bytes": rss, "rows": report["rows"], "stages": report["files"][0]["stages"]}

    def load(self, events, repeat, peers):
        path = self.input(events)
        runs = {name: [] for name in ["shoplake", *peers]}
        for number in range(repeat):
            for name in runs:
                self.settle()
                if name == "shoplake":
                    home, outcome = self.load_once(path)
                    remove(home)
                    assert outcome["rows"] == events, outcome
                elif name == "spark" and number > 0:
                    continue  # one run is enough to place it
                elif name in NEEDS_BYTES_PER_EVENT and NEEDS_BYTES_PER_EVENT[name] * events > memory_available():
                    if number == 0:
                        self.skip(f"{NAMES[name]} was left out of the load of {events:,} events: it needs about {NEEDS_BYTES_PER_EVENT[name] * events / 2**30:.0f} GiB of memory")
                    continue
                else:
                    target = self.folder / f"out-{name}"
                    remove(target)
                    _, _, text = run([sys.executable, ROOT / "bench/peers.py", name, path, target, THREADS], POLARS_MAX_THREADS=str(THREADS))
                    outcome = json.loads(text.strip().splitlines()[-1])
                    remove(target)
                runs[name].append(outcome)
                self.say(f"  load {events:,}: {NAMES[name]:<28} {outcome['seconds']:8.2f} s  {outcome['rss_bytes'] / 2**20:8.0f} MiB")
        summary = summarized(runs)
        self.results.setdefault("load", {})[str(events)] = summary
        return summary

    def skip(self, reason):
        self.results.setdefault("left_out", []).append(reason)
        self.say("  " + reason)

    def settle(self):
        """What the run before left unwritten must not slow this one."""
        os.sync()

    def build(self, events, repeat, days=14):
        path = self.input(events, days)
        home, _ = self.load_once(path)
        dbt = pathlib.Path(sys.executable).parent / "dbt"
        work = self.folder / "dbt"
        remove(work)
        work.mkdir()
        database = work / "warehouse.duckdb"
        events_file = work / "events.parquet"
        run([BINARY, "query", "from processed.events", "--format", "parquet", "--output", events_file], home)
        import duckdb

        fresh = self.folder / "home-unbuilt"
        remove(fresh)
        shutil.copytree(home, fresh)
        runs = {"shoplake": [], "dbt": []}
        for _ in range(repeat):
            self.settle()
            seconds, rss, _ = self.build_in(home, fresh)
            runs["shoplake"].append({"seconds": seconds, "rss_bytes": rss})
            self.say(f"  build {events:,}: {NAMES['shoplake']:<34} {seconds:8.2f} s  {rss / 2**20:8.0f} MiB")
            database.unlink(missing_ok=True)
            with duckdb.connect(str(database)) as connection:
                connection.execute("create schema processed")
                connection.execute(f"create view processed.events as from read_parquet('{events_file}')")
            self.settle()
            seconds, rss, _ = run([dbt, "--no-use-colors", "build", "--profiles-dir", ROOT / "dbt", "--target-path", work / "target", "--log-path", work / "logs"],
                                  cwd=ROOT / "dbt", SHOPLAKE_DUCKDB=str(database), SHOPLAKE_DBT_THREADS=str(THREADS), DBT_SEND_ANONYMOUS_USAGE_STATS="false")
            runs["dbt"].append({"seconds": seconds, "rss_bytes": rss})
            self.say(f"  build {events:,}: {NAMES['dbt']:<34} {seconds:8.2f} s  {rss / 2**20:8.0f} MiB")
        for path in (home, fresh, work):
            remove(path)
        summary = summarized(runs)
        self.results.setdefault("build", {})[str(events)] = summary
        return summary

    def build_in(self, home, fresh):
        """Builds in the home's own place, for the lake's files name it; the unbuilt home is put back from `fresh` first."""
        remove(home)
        shutil.copytree(fresh, home)
        return run([BINARY, "build"], home)

    def start_up(self):
        seconds = [run([BINARY, "--version"])[0] for _ in range(25)]
        self.results["version_seconds"] = statistics.median(seconds)
        self.say(f"  --version: {statistics.median(seconds) * 1000:.1f} ms (median of 25)")

        home = self.folder / "home-serve"
        remove(home)
        run([BINARY, "demo", "--events", 100000, "--exit"], home)
        env = {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"SHOPLAKE_HOME": str(home)}
        answers, ready = [], []
        for _ in range(5):
            begin = time.perf_counter()
            server = subprocess.Popen([BINARY, "serve", "--port", "0", "--json"], env=env, stdout=subprocess.PIPE, text=True)
            try:
                address = json.loads(server.stdout.readline())["address"]
                self.wait_until_ok(address + "/health")
                answers.append(time.perf_counter() - begin)
                self.wait_until_ok(address + "/ready")
                ready.append(time.perf_counter() - begin)
            finally:
                server.terminate()
                server.wait(20)
        self.results["serve"] = {"answers_seconds": statistics.median(answers), "ready_seconds": statistics.median(ready)}
        self.say(f"  serve: first page after {statistics.median(answers) * 1000:.0f} ms, all numbers computed after {statistics.median(ready) * 1000:.0f} ms (median of 5)")
        remove(home)

    @staticmethod
    def wait_until_ok(address, limit_seconds=30):
        end = time.perf_counter() + limit_seconds
        while True:
            try:
                with urllib.request.urlopen(address, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            if time.perf_counter() > end:
                sys.exit(f"bench: {address} did not answer within {limit_seconds} s")

    def linearity(self, sizes):
        rows = []
        for events in sizes:
            self.settle()
            path = self.input(events)
            home, load = self.load_once(path)
            build_seconds, build_rss, _ = run([BINARY, "build"], home)
            remove(home)
            rows.append({"events": events, "load_seconds": load["seconds"], "load_rss_bytes": load["rss_bytes"], "build_seconds": build_seconds, "build_rss_bytes": build_rss})
            self.say(f"  {events:>11,} events: load {load['seconds']:7.2f} s ({load['seconds'] / events * 1e6:5.2f} µs each, {load['rss_bytes'] / 2**20:,.0f} MiB)   "
                     f"build {build_seconds:7.2f} s ({build_seconds / events * 1e6:5.2f} µs each, {build_rss / 2**20:,.0f} MiB)")
        self.results["linearity"] = rows


def table(rows, headings):
    widths = [max(len(str(row[column])) for row in [headings, *rows]) for column in range(len(headings))]
    lines = ["| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |" for row in [headings, *rows]]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def compared(summary):
    own = summary["shoplake"]["seconds"]
    rows = []
    for name, each in sorted(summary.items(), key=lambda item: item[1]["seconds"]):
        rows.append([NAMES[name], f"{each['seconds']:.2f}", "1" if name == "shoplake" else f"{each['seconds'] / own:.2f}", f"{each['rss_bytes'] / 2**20:,.0f}", len(each["runs"])])
    return table(rows, ["program", "seconds", "ratio to shoplake", "peak MiB", "runs"])


def report(results):
    parts = [f"# Bench of {results['date']}", "", f"{results['machine']}. Medians; a ratio above 1 means that shoplake is faster.", ""]
    for events, summary in results.get("load", {}).items():
        made = results["inputs"][events]
        parts += [f"## load, {int(events):,} events ({made['json_bytes'] / 2**20:,.0f} MiB of JSON)", "", compared(summary), ""]
        stages = summary["shoplake"]["runs"][0]["stages"]
        parts += ["Of shoplake's run, CPU seconds of the stages: " + ", ".join(f"{key.replace('_seconds', '').replace('_', ' ')} {value:.2f}" for key, value in stages.items()) + ".", ""]
    if "left_out" in results:
        parts += [*results["left_out"], ""]
    if "build_conditions" in results:
        parts += [results["build_conditions"], ""]
    for events, summary in results.get("build", {}).items():
        parts += [f"## build of the whole project, {int(events):,} events", "", compared(summary), ""]
    if "version_seconds" in results:
        parts += ["## start-up", "", f"`--version` {results['version_seconds'] * 1000:.1f} ms; `serve` answers after {results['serve']['answers_seconds'] * 1000:.0f} ms, "
                  f"has all numbers of the first view after {results['serve']['ready_seconds'] * 1000:.0f} ms.", ""]
    if "linearity" in results:
        rows = [[f"{r['events']:,}", f"{r['load_seconds']:.2f}", f"{r['load_seconds'] / r['events'] * 1e6:.2f}", f"{r['load_rss_bytes'] / 2**20:,.0f}", f"{r['build_seconds']:.2f}",
                 f"{r['build_seconds'] / r['events'] * 1e6:.2f}", f"{r['build_rss_bytes'] / 2**20:,.0f}"] for r in results["linearity"]]
        parts += ["## cost over size", "", table(rows, ["events", "load s", "µs an event", "peak MiB", "build s", "µs an event", "peak MiB"]), ""]
    if "collect" in results:
        parts.append(collect.report(results["collect"]))
    if "clickstream" in results:
        parts.append(clickstream.report(results["clickstream"]))
    if results.get("retail"):
        parts.append(retail.report(results["retail"]))
    if results.get("shop"):
        parts.append(shop.report(results["shop"]))
    if "live" in results:
        parts.append(live.report(results["live"]))
    if "catalog" in results:
        parts.append(catalog.report(results["catalog"]))
    if "flows" in results:
        parts.append(flows.report(results["flows"]))
    return "\n".join(parts)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{model}, {THREADS} cores used, {memory:.0f} GiB of memory, load average {os.getloadavg()[0]:.1f} at the start"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="also 10 M events")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the load comparison")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=["load", "build", "start", "linearity", "collect", "clickstream", "retail", "shop", "live", "catalog", "flows"], action="append")
    parser.add_argument("--gigabytes", help="sizes of the shop's raw files, by commas: 1,10 says how the time grows; default 1, with --full 1,10")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    options = parser.parse_args()
    wanted = options.only or ["load", "build", "start", "linearity", "collect", "clickstream", "retail", "shop", "catalog", "flows"]
    with tempfile.TemporaryDirectory(prefix="shoplake-bench-") as folder:
        bench = Bench(options, pathlib.Path(folder))
        bench.results |= {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "machine": machine()}
        if "start" in wanted:
            bench.start_up()
        if "load" in wanted:
            bench.load(options.events, options.repeat, [peer for peer in options.peers.split(",") if peer])
        if "build" in wanted:
            bench.build(100_000, options.repeat)
            bench.build(1_000_000, 1, days=30)
            if options.full:
                bench.build(10_000_000, 1, days=30)
        if "linearity" in wanted:
            bench.linearity([100_000, 1_000_000] + ([10_000_000] if options.full else []))
        if "collect" in wanted:
            bench.results["collect"] = collect.run(BINARY, bench.folder, options.repeat, bench.say)
        if "clickstream" in wanted:
            peers = [peer for peer in options.peers.split(",") if peer]
            bench.results["clickstream"] = clickstream.run(BINARY, bench.folder, options.repeat, peers, options.events, THREADS, bench.say)
        if "retail" in wanted:
            bench.results["retail"] = retail.run(BINARY, bench.folder, options.repeat, retail.PEERS, THREADS, bench.say)
        if "shop" in wanted:
            bench.results["shop"] = shop.run(BINARY, bench.folder, [int(size) for size in (options.gigabytes or ("1,10" if options.full else "1")).split(",")], bench.say)
        if "catalog" in wanted:
            bench.results["catalog"] = catalog.measure(500, 10_000, 20, 200_000, bench.folder / "catalog", bench.say)
        if "flows" in wanted:
            bench.results["flows"] = flows.run(10_000, 1_000, 100_000, options.repeat, bench.folder / "flows", bench.say)
        if "live" in wanted or options.full:
            histories = [100_000, 10_000_000] if options.full else [100_000, 1_000_000]
            bench.results["live"] = live.measure(histories, 5000, 600 if options.full else 60, 10_000_000 if options.full else 1_000_000, bench.folder, bench.say)
    text = report(bench.results)
    print("\n" + text)
    options.results.mkdir(parents=True, exist_ok=True)
    stem = options.results / bench.results["date"][:10]
    stem.with_suffix(".json").write_text(json.dumps(bench.results, indent=1) + "\n")
    stem.with_suffix(".md").write_text(text)
    print(f"written: {stem}.json, {stem}.md")


if __name__ == "__main__":
    main()
