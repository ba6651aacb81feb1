#!/usr/bin/env python3
"""The catalog: what one commit takes in the server, with what the disk takes for a sync beside it; a crawl of many raw objects, the first
and one that finds nothing new; compaction of small files.

    ./run bench --only catalog
    python bench/catalog.py --commits 100 --objects 1000        smaller, for trying things out
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SHOPLAKE_BIN", ROOT / "build/release/bin/shoplake"))


def environment(home):
    return {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"NO_COLOR": "1", "SHOPLAKE_HOME": str(home)}


def shoplake(home, *arguments):
    outcome = subprocess.run([BINARY, *map(str, arguments)], env=environment(home), capture_output=True, text=True)
    if outcome.returncode != 0:
        raise SystemExit(f"shoplake {arguments}: {outcome.stderr}")
    return outcome.stdout


@contextlib.contextmanager
def served(home):
    process = subprocess.Popen([BINARY, "serve", "--port", "0", "--json"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield urllib.parse.urlsplit(json.loads(process.stdout.readline())["address"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def sync_ms(folder, count):
    """What writing and syncing a small file takes here: the floor of anything durable."""
    times = []
    for number in range(count):
        begin = time.perf_counter()
        handle = os.open(folder / f"sync-{number}", os.O_WRONLY | os.O_CREAT)
        os.write(handle, b"x" * 2048)
        os.fdatasync(handle)
        os.close(handle)
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def commits(home, count):
    """Commits of one property through REST, from the request to the answer: a metadata file, its folder and SQLite's log are synced."""
    with served(home) as address:
        connection = http.client.HTTPConnection(address.hostname, address.port)

        def ask(method, path, body):
            connection.request(method, "/v1/" + path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status >= 300:
                raise SystemExit(f"{path}: {response.status} {answer[:300]}")

        ask("POST", "namespaces/marts/tables", {"name": "bench", "schema": {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "type": "long", "required": False}]}})
        times = []
        for number in range(count):
            update = {"requirements": [], "updates": [{"action": "set-properties", "updates": {"number": str(number)}}]}
            begin = time.perf_counter()
            ask("POST", "namespaces/marts/tables/bench", update)
            times.append(1000 * (time.perf_counter() - begin))
        return times


def crawl(home, objects):
    for number in range(objects):
        folder = home / f"lake/raw/many/date=2026-{number % 12 + 1:02}-{number % 28 + 1:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.ndjson").write_text("".join(f'{{"id":{number * 20 + row},"name":"n{row}","price":{row}.5,"tags":["a","b"]}}\n' for row in range(20)))
    begin = time.perf_counter()
    shoplake(home, "catalog", "crawl", "raw")
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    shoplake(home, "catalog", "crawl", "raw")
    return first, time.perf_counter() - begin


def compact(home, files, events):
    for seed in range(files):
        path = home / f"part-{seed}.ndjson"
        shoplake(home, "generate", "events", "--events", events // files, "--days", 3, "--seed", seed, "--out", path)
        shoplake(home, "load", "events", path)
    begin = time.perf_counter()
    report = json.loads(shoplake(home, "catalog", "compact", "processed.events", "--json"))["tables"][0]
    return report["rows"], report["files_removed"], report["files_added"], time.perf_counter() - begin


def measure(commit_count, objects, files, events, folder, say=print):
    home = folder / "home"
    home.mkdir(parents=True)
    shoplake(home, "catalog", "ls")
    times = commits(home, commit_count)
    results = {"commits": commit_count, "commit_p50_ms": statistics.median(times), "commit_p99_ms": sorted(times)[int(0.99 * (len(times) - 1))], "sync_ms": sync_ms(folder, 100)}
    say(f"  commit p50 {results['commit_p50_ms']:.1f} ms, p99 {results['commit_p99_ms']:.1f} ms; one sync {results['sync_ms']:.1f} ms")
    first, again = crawl(home, objects)
    results |= {"objects": objects, "crawl_seconds": first, "crawl_again_seconds": again}
    say(f"  crawl of {objects:,} objects {first:.2f} s, again {again:.2f} s")
    rows, before, after, seconds = compact(home, files, events)
    results |= {"compacted_rows": rows, "files_before": before, "files_after": after, "compact_seconds": seconds}
    say(f"  compaction of {rows:,} rows, {before} files to {after}: {seconds:.2f} s")
    return results


def report(results):
    return "\n".join([
        "## Catalog", "",
        "| | |", "|---|---|",
        f"| a commit through REST, p50 / p99 | {results['commit_p50_ms']:.1f} / {results['commit_p99_ms']:.1f} ms |",
        f"| one write and sync of a small file on this disk | {results['sync_ms']:.1f} ms |",
        f"| crawl of {results['objects']:,} raw objects / again, nothing new | {results['crawl_seconds']:.2f} / {results['crawl_again_seconds']:.2f} s |",
        f"| compaction of {results['compacted_rows']:,} events, {results['files_before']} files to {results['files_after']}, sorted | {results['compact_seconds']:.2f} s |",
        ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=500)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shoplake-catalog-") as folder:
        print(json.dumps(measure(options.commits, options.objects, options.files, options.events, pathlib.Path(folder)), indent=2))


if __name__ == "__main__":
    main()
