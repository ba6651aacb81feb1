"""A sender of events that repeats what was not acknowledged, and what the lake holds of it afterwards."""
import gzip
import http.client
import json
import pathlib
import threading
import time

RETRYABLE = {408, 429, 500, 502, 503, 504}


def numbered(path, prefix):
    """The lines of a generated file, each with an id of its own, so that it can be found again everywhere."""
    opener = gzip.open if str(path).endswith(".gz") else open
    lines = []
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            event = json.loads(line)
            event["event_id"] = f"{prefix}-{number:07d}"
            lines.append((event["event_id"], json.dumps(event, ensure_ascii=False, separators=(",", ":"))))
    return lines


class Sender(threading.Thread):
    """Posts requests of lines in order, over one connection, again and again until each is acknowledged."""

    def __init__(self, stream, requests, address):
        super().__init__(daemon=True)
        self.stream = stream
        self.requests = requests  # lists of (id, line)
        self.address = address  # () -> (host, port), or None while nothing listens
        self.acknowledged = []
        self.sends = {}  # id -> how often it went out without a refusal that proves it was not kept
        self.progress = threading.Condition()
        self.stopping = threading.Event()
        self.failure = None

    def run(self):
        connection = None
        try:
            for request in self.requests:
                body = "".join(line + "\n" for _, line in request).encode()
                while not self.stopping.is_set():
                    place = self.address()
                    if place is None:
                        self.stopping.wait(0.01)
                        continue
                    try:
                        if connection is None or (connection.host, connection.port) != place:
                            connection = http.client.HTTPConnection(*place, timeout=20)
                        connection.request("POST", f"/v1/events/{self.stream}", body, {"Content-Type": "application/x-ndjson"})
                        for name, _ in request:
                            self.sends[name] = self.sends.get(name, 0) + 1
                        response = connection.getresponse()
                        status, answer = response.status, response.read()
                    except (OSError, http.client.HTTPException):
                        connection = None
                        continue
                    if status == 200:
                        assert json.loads(answer)["accepted"] == len(request), answer
                        with self.progress:
                            self.acknowledged.extend(name for name, _ in request)
                            self.progress.notify_all()
                        break
                    assert status in RETRYABLE, (status, answer)
                    if status != 500:
                        for name, _ in request:
                            self.sends[name] -= 1
                    self.stopping.wait(0.05)
                if self.stopping.is_set():
                    return
        except BaseException as failure:  # noqa: BLE001 - the test shows it
            self.failure = failure
        finally:
            with self.progress:
                self.progress.notify_all()

    def wait_for(self, count, timeout=60):
        """Until so many lines are acknowledged, or there are no more."""
        with self.progress:
            self.progress.wait_for(lambda: len(self.acknowledged) >= count or not self.is_alive(), timeout)

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()
        if self.failure:
            raise self.failure


def wait_until(condition, what, timeout=120):
    """Polls a condition that another process makes true."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        pause.wait(0.05)


def all_counted(served):
    """The live view once nothing that was acknowledged is on its way any more."""
    def condition():
        view = served.api("live")
        return view if view["waiting_records"] == 0 and view["state"] in ("live", "waiting") else None

    return wait_until(condition, "everything acknowledged is counted")


def raw_records(home, stream):
    """How often each event id stands in the delivered raw objects."""
    counts = {}
    for path in sorted(pathlib.Path(home, "lake/raw", stream).rglob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            if line:
                name = json.loads(line)["event_id"]
                counts[name] = counts.get(name, 0) + 1
    return counts
