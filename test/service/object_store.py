"""Real object stores for tests, started on free ports, and a faulty proxy before them: it hands requests on, and does to chosen
ones what networks and stores do."""
import contextlib
import http.client
import http.server
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading

import boto3
import botocore.client
import pytest

KEY, SECRET, REGION = "shoplake-test", "shoplake-secret", "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
BUCKET = "shop"
CACHE = pathlib.Path(os.environ.get("SHOPLAKE_CACHE", pathlib.Path.home() / ".cache/shoplake"))
VERSITYGW = CACHE / "versitygw/versitygw"


class Store:
    def __init__(self, name, port, process):
        self.name = name
        self.port = port
        self.process = process
        self.endpoint = f"http://127.0.0.1:{port}"

    def client(self, endpoint=None):
        return boto3.client("s3", endpoint_url=endpoint or self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION,
                            config=botocore.client.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}))

    def keys(self, bucket, prefix=""):
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def uploads(self, bucket):
        return self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process):
    waiting = threading.Event()
    for _ in range(600):
        assert process.poll() is None, f"the store ended with {process.returncode}"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        waiting.wait(0.05)
    raise AssertionError("the store does not listen")


@contextlib.contextmanager
def started(name, command, port, folder, environment):
    with open(folder / f"{name}.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment, cwd=folder)
    try:
        wait_for_port(port, process)
        yield Store(name, port, process)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def versitygw(folder):
    if not VERSITYGW.exists():
        pytest.skip(f"no versitygw at {VERSITYGW}: tools/setup service builds it")
    (folder / "data").mkdir()
    port = free_port()
    command = [VERSITYGW, "--port", f"127.0.0.1:{port}", "posix", folder / "data"]
    with started("versitygw", command, port, folder, {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}) as store:
        yield store


@contextlib.contextmanager
def moto(folder):
    pytest.importorskip("moto", reason="moto is not installed (test/requirements/service.in)")
    port = free_port()
    with started("moto", [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, folder, {}) as store:
        yield store


class Fault:
    """What happens to the next `times` requests that match. Kinds: refuse (the connection breaks before the store hears of it),
    half_request (it breaks within the request's body), lost_answer (… after the store did what was asked), half_answer (within the
    answer's body), short_answer (the answer ends early, in order), slow (no answer until the client has gone), and a status: 500, 501, 503."""

    def __init__(self, kind, method=None, match="", times=1):
        self.kind, self.method, self.match, self.times = kind, method, match, times
        self.met = 0


class FaultyProxy:
    def __init__(self, port):
        self.target = port
        self.faults = []
        self.seen = []  # (method, path with query, headers)
        self.lock = threading.Lock()
        self.ending = threading.Event()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do(self):
                proxy.serve(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # broken connections are what this is for

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()

    def fail(self, *faults):
        with self.lock:
            self.faults = list(faults)
        return faults[0] if faults else None

    def take(self, method, path):
        with self.lock:
            for fault in self.faults:
                if fault.met < fault.times and fault.method in (None, method) and fault.match in path:
                    fault.met += 1
                    return fault.kind
        return None

    def kill_at_write(self, shoplake, nth, *arguments):
        """Runs a command and kills it when its nth request that writes comes here; the request itself still goes through, or not.
        The path of that request; None if the command ended before."""
        arrived = threading.Event()
        take = self.take
        writes = []

        def watching(method, path):
            if method in ("PUT", "POST"):
                writes.append(path)
                if len(writes) == nth:
                    process.send_signal(signal.SIGKILL)
                    arrived.set()
            return take(method, path)

        self.take = watching
        process = shoplake.start(*arguments)
        try:
            process.communicate(timeout=120)
        finally:
            self.take = take
            process.kill()
        return writes[nth - 1] if arrived.is_set() else None

    @staticmethod
    def reset(handler):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()

    def serve(self, handler):
        method, path = handler.command, handler.path
        size = int(handler.headers.get("Content-Length") or 0)
        kind = self.take(method, path)
        with self.lock:
            self.seen.append((method, path, {name.lower(): value for name, value in handler.headers.items()}))
        if kind == "refuse":
            return self.reset(handler)
        if kind == "half_request":
            handler.rfile.read(size // 2)
            return self.reset(handler)
        body = handler.rfile.read(size)
        if kind == "slow":
            self.ending.wait(6)
            return self.reset(handler)
        if kind in ("500", "501", "503"):
            code = {"500": "InternalError", "501": "NotImplemented", "503": "SlowDown"}[kind]
            answer = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>on purpose</Message></Error>'.encode()
            return self.answer(handler, int(kind), [("Content-Type", "application/xml")], b"" if method == "HEAD" else answer, len(answer))
        status, headers, bytes_, length = self.forward(method, path, handler.headers, body)
        if kind == "lost_answer":
            return self.reset(handler)
        if kind in ("half_answer", "short_answer") and bytes_:
            self.answer(handler, status, headers, bytes_[: len(bytes_) // 2], length)
            handler.wfile.flush()
            handler.close_connection = True
            return self.reset(handler) if kind == "half_answer" else None
        return self.answer(handler, status, headers, bytes_, length)

    def forward(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.endheaders(body if body else None)
            response = connection.getresponse()
            bytes_ = response.read()
            length = int(response.getheader("Content-Length") or len(bytes_))
            dropped = {"content-length", "connection", "transfer-encoding", "date", "server"}
            return response.status, [pair for pair in response.getheaders() if pair[0].lower() not in dropped], bytes_, length
        finally:
            connection.close()

    @staticmethod
    def answer(handler, status, headers, body, length):
        handler.send_response_only(status)
        for name, value in headers:
            handler.send_header(name, value)
        if status not in (204, 304):
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)


def configure(home, endpoint, lake, **settings):
    """Makes `home` one whose lake is in the store."""
    home.mkdir(parents=True, exist_ok=True)
    lines = [f"lake: {lake}", "s3:", f"  endpoint: {endpoint}", f"  region: {REGION}"]
    lines += [f"  {name}: {value}" for name, value in settings.items()]
    (home / "shoplake.yml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def in_store(shoplake, store, prefix, **settings):
    configure(shoplake.home, store.endpoint, f"s3://{BUCKET}/{prefix}", **settings)
    return shoplake
