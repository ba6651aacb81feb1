"""datasets/contract.schema.json, which editors check contracts by, says of contracts what the program says."""
import json

import jsonschema
import pytest
import yaml


@pytest.fixture(scope="module")
def schema(source):
    schema = json.loads((source / "datasets/contract.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def test_the_contracts_that_come_with_shoplake_follow_it(schema, source):
    paths = sorted((source / "datasets").glob("*.yml"))
    assert len(paths) >= 6
    for path in paths:
        assert not list(schema.iter_errors(yaml.safe_load(path.read_text()))), path


def test_drafts_follow_it(schema, shoplake, tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("OrderNo;Ordered at;E-mail;IP;Total\n1;2026-01-01 10:00;a@example.com;10.0.0.1;12.50\n2;2026-01-02 10:00;b@example.com;10.0.0.2;7\n")
    draft = yaml.safe_load(shoplake("contract", "init", path).stdout)
    assert not list(schema.iter_errors(draft))


WRONG = [
    ("type", "number"),
    ("type", "decimal(3)"),
    ("pii", "secret"),
    ("treatment", "encrypt"),
    ("values", []),
    ("max_length", "long"),
    ("colour", "red"),
]


@pytest.mark.parametrize("key,value", WRONG, ids=[f"{key}-{value}" for key, value in WRONG])
def test_both_refuse_the_same(schema, shoplake, tmp_path, key, value):
    contract = {"dataset": "things", "table": "processed.things", "partition_by": "none", "unknown_fields": {"keep_in": "_extra"},
                "fields": [{"name": "a", "type": "string"}]}
    path = tmp_path / "things.yml"
    path.write_text(yaml.safe_dump(contract))
    assert not list(schema.iter_errors(contract)) and shoplake("contract", "check", path).returncode == 0
    contract["fields"][0][key] = value
    path.write_text(yaml.safe_dump(contract))
    assert list(schema.iter_errors(contract))
    assert shoplake("contract", "check", path, check=False).returncode == 2
