"""kill -9 during shop_batch at random moments: the same tables as undisturbed, and each notification once.

SHOPLAKE_CRASH_ROUNDS  how many kills (default 12; 500 for the long run)
"""
import os
import shutil
import subprocess

from test_flows import TABLES, control_plane, drop, make_files, notifications

KILLS = int(os.environ.get("SHOPLAKE_CRASH_ROUNDS", "12"))
LONGEST_SECONDS = 2.5  # of one process's life; an execution takes about as long


def contents(shoplake):
    return {table: sorted(map(repr, shoplake.rows(f"from {table}"))) for table in TABLES}


def drop_all(shoplake, files):
    for object, path in files.items():
        drop(shoplake, object, path, age_seconds=60)


def run_to_its_end(shoplake, seeded_random, kills_left):
    """Runs the execution, killing the process again and again; returns how often it was killed."""
    kills = 0
    while True:
        process = shoplake.start("flow", "start", "shop_batch", "--name", "crash", "--wait", "--json")
        try:
            output, errors = process.communicate(timeout=seeded_random.random() * LONGEST_SECONDS if kills < kills_left else 300)
        except subprocess.TimeoutExpired:
            assert kills < kills_left, "it does not end"
            process.kill()
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0, output + errors
        return kills


def test_kill_9_during_shop_batch(shoplake_in, tmp_path, test_data, seeded_random):
    files = make_files(shoplake_in, tmp_path / "made", test_data)
    undisturbed = shoplake_in(tmp_path / "undisturbed")
    drop_all(undisturbed, files)
    undisturbed("flow", "start", "shop_batch", "--wait")
    expected = contents(undisturbed)
    assert [table for table, rows in expected.items() if not rows] == []

    kills = 0
    number = 0
    while kills < KILLS:
        number += 1
        shoplake = shoplake_in(tmp_path / f"home-{number}")
        shoplake.home.mkdir()
        shutil.copy(undisturbed.home / "hash.key", shoplake.home)  # else customers would have other hashes
        drop_all(shoplake, files)
        kills += run_to_its_end(shoplake, seeded_random, KILLS - kills)
        found = contents(shoplake)
        assert {table: found[table] == expected[table] for table in TABLES} == {table: True for table in TABLES}, f"home-{number}"
        ((topic, subject, message),) = notifications(shoplake)
        assert (topic, subject, message["status"]) == ("pipeline-notifications", "shop_batch succeeded", "succeeded")
        assert message["files"]["loaded"] == len(files) and message["files"]["rejected"] == 0
        # No task began more often than its Retry allows: none of them failed, so each state was entered once.
        ((events,),) = control_plane(shoplake, "select count(*) from flow_events where document like '%\"TaskScheduled\"%'")
        assert events == 17
    print(f"{kills} kills in {number} executions")
