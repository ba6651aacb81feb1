"""A Google Analytics Data API of our own, on loopback: the token endpoint and runReport, by the published rules.

A token is given for an assertion whose signature verifies (openssl), whose claims are right, and which is not expired. A
report is given for a valid token: the rows of the days asked for, in the order asked for, from `offset`, at most `limit`;
`rowCount` is independent of both. `failures` holds what goes wrong, in order: names of the methods below or status codes.
"""
import base64
import datetime
import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse
import zoneinfo

SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
METRICS = ["sessions", "engagedSessions", "activeUsers", "newUsers", "totalUsers", "screenPageViews", "eventCount", "keyEvents",
           "transactions", "purchaseRevenue"]
MESSAGES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL",
            503: "UNAVAILABLE"}


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Ga4Api:
    def __init__(self, folder, tls=None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.private_key = folder / "private.pem"
        self.public_key = folder / "public.pem"
        run = lambda *command: subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
        run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.private_key)
        run("pkey", "-in", self.private_key, "-pubout", "-out", self.public_key)
        self.rows = {}  # by day and report: tuples of dimension values after the date -> metrics
        self.time_zone = "Europe/Berlin"
        self.metadata = {}
        self.quota = {"tokensPerDay": 200000, "tokensPerHour": 40000, "tokensPerProjectPerHour": 14000}
        self.failures = []
        self.requests = []  # bodies of runReport, good or not
        self.asked = threading.Event()
        self.tokens = {}    # token -> monotonic time of its end
        self.token_seconds = 3600
        self.tokens_given = 0
        self.largest_limit = 250000
        self.after_page = None
        self.released = threading.Event()
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    api.handle(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server.server_port}"
        self.key_file = folder / "service-account.json"
        self.write_key()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def write_key(self, **more):
        self.key_file.write_text(json.dumps({
            "type": "service_account", "project_id": "shop", "private_key_id": "key-1", "client_email": "robot@shop.iam.gserviceaccount.com",
            "private_key": self.private_key.read_text(), "token_uri": self.url + "/token"} | more))

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # What the property holds.
    def add(self, day, report, dimensions, **metrics):
        self.rows.setdefault((day, report), {})[tuple(dimensions)] = metrics

    # Answers.
    def answer(self, handler, status, document, headers=(), cut=None):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body[:cut])
        if cut is not None:
            handler.close_connection = True

    def refuse(self, handler, status, message, headers=()):
        self.answer(handler, status, {"error": {"code": status, "message": message, "status": MESSAGES[status]}}, headers)

    def handle(self, handler, body):
        if handler.path == "/token":
            return self.give_token(handler, body)
        if handler.path != "/v1beta/properties/77:runReport":
            return self.refuse(handler, 403, "User does not have sufficient permissions for this property.")
        request = json.loads(body)
        self.requests.append(request)
        self.asked.set()
        failure = self.failures.pop(0) if self.failures else None
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        if failure == "revoke":
            self.tokens.clear()
            failure = None
        if self.tokens.get(token, 0) < time.monotonic():
            return self.refuse(handler, 401, "Request had invalid authentication credentials.")
        if failure == "tokens_per_hour":
            return self.refuse(handler, 429, "Exhausted property tokens per hour. These quota tokens will return in under an hour.")
        if failure == "concurrent":
            return self.refuse(handler, 429, "Exhausted concurrent requests quota. Please send fewer requests concurrently.",
                               [("Retry-After", "0")])
        if isinstance(failure, int):
            return self.refuse(handler, failure, f"refused by the test with {failure}")
        if failure == "slow":
            self.released.wait(30)
            return None
        report = self.report(request)
        if failure == "truncated":
            return self.answer(handler, 200, report, cut=len(json.dumps(report)) // 2)
        if failure == "not_json":
            return self.answer(handler, 200, b"<html>busy</html>")
        self.answer(handler, 200, report)
        if self.after_page:
            self.after_page(request)
        return None

    def give_token(self, handler, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer", form
        signed, _, signature = form["assertion"].rpartition(".")
        header, claims = (json.loads(unpadded(part)) for part in signed.split("."))
        (self.folder / "signature").write_bytes(unpadded(signature))
        (self.folder / "signed").write_text(signed)
        verified = subprocess.run(["openssl", "dgst", "-sha256", "-verify", self.public_key, "-signature", self.folder / "signature",
                                   self.folder / "signed"], capture_output=True).returncode == 0
        now = time.time()
        if not verified or header != {"alg": "RS256", "typ": "JWT", "kid": "key-1"}:
            return self.answer(handler, 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
        assert (claims["aud"], claims["scope"]) == (self.url + "/token", SCOPE), claims
        assert claims["iss"] == "robot@shop.iam.gserviceaccount.com"
        if not (now - 300 < claims["iat"] < now + 300 and claims["exp"] - claims["iat"] <= 3600):
            return self.answer(handler, 400, {"error": "invalid_grant", "error_description": "Invalid JWT: iat"})
        self.tokens_given += 1
        token = f"secret-token-{self.tokens_given}"
        self.tokens[token] = time.monotonic() + self.token_seconds
        return self.answer(handler, 200, {"access_token": token, "expires_in": self.token_seconds, "token_type": "Bearer"})

    def local_yesterday(self):
        return datetime.datetime.now(zoneinfo.ZoneInfo(self.time_zone)).date() - datetime.timedelta(days=1)

    def report(self, request):
        dimensions = [each["name"] for each in request["dimensions"]]
        metrics = [each["name"] for each in request["metrics"]]
        assert [each["dimension"]["dimensionName"] for each in request["orderBys"]] == dimensions
        assert request["returnPropertyQuota"] is True
        (day_range,) = request["dateRanges"]
        days = [self.local_yesterday().isoformat() if day == "yesterday" else day for day in (day_range["startDate"], day_range["endDate"])]
        assert days[0] == days[1]
        name = {2: "event" if "eventName" in dimensions else "channel", 1: "day"}.get(len(dimensions), "traffic")
        rows = sorted(self.rows.get((days[0], name), {}).items())
        offset, limit = int(request["offset"]), min(int(request["limit"]), self.largest_limit)
        answer = {
            "dimensionHeaders": [{"name": each} for each in dimensions],
            "metricHeaders": [{"name": each, "type": "TYPE_INTEGER"} for each in metrics],
            "metadata": {"currencyCode": "EUR", "timeZone": self.time_zone} | self.metadata,
            "kind": "analyticsData#runReport",
        }
        for kind in self.quota:
            self.quota[kind] -= 10
        answer["propertyQuota"] = {kind: {"consumed": 10, "remaining": left} for kind, left in self.quota.items()}
        if rows:  # a report without rows has neither of these
            answer["rowCount"] = len(rows)
            answer["rows"] = [{"dimensionValues": [{"value": days[0].replace("-", "")}] + [{"value": value} for value in key],
                               "metricValues": [{"value": str(values.get(each, 0))} for each in metrics]}
                              for key, values in rows[offset:offset + limit]]
        return answer
