"""What the collector takes: `./run bench --only collect`.

Single-event POSTs, acknowledged after they are synced, against the same server that reads and drops them, and against nginx that
writes each request body to a gzip log (and loses up to a second of them when it dies, which the collector does not): once as it is set
up in five minutes, once tuned to keep its connections to the server that answers. Then signed PutRecordBatch requests of 500 events.
The load comes from wrk on the same machine; the ratios are of one run, all taking turns.
"""
import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import time
import urllib.request

PACKAGES = ["wrk", "nginx-light"]
CONNECTIONS = 512  # a sync is some milliseconds; so many senders wait for each
SECONDS = 8
BATCH_CONNECTIONS = 16
BATCH_EVENTS = 500
KEY, SECRET, REGION = "AKIABENCH", "bench-secret", "us-east-1"
TARGET = "Firehose_20150804.PutRecordBatch"
TICKS = os.sysconf("SC_CLK_TCK")

EVENT = {"event_id": "0b3f6c1e-9a77-4c0b-8d2e-1f2a3b4c5d6e", "event_type": "page_view", "timestamp": "2026-11-21T05:15:00.123Z", "user_id": "u-123456", "session_id": "s-987654321",
         "page_url": "https://shop.example/products/1234?utm_source=google&utm_medium=cpc", "referrer": "https://www.google.com/",
         "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36", "device": "desktop", "country": "DE",
         "utm": {"source": "google", "medium": "cpc", "campaign": "autumn"}, "product_id": "p-77", "price": 19.99, "quantity": 1, "currency": "EUR"}

NGINX = """
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
daemon off;
events {{ worker_connections 4096; }}
http {{
  log_format body escape=none '$request_body';
  access_log off;
  client_body_temp_path {folder}/client_body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  {tuning}
  server {{ listen 127.0.0.1:{inner} backlog=4096; return 204; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      # A body is read only for a proxy; the inner server answers 204.
      {proxy}
      access_log {folder}/events.log.gz body gzip=1 buffer=1m flush=1s;
    }}
  }}
}}
"""


# What comes to mind first, and what somebody does who has measured it: without the latter, each request makes a connection.
PLAIN = {"tuning": "", "proxy": "proxy_pass http://127.0.0.1:{inner};"}
TUNED = {"tuning": "client_body_buffer_size 16k; upstream answers {{ server 127.0.0.1:{inner}; keepalive 64; }}",
         "proxy": 'proxy_pass http://answers; proxy_http_version 1.1; proxy_set_header Connection "";'}


def install():
    missing = [name for name in PACKAGES if subprocess.run(["dpkg-query", "-W", name], capture_output=True).returncode != 0]
    if missing:
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        # Debian would start nginx as a service; the bench starts its own.
        subprocess.run([*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], check=True, capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def wrk(folder, url, body, headers, connections, pids):
    """Requests a second, milliseconds of latency, and the server's CPU microseconds a request."""
    body_file, script = folder / "body", folder / "load.lua"
    body_file.write_bytes(body)
    lines = ['wrk.method = "POST"', f'local file = io.open("{body_file}", "rb")', 'wrk.body = file:read("*a")', "file:close()"]
    lines += [f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items()]
    script.write_text("\n".join(lines) + "\n")
    before = cpu_seconds(pids)
    out = subprocess.run(["wrk", "-t2", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", str(script), url], capture_output=True, text=True, check=True).stdout
    cpu = cpu_seconds(pids) - before
    if "Non-2xx" in out or "Socket errors" in out and re.search(r"connect [1-9]|read [1-9]", out):
        raise SystemExit(f"bench: {url} refused requests\n{out}")
    requests = int(re.search(r"(\d+) requests in", out)[1])
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    return {"requests_per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p99_milliseconds": float(p99[1]) * unit[p99[2]], "cpu_microseconds": cpu / requests * 1e6}


def signed_batch(host):
    """One PutRecordBatch, signed; the signature holds for five minutes, which is longer than the bench sends it."""
    data = [json.dumps(EVENT | {"event_id": f"bench-{i}"}).encode() + b"\n" for i in range(BATCH_EVENTS)]
    body = json.dumps({"DeliveryStreamName": "clickstream", "Records": [{"Data": base64.b64encode(each).decode()} for each in data]}).encode()
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    day = stamp[:8]
    headers = {"host": host, "x-amz-date": stamp, "x-amz-target": TARGET}
    names = ";".join(headers)
    canonical = "POST\n/\n\n" + "".join(f"{name}:{value}\n" for name, value in headers.items()) + f"\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{day}/{REGION}/firehose/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + SECRET).encode()
    for part in (day, REGION, "firehose", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return body, {"Host": host, "X-Amz-Date": stamp, "X-Amz-Target": TARGET, "Content-Type": "application/x-amz-json-1.1",
                  "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"}


@contextlib.contextmanager
def shoplake(binary, home):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")} | {"SHOPLAKE_HOME": str(home)}
    subprocess.run([binary, "init"], env=environment, check=True, capture_output=True)
    settings = home / "shoplake.yml"
    settings.write_text(settings.read_text() + f"\ncollector:\n  access_keys: [{{id: {KEY}, secret: {SECRET}}}]\n  api_keys: [bench]\n")
    process = subprocess.Popen([binary, "serve", "--port", "0", "--json"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = json.loads(process.stdout.readline())["address"]
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(address + "/ready", timeout=5):
                break
            if time.monotonic() > end:
                raise SystemExit("bench: shoplake serve is not ready after 60 s")
        yield address, [process.pid]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def nginx(folder, workers, settings):
    folder.mkdir()
    port, inner = free_port(), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX.format(folder=folder, port=port, inner=inner, workers=workers, **{name: text.format(inner=inner) for name, text in settings.items()}))
    process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(configuration), "-e", str(folder / "error.log")])
    try:
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"bench: nginx does not start\n{(folder / 'error.log').read_text()}")
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield f"http://127.0.0.1:{port}/", [process.pid, *map(int, children)]
    finally:
        process.terminate()
        process.wait(20)


def run(binary, folder, repeat, say):
    """{"discard" | "event" | "nginx" | "nginx_tuned" | "batch": medians of the runs}"""
    install()
    body = json.dumps(EVENT).encode()
    headers = {"Content-Type": "application/json", "X-Api-Key": "bench"}
    runs = {"discard": [], "event": [], "nginx": [], "nginx_tuned": [], "batch": []}
    home = folder / "home-collect"
    say(f"  load average before: {os.getloadavg()[0]:.1f}")
    with shoplake(binary, home) as (address, pids), nginx(folder / "nginx", 1, PLAIN) as plain, nginx(folder / "nginx-tuned", 1, TUNED) as tuned:
        for _ in range(repeat):
            runs["discard"].append(wrk(folder, address + "/v1/discard", body, headers, CONNECTIONS, pids))
            runs["event"].append(wrk(folder, address + "/v1/events/clickstream", body, headers, CONNECTIONS, pids))
            for name, (peer, peer_pids) in (("nginx", plain), ("nginx_tuned", tuned)):
                runs[name].append(wrk(folder, peer, body, headers, CONNECTIONS, peer_pids))
            batch, signed = signed_batch(address.removeprefix("http://"))
            runs["batch"].append(wrk(folder, address + "/", batch, signed, BATCH_CONNECTIONS, pids))
            for name, each in runs.items():
                say(f"  collect {name:<11} {each[-1]['requests_per_second']:10,.0f} requests/s   p99 {each[-1]['p99_milliseconds']:7.1f} ms   {each[-1]['cpu_microseconds']:7.1f} µs of CPU a request")
    shutil.rmtree(home, ignore_errors=True)
    summary = {name: {key: statistics.median(one[key] for one in each) for key in each[0]} for name, each in runs.items()}
    summary["event_to_discard"] = summary["event"]["requests_per_second"] / summary["discard"]["requests_per_second"]
    for name in ("nginx", "nginx_tuned"):
        summary[f"event_to_{name}"] = summary["event"]["requests_per_second"] / summary[name]["requests_per_second"]
    summary["batch_events_per_second"] = summary["batch"]["requests_per_second"] * BATCH_EVENTS
    say(f"  acknowledged events: {summary['event_to_discard']:.0%} of the same server without the log, {summary['event_to_nginx']:.1f}× nginx, {summary['event_to_nginx_tuned']:.1f}× nginx tuned; in batches {summary['batch_events_per_second']:,.0f} events/s")
    return summary


def report(summary):
    """Markdown."""
    names = {"discard": "shoplake, body read and dropped (204)", "event": "shoplake, one event, acknowledged after the sync", "nginx": "nginx, one worker, body to a gzip log (no sync)",
             "nginx_tuned": "the same with connections kept to the server that answers", "batch": "shoplake, PutRecordBatch of 500, signed"}
    lines = ["## collect", "", "| what | requests/s | p99 ms | CPU µs a request |", "|---|---|---|---|"]
    lines += [f"| {names[name]} | {summary[name]['requests_per_second']:,.0f} | {summary[name]['p99_milliseconds']:.1f} | {summary[name]['cpu_microseconds']:.1f} |" for name in names]
    lines += ["", f"Acknowledged events come at {summary['event_to_discard']:.0%} of the rate of the same server without the log, and at {summary['event_to_nginx']:.1f} times nginx's ({summary['event_to_nginx_tuned']:.1f} times when tuned); "
              f"in batches {summary['batch_events_per_second']:,.0f} events/s.", ""]
    return "\n".join(lines)
