#!/usr/bin/env python3
"""Flows: what the interpreter takes for a state with its history durable, a thousand executions beside each other, and a day of GA4 from
the drop of its file to the dashboard.

    ./run bench --only flows
    python bench/flows.py --items 1000 --executions 100 --events 20000        smaller, for trying things out

Beside the first stands what cannot be passed under: the same history as rows of SQLite, committed one transaction a step that the
interpreter takes, and in one.
"""
import argparse
import datetime
import gzip
import http.client
import json
import os
import pathlib
import sqlite3
import statistics
import tempfile
import threading
import time

from catalog import served, shoplake, sync_ms

TOKEN = "a token for the bench"
PAUSE = threading.Event()  # never set
WAIT_SECONDS = 30  # until which all of its executions have been started


def put_flow(home, name, definition):
    folder = home / "flows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.asl.json").write_text(json.dumps(definition))


def put_triggers(home, text):
    (home / "flows").mkdir(parents=True, exist_ok=True)
    (home / "flows/triggers.yml").write_text(text)


# ── a state ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def started_to_end(home, flow, items):
    execution = json.loads(shoplake(home, "flow", "start", flow, "--input", json.dumps({"items": list(range(items))}), "--wait", "--json"))
    assert execution["status"] == "SUCCEEDED", execution
    moment = datetime.datetime.fromisoformat
    return (moment(execution["ended_at"]) - moment(execution["started_at"])).total_seconds()


def history_floor(home, folder, flow):
    """The events that shoplake wrote, written again by SQLite alone: rows and bytes, seconds of one transaction, milliseconds of a small one."""
    with sqlite3.connect(f"file:{home}/state.sqlite?mode=ro", uri=True) as state:
        rows = state.execute("select execution_id, event_id, at_micros, document from flow_events where execution_id = (select max(execution_id) from flow_executions where flow = ?)", [flow]).fetchall()
    database = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    database.executescript("pragma journal_mode = wal; pragma synchronous = full; create table events (execution_id integer, event_id integer, at_micros integer, document text, primary key (execution_id, event_id)) without rowid;")
    begin = time.perf_counter()
    database.execute("begin")
    database.executemany("insert into events values (?, ?, ?, ?)", rows)
    database.execute("commit")
    seconds = time.perf_counter() - begin
    commits = []
    for number in range(200):
        begin = time.perf_counter()
        database.execute("insert into events values (?, 0, 0, ?)", [number + 10**9, rows[number % len(rows)][3]])
        commits.append(1000 * (time.perf_counter() - begin))
    database.close()
    return {"events": len(rows), "bytes": sum(len(row[3]) for row in rows), "one_transaction_seconds": seconds, "commit_ms": statistics.median(commits)}


def states(folder, items, repeat):
    home = folder / "states"
    put_flow(home, "many", {"StartAt": "Each", "States": {"Each": {"Type": "Map", "ItemsPath": "$.items", "End": True, "ItemProcessor": {
        "StartAt": "One", "States": {"One": {"Type": "Pass", "Parameters": {"n.$": "$"}, "End": True}}}}}})
    put_flow(home, "line", {"StartAt": "S0", "States": {f"S{n}": {"Type": "Pass", **({"Next": f"S{n + 1}"} if n < 999 else {"End": True})} for n in range(1000)}})
    seconds = [started_to_end(home, "many", items) for _ in range(repeat)]
    line = [started_to_end(home, "line", 1) for _ in range(repeat)]
    return {"items": items, "seconds": statistics.median(seconds), "runs": seconds, "ms_a_state": 1000 * statistics.median(seconds) / items,
            "line_ms_a_state": statistics.median(line), "floor": history_floor(home, folder, "many"), "sync_ms": sync_ms(folder, 100)}


# ── many executions ────────────────────────────────────────────────────────────────────────────────────────────────────

class Client:
    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)

    def __call__(self, method, path, body=None):
        self.connection.request(method, path, json.dumps(body) if body is not None else None, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        if response.status >= 300:
            raise SystemExit(f"bench: {method} {path} was answered {response.status}: {text[:500]}")
        return json.loads(text)


def side_by_side(folder, count):
    home = folder / "many"
    put_flow(home, "wait", {"StartAt": "Before", "States": {
        "Before": {"Type": "Pass", "Next": "Until"}, "Until": {"Type": "Wait", "TimestampPath": "$.until", "Next": "After"}, "After": {"Type": "Pass", "End": True}}})
    put_triggers(home, f'triggers:\n  bench: {{flow: wait, http: {{token: "{TOKEN}"}}}}\n')
    with served(home) as address:
        client = Client(address)
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=WAIT_SECONDS)
        begin = time.perf_counter()
        for number in range(count):
            client("POST", "/v1/flows/wait/executions", {"name": f"e{number}", "input": {"until": until.strftime("%Y-%m-%dT%H:%M:%SZ")}})
        start_seconds = time.perf_counter() - begin
        with sqlite3.connect(f"file:{home}/state.sqlite?mode=ro", uri=True) as state:
            ended = 0
            while ended < count:
                (ended,) = state.execute("select count(*) from flow_executions where status <> 'RUNNING'").fetchone()
                if time.perf_counter() - begin > 300:
                    raise SystemExit(f"bench: {ended} of {count} executions ended in five minutes")
                PAUSE.wait(0.02)
            statuses = dict(state.execute("select status, count(*) from flow_executions group by 1").fetchall())
            last, first_end = state.execute("select max(ended_at), min(ended_at) from flow_executions").fetchone()
    assert statuses == {"SUCCEEDED": count}, statuses
    wake = until.replace(microsecond=0).timestamp()
    at_once = start_seconds < WAIT_SECONDS
    return {"executions": count, "start_ms": 1000 * start_seconds / count, "all_at_once": at_once, "first_end_ms": first_end / 1000 - 1000 * wake,
            "last_end_ms": last / 1000 - 1000 * wake}


# ── a day of GA4 ───────────────────────────────────────────────────────────────────────────────────────────────────────

def day_of_ga4(folder, events, history_days):
    """From the rename that makes the file visible to a finished execution and to the dashboard's first answer that has the day."""
    home = folder / f"ga4-{history_days}"
    put_triggers(home, "triggers:\n  export:\n    flow: ga4_daily\n    object_created: {prefixes: [raw/events/date=], quiet: 1s, at_most: 1m}\n")
    slices = folder / "slices.ndjson.gz"
    shoplake(home, "generate", "events", "--events", events * (history_days + 1), "--days", history_days + 1, "--seed", 11, "--out", slices)
    days = split_by_day(slices, folder)
    *before, (day, path) = sorted(days.items())
    if before:
        shoplake(home, "load", "events", *[each for _, each in before])
        shoplake(home, "build", "--exclude", "test_type:unit")
    drop = home / f"lake/raw/events/date={day[:4]}-{day[4:6]}-{day[6:]}"
    drop.mkdir(parents=True)
    with served(home) as address:
        client = Client(address)
        while client("GET", "/api/freshness")["last_date"] == day:
            raise SystemExit("bench: the day is there already")
        unfinished = drop / ".ga4.ndjson.gz.part"
        unfinished.write_bytes(path.read_bytes())
        begin, dropped = time.perf_counter(), time.time()
        unfinished.rename(drop / "ga4.ndjson.gz")
        shown = f"{day[:4]}-{day[4:6]}-{day[6:]}"
        done = dashboard = None
        with sqlite3.connect(f"file:{home}/state.sqlite?mode=ro", uri=True) as state:
            while (done is None or dashboard is None) and time.perf_counter() - begin < 120:
                now = time.perf_counter() - begin
                if done is None:
                    try:
                        row = state.execute("select execution_id, status, started_at, ended_at from flow_executions where status <> 'RUNNING'").fetchone()
                    except sqlite3.OperationalError:
                        row = None
                    if row:
                        done = row
                        done_seconds = row[3] / 1e6 - dropped
                if dashboard is None:
                    fresh = client("GET", "/api/freshness")
                    if fresh["last_date"] == shown and not any(reason["code"] in ("not_rebuilt", "not_built") for reason in fresh["reasons"]):
                        series = client("GET", f"/api/series?from={shown}&to={shown}&format=json")
                        dashboard = now if series else None
                PAUSE.wait(0.02)
            if done is None or dashboard is None:
                raise SystemExit(f"bench: execution {done}, dashboard {dashboard} after two minutes")
            if done[1] != "SUCCEEDED":
                raise SystemExit(f"bench: the execution ended {done[1]}")
            steps = durations(state, done[0])
    return {"events": events, "history_days": history_days, "start_seconds": done[2] / 1e6 - dropped, "execution_seconds": done_seconds, "dashboard_seconds": dashboard, "states": steps}


def split_by_day(path, folder):
    outs = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            day = json.loads(line)["event_date"]
            if day not in outs:
                outs[day] = gzip.open(folder / f"day-{day}.ndjson.gz", "wt", compresslevel=1)
            outs[day].write(line)
    for out in outs.values():
        out.close()
    return {day: folder / f"day-{day}.ndjson.gz" for day in outs}


def durations(state, execution):
    """Milliseconds of each state, from its entry to its exit, in their order."""
    entered, steps = {}, {}
    for at, text in state.execute("select at_micros, document from flow_events where execution_id = ? order by event_id", [execution]):
        event = json.loads(text)
        if "stateEnteredEventDetails" in event:
            entered[event["stateEnteredEventDetails"]["name"]] = at
        if "stateExitedEventDetails" in event:
            name = event["stateExitedEventDetails"]["name"]
            steps[name] = steps.get(name, 0) + (at - entered[name]) / 1000
    return steps


def run(items, executions, events, repeat, folder, say=print):
    folder.mkdir(parents=True, exist_ok=True)
    results = {"load_average": os.getloadavg()[0]}
    for key, what in (("states", lambda: states(folder, items, repeat)), ("side_by_side", lambda: side_by_side(folder, executions)),
                      ("ga4_daily", lambda: [day_of_ga4(folder, events, days) for days in (0, 6)])):
        results[key] = what()
        say(f"flows: {key}: {json.dumps(results[key])}")
    return results


def report(results):
    one, many, floor = results["states"], results["side_by_side"], results["states"]["floor"]
    lines = [f"## flows (load average {results['load_average']:.1f} at the start)", "",
             f"A Map of {one['items']:,} items with one state each: {one['seconds']:.2f} s, **{one['ms_a_state']:.3f} ms a state** (at most 0.2), {floor['events']:,} events of history "
             f"({floor['bytes'] / 2**20:.1f} MiB) durable; 1,000 states one after the other {one['line_ms_a_state']:.3f} ms each. SQLite alone writes these rows in {floor['one_transaction_seconds']:.2f} s "
             f"in one transaction; a transaction of one takes {floor['commit_ms']:.2f} ms, a sync of the disk {one['sync_ms']:.2f} ms.", "",
             f"{many['executions']:,} executions beside each other{'' if many['all_at_once'] else ' (not all were started in time)'}: {many['start_ms']:.2f} ms to start one over HTTP, durable; all wait for the same moment, "
             f"and the last of them has ended {many['last_end_ms']:,.0f} ms after it (the first {many['first_end_ms']:,.0f} ms).", "",
             "A day of GA4 in `serve`, from the drop of its file (quiet time of the trigger 1 s; the file settles and is loaded meanwhile):", "",
             "| events | days before | flow starts s | flow has ended s | dashboard shows it s | slowest states, ms |", "|---|---|---|---|---|---|"]
    for day in results["ga4_daily"]:
        slowest = ", ".join(f"{name} {value:,.0f}" for name, value in sorted(day["states"].items(), key=lambda item: -item[1])[:4])
        lines.append(f"| {day['events']:,} | {day['history_days']} | {day['start_seconds']:.2f} | {day['execution_seconds']:.2f} | {day['dashboard_seconds']:.2f} | {slowest} |")
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--executions", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shoplake-bench-") as folder:
        print(report(run(options.items, options.executions, options.events, options.repeat, pathlib.Path(folder))))


if __name__ == "__main__":
    main()
