"""A server of the PostgreSQL protocol that remembers what it is told and answers as Redshift would, without doing it."""
import re
import socketserver
import struct
import threading


class Redshift:
    def __init__(self):
        self.statements = []
        self.connections = 0
        self.staged_rows = lambda url: 0
        self.batches = set()
        self.fails_at = None
        redshift = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                redshift.connections += 1
                length, = struct.unpack("!I", self.rfile.read(4))
                self.rfile.read(length - 4)  # version, user, database: all are welcome
                self.send(b"R", struct.pack("!I", 0))
                for name, value in (("client_encoding", "UTF8"), ("server_version", "8.0.2"), ("standard_conforming_strings", "on")):
                    self.send(b"S", name.encode() + b"\0" + value.encode() + b"\0")
                self.send(b"Z", b"I")
                sql, parameters, failed = "", [], False
                while kind := self.rfile.read(1):
                    length, = struct.unpack("!I", self.rfile.read(4))
                    body = self.rfile.read(length - 4)
                    if kind == b"X":
                        return
                    if kind == b"Q":
                        self.answer(body.rstrip(b"\0").decode(), [], describe=True)
                        self.send(b"Z", b"I")
                    elif kind == b"P":
                        sql = body.split(b"\0")[1].decode()
                        self.send(b"1", b"")
                    elif kind == b"B":
                        at = body.index(b"\0", body.index(b"\0") + 1) + 1
                        formats, = struct.unpack_from("!H", body, at)
                        at += 2 + 2 * formats
                        count, = struct.unpack_from("!H", body, at)
                        at, parameters = at + 2, []
                        for _ in range(count):
                            size, = struct.unpack_from("!i", body, at)
                            parameters.append(body[at + 4:at + 4 + size].decode())
                            at += 4 + size
                        self.send(b"2", b"")
                    elif kind == b"E":
                        self.answer(sql, parameters, describe=False)
                    elif kind == b"D":
                        self.describe(sql)
                    elif kind == b"S":
                        self.send(b"Z", b"I")

            def send(self, kind, body):
                self.wfile.write(kind + struct.pack("!I", len(body) + 4) + body)

            def describe(self, sql):
                if sql.startswith("SELECT"):
                    names = ["relkind", "attname"] if "relkind" in sql else ["value"]
                    self.send(b"T", struct.pack("!H", len(names)) + b"".join(
                        name.encode() + b"\0" + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0) for name in names))
                else:
                    self.send(b"n", b"")

            def answer(self, sql, parameters, describe):
                redshift.statements.append((sql, parameters) if parameters else sql)
                if redshift.fails_at and redshift.fails_at in sql:
                    fields = b"SERROR\0C42601\0Mrefused by the test\0\0"
                    return self.send(b"E", fields)
                rows = []
                if sql.startswith("SELECT"):
                    if describe:
                        self.describe(sql)
                    if "shoplake_batch" in sql and tuple(parameters) in redshift.batches:
                        rows = ["1"]
                    elif sql.startswith("SELECT count(*) FROM shoplake_stage") and "WHERE" not in sql:
                        rows = [str(redshift.staged)]
                    elif sql.startswith("SELECT count(*)"):
                        rows = ["0"]
                    for value in rows:
                        self.send(b"D", struct.pack("!HI", 1, len(value)) + value.encode())
                elif sql.startswith("COPY"):
                    redshift.staged = redshift.staged_rows(re.search(r"FROM '([^']*)'", sql)[1])
                elif "shoplake_batch" in sql and sql.startswith("INSERT"):
                    redshift.batches.add(tuple(parameters[:2]))
                tag = f"SELECT {len(rows)}" if sql.startswith("SELECT") else "INSERT 0 0" if sql.startswith("INSERT") else sql.split()[0]
                return self.send(b"C", tag.encode() + b"\0")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.staged = 0
        self.server = Server(("127.0.0.1", 0), Session)
        self.url = f"redshift://etl@127.0.0.1:{self.server.server_address[1]}/dev?sslmode=disable"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
