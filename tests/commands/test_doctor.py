"""`doctor`: each check alone, with what is wrong made up."""

from __future__ import annotations

import errno
import json

import pytest

from commands import doctor


def test_all_is_well_here(cli, tmp_path):
    done = cli("doctor", "--json", "--runs-dir", tmp_path / "runs")
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    for name in (
        "python",
        "torch",
        "numpy",
        "HDF5",
        "device",
        "runs folder",
        "file locks",
        "fsync",
    ):
        assert checks[name]["level"] == "ok", checks[name]
    assert not any(tmp_path.iterdir())


def test_a_problem_exits_1_and_says_what_to_do(cli, tmp_path):
    (tmp_path / "runs").write_text("")
    done = cli("doctor", "--runs-dir", tmp_path / "runs")
    assert done.returncode == 1
    assert "problem" in done.stdout
    assert "--runs-dir" in done.stdout


def test_old_python():
    assert doctor.python_version((3, 10, 4)).level == "problem"
    assert doctor.python_version((3, 12, 0)).level == "ok"


@pytest.mark.parametrize(("free", "level"), [(1, "problem"), (10**9, "warning"), (10**12, "ok")])
def test_space(free, level):
    assert doctor.space(free).level == level


def test_a_file_system_without_locks(tmp_path):
    def refuse(folder):
        raise OSError(errno.ENOLCK, "no locks available")

    check = doctor.attempt("file locks", tmp_path, refuse, "two processes may write one run")
    assert check.level == "problem"
    assert "ENOLCK" in check.found
    assert "--runs-dir" in check.advice


@pytest.mark.parametrize(
    ("environment", "encoding", "screen", "levels"),
    [
        ({"TERM": "xterm-256color"}, "utf-8", (120, 40), ["ok", "ok"]),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, "UTF-8", (120, 40), ["ok", "ok"]),
        ({"TERM": "xterm"}, "utf-8", (120, 40), ["ok", "warning"]),
        ({"TERM": "xterm-256color"}, "utf-8", (60, 20), ["ok", "warning"]),
        ({"TERM": "dumb"}, "ascii", (120, 40), ["warning", "problem"]),
        ({}, "utf-8", None, ["ok", "ok"]),
    ],
)
def test_terminals(environment, encoding, screen, levels):
    assert [c.level for c in doctor.terminal(environment, encoding, screen)] == levels


def test_threads():
    assert doctor.threads({}, 8).level == "ok"
    assert doctor.threads({"OMP_NUM_THREADS": "many"}, 8).level == "warning"
