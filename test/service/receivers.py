"""Receivers of notifications for tests, on real sockets: an SMTP server (STARTTLS, AUTH) and an HTTP server that answers as it is told."""
import base64
import contextlib
import email
import email.policy
import http.server
import json
import socketserver
import ssl
import subprocess
import threading


class SmtpServer(socketserver.ThreadingTCPServer):
    """Keeps what it takes in `mails`. `reject`: {recipient: reply}; `password`: signs in `shoplake` only with it; `tls`: an SSLContext to offer."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, tls=None, password=None, reject=None):
        super().__init__(("127.0.0.1", 0), SmtpHandler)
        self.tls, self.password, self.reject = tls, password, reject or {}
        self.mails = []
        self.port = self.server_address[1]

    def message(self, index=0):
        return email.message_from_bytes(self.mails[index]["data"], policy=email.policy.default)


class SmtpHandler(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")
        self.wfile.flush()

    def sign_in(self, argument):
        _, _, given = argument.partition(" ")
        if not given:
            self.say("334 ")
            given = self.rfile.readline().decode().strip()
        _, user, password = base64.b64decode(given).decode().split("\0")
        self.signed_in = (user, password) == ("shoplake", self.server.password)
        self.say("235 2.7.0 welcome" if self.signed_in else "535 5.7.8 who are you?")

    def handle(self):
        self.encrypted, self.signed_in, mail = False, False, None
        self.say("220 test ESMTP")
        while line := self.rfile.readline():  # of what is encrypted, once it is
            verb, _, argument = line.decode().strip().partition(" ")
            verb = verb.upper()
            if verb == "EHLO":
                self.say("250-test")
                if self.server.tls and not self.encrypted:
                    self.say("250-STARTTLS")
                if self.server.password:
                    self.say("250-AUTH PLAIN")
                self.say("250 8BITMIME")
            elif verb == "STARTTLS":
                self.say("220 2.0.0 ready")
                try:
                    self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
                except (ssl.SSLError, OSError):
                    return
                self.rfile, self.wfile, self.encrypted = self.connection.makefile("rb"), self.connection.makefile("wb"), True
            elif verb == "AUTH":
                self.sign_in(argument)
            elif verb == "MAIL":
                if self.server.password and not self.signed_in:
                    self.say("530 5.7.0 sign in first")
                    continue
                mail = {"from": argument, "to": [], "encrypted": self.encrypted, "signed_in": self.signed_in}
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                refused = [reply for address, reply in self.server.reject.items() if address in argument]
                if not refused:
                    mail["to"].append(argument)
                self.say(refused[0] if refused else "250 2.1.5 ok")
            elif verb == "DATA":
                self.say("354 go on")
                data = b""
                for part in iter(self.rfile.readline, b".\r\n"):
                    data += part[1:] if part.startswith(b".") else part
                self.server.mails.append(mail | {"data": data})
                self.say("250 2.0.0 taken")
            elif verb == "QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")


class Webhook(http.server.ThreadingHTTPServer):
    """Keeps what it takes in `requests` (path, headers in lower case, body); answers with `answers` in turn, then with 200. While `gate` is cleared
    it answers nobody."""
    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), WebhookHandler)
        self.answers = list(answers)
        self.requests = []
        self.arrived = threading.Condition()
        self.gate = threading.Event()
        self.gate.set()
        self.port = self.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def wait_for(self, count, timeout=60):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, timeout), f"{len(self.requests)} requests of {count}"
        return self.requests

    def bodies(self):
        return [json.loads(body) for _, _, body in self.requests]


class WebhookHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.arrived:
            self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = self.server.answers.pop(0) if self.server.answers else 200
            self.server.arrived.notify_all()
        self.server.gate.wait(60)
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def running(*servers):
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield servers[0] if len(servers) == 1 else servers
    finally:
        for server in servers:
            if isinstance(server, Webhook):
                server.gate.set()
            server.shutdown()
            server.server_close()


def certificate(folder):
    """A self-signed certificate for 127.0.0.1: (SSLContext of a server, path of the certificate)."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, folder / "cert.pem"
