"""More than the collector can take: memory stays bounded, what is acknowledged is stored, the rest is told to come again.

SHOPLAKE_OVERLOAD_SECONDS  how long (default 4; 60 for the long run)
"""
import contextlib
import gzip
import http.client
import os
import pathlib
import re
import socket
import threading
import time

from sending import wait_until
from serving import serving

SECONDS = float(os.environ.get("SHOPLAKE_OVERLOAD_SECONDS", "4"))
CONNECTIONS = 120
LINES = 1500  # of a request, 2 KiB each: 3 MB
RESIDENT_BYTES_MAX = 1 << 30


def resident_bytes(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


def test_overload_is_refused_and_nothing_acknowledged_is_lost(shoplake):
    shoplake.home.mkdir()
    shoplake.home.joinpath("shoplake.yml").write_text("streams:\n  archive: {buffering: {seconds: 1, mebibytes: 64}}\n")
    acknowledged, refused, odd = set(), [], []
    lock = threading.Lock()
    with serving(shoplake) as served:
        until = time.monotonic() + SECONDS
        padding = "x" * 2000

        def flood(worker):
            number = 0
            connection = http.client.HTTPConnection(served.host, served.port, timeout=60)
            while time.monotonic() < until:
                name = f"{worker}-{number}"
                number += 1
                body = "".join(f'{{"event_id":"{name}","line":{line},"padding":"{padding}"}}\n' for line in range(LINES)).encode()
                try:
                    connection.request("POST", "/v1/events/archive", body, {"Content-Type": "application/x-ndjson"})
                    response = connection.getresponse()
                    status, retry, answer = response.status, response.getheader("Retry-After"), response.read()
                except (OSError, http.client.HTTPException) as failure:
                    # A refusal may come before the body was sent, and the connection is closed then.
                    connection.close()
                    status, retry, answer = "closed", "", repr(failure)
                with lock:
                    if status == 200:
                        acknowledged.add(name)
                    elif status in (429, 503) and retry:
                        refused.append(status)
                    elif status != "closed":
                        odd.append((status, answer[:200]))

        workers = [threading.Thread(target=flood, args=(number,)) for number in range(CONNECTIONS)]
        for worker in workers:
            worker.start()
        peak = 0
        while any(worker.is_alive() for worker in workers):
            peak = max(peak, resident_bytes(served.process))
            workers[0].join(0.1)
        for worker in workers:
            worker.join()
        assert not odd
        assert acknowledged
        assert peak < RESIDENT_BYTES_MAX, f"{peak / 2**20:.0f} MiB"
        print(f"acknowledged {len(acknowledged)}, refused {len(refused)}, peak {peak / 2**20:.0f} MiB")
        assert served.get("/health")[0] == 200

        def delivered():
            with contextlib.suppress(AssertionError):
                metrics = served.get("/metrics")[2].decode()
                found = re.search(r'DeliveryToS3_Records\{stream="archive"\} (\d+)', metrics)
                view = served.api("live")
                return found and int(found[1]) >= LINES * len(acknowledged) and view["waiting_records"] == 0
            return False

        wait_until(delivered, "everything acknowledged is delivered", timeout=300)
        assert served.stop() == 0
    lines = {}
    for path in sorted(pathlib.Path(shoplake.home, "lake/raw/archive").rglob("*.gz")):
        with gzip.open(path, "rb") as file:
            for line in file:
                name = line[13:line.index(b'"', 13)].decode()
                lines[name] = lines.get(name, 0) + 1
    for name in acknowledged:
        assert lines.get(name) == LINES, name


def test_idle_and_slow_connections_change_nothing_for_the_others(shoplake):
    with serving(shoplake) as served, contextlib.ExitStack() as stack:
        def connect():
            return stack.enter_context(contextlib.closing(socket.create_connection((served.host, served.port), timeout=30)))

        idle = [connect() for _ in range(1000)]
        slow = [connect() for _ in range(200)]
        for number, connection in enumerate(slow):
            connection.sendall(b"POST /v1/events/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"[: None if number % 2 else 30])
        for number in range(200):
            status, _, body = served.request("POST", "/v1/events/events", b'{"event_name":"x"}', {"Content-Type": "application/json"})
            assert status == 200, (number, body)
            for connection in slow[number::200]:
                with contextlib.suppress(OSError):
                    connection.sendall(b" ")
        assert len(idle) == 1000 and served.get("/health")[0] == 200
        assert served.stop() == 0
