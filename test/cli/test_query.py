"""`shoplake query`: formats, time travel, refusals, and errors, against a lake of a few events."""
import csv
import fcntl
import io
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess
import termios

import pytest

EVENTS = 5


def event(number):
    return {
        "event_date": "20201210",
        "event_timestamp": str(1607600000000000 + number),
        "event_name": ["page_view", "purchase"][number % 2],
        "user_pseudo_id": f"user.{number}",
        "event_params": [{"key": "page_title", "value": {"string_value": f'Shop, "{number}"\nsecond line'}}],
    }


@pytest.fixture
def lake(shoplake, tmp_path):
    source = tmp_path / "events.ndjson"
    source.write_text("".join(json.dumps(event(number)) + "\n" for number in range(EVENTS)))
    shoplake("load", "events", source)
    return shoplake


def refused(lake, sql, *arguments):
    outcome = lake("query", sql, *arguments, check=False)
    assert outcome.returncode == 2, repr(outcome)
    assert "Traceback" not in outcome.stderr and outcome.stdout == "", repr(outcome)
    return outcome.stderr


def on_terminal(lake, *arguments, columns):
    """Runs the binary with a terminal of a given width as its standard output; the text it shows."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([str(lake.binary), *arguments], env=lake.environment(TERM="xterm"), stdout=child, stderr=subprocess.PIPE)
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # Linux ends a pseudo-terminal so
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    assert process.wait() == 0, process.stderr.read()
    process.stderr.close()
    return shown.decode().replace("\r\n", "\n")


def test_csv_is_read_back_as_it_was(lake):
    sql = "select event_timestamp, event_params[1].value.string_value as title, user_id, [1, 2] as l from processed.events order by 1"
    answer = lake("query", sql, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(answer, newline="")))
    assert [row["event_timestamp"] for row in rows] == [event(number)["event_timestamp"] for number in range(EVENTS)]
    assert rows[3]["title"] == 'Shop, "3"\nsecond line'
    assert rows[0]["user_id"] == "" and rows[0]["l"] == "[1,2]"


def test_json_keeps_types(lake):
    (row,) = lake.rows("select count(*) as n, min(event_name) as name, null as nothing, [1.5, null] as list, {'a': true} as object from processed.events")
    assert row == {"n": EVENTS, "name": "page_view", "nothing": None, "list": [1.5, None], "object": {"a": True}}
    assert lake("query", "select 1 as a", "--json").json() == [{"a": 1}]
    assert lake("query", "select 1 as a where false", "--json").json() == []


def test_parquet_into_a_file_that_is_whole_or_absent(lake, tmp_path):
    out = tmp_path / "out.parquet"
    lake("query", "from processed.events", "--format", "parquet", "--output", out)
    assert out.read_bytes()[:4] == b"PAR1" and out.read_bytes()[-4:] == b"PAR1"
    failing = tmp_path / "failing.parquet"
    sql = "select case when i = 500000 then error('halt') end from range(1000000) t(i)"
    assert lake("query", sql, "--format", "parquet", "--output", failing, check=False).returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir() if "parquet" in path.name) == ["out.parquet"]
    assert lake("query", "select 1", "--format", "csv", "--output", tmp_path, check=False).returncode == 2


def test_table_in_a_pipe_is_plain_and_whole(lake):
    lines = lake("query", "select i as number, 'n' || i as name, null as nothing from range(100) t(i)").stdout.splitlines()
    assert lines[0].split() == ["number", "name", "nothing"]
    assert len(lines) == 101
    assert lines[100].split() == ["99", "n99", "NULL"]
    assert lines[1].startswith("     0")  # numbers stand to the right


def test_table_on_a_terminal_fits_its_width(lake):
    sql = "select i as number, repeat('long ', 60) as text, e'two\\nlines' as lines from range(1000) t(i)"
    shown = on_terminal(lake, "query", sql, columns=70)
    lines = shown.splitlines()
    assert lines[0][0] == "┌" and lines[-2][0] == "└"
    assert {len(line) for line in lines[:-1]} == {70}
    assert "…" in shown and "two\\nlines" in shown
    assert "BIGINT" in lines[2]
    assert lines[-1].strip() == "1,000 rows (40 shown; --rows 0 shows all)"
    assert "│    999 │" in lines[-3]
    many = on_terminal(lake, "query", "from processed.events", columns=80).splitlines()
    assert max(map(len, many)) <= 80
    assert "left out" in many[-1]


def test_sql_comes_from_a_file_or_standard_input(lake, tmp_path):
    file = tmp_path / "q.sql"
    file.write_text("select count(*) as n\nfrom processed.events -- all of them\n;\n")
    assert lake("query", "--file", file, "--json").json() == [{"n": EVENTS}]
    assert lake("query", "-", "--json", input="select 2 as n").json() == [{"n": 2}]
    assert lake("query", check=False).returncode == 2


def test_time_travel(lake, tmp_path):
    history = lake.value("select min(_shoplake_ingested_at)::varchar from processed.events")
    more = tmp_path / "more.ndjson"
    more.write_text(json.dumps(event(99)) + "\n")
    lake("load", "events", more)
    assert lake.value("select count(*) as n from processed.events") == EVENTS + 1
    assert lake("query", "select count(*) as n from processed.events", "--at", "2100-01-01", "--json").json() == [{"n": EVENTS + 1}]
    early = lake("query", "select count(*) from processed.events", "--at", "2020-01-01", check=False)
    assert early.returncode == 2 and "processed.events has no snapshot of 2020-01-01 00:00:00.000 UTC or before" in early.stderr, history
    assert "neither a time nor" in refused(lake, "select 1", "--at", "yesterday")


@pytest.mark.parametrize(
    "sql",
    [
        "insert into processed.events select * from processed.events",
        "update processed.events set event_name = 'x'",
        "delete from processed.events",
        "create table marts.t as select 1",
        "create or replace view processed.events as select 1",
        "drop view processed.events",
        "attach '{home}/state.sqlite'",
        "copy (select 1) to '{home}/lake/x.csv'",
        "copy processed.events to '/tmp/shoplake-x.csv'",
        "export database '/tmp/shoplake-x'",
        "set enable_external_access = true",
        "pragma database_list",
        "install httpfs",
        "load httpfs",
        "create secret s (type s3)",
        "call pragma_version()",
        "explain analyze delete from processed.events",
        "select 1; select 2",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('{home}/shoplake.yml')",
        "select * from read_blob('{home}/state.sqlite')",
        "select * from glob('{home}/lake/**')",
        "select * from read_text('{home}/lake/raw/x')",
        "select * from '/etc/passwd'",
        "select * from 'x.parquet'",
        "select (select content from read_text('/etc/passwd'))",
        "with c as (from read_csv('/etc/passwd')) select 1",
        "from duckdb_secrets()",
        "from query('select 1')",
        "select from where",
    ],
)
def test_what_does_not_only_read_tables_is_refused(lake, home, sql):
    before = sorted(path for path in home.rglob("*") if path.is_file())
    outcome = lake("query", sql.format(home=home), check=False)
    assert outcome.returncode == (1 if sql == "select from where" else 2), repr(outcome)
    assert outcome.stdout == "" and "root:" not in outcome.stderr
    assert sorted(path for path in home.rglob("*") if path.is_file()) == before


def test_errors_help(lake):
    text = refused(lake, "select *\nfrom processed.event")
    assert "there is no table processed.event" in text
    assert "Did you mean processed.events?" in text
    assert "LINE 2: from processed.event" in text and "^" in text
    wrong = lake("query", "select event_nam from processed.events", check=False)
    assert wrong.returncode == 1 and "event_name" in wrong.stderr and "LINE 1" in wrong.stderr
    error = lake("query", "from processed.event", "--json", check=False)
    assert error.json()["error"]["code"] == "query.unknown_table" and error.json()["exit_code"] == 2


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_an_interrupt_ends_a_running_query(shoplake):
    process = shoplake.start("query", "select sum(a.i * b.i % 7) from range(10000000) a(i), range(10000000) b(i)")
    while cpu_seconds(process) < 1.0:  # starting takes a tenth of that, so the query runs
        try:
            process.wait(0.05)
            break
        except subprocess.TimeoutExpired:
            pass
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130, (out, error)
    assert out == ""


def test_odd_queries_are_answered_or_refused(shoplake):
    assert shoplake.rows("select 1e400 as a, 'Infinity' as b") == [{"a": None, "b": "Infinity"}]
    assert shoplake("query", "-", check=False, input="select 1 \0").returncode == 2
    for odd in ["'", "select '", "/*", "--", "(", ")", "select " + "abs(" * 3000, "\ufeffselect 1;", "é", "$1", "select $1", "select ?"]:
        assert shoplake("query", odd, check=False).returncode in (0, 1, 2), odd


def test_an_empty_lake_answers(shoplake):
    assert shoplake.value("select 1") == 1
    outcome = shoplake("query", "from marts.fact_events", check=False)
    assert outcome.returncode == 2 and "marts.fact_events" in outcome.stderr
    assert shoplake.rows("show all tables") == []
