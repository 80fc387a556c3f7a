"""`doctor`: each check alone, with what is wrong made up."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import tempfile
import time

import pytest
from shims.node import node

from commands import doctor, doctor_folder
from workbench.record import filesystem


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
        "one claim",
        "rename",
        "fsync",
        "file times",
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
    assert doctor_folder.room(free).level == level


def test_a_file_system_that_loses_files(tmp_path):
    def refuse(folder):
        raise OSError(errno.EIO, "broken")

    check = doctor_folder.attempt("fsync", tmp_path, refuse, "a power cut may lose records")
    assert check.level == "problem"
    assert "EIO" in check.found
    assert "--runs-dir" in check.advice


@pytest.mark.parametrize(
    ("locks", "links", "found", "claim"),
    [
        ("", "", "keeps another process out", "by a hard link"),
        ("ENOLCK", "none", "ENOLCK", "by exclusive creation"),
        ("ENOSYS", "", "ENOSYS", "by a hard link"),
        ("EOPNOTSUPP", "", "Operation not supported", "by a hard link"),
        ("always", "", "given to another process", "by a hard link"),
    ],
)
def test_locks_and_names_of_a_file_system(tmp_path, locks, links, found, claim):
    code = (
        "import sys; from pathlib import Path; from commands.doctor_folder import runs_folder_checks\n"
        "for check in runs_folder_checks(Path(sys.argv[1])): print(*vars(check).values(), sep='|')"
    )
    (tmp_path / "shim").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "none" / "yet"],
        env=node(tmp_path / "shim", locks=locks, links=links),
        capture_output=True,
        text=True,
        check=True,
    )
    checks = {line.split("|")[0]: line.split("|")[1:] for line in done.stdout.splitlines()}
    assert checks["file locks"][0] == ("warning" if locks else "ok")
    assert found in checks["file locks"][1]
    assert not locks or "heartbeat" in checks["file locks"][2]
    assert checks["one claim"][0] == "ok"
    assert claim in checks["one claim"][1]
    assert "made with the first run" in checks["runs folder"][1]
    assert [path.name for path in tmp_path.iterdir()] == ["shim"]


def test_a_runs_folder_that_cannot_be_written_is_said_with_its_kind(tmp_path, monkeypatch):
    def refuse(**more):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    checks = {c.name: c for c in doctor_folder.runs_folder_checks(tmp_path)}
    assert checks["runs folder"].level == "problem"
    assert "Read-only file system" in checks["runs folder"].found
    assert checks["file system"].found
    assert checks["free space"].found
    assert doctor_folder.runs_folder_checks(tmp_path / ("x" * 300))[0].level == "problem"


@pytest.mark.parametrize(
    ("line", "level", "said"),
    [
        ("ext4 /dev/x rw", "ok", "ext4"),
        ("nfs4 server:/home rw,local_lock=none", "ok", "nfs4, which other machines"),
        ("nfs server:/home rw,local_lock=all", "warning", "one machine only"),
        ("lustre mds:/scratch rw,localflock", "warning", "one machine only"),
        ("fuse.sshfs me@far:/ rw", "ok", "other machines"),
        ("tmpfs tmpfs rw", "warning", "in memory"),
    ],
)
def test_kinds_of_file_systems(tmp_path, monkeypatch, line, level, said):
    place = tmp_path / "my runs"
    place.mkdir()
    point = str(place).replace(" ", "\\040")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"21 1 8:1 / / rw - xfs /dev/y rw\n22 21 0:9 / {point} rw,noatime - {line}\n")
    monkeypatch.setattr(filesystem, "MOUNTS", str(mounts))
    check = doctor_folder.file_system(place)
    assert (check.level, said in check.found) == (level, True)
    mounts.unlink()
    assert "does not tell" in doctor_folder.file_system(place).found


@pytest.mark.parametrize(
    ("ahead", "level"), [(0.0, "ok"), (3600.0, "warning"), (-3600.0, "warning")]
)
def test_file_times_against_the_clock(tmp_path, monkeypatch, ahead, level):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - ahead)
    check = doctor_folder.clock(tmp_path)
    assert check.level == level
    assert level == "ok" or "3,600 s" in check.found


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


def test_a_gpu_is_named_with_the_size_from_which_it_is_taken(monkeypatch):
    import torch

    from commands import doctor

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda place: "Some GPU")
    found = doctor.device()
    assert found.level == "ok"
    assert found.found.startswith("Some GPU, CUDA")
    assert "takes it from 2e+07 operations a step" in found.found
