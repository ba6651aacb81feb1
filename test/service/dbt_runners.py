"""The two runners of dbt/: shoplake's own, and dbt-core with dbt-duckdb on a database that sees the same processed.events."""
import os
import pathlib
import subprocess
import sys

import duckdb
import pytest

# Beside the environment of these tests; `tools/setup service` makes both.
DBT = pathlib.Path(os.environ.get("SHOPLAKE_DBT", pathlib.Path(sys.prefix).parent / "venv-dbt/bin/dbt"))
TIMEOUT_SECONDS = 300


def relations(project):
    """Every seed and model of the project as schema.name: a model's schema is its folder's name, the seeds' is staging."""
    seeds = [f"staging.{path.stem}" for path in sorted((project / "seeds").glob("*.csv"))]
    return seeds + [f"{path.parent.name}.{path.stem}" for path in sorted((project / "models").glob("*/*.sql"))]


class DbtCore:
    """dbt-core in a folder of its own; the project's folder is read only."""

    def __init__(self, project, folder):
        if not DBT.exists():
            pytest.skip(f"no dbt-core at {DBT} (tools/setup service, or SHOPLAKE_DBT)")
        self.project = project
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = folder / "warehouse.duckdb"

    def take_events(self, shoplake, tables=("events",)):
        """Shows dbt-core the lake's sources as they are now: those of processed.* that are named; the others are absent."""
        for table in tables:
            path = self.folder / f"{table}-{len(list(self.folder.glob(f'{table}-*.parquet')))}.parquet"
            shoplake("query", f"from processed.{table}", "--format", "parquet", "--output", path)
            with duckdb.connect(str(self.database)) as connection:
                connection.execute("create schema if not exists processed")
                connection.execute(f"create or replace view processed.{table} as from read_parquet('{path}')")

    def __call__(self, *arguments):
        environment = dict(os.environ, SHOPLAKE_DUCKDB=str(self.database), DBT_SEND_ANONYMOUS_USAGE_STATS="false", DO_NOT_TRACK="1")
        process = subprocess.run(
            [str(DBT), "--no-use-colors", *map(str, arguments), "--profiles-dir", str(self.project),
             "--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")],
            cwd=self.project, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
        )
        assert process.returncode == 0, process.stdout[-6000:] + process.stderr[-2000:]
        return process.stdout


def export(shoplake, names, folder):
    """The lake's relations as Parquet files: name -> path."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in names:
        paths[name] = folder / f"{name}.parquet"
        shoplake("query", f"from {name}", "--format", "parquet", "--output", paths[name])
    return paths


def differences(connection, left, right, limit=3):
    """What differs between two relations, as text; empty if names, types, order of columns and all rows are the same."""
    columns = [[row[:2] for row in connection.execute(f"describe from {side}").fetchall()] for side in (left, right)]
    if columns[0] != columns[1]:
        return f"columns {[pair for pair in zip(*columns) if pair[0] != pair[1]] or columns}"
    found = []
    for one, other, what in ((left, right, "only left"), (right, left, "only right")):
        missing = connection.execute(f"(from {one}) except all (from {other})").fetchall()
        if missing:
            found.append(f"{len(missing)} rows {what}, like {missing[:limit]}")
    return "; ".join(found)
