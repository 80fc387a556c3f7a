"""A headless run that was sent off, steered from another process, whose viewers and trainer are killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from e2e.processes import started, surroundings, toml_of
from e2e.terminal import wait_until
from e2e.tmux import Tmux

from workbench.protocol.commands import Pause, Resume, StepN
from workbench.protocol.status import RunStatus
from workbench.record.folder import list_runs
from workbench.record.lock import is_alive, lock_holder
from workbench.record.reader import RunReader
from workbench.run.link import Link, link_to
from workbench.run.socket_place import SOCKET_NAME

ENDLESS = """
[data]
kind = "kh24-circle"
n = 7
[model]
kind = "squared-relu"
width = 5
[train]
lr = 1e-4
steps = 100000000
[record]
every = 100
[device]
engine = "eager"
"""


def sent_off(place: Path, *more: object) -> Path:
    """The folder of a run that trains in a session of its own."""
    runs = place / "runs"
    process = started(["run", toml_of(place, ENDLESS), "--detach", "--runs-dir", runs, *more])
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    folder = runs / out.strip()
    assert f"workbench attach {folder.name}" in err
    return folder


def shell() -> Tmux:
    return Tmux(100, 30, surroundings())


def trainer(folder: Path) -> int:
    holder = lock_holder(folder)
    assert holder is not None
    return holder.pid


def paused(link: Link, step: int | None = None) -> bool:
    state = link.state
    return state is not None and state.status == "paused" and step in (None, state.step)


@pytest.fixture
def away(tmp_path: Path):
    folder = sent_off(tmp_path)
    yield folder
    if is_alive(folder):
        os.kill(trainer(folder), signal.SIGKILL)


def test_a_trainer_that_is_killed_is_told_to_all_and_its_run_goes_on(away: Path) -> None:
    pid = trainer(away)
    assert os.getsid(pid) == pid
    one, other = Link(away), Link(away)
    one.send(Pause())
    wait_until(lambda: paused(one) and paused(other), 60, "for the pause")
    step = one.state.step
    other.send(StepN(7))
    wait_until(lambda: paused(one, step + 7) and paused(other, step + 7), 30, "for the steps")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: one.gone and other.gone, 10, "for the end")
    assert one.gone == "its process is gone."
    assert one.status is other.status is RunStatus.LOST
    assert (away / SOCKET_NAME).exists()
    assert link_to(away) is None
    with RunReader(away) as reader:
        assert reader.status is RunStatus.LOST
    again = started(["resume", away, "--headless"])
    try:
        link = wait_until(lambda: link_to(away), 60, "for who resumed it")
        wait_until(lambda: link.state is not None and link.state.step > step + 7, 60, "for steps")
        link.close()
    finally:
        again.terminate()
        _, err = again.communicate(timeout=60)
    assert again.returncode == 130, err
    assert not (away / SOCKET_NAME).exists()


@pytest.mark.full
def test_a_killed_viewer_leaves_the_trainer_as_it_was(away: Path) -> None:
    with shell() as tmux:
        tmux.workbench(f"attach {away}")
        tmux.wait("live", 120)
        tmux.keys("Space")
        tmux.wait("paused")
        link = Link(away)
        wait_until(lambda: paused(link), 10, "for the pause")
        os.kill(tmux.trainer(), signal.SIGKILL)
        tmux.keys("Space")
        link.send(Resume())
        wait_until(lambda: link.state.status == "running", 10, "to go on")
        link.close()


@pytest.mark.full
def test_leaving_leaves_it_and_its_end_is_said_on_the_screen(away: Path) -> None:
    with shell() as tmux:
        tmux.workbench(f"attach {away}")
        tmux.wait("live", 120)
        tmux.keys("q")
        tmux.wait("detached; ")
        assert is_alive(away)
        tmux.workbench(f"attach {away}")
        tmux.wait("live", 120)
        os.kill(trainer(away), signal.SIGKILL)
        tmux.wait("its process died", 60)
        tmux.keys("q")
        tmux.wait("lost at step", 60)
        tmux.check_restored()


def test_what_cannot_be_attached_to_is_said(tmp_path: Path) -> None:
    toml = toml_of(tmp_path, ENDLESS)
    args = ["run", toml, "--headless", "--steps", "200", "--runs-dir", tmp_path / "runs"]
    assert started(args).wait(120) == 0
    name = list_runs(tmp_path / "runs")[0].name
    with shell() as tmux:
        tmux.workbench(f"attach {name} --runs-dir {tmp_path / 'runs'}; echo code $?")
        tmux.wait("code 2", 120)
        assert f"run {name} is finished: nothing trains it" in tmux.told
    refused = started(["attach", name, "--runs-dir", tmp_path / "runs"])
    assert "attach needs a terminal" in refused.communicate(timeout=60)[1]
