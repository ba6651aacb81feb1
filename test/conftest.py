"""Fixtures of all black-box tests: the binary under test, a fresh home, the real test data.

SHOPLAKE_BIN        the binary (default build/release/bin/shoplake)
SHOPLAKE_TEST_DATA  real data that is not part of the product (default ../shared/data); tests skip where it is absent
"""
import json
import os
import pathlib
import random
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("SHOPLAKE_BIN", SOURCE / "build/release/bin/shoplake"))
TEST_DATA = pathlib.Path(os.environ.get("SHOPLAKE_TEST_DATA", SOURCE.parent / "shared/data"))
TIMEOUT_SECONDS = 300


class Outcome:
    """One finished run of the binary."""

    def __init__(self, arguments, process):
        self.arguments = arguments
        self.returncode = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr

    def json(self):
        return json.loads(self.stdout)

    def json_lines(self):
        return [json.loads(line) for line in self.stdout.splitlines() if line.strip()]

    def __repr__(self):
        return f"shoplake {' '.join(map(str, self.arguments))} -> {self.returncode}\n{self.stdout[-4000:]}\n{self.stderr[-4000:]}"


class Shoplake:
    """Runs the binary in one home. `shoplake("load", "events", path)` must succeed; `check=False` gives any outcome."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.binary = BINARY

    def environment(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SHOPLAKE_")}
        return kept | {"SHOPLAKE_HOME": str(self.home), "NO_COLOR": "1"} | more

    def __call__(self, *arguments, check=True, env=None, timeout=TIMEOUT_SECONDS, input=None, cwd=None):
        process = subprocess.run(
            [str(self.binary), *map(str, arguments)],
            env=self.environment(**(env or {})),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            input=input,
            cwd=cwd,
        )
        outcome = Outcome(arguments, process)
        if check:
            assert outcome.returncode == 0, repr(outcome)
        return outcome

    def start(self, *arguments, **options):
        """Starts the binary and returns the Popen; the caller ends it."""
        return subprocess.Popen(
            [str(self.binary), *map(str, arguments)],
            env=self.environment(**options.pop("env", {})),
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            **options,
        )

    def rows(self, sql):
        """The answer of a query as a list of dictionaries."""
        return self("query", sql, "--format", "json").json()

    def value(self, sql):
        """The single value of a query."""
        (row,) = self.rows(sql)
        (value,) = row.values()
        return value


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"no binary at {BINARY}: run ./run build first", returncode=2)


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def shoplake(home):
    return Shoplake(home)


@pytest.fixture(scope="session")
def shoplake_in():
    """Makes a runner for any home: shoplake_in(tmp_path / "other")."""
    return Shoplake


@pytest.fixture(scope="session")
def test_data():
    if not TEST_DATA.is_dir():
        pytest.skip(f"no test data at {TEST_DATA} (SHOPLAKE_TEST_DATA)")
    return TEST_DATA


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture
def seeded_random(request):
    """Random numbers whose seed is printed with a failure and can be given by SHOPLAKE_TEST_SEED."""
    seed = int(os.environ.get("SHOPLAKE_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"SHOPLAKE_TEST_SEED={seed}")
    return random.Random(seed)
