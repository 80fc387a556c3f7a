"""Studies on a real Slurm: nothing is lost, nothing done twice, whatever becomes of workers and pilots."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e import stand_in
from e2e.mortal import KILLS, RAISES, moves
from e2e.processes import surroundings
from e2e.slurm import Slurm, why_not
from e2e.terminal import ROOT, wait_until

from workbench.config.launcher import SlurmTable
from workbench.config.study import parse_study
from workbench.errors import ExitCode
from workbench.record.shard_file import read_shard
from workbench.study.create import create_study
from workbench.study.folder import shard_path
from workbench.study.launchers.launcher import Died, Ended, Raised, Report, Trouble
from workbench.study.launchers.parsl import ParslLauncher
from workbench.study.stored import StoredStudy

WHY_NOT = why_not() or (
    "Parsl is not installed (the extra `cluster`)" * (importlib.util.find_spec("parsl") is None)
)
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    with Slurm() as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "tests"))))
        yield started


def table(**keys: Any) -> SlurmTable:
    return SlurmTable(kind="slurm", partition="local", python=sys.executable, **keys)


def test_shards_come_back_from_pilots_as_they_fared(tmp_path: Path, slurm: Slurm) -> None:
    study = stand_in.made(tmp_path / "study", kill=1, fail=2)
    launcher = ParslLauncher(study, table(cores=2), stand_in.run_here)
    found: dict[int, Report] = {}
    try:
        launcher.start()
        for number in range(5):
            launcher.submit(number)
        wait_until(lambda: found.update(reports(launcher)) or launcher.open == 0, 90.0)
    finally:
        launcher.close()
    host = os.uname().nodename
    raised = "shard 2: ValueError: a shard that cannot be run"
    assert found == {
        0: Ended(0),
        1: Died(1, f"its worker process on {host} was killed"),
        2: Raised(2, Trouble.ERROR, raised),
        3: Ended(3),
        4: Ended(4),
    }
    assert [stand_in.stand(study, n) for n in (0, 1, 3, 4)] == [100, 49, 100, 100]
    assert all(len(stand_in.starts(study, number)) == 1 for number in range(5))
    wait_until(lambda: not slurm.jobs(), 30.0, "for the pilots to end")


def reports(launcher: ParslLauncher) -> dict[int, Report]:
    return {report.number: report for report in launcher.poll(0.2)}


def test_a_partition_that_is_not_there_is_refused(tmp_path: Path, slurm: Slurm) -> None:
    folder = create_study(mortal(tmp_path, partition="locla"), tmp_path / "runs")
    done = subprocess.run(resume(folder), capture_output=True, text=True, cwd=ROOT, env=env(slurm))
    assert done.returncode == ExitCode.BAD_INPUT
    assert done.stderr == (
        "workbench: unknown launcher.partition 'locla' in this Slurm; allowed: local. "
        "Did you mean 'local'?\n"
    )
    assert not slurm.jobs()


# --- a study of forty, and everything that can happen to it ---


def mortal(place: Path, count: int = 40, pause: float = 0.0, **launcher: Any) -> Any:
    """Members of a rule of which one choice raises and one kills its process."""
    (place / "notes").mkdir(exist_ok=True)
    arguments = {"notes": str(place / "notes"), "pause": pause}
    train = {"rule": "torch", "class": "e2e.mortal:Mortal", "arguments": arguments, "steps": 60}
    slurm = {"kind": "slurm", "python": sys.executable, "partition": "local"}
    values = {
        "name": "mortal",
        "data": {"kind": "kh24-circle", "n": 8},
        "model": {"kind": "squared-relu", "width": 4},
        "train": train,
        "record": {"every": 1},
        "device": {"kind": "cpu"},
        "study": {"members": 1},
        "grid": {"train.arguments.fate": f"range(0, {count})"},
        "launcher": slurm | launcher if launcher else {"kind": "local", "jobs": 2},
    }
    return parse_study(values, "the study")


def env(slurm: Slurm) -> dict[str, str]:
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    return surroundings(PYTHONPATH=paths, **slurm.environment)


def resume(folder: Path) -> list[str]:
    return [sys.executable, "-m", "commands.main", "resume", str(folder), "--headless", "--json"]


def on_its_way(notes: Path, avoid: set[int]) -> tuple[int, int] | None:
    """A fate that is a third of its way, and the process that has it."""
    for path in notes.iterdir():
        fate = int(path.name)
        done = moves(notes, fate)
        fresh = time.time() - path.stat().st_mtime < 0.5
        if done and fate not in avoid and fresh and 20 <= done[-1][0] <= 40:
            return fate, done[-1][1]
    return None


@pytest.mark.full
def test_whatever_happens_nothing_is_lost_and_nothing_is_done_twice(
    tmp_path: Path, slurm: Slurm
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        place.mkdir()
    reference = create_study(mortal(here), here / "runs")
    subprocess.run(resume(reference), cwd=ROOT, env=env(slurm), capture_output=True, check=False)

    # Two minutes are too short for all: every pilot leaves what it has before they are over.
    config = mortal(there, pause=0.1, cores=2, walltime="00:02:00")
    folder, notes = create_study(config, there / "runs"), there / "notes"
    process = subprocess.Popen(
        resume(folder),
        cwd=ROOT,
        env=env(slurm),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    avoid = {RAISES, KILLS}
    killed, pid = wait_until(lambda: on_its_way(notes, avoid), 120.0, "for a shard to kill")
    os.kill(pid, signal.SIGKILL)
    requeued, _ = wait_until(
        lambda: on_its_way(notes, avoid | {killed}), 120.0, "for a pilot to requeue"
    )
    (pilot,) = slurm.jobs("RUNNING")
    assert slurm.ask("scontrol", "requeue", pilot) is not None
    words, said = process.communicate(timeout=900)
    assert process.returncode == ExitCode.FAILED, said
    assert "Traceback" not in said
    assert json.loads(words)["members"] == {"finished": 38, "failed": 2}

    study, expected = StoredStudy(folder), StoredStudy(reference)
    for member in range(40):
        found, wanted = study.outcome(member), expected.outcome(member)
        assert (found.status, found.last_step) == (wanted.status, wanted.last_step), member
        done = moves(notes, member)
        pids = [pid for pid, _ in groupby(pid for _, pid in done)]
        # No two processes had it at a time, and what one had written the next one did not do again.
        assert len(pids) == len(set(pids)), member
        if member not in (RAISES, KILLS):
            assert differences(folder, reference, member) == [], member
    assert "this one is to raise" in study.outcome(RAISES).reason
    assert "by signal SIGKILL" in study.outcome(KILLS).reason
    # Whether it was its own code that ended the process is tried in a third one.
    assert len({pid for _, pid in moves(notes, killed)}) >= 2
    assert len({pid for _, pid in moves(notes, requeued)}) >= 2
    left = [m for m in range(40) if len({pid for _, pid in moves(notes, m)}) > 1]
    assert len(left) >= 4, "pilots whose time was over left shards, too"
    assert not (ROOT / "runinfo").exists()
    wait_until(lambda: not slurm.jobs(), 30.0, "for the pilots to end")


@pytest.mark.full
def test_a_driver_is_killed_and_the_next_one_is_a_job(tmp_path: Path, slurm: Slurm) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        place.mkdir()
    reference = create_study(mortal(here, 3), here / "runs")
    subprocess.run(resume(reference), cwd=ROOT, env=env(slurm), capture_output=True, check=True)
    folder = create_study(mortal(there, 3, pause=0.2, cores=1), there / "runs")
    with subprocess.Popen(resume(folder), cwd=ROOT, env=env(slurm)) as process:
        wait_until(lambda: on_its_way(there / "notes", set()), 120.0, "for a shard")
        process.kill()
    wait_until(lambda: not slurm.jobs(), 120.0, "for the pilots to miss their driver")

    send = [*resume(folder)[:-2], "--detach"]
    done = subprocess.run(send, cwd=ROOT, env=env(slurm), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{folder.name}\n"), done.stderr
    (number,) = slurm.jobs()
    assert f"driven by job {number}, once it begins" in done.stderr
    wait_until(lambda: not slurm.jobs(), 300.0, "for the driver's job")
    assert [outcome.status for outcome in StoredStudy(folder).outcomes()] == ["finished"] * 3
    assert [differences(folder, reference, member) for member in range(3)] == [[]] * 3


def differences(one: Path, other: Path, number: int) -> list[str]:
    """Where two shards of one member differ, to the last bit."""
    mine, theirs = (read_shard(shard_path(folder, number)) for folder in (one, other))
    wrong = []
    for group in ("series", "last", "end", "saddle", "point"):
        a, b = getattr(mine, group), getattr(theirs, group)
        wrong += [] if a.keys() == b.keys() else [group]
        wrong += [f"{group}/{n}" for n in a.keys() & b.keys() if not same(a[n], b[n])]
    return wrong if same(mine.theta, theirs.theta) else [*wrong, "theta"]


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
