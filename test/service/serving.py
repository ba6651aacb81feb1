"""A running `shoplake serve` for tests: started on a free port, asked over HTTP, stopped by SIGTERM."""
import contextlib
import http.client
import json
import signal
import urllib.parse


class Served:
    def __init__(self, process, ready):
        self.process = process
        self.ready = ready  # the --json object
        self.address = ready["address"]
        parts = urllib.parse.urlsplit(self.address)
        self.host, self.port = parts.hostname, parts.port

    def request(self, method, path, body=None, headers=None):
        """(status, headers in lower case, body bytes)"""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def api(self, name, *parameters):
        query = urllib.parse.urlencode(list(parameters))
        status, _, body = self.get(f"/api/{name}" + (f"?{query}" if query else ""))
        assert status == 200, body
        return json.loads(body)

    def query(self, sql, **members):
        status, _, body = self.request("POST", "/api/query", json.dumps({"sql": sql} | members), {"Content-Type": "application/json"})
        return status, json.loads(body)

    def stop(self):
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()


@contextlib.contextmanager
def serving(shoplake, *arguments, env=None):
    process = shoplake.start("serve", "--port", "0", "--json", *arguments, **({"env": env} if env else {}))
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield Served(process, json.loads(line))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
