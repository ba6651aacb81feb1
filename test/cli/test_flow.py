"""`shoplake flow validate` from outside."""
import json

GOOD = {"StartAt": "Load", "States": {"Load": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Both"},
                                      "Both": {"Type": "Parallel", "End": True, "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}]}}}


def test_a_right_definition(shoplake, tmp_path):
    path = tmp_path / "good.asl.json"
    path.write_text(json.dumps(GOOD))
    assert "good.asl.json: valid, 3 states" in shoplake("flow", "validate", path).stdout
    assert shoplake("flow", "validate", path, "--json").json() == {"flows": [{"path": str(path), "valid": True, "states": 3, "findings": []}], "exit_code": 0}


def test_every_mistake_has_its_place(shoplake, tmp_path):
    path = tmp_path / "bad.asl.json"
    path.write_text(json.dumps({"StartAt": "Lood", "States": {"Load": {"Type": "Task", "Next": "Nowhere"}}}))
    done = shoplake("flow", "validate", path, check=False)
    assert done.returncode == 2
    assert [line.removeprefix(f"{path}: ").split(": ")[0] for line in done.stderr.splitlines()] == ["$.States.Load.Resource", "$.StartAt", "$.States.Load.Next", "$.States", "$.States.Load"]
    report = shoplake("flow", "validate", path, "--json", check=False).json()
    assert report["exit_code"] == 2 and not report["flows"][0]["valid"]


def test_files_that_are_none(shoplake, tmp_path):
    broken = tmp_path / "broken.asl.json"
    broken.write_text('{"StartAt": "A",\n "States": {,}}')
    done = shoplake("flow", "validate", broken, tmp_path / "missing.asl.json", check=False)
    assert done.returncode == 2
    assert "line 2, column 13: this is not JSON" in done.stderr and "missing.asl.json" in done.stderr
