"""The installed tree: complete, relocatable, and free of paths of the machine that built it."""
import os
import pathlib
import shutil
import subprocess

import pytest


@pytest.fixture(scope="module")
def prefix(tmp_path_factory, source):
    """Installed in one folder, used from another."""
    folder = tmp_path_factory.mktemp("install")
    build = pathlib.Path(os.environ.get("SHOPLAKE_BIN", source / "build/release/bin/shoplake")).parent.parent
    subprocess.run(["cmake", "--install", str(build), "--prefix", str(folder / "first")], check=True, capture_output=True)
    shutil.move(folder / "first", folder / "second")
    return folder / "second"


def run(prefix, home, *arguments):
    return subprocess.run(
        [str(prefix / "bin/shoplake"), *arguments],
        env={"SHOPLAKE_HOME": str(home), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=300, cwd=str(home.parent),
    )


def test_works_from_another_folder(prefix, home):
    version = run(prefix, home, "--version")
    assert version.returncode == 0 and version.stdout.startswith("shoplake "), version
    answer = run(prefix, home, "query", "select 6 * 7 as answer", "--format", "csv")
    assert (answer.returncode, answer.stdout) == (0, "answer\n42\n"), answer
    doctor = run(prefix, home, "doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr


def test_whole_pipeline(prefix, home):
    demo = run(prefix, home, "demo", "--events", "3000", "--days", "14", "--exit")
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]


def test_no_links_out_of_the_tree(prefix):
    links = [path for path in prefix.rglob("*") if path.is_symlink()]
    assert all(not os.path.isabs(os.readlink(link)) and link.resolve().is_relative_to(prefix.resolve()) for link in links)


def test_no_path_of_the_building_machine(prefix, source):
    program = (prefix / "bin/shoplake").read_bytes()
    assert str(source).encode() not in program
    headers = subprocess.run(["readelf", "-d", str(prefix / "bin/shoplake")], capture_output=True, text=True, check=True).stdout
    paths = [line.split("[")[1].rstrip("]") for line in headers.splitlines() if "RUNPATH" in line or "RPATH" in line]
    assert paths == ["$ORIGIN/../lib"]
