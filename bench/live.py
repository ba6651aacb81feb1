#!/usr/bin/env python3
"""The live path under a steady stream: how long an event takes from its receipt to the commit that counts it in
marts.mart_attribution_comparison, on a small and on a large history, while a page follows the live feed; what an idle server
costs; how fast what was acknowledged before a kill -9 is caught up.

    ./run bench --only live                                     5,000 events a second for ten minutes, on 100 k and 10 M events
    python bench/live.py --history 100000 --seconds 60          smaller, for trying things out
"""
import argparse
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SHOPLAKE_BIN", ROOT / "build/release/bin/shoplake"))
PAUSE = threading.Event()  # never set
CATCH_UP_PART = 1_000_000


def environment(home):
    return {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"NO_COLOR": "1", "SHOPLAKE_HOME": str(home)}


def shoplake(home, *arguments):
    outcome = subprocess.run([BINARY, *map(str, arguments)], env=environment(home), capture_output=True, text=True)
    if outcome.returncode:
        sys.exit(f"bench: shoplake {' '.join(map(str, arguments))} ended with {outcome.returncode}\n{outcome.stdout[-2000:]}{outcome.stderr[-2000:]}")
    return outcome.stdout


class Server:
    def __init__(self, home):
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", "--json"], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = json.loads(self.process.stdout.readline())
        self.address, self.port = ready["address"], ready["port"]

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())

    def live(self):
        return self.get("/api/live")

    def wait(self, condition, timeout=600):
        deadline = time.monotonic() + timeout
        while not condition(view := self.live()):
            if time.monotonic() > deadline:
                sys.exit(f"bench: still not there after {timeout} s: {view}")
            PAUSE.wait(0.1)
        return view

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)
        self.process.stdout.close()


def follow(server, stop):
    """A page that is open: takes the live feed and asks for the figures every five seconds, as the dashboard does."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/api/live/events")
        response = connection.getresponse()
        last = time.monotonic()
        while not stop.is_set():
            if not response.readline():
                return
            if time.monotonic() - last >= 5:
                last = time.monotonic()
                for block in ("freshness", "summary", "series", "channels", "funnel", "retention"):
                    server.get(f"/api/{block}")


def steady(home, rate, seconds):
    server = Server(home)
    try:
        server.wait(lambda v: v["state"] == "waiting")
        idle_from, began = server.cpu_seconds(), time.monotonic()
        PAUSE.wait(20)  # what is measured is doing nothing
        idle = (server.cpu_seconds() - idle_from) / (time.monotonic() - began)
        idle_rss = server.resident_bytes()
        stop = threading.Event()
        page = threading.Thread(target=follow, args=(server, stop), daemon=True)
        page.start()
        sender = subprocess.Popen([BINARY, "generate", "events", "--stream", server.address, "--rate", str(rate), "--for", f"{seconds}s", "--json"],
                                  env=environment(home), stdout=subprocess.PIPE, text=True)
        p50, p99, peak = [], [], 0
        cpu_from, began = server.cpu_seconds(), time.monotonic()
        while sender.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                sender.wait(1)
            view = server.live()
            peak = max(peak, server.resident_bytes())
            if view["latency_ms"] and time.monotonic() - began > min(20, seconds / 3):
                p50.append(view["latency_ms"]["p50"])
                p99.append(view["latency_ms"]["p99"])
        cpu = (server.cpu_seconds() - cpu_from) / (time.monotonic() - began)
        sent = json.loads(sender.stdout.read())
        stop.set()
        server.wait(lambda v: v["waiting_records"] == 0)
        page.join(10)
        return {"rate": sent["events"] / sent["seconds"], "p50_ms": sorted(p50)[len(p50) // 2], "p99_ms": max(p99), "cpus": cpu, "peak_rss_bytes": peak,
                "idle_cpu": idle, "idle_rss_bytes": idle_rss}
    finally:
        server.stop()


def send_all(server, dataset, path):
    """Every event of the file, acknowledged."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection), open(path, "rb") as file:
        while lines := file.readlines(4 << 20):
            connection.request("POST", f"/v1/events/{dataset}", b"".join(lines))
            response = connection.getresponse()
            response.read()
            assert response.status == 200, response.status


def catch_up(home, dataset, events):
    """Events that no consumer has taken when the server is killed: acknowledged while counting is held back by a build's lock.
    Two figures: when all of them are in processed, and when the models have them too. The archive is written at the same time."""
    import fcntl

    path = home.parent / "catch-up.ndjson"
    with open(home / "live.lock", "a+") as lock:  # as `shoplake build` would hold it
        fcntl.lockf(lock, fcntl.LOCK_EX)
        server = Server(home)
        try:
            parts = -(-events // CATCH_UP_PART)  # for the disk's sake, each a day after the other: what waits is in order of time
            for part in range(parts):
                day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400 * (parts - part)))
                shoplake(home, "generate", dataset, "--events", min(CATCH_UP_PART, events - part * CATCH_UP_PART), "--days", 1, "--end-date", day,
                         "--seed", part + 1, "--out", path)
                send_all(server, dataset, path)
        finally:
            path.unlink(missing_ok=True)
            server.stop(signal.SIGKILL)
    began = time.monotonic()
    server = Server(home)
    accepting = time.monotonic() - began
    try:
        waiting = server.live()["waiting_records"]
        peak = 0

        def is_done(condition):
            def look(view):
                nonlocal peak
                peak = max(peak, server.resident_bytes())
                return condition(view)
            return look

        server.wait(is_done(lambda v: v["waiting_records"] == 0), 3600)
        processed, processed_cpu = time.monotonic() - began, server.cpu_seconds()
        server.wait(is_done(lambda v: v["waiting_records"] == 0 and v["state"] in ("live", "waiting")), 3600)
        marts, marts_cpu = time.monotonic() - began, server.cpu_seconds()
        return {"events": waiting, "accepting_seconds": accepting, "processed_seconds": processed, "processed_events_per_second": waiting / processed,
                "processed_cpu_seconds": processed_cpu, "seconds": marts, "events_per_second": waiting / marts, "cpu_seconds": marts_cpu, "peak_rss_bytes": peak}
    finally:
        server.stop()


def measure(histories, rate, seconds, catch_up_events, folder, say=print):
    results = {"rate": rate, "seconds": seconds, "history": {}}
    for history in histories:
        home = folder / f"live-{history}"
        shutil.rmtree(home, ignore_errors=True)
        path = folder / f"history-{history}.ndjson.gz"
        # Until yesterday: a history does not hold what is yet to come.
        yesterday = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400))
        shoplake(home, "generate", "events", "--events", history, "--days", 14, "--out", path, "--end-date", yesterday)
        shoplake(home, "load", "events", path)
        path.unlink()
        shoplake(home, "build")
        outcome = steady(home, rate, seconds)
        results["history"][str(history)] = outcome
        say(f"  live on {history:,} events: {outcome['rate']:,.0f} events/s, receipt to mart p50 {outcome['p50_ms']:,.0f} ms, p99 {outcome['p99_ms']:,.0f} ms, "
            f"{outcome['cpus']:.2f} CPUs, peak {outcome['peak_rss_bytes'] / 2**20:,.0f} MiB; idle {100 * outcome['idle_cpu']:.1f} % CPU, {outcome['idle_rss_bytes'] / 2**20:,.0f} MiB")
        shutil.rmtree(home, ignore_errors=True)
    for dataset in ("clickstream", "events") if catch_up_events else ():  # some 500 and 2,200 bytes an event
        home = folder / "live-catch-up"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        shoplake(home, "build")
        outcome = results.setdefault("catch_up", {})[dataset] = catch_up(home, dataset, catch_up_events)
        say(f"  after kill -9 with {outcome['events']:,} events of {dataset} in the log: accepting after {outcome['accepting_seconds']:.2f} s, "
            f"in processed at {outcome['processed_events_per_second']:,.0f} events/s ({outcome['processed_cpu_seconds']:.0f} s CPU), in the marts at {outcome['events_per_second']:,.0f} events/s "
            f"({outcome['cpu_seconds']:.0f} s CPU), peak {outcome['peak_rss_bytes'] / 2**20:,.0f} MiB")
        shutil.rmtree(home, ignore_errors=True)
    return results


def report(results):
    lines = ["## Live", "", f"{results['rate']:,} events a second for {results['seconds']} s, the page open. Receipt to the commit that counts the event.", "",
             "| history | events/s | p50 | p99 | CPUs | peak memory | idle CPU | idle memory |", "|---|---|---|---|---|---|---|---|"]
    for history, o in results["history"].items():
        lines.append(f"| {int(history):,} | {o['rate']:,.0f} | {o['p50_ms']:,.0f} ms | {o['p99_ms']:,.0f} ms | {o['cpus']:.2f} | {o['peak_rss_bytes'] / 2**20:,.0f} MiB | "
                     f"{100 * o['idle_cpu']:.1f} % | {o['idle_rss_bytes'] / 2**20:,.0f} MiB |")
    for dataset, o in results.get("catch_up", {}).items():
        lines += ["", f"After kill -9 with {o['events']:,} events of {dataset} in the log that nobody had taken: accepting after {o['accepting_seconds']:.2f} s; all in processed after "
                  f"{o['processed_seconds']:.0f} s ({o['processed_events_per_second']:,.0f} events a second, {o['processed_cpu_seconds']:.0f} s of CPU), in the marts after {o['seconds']:.0f} s "
                  f"({o['events_per_second']:,.0f} events a second, {o['cpu_seconds']:.0f} s of CPU); peak {o['peak_rss_bytes'] / 2**20:,.0f} MiB."]
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=int, nargs="+", default=[100_000, 10_000_000])
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--catch-up", type=int, default=1_000_000)
    parser.add_argument("--full", action="store_true", help="ten minutes on 100 k and on 10 M events, and ten million events to catch up (80 GB of disk)")
    options = parser.parse_args()
    if options.full:
        options.history, options.seconds, options.catch_up = [100_000, 10_000_000], 600, 10_000_000
    with tempfile.TemporaryDirectory(prefix="shoplake-live-") as folder:
        print(json.dumps(measure(options.history, options.rate, options.seconds, options.catch_up, pathlib.Path(folder)), indent=2))


if __name__ == "__main__":
    main()
