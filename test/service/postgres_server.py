"""A PostgreSQL of the machine's own package, on loopback, as a user without privileges, in a folder that goes with it."""
import contextlib
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

import pytest

PASSWORD = "s3cret pass:word"


def programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("no PostgreSQL (tools/setup service installs it)")
    return found[-1].parent


class Postgres:
    def __init__(self, bin_folder, folder, user):
        self.bin = bin_folder
        self.folder = folder
        self.user = user
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://loader@127.0.0.1:{self.port}/shop"
        self.environment = {"PGPASSWORD": PASSWORD}

    def run(self, program, *arguments, **options):
        return subprocess.run([str(self.bin / program), *map(str, arguments)], check=True, capture_output=True, text=True, cwd=self.folder,
                              user=self.user, group=self.user and pwd.getpwnam(self.user).pw_gid, **options).stdout

    def start(self):
        self.run("pg_ctl", "start", "--wait", "--timeout", 60, "--pgdata", self.folder / "data", "--log", self.folder / "log", "--options",
                 f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off -c shared_buffers=32MB")

    def stop(self, mode="immediate"):
        self.run("pg_ctl", "stop", "--wait", "--mode", mode, "--pgdata", self.folder / "data")

    def sql(self, statement, user="postgres"):
        return subprocess.run([str(self.bin / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", "shop", "-AtX", "-v",
                               "ON_ERROR_STOP=1", "-c", statement], check=True, capture_output=True, text=True,
                              env=dict(os.environ, **self.environment)).stdout.removesuffix("\n")

    def rows(self, query):
        """The answer of a query as PostgreSQL itself writes it in JSON."""
        return json.loads(self.sql(f"select coalesce(json_agg(answer), '[]') from ({query}) as answer"))


@contextlib.contextmanager
def postgres():
    bin_folder = programs()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="shoplake-postgres-"))
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        user = "nobody"
        shutil.chown(folder, user)
    server = Postgres(bin_folder, folder, user)
    try:
        password_file = folder / "password"
        password_file.write_text(PASSWORD)
        if user:
            shutil.chown(password_file, user)
        server.run("initdb", "--pgdata", folder / "data", "--username", "postgres", "--auth", "scram-sha-256", "--pwfile", password_file,
                   "--encoding", "UTF8", "--locale", "C", "--no-sync")
        server.start()
        try:
            subprocess.run([str(bin_folder / "psql"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-AtX", "-c",
                            f"create role loader login password '{PASSWORD}'", "-c", "create database shop owner loader"],
                           check=True, capture_output=True, env=dict(os.environ, **server.environment))
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
