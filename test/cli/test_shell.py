"""What holds for every command: help, usage errors, --json errors, completion, the version; and generate and demo from outside."""
import gzip
import json
import re
import shutil
import signal
import subprocess

import pytest

COMMANDS = ["demo", "generate", "load", "ingest", "ga4", "quarantine", "replay", "contract", "build", "run", "test", "seed", "snapshot", "source", "compile", "ls", "docs", "parse",
            "query", "serve", "catalog", "warehouse", "quality", "inspect", "flow", "alarm", "topic", "cost", "audit", "init", "doctor", "completion"]


def test_the_list_of_commands_is_whole(shoplake):
    text = shoplake("--help").stdout
    assert re.findall(r"^  (\w+)   +\S", text, re.M)[: len(COMMANDS)] == COMMANDS
    assert shoplake().stdout == text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(shoplake, command):
    text = shoplake(command, "--help").stdout
    assert f"Usage: shoplake {command}" in text
    assert "Example" in text
    assert "xit code" in text
    assert "--json" in text


def test_version(shoplake):
    assert re.fullmatch(r"shoplake \d+\.\d+\.\d+\n", shoplake("--version").stdout)


@pytest.mark.parametrize("arguments, code, advice", [
    (["biuld"], "cli.unknown_command", "did you mean `shoplake build`?"),
    (["generate", "events", "--evnts", "5"], "cli.unknown_option", "did you mean --events?"),
    (["catalog", "hsitory"], "cli.unknown_command", "did you mean `shoplake catalog history`?"),
    (["generate", "events"], "generate.no_target", "Name a file with --out, or a server with --stream."),
    (["generate", "events", "--out", "x.ndjson", "--events", "many"], "cli.usage", "see `shoplake generate --help`"),
])
def test_usage_errors_say_what_to_do(shoplake, arguments, code, advice):
    plain = shoplake(*arguments, check=False)
    assert plain.returncode == 2
    assert plain.stdout == ""
    assert code in plain.stderr and advice in plain.stderr
    as_json = shoplake(*arguments, "--json", check=False)
    assert as_json.returncode == 2
    assert as_json.json()["error"]["code"] == code
    assert as_json.json()["exit_code"] == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_every_command(shoplake, shell):
    script = shoplake("completion", shell).stdout
    for command in COMMANDS:
        assert command in script
    if shutil.which(shell):
        flag = {"bash": "-n", "zsh": "-n", "fish": "--no-execute"}[shell]
        subprocess.run([shell, flag], input=script, text=True, check=True, capture_output=True)


def complete_in_bash(shoplake, *words):
    script = shoplake("completion", "bash").stdout
    program = f'{script}\nCOMP_WORDS=({" ".join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; compopt() {{ :; }}; _shoplake; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", program], text=True, check=True, capture_output=True).stdout.split()


def test_bash_completes_commands_and_options(shoplake):
    assert complete_in_bash(shoplake, "shoplake", "qua") == ["quarantine", "quality"]
    assert complete_in_bash(shoplake, "shoplake", "generate", "--ev") == ["--events"]
    assert "history" in complete_in_bash(shoplake, "shoplake", "catalog", "")


def test_generate_writes_what_it_says(shoplake, tmp_path):
    report = shoplake("generate", "events", "--events", 2500, "--days", 4, "--seed", 3, "--out", tmp_path / "e.ndjson.gz", "--json").json()
    with gzip.open(tmp_path / "e.ndjson.gz", "rt", encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    assert len(events) == report["events"] == 2500
    assert len({event["event_date"] for event in events}) == 4
    again = tmp_path / "again.ndjson.gz"
    shoplake("generate", "events", "--events", 2500, "--days", 4, "--seed", 3, "--threads", 1, "--out", again)
    assert again.read_bytes() == (tmp_path / "e.ndjson.gz").read_bytes()


def test_generate_to_a_folder_gives_a_file_a_day(shoplake, tmp_path):
    report = shoplake("generate", "events", "--events", 2000, "--days", 3, "--end-date", "2026-03-02", "--out", tmp_path / "export", "--json").json()
    assert [file.rsplit("/", 1)[1] for file in report["files"]] == [f"events_{day}.ndjson.gz" for day in ("20260228", "20260301", "20260302")]


@pytest.mark.parametrize("arguments, code", [
    (["sessions", "--out", "x.ndjson"], "generate.unknown_dataset"),
    (["events", "--out", "x.ndjson", "--end-date", "2026-02-30"], "generate.bad_date"),
    (["events", "--out", "x.ndjson", "--events", "0"], "generate.bad_events"),
    (["events", "--out", "x.ndjson", "--days", "0"], "generate.bad_days"),
])
def test_generate_refuses_nonsense(shoplake, tmp_path, arguments, code):
    outcome = shoplake("generate", *arguments, "--json", check=False, cwd=tmp_path)
    assert outcome.returncode == 2
    assert outcome.json()["error"]["code"] == code
    assert list(tmp_path.glob("x*")) == []


def test_load_rejects_exactly_what_chaos_planted(shoplake, tmp_path):
    path = tmp_path / "nasty.ndjson"
    shoplake("generate", "events", "--events", 20000, "--chaos", "--out", path)
    planted = json.loads((tmp_path / "nasty.ndjson.expected.json").read_text())
    report = shoplake("load", "events", path, "--json").json()
    assert report["rows"] == planted["rows"]
    assert report["rejected"] == planted["rejected_rows"]


def test_demo_runs_the_whole_pipeline(shoplake):
    report = shoplake("demo", "--events", 20000, "--days", 14, "--exit", "--json").json()
    assert [stage["stage"] for stage in report["stages"]] == ["generate", "load", "build", "ask"]
    assert report["stages"][1]["rows"] == 20000
    assert sum(each["first_click_conversions"] for each in report["channels"]) == sum(each["last_click_conversions"] for each in report["channels"]) > 0
    assert [each["first_click_conversions"] for each in report["channels"]] != [each["last_click_conversions"] for each in report["channels"]]
    assert [each["stage"] for each in report["funnel"]] == ["session_start", "page_view", "purchase"]
    assert [each["day"] for each in report["retention"]] == [1, 7]
    first, seventh = (each["returning_users"] / each["cohort_users"] for each in report["retention"])
    assert 0 < seventh < first < 1


def test_demo_text_ends_with_what_to_do_next(shoplake):
    text = shoplake("demo", "--events", 5000, "--exit").stdout
    for part in ("Purchases by channel", "Funnel", "Retention", "D1", "D7", "done in", "shoplake serve"):
        assert part in text


def test_demo_without_a_home_makes_its_own_and_spares_foreign_ones(shoplake, tmp_path):
    environment = {"SHOPLAKE_HOME": ""}
    for _ in range(2):
        shoplake("demo", "--events", 1000, "--exit", "--quiet", env=environment, cwd=tmp_path)
    own = tmp_path / "shoplake-data/demo"
    assert (own / "state.sqlite").exists()
    shutil.rmtree(own)
    own.mkdir()
    (own / "precious").write_text("mine")
    refused = shoplake("demo", "--events", 1000, "--exit", "--json", env=environment, cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert refused.json()["error"]["code"] == "demo.foreign_home"
    assert (own / "precious").read_text() == "mine"


def test_demo_serves_until_interrupted(shoplake):
    process = shoplake.start("demo", "--events", 2000, "--port", "0", "--json")
    try:
        report = json.loads(process.stdout.readline())
        assert report["address"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_ends_generate_without_a_half_file(shoplake, tmp_path):
    path = tmp_path / "big.ndjson"
    process = shoplake.start("generate", "events", "--events", 50_000_000, "--out", path)
    try:
        assert "generate events" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "generate.cancelled" in errors
        assert list(tmp_path.iterdir()) == []
    finally:
        process.kill()
        process.wait()
