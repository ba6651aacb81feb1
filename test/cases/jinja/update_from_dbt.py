#!/usr/bin/env python3
"""Writes the expected outputs of dbt_*.test anew from dbt-core itself.

    python3 -m venv /tmp/dbt && /tmp/dbt/bin/pip install dbt-core==1.9.8 dbt-duckdb==1.9.4
    /tmp/dbt/bin/python test/cases/jinja/update_from_dbt.py test/cases/jinja/dbt_*.test

All cases of a file become models of one project, so macro names must differ between the cases of a file. A case that dbt
refuses gets "--- error" with a part of dbt's message only where the case already has that section; else the script fails.
The database in relations' names is dropped: shoplake's relations have none.
"""

import pathlib
import re
import sys
import tempfile

import yaml
from dbt.cli.main import dbtRunner

STUBS = ["a", "b", "orders_raw"]


def read(path):
    cases, case, section = [], None, None
    for line in path.read_text().splitlines(keepends=True):
        if line.startswith("=== "):
            case = {"name": line[4:].strip(), "sections": []}
            cases.append(case)
            section = None
        elif line.startswith("--- "):
            section = [line[4:].strip(), ""]
            case["sections"].append(section)
        else:
            section[1] += line
    return cases


def body(text):
    return text[:-1] if text.endswith("\n") else text


def compile_all(cases, variables):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "models").mkdir()
        (root / "macros").mkdir()
        project = {
            "name": "shop", "version": "1.0", "config-version": 2, "profile": "shop", "vars": variables,
            "models": {"shop": {"+materialized": "view"}}, "flags": {"send_anonymous_usage_stats": False},
        }
        (root / "dbt_project.yml").write_text(yaml.safe_dump(project))
        (root / "profiles.yml").write_text(yaml.safe_dump({"shop": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": ":memory:", "schema": "analytics"}}}}))
        sources = {"version": 2, "sources": [{"name": "raw", "tables": [{"name": "events"}, {"name": "c"}]}]}
        (root / "models" / "sources.yml").write_text(yaml.safe_dump(sources))
        for stub in STUBS:
            (root / "models" / f"{stub}.sql").write_text("select 1 as id")
        names = {}
        for index, case in enumerate(cases):
            names[f"case_{index}"] = case
            for header, text in case["sections"]:
                if header.startswith("macros "):
                    target = root / "macros" / f"case_{index}_{pathlib.Path(header[7:]).name}"
                    target.write_text(body(text))
                elif header == "input":
                    (root / "models" / f"case_{index}.sql").write_text(body(text))
        runner = dbtRunner()
        result = runner.invoke(["--quiet", "compile", "--project-dir", folder, "--profiles-dir", folder, "--no-version-check"])
        if result.exception:
            raise SystemExit(f"dbt: {result.exception}")
        outputs = {}
        for item in result.result.results:
            if item.node.name in names:
                outputs[item.node.name] = item.node.compiled_code if item.status == "success" else None
                if item.status != "success":
                    print(f"{names[item.node.name]['name']}: {item.message}", file=sys.stderr)
        return [outputs[f"case_{index}"] for index in range(len(cases))]


def setup_vars(cases):
    variables = {"lookback_days": 14, "channels": ["direct", "email"]}
    for case in cases:
        for header, text in case["sections"]:
            if header == "setup":
                for line in text.splitlines():
                    match = re.match(r"var (\S+) (.*)", line)
                    if match:
                        variables[match[1]] = yaml.safe_load(match[2])
    return variables


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    cases = read(path)
    failed = False
    for case, output in zip(cases, compile_all(cases, setup_vars(cases))):
        if output is None:
            failed = True
            continue
        output = output.replace('"memory".', "").replace("memory.", "")
        section = next((s for s in case["sections"] if s[0].startswith("output")), None)
        if section is None:
            section = ["output", ""]
            case["sections"].append(section)
        section[1] = output + "\n"
    path.write_text("".join(f"=== {c['name']}\n" + "".join(f"--- {h}\n{t}" for h, t in c["sections"]) for c in cases))
    if failed:
        raise SystemExit(f"{path}: some cases failed in dbt")
