"""A run whose files are links, pipes, devices or another's: nobody hangs, nothing elsewhere changes."""

from __future__ import annotations

import os
import shutil
import socket

import pytest
from data.mutate import tried

from workbench.config.toml import parse_config
from workbench.errors import StorageError, WorkbenchError
from workbench.record.folder import list_runs, resolve_run
from workbench.record.logfile import LogFile
from workbench.record.own_files import require_own_files
from workbench.record.reader import RunReader
from workbench.record.robustness_file import kept_robustness
from workbench.record.summary import summarize
from workbench.run.session import Session
from workbench.run.stored import StoredRun

CONFIG = {
    "data": {"kind": "gaussian-separable", "n": 6},
    "model": {"kind": "two-layer-relu", "width": 3},
    "loss": {"kind": "logistic"},
    "train": {"lr": 1e-2, "steps": 40},
    "checkpoint": {"every": 10, "keep": 2},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run."""
    with Session.create(parse_config(CONFIG, "t"), tmp_path_factory.mktemp("whole")) as session:
        session.start()
        assert session.wait(60)
    return session.folder


def a_pipe(path, precious):
    os.mkfifo(path)


def a_folder(path, precious):
    path.mkdir()


def a_device(path, precious):
    path.symlink_to("/dev/zero")


def a_socket(path, precious):
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def a_loop(path, precious):
    path.symlink_to(path.name)


def a_link_to_nothing(path, precious):
    path.symlink_to("nowhere")


def a_link(path, precious):
    path.symlink_to(precious / path.name)


KINDS = (a_pipe, a_folder, a_device, a_socket, a_loop, a_link_to_nothing, a_link)
NAMES = (
    "run.h5",
    "config.toml",
    "run.lock",
    "log.txt",
    "robustness.json",
    "checkpoints",
    "checkpoint",
)
CASES = [(name, kind) for name in NAMES for kind in KINDS]


def removed(path):
    """Take a file or a folder away."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def contents(folder):
    """Every file below a folder, by its path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("doing", ["reading", pytest.param("resuming", marks=pytest.mark.full)])
def test_files_that_are_none_hang_nobody_and_change_nothing_elsewhere(whole, tmp_path, doing):
    precious = tmp_path / "precious"
    shutil.copytree(whole, precious)
    (precious / "robustness.json").write_text('{"states": []}')
    before = contents(precious)
    folder = tmp_path / "runs" / "run"

    def attempt(number):
        name, kind = CASES[number]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        path = folder / ("checkpoints/ck_000000000040.h5" if name == "checkpoint" else name)
        removed(path)
        kind(path, precious)
        if doing == "reading":
            summarize(folder)
            assert [f.name for f in list_runs(folder.parent)] == ["run"]
            assert resolve_run("run", folder.parent) == folder
            kept_robustness(folder)
            with StoredRun(folder) as run:
                assert run.config.train.steps == 40
                run.theta(40)
        else:
            with Session.resume(folder, steps=60) as session:
                session.start()
                assert session.wait(60)
                error = session.engine.error
            if error is not None:
                raise error

    found = tried(attempt, range(len(CASES)), seconds=30.0)
    assert [(CASES[n][0], CASES[n][1].__name__, said) for n, said in found.wrong] == []
    assert found.counts["refused"] > 10
    assert contents(precious) == before


@pytest.mark.parametrize("name", ["run.h5", "config.toml", "log.txt", "checkpoints"])
def test_a_run_of_links_is_read_and_not_gone_on_with(whole, tmp_path, name):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    removed(folder / name)
    (folder / name).symlink_to(whole / name)
    with StoredRun(folder) as run, StoredRun(whole) as other:
        assert run.theta(40).tobytes() == other.theta(40).tobytes()
    before = contents(whole)
    with pytest.raises(StorageError, match=f"{name}' is a link"):
        Session.resume(folder, steps=60)
    assert contents(whole) == before


def test_a_copy_of_hard_links_keeps_what_it_has(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "backup", copy_function=os.link)
    before = contents(tmp_path / "backup")
    require_own_files(tmp_path / "run")
    assert (tmp_path / "run" / "run.h5").stat().st_nlink == 1
    with Session.resume(tmp_path / "run", steps=60) as session:
        session.start()
        assert session.wait(60)
    with RunReader(tmp_path / "run") as reader:
        assert reader.read("step")[-1] == 60
    after = contents(tmp_path / "backup")
    assert {name for name in before if before[name] != after[name]} <= {"log.txt", "run.lock"}


def test_a_log_is_written_through_no_link_and_into_no_pipe(tmp_path):
    (tmp_path / "precious").write_text("years of work")
    (tmp_path / "log.txt").symlink_to("precious")
    LogFile(tmp_path).line(1, "note", "nothing")
    assert (tmp_path / "precious").read_text() == "years of work"
    (tmp_path / "log.txt").unlink()
    os.mkfifo(tmp_path / "log.txt")
    LogFile(tmp_path).line(1, "note", "nobody reads")
    (tmp_path / "log.txt").unlink()
    LogFile(tmp_path).line(1, "note", "written")
    assert "written" in (tmp_path / "log.txt").read_text()


def test_folders_that_lead_to_themselves_are_no_runs(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "runs" / whole.name)
    (tmp_path / "runs" / "again").symlink_to("../runs", target_is_directory=True)
    (tmp_path / "runs" / "self").symlink_to("self")
    (tmp_path / "runs" / whole.name / "up").symlink_to("..", target_is_directory=True)
    assert [folder.name for folder in list_runs(tmp_path / "runs")] == [whole.name]
    with pytest.raises(WorkbenchError):
        resolve_run("self", tmp_path / "runs")
