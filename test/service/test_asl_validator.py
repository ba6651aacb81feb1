"""`shoplake flow validate` and npm's asl-validator judge the same definitions: the flows that come with shoplake, those that
AWS was given (../shared/data/asl), and one machine with a fault planted in it at a time. Where they differ, the reason is
written down here."""
import copy
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

CACHE = pathlib.Path(os.environ.get("SHOPLAKE_CACHE", pathlib.Path.home() / ".cache/shoplake"))
NODE = shutil.which("node") or str(CACHE / "node/node")

# A right machine with every kind of state. Faults are planted into copies of it.
MACHINE = {
    "Comment": "every kind of state", "StartAt": "Pass", "TimeoutSeconds": 600, "Version": "1.0",
    "States": {
        "Pass": {"Type": "Pass", "Parameters": {"n.$": "$.n", "sum.$": "States.MathAdd($.n, 1)"}, "ResultPath": "$.p", "Next": "Task"},
        "Task": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "f", "Payload.$": "$"},
                 "ResultSelector": {"answer.$": "$.Payload"}, "ResultPath": "$.task", "TimeoutSeconds": 60, "HeartbeatSeconds": 10,
                 "Retry": [{"ErrorEquals": ["Lambda.ServiceException"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 1.5,
                            "MaxDelaySeconds": 20, "JitterStrategy": "FULL"}, {"ErrorEquals": ["States.ALL"]}],
                 "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Fail"}], "Next": "Choice"},
        "Choice": {"Type": "Choice", "Choices": [
            {"Variable": "$.n", "NumericGreaterThan": 3, "Next": "Wait"},
            {"And": [{"Variable": "$.a", "IsPresent": True}, {"Not": {"Variable": "$.a", "StringMatches": "x*"}}], "Next": "Parallel"}],
            "Default": "Map"},
        "Wait": {"Type": "Wait", "Seconds": 1, "Next": "Parallel"},
        "Parallel": {"Type": "Parallel", "Branches": [{"StartAt": "B1", "States": {"B1": {"Type": "Pass", "End": True}}},
                                                      {"StartAt": "B2", "States": {"B2": {"Type": "Succeed"}}}], "Next": "Map"},
        "Map": {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": {"item.$": "$$.Map.Item.Value"}, "MaxConcurrency": 2,
                "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "M1", "States": {"M1": {"Type": "Pass", "End": True}}}, "Next": "Done"},
        "Done": {"Type": "Succeed", "OutputPath": "$.task"},
        "Fail": {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"}}}

DROP = object()

# Name: the places that change (below States, or of the machine if they begin with '/'), and to what.
FAULTS = {
    "no StartAt": {"/StartAt": DROP}, "StartAt names no state": {"/StartAt": "Nowhere"}, "no States": {"/States": DROP}, "States is a list": {"/States": []},
    "TimeoutSeconds is negative": {"/TimeoutSeconds": -1}, "TimeoutSeconds is text": {"/TimeoutSeconds": "60"}, "Version is a number": {"/Version": 1},
    "Comment is a number": {"/Comment": 1},
    "unknown type": {"Pass.Type": "Jump"}, "no type": {"Pass.Type": DROP}, "Next and End": {"Pass.End": True}, "neither Next nor End": {"Pass.Next": DROP},
    "Next names no state": {"Pass.Next": "Nowhere"}, "End is no truth value": {"Pass.Next": DROP, "Pass.End": "yes"}, "Next of another branch": {"Pass.Next": "B1"},
    "InputPath is no path": {"Pass.InputPath": "n"}, "ResultPath is no path": {"Pass.ResultPath": "p"}, "OutputPath is a number": {"Pass.OutputPath": 1},
    "a path value that is none": {"Pass.Parameters": {"n.$": "n"}}, "a path value that is a number": {"Pass.Parameters": {"n.$": 1}},
    "an unknown intrinsic function": {"Pass.Parameters": {"n.$": "States.Nothing($.n)"}}, "an intrinsic function without its end": {"Pass.Parameters": {"n.$": "States.MathAdd($.n, 1"}},
    "the same member twice": {"Pass.Parameters": {"n": 1, "n.$": "$.n"}},
    "a field of another type of state": {"Pass.Resource": "arn:aws:states:::lambda:invoke"}, "Retry of a Pass": {"Pass.Retry": [{"ErrorEquals": ["States.ALL"]}]},
    "Task without Resource": {"Task.Resource": DROP}, "Resource is a number": {"Task.Resource": 3}, "Resource is no ARN": {"Task.Resource": "lambda"},
    "timeout twice": {"Task.TimeoutSecondsPath": "$.t"}, "heartbeat twice": {"Task.HeartbeatSecondsPath": "$.t"}, "heartbeat not below the timeout": {"Task.HeartbeatSeconds": 60},
    "TimeoutSeconds 0": {"Task.TimeoutSeconds": 0},
    "Retry is no list": {"Task.Retry": {}}, "Retry without ErrorEquals": {"Task.Retry": [{"MaxAttempts": 1}]}, "ErrorEquals is empty": {"Task.Retry": [{"ErrorEquals": []}]},
    "States.ALL not alone": {"Task.Retry": [{"ErrorEquals": ["States.ALL", "A"]}]}, "States.ALL not last": {"Task.Retry": [{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}]},
    "BackoffRate below 1": {"Task.Retry": [{"ErrorEquals": ["A"], "BackoffRate": 0.5}]}, "MaxAttempts negative": {"Task.Retry": [{"ErrorEquals": ["A"], "MaxAttempts": -1}]},
    "IntervalSeconds 0": {"Task.Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 0}]}, "JitterStrategy unknown": {"Task.Retry": [{"ErrorEquals": ["A"], "JitterStrategy": "HALF"}]},
    "Catch without Next": {"Task.Catch": [{"ErrorEquals": ["States.ALL"]}]}, "Catch to no state": {"Task.Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Nowhere"}]},
    "Choice without Choices": {"Choice.Choices": DROP}, "Choices is empty": {"Choice.Choices": []}, "Default names no state": {"Choice.Default": "Nowhere"},
    "a Choice with Next": {"Choice.Next": "Done"}, "a rule without Next": {"Choice.Choices": [{"Variable": "$.n", "NumericEquals": 1}]},
    "a rule without Variable": {"Choice.Choices": [{"NumericEquals": 1, "Next": "Done"}]}, "a rule without operator": {"Choice.Choices": [{"Variable": "$.n", "Next": "Done"}]},
    "a rule with two operators": {"Choice.Choices": [{"Variable": "$.n", "NumericEquals": 1, "StringEquals": "1", "Next": "Done"}]},
    "an unknown operator": {"Choice.Choices": [{"Variable": "$.n", "NumberEquals": 1, "Next": "Done"}]}, "a number compared with text": {"Choice.Choices": [{"Variable": "$.n", "NumericEquals": "1", "Next": "Done"}]},
    "a nested rule with Next": {"Choice.Choices": [{"Not": {"Variable": "$.n", "NumericEquals": 1, "Next": "Done"}, "Next": "Done"}]},
    "And of one object": {"Choice.Choices": [{"And": {"Variable": "$.n", "NumericEquals": 1}, "Next": "Done"}]}, "And is empty": {"Choice.Choices": [{"And": [], "Next": "Done"}]},
    "Variable is no path": {"Choice.Choices": [{"Variable": "n", "NumericEquals": 1, "Next": "Done"}]},
    "a time that is none": {"Choice.Choices": [{"Variable": "$.n", "TimestampEquals": "yesterday", "Next": "Done"}]},
    "Wait for nothing": {"Wait.Seconds": DROP}, "Wait for two things": {"Wait.Timestamp": "2026-11-21T12:00:00Z"}, "Seconds is text": {"Wait.Seconds": "1"}, "Seconds is negative": {"Wait.Seconds": -1},
    "Timestamp is none": {"Wait.Seconds": DROP, "Wait.Timestamp": "tomorrow"},
    "Branches is empty": {"Parallel.Branches": []}, "no Branches": {"Parallel.Branches": DROP}, "a branch without end": {"Parallel.Branches": [{"StartAt": "B1", "States": {"B1": {"Type": "Pass", "Next": "B1"}}}]},
    "a name in two branches": {"Parallel.Branches": [{"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}, {"StartAt": "B", "States": {"B": {"Type": "Succeed"}}}]},
    "a branch that leaves": {"Parallel.Branches": [{"StartAt": "B1", "States": {"B1": {"Type": "Pass", "Next": "Done"}}}]},
    "Map without a processor": {"Map.ItemProcessor": DROP}, "Map with two processors": {"Map.Iterator": {"StartAt": "I", "States": {"I": {"Type": "Succeed"}}}},
    "Map with Parameters and ItemSelector": {"Map.Parameters": {}}, "MaxConcurrency negative": {"Map.MaxConcurrency": -1}, "ItemsPath is no path": {"Map.ItemsPath": "items"},
    "Succeed with Next": {"Done.Next": "Fail"}, "Fail with End": {"Fail.End": True}, "Error twice": {"Fail.Error": "E"}, "Cause is a number": {"Fail.CausePath": DROP, "Fail.Cause": 1},
    "ErrorPath is a list": {"Fail.ErrorPath": ["$.e"]}, "a state that nothing leads to": {"Lost": {"Type": "Succeed"}}, "no state that ends": {"Done": {"Type": "Pass", "Next": "Pass"}, "Fail": {"Type": "Pass", "Next": "Pass"}},
    "a name of 81 characters": {"Pass.Next": "x" * 81, "x" * 81: {"Type": "Pass", "Next": "Task"}},
}

# Where the two differ, it is because only shoplake reads so far. The paragraphs are those of https://states-language.net/spec.html.
ONLY_OURS = {
    "heartbeat not below the timeout": "Timeouts: a heartbeat's interval is smaller than the timeout",
    "ErrorEquals is empty": "Retriers: a non-empty array", "States.ALL not alone": "Retriers: it appears alone",
    "States.ALL not last": "Retriers: in the last retrier", "BackoffRate below 1": "Retriers: at least 1.0",
    "IntervalSeconds 0": "Retriers: a positive integer", "JitterStrategy unknown": "Retriers: FULL or NONE",
    "Branches is empty": "a Parallel without branches has nothing to do; Step Functions refuses it"}
# A path "$.[?(…)]" within an intrinsic function, which they do not read there though they do elsewhere.
ONLY_OURS_TAKES = {"pass_result_regex_json_path"}


def planted(changes):
    machine = copy.deepcopy(MACHINE)
    for place, value in changes.items():
        target, key = machine, place.removeprefix("/")
        if not place.startswith("/"):
            target, key = machine["States"], place
            if "." in place:
                state, key = place.split(".", 1)
                target = target[state]
        if value is DROP:
            del target[key]
        else:
            target[key] = value
    return machine


@pytest.fixture(scope="module")
def theirs():
    folder = pathlib.Path(os.environ.get("SHOPLAKE_ASL", CACHE / "asl"))
    if not (folder / "node_modules/asl-validator").is_dir():
        pytest.skip(f"no asl-validator in {folder}: tools/setup service installs it")

    def judge(definitions):
        script = pathlib.Path(__file__).resolve().parent.parent / "asl/validate.mjs"
        done = subprocess.run([NODE, str(script)], input=json.dumps(definitions), env=os.environ | {"SHOPLAKE_ASL": str(folder)},
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return judge


@pytest.fixture
def ours(shoplake, tmp_path):
    def judge(definitions):
        paths = {}
        for number, (name, definition) in enumerate(definitions.items()):
            paths[name] = tmp_path / f"machine{number}.asl.json"
            paths[name].write_text(json.dumps(definition))
        answers = {flow["path"]: flow for flow in shoplake("flow", "validate", *paths.values(), "--json", check=False).json()["flows"]}
        return {name: answers[str(path)] for name, path in paths.items()}
    return judge


def compare(definitions, ours, theirs):
    """The names of those that the two judge differently, with what each says."""
    our, their = ours(definitions), theirs(definitions)
    return {name: f"ours {our[name]['valid']} {our[name]['findings']}; theirs {their[name]['valid']} {their[name]['errors'][:300]}"
            for name in definitions if our[name]["valid"] != their[name]["valid"]}


def test_shipped_flows_are_right_for_both(ours, theirs, source):
    flows = {path.name: json.loads(path.read_text()) for path in (source / "flows").glob("*.asl.json")}
    assert len(flows) >= 5 and compare(flows, ours, theirs) == {}
    assert all(answer["valid"] for answer in ours(flows).values())


def test_machines_that_aws_was_given(ours, theirs, test_data):
    definitions = {}
    for path in sorted((test_data / "asl/templates").rglob("*.json5")):
        if "jsonata" not in path.name:  # another query language, which shoplake refuses by its name
            text = re.sub(r'"__tbd__",\s*//.*', '"arn:aws:lambda:eu-central-1:111111111111:function:f",', path.read_text())
            text = text.replace("%ComparisonOperatorType%", "StringEquals")
            definitions[path.stem] = json.loads(re.sub(r",(\s*[}\]])", r"\1", text))
    assert len(definitions) > 35
    assert set(compare(definitions, ours, theirs)) == ONLY_OURS_TAKES
    assert {name for name, answer in ours(definitions).items() if not answer["valid"]} == {"invalid_der"}


def test_planted_faults(ours, theirs):
    definitions = {name: planted(changes) for name, changes in FAULTS.items()}
    assert len(definitions) > 80
    assert ours({"right": MACHINE})["right"]["valid"] and theirs({"right": MACHINE})["right"]["valid"]
    verdicts = ours(definitions)
    assert [name for name, verdict in verdicts.items() if verdict["valid"]] == []
    assert [finding for verdict in verdicts.values() for finding in verdict["findings"] if not finding["path"].startswith("$")] == []
    differing = compare(definitions, ours, theirs)
    assert {name: differing.get(name, "they agree") for name in differing.keys() ^ ONLY_OURS.keys()} == {}
