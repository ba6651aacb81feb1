"""`shoplake init`, shoplake.yml and `shoplake doctor`."""
import os

import pytest


def checks(outcome):
    return {check["name"]: check for check in outcome.json()["checks"]}


def test_init_writes_a_commented_configuration(shoplake, home, tmp_path):
    shoplake("init")
    text = (home / "shoplake.yml").read_text()
    assert all(line.startswith("#") or not line for line in text.splitlines())
    assert (home / "lake" / "raw").is_dir()
    again = shoplake("init", check=False)
    assert again.returncode == 2 and "home.exists" in again.stderr
    other = tmp_path / "a" / "b"
    assert shoplake("init", other, "--json").json() == {"home": str(other), "configuration": str(other / "shoplake.yml")}
    assert shoplake.value("select 1") == 1


def test_configuration_is_checked_and_told_by_line(shoplake, home):
    home.mkdir()
    (home / "shoplake.yml").write_text("# ours\nmemory_limt: 1GiB\n")
    outcome = shoplake("query", "select 1", check=False)
    assert outcome.returncode == 2
    assert f"{home}/shoplake.yml:2: there is no key memory_limt" in outcome.stderr
    assert "Did you mean memory_limit?" in outcome.stderr


def test_configuration_reaches_the_engine_and_the_lake(shoplake, home, tmp_path):
    home.mkdir()
    (home / "shoplake.yml").write_text("lake: ../elsewhere\nmemory_limit: 512MiB\nthreads: 1\n")
    assert shoplake.value("select current_setting('memory_limit')") == "512.0 MiB"
    assert shoplake.value("select current_setting('threads')") == 1
    assert (tmp_path / "elsewhere" / "processed").is_dir()


def test_doctor_finds_a_good_home_good_and_changes_nothing(shoplake, home):
    outcome = shoplake("doctor", "--json")
    assert outcome.json()["ok"] and not home.exists()
    shoplake("query", "select 1")
    before = sorted(home.rglob("*"))
    found = checks(shoplake("doctor", "--json"))
    assert {check["status"] for check in found.values()} <= {"ok", "warning"}
    assert "catalog" in found and "disk space" in found and "engine" in found
    assert [path for path in sorted(home.rglob("*")) if not path.name.startswith("state.sqlite-")] == [
        path for path in before if not path.name.startswith("state.sqlite-")
    ]
    assert "ok " in shoplake("doctor").stdout


def test_doctor_finds_a_damaged_control_plane(shoplake, home):
    shoplake("query", "select 1")
    (home / "state.sqlite").write_bytes(b"no database at all" * 1000)
    for leftover in home.glob("state.sqlite-*"):
        leftover.unlink()
    outcome = shoplake("doctor", "--json", check=False)
    assert outcome.returncode == 4 and not outcome.json()["ok"]
    assert checks(outcome)["control plane"]["status"] == "problem" and checks(outcome)["control plane"]["advice"]


def test_doctor_finds_a_table_whose_metadata_is_gone(shoplake, home, tmp_path):
    source = tmp_path / "e.ndjson"
    source.write_text('{"event_date":"20201210","event_timestamp":"1607600000000000","event_name":"page_view","user_pseudo_id":"1.1"}\n')
    shoplake("load", "events", source)
    for metadata in (home / "lake" / "processed").rglob("*.metadata.json"):
        metadata.unlink()
    outcome = shoplake("doctor", "--json", check=False)
    assert outcome.returncode == 4
    assert "processed.events" in checks(outcome)["catalog"]["detail"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_doctor_finds_a_home_that_may_not_be_written(shoplake, home):
    home.mkdir(mode=0o500)
    outcome = shoplake("doctor", "--json", check=False)
    assert outcome.returncode == 4 and checks(outcome)["home"]["status"] == "problem"


def test_doctor_finds_bad_configuration_and_an_incomplete_installation(shoplake, home, tmp_path):
    home.mkdir()
    (home / "shoplake.yml").write_text("threads: none\n")
    outcome = shoplake("doctor", "--json", check=False, env={"SHOPLAKE_PREFIX": str(tmp_path)})
    found = checks(outcome)
    assert outcome.returncode == 4
    assert found["configuration"]["status"] == "problem" and "threads" in found["configuration"]["detail"]
    assert found["installation"]["status"] == "problem" and "iceberg" in found["installation"]["detail"]
    assert found["engine"]["status"] == "problem"
