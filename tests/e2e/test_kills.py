"""Runs that are killed at any moment: they open, go on, and end as if nobody had killed them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from e2e.kill_kinds import KERNEL

from workbench.record.checkpoint import latest_checkpoint
from workbench.record.folder import list_runs
from workbench.record.reader import RunReader
from workbench.record.summary import summarize

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NO_COLOR": "1",
}


def tortures(place: Path, seeds: dict[str, int], kills: int, *aim: str) -> list[dict]:
    """The reports of `kill_runs.py`, one a kind."""
    kinds, numbers = ",".join(seeds), ",".join(map(str, seeds.values()))
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_runs.py"), str(place), kinds, str(kills), numbers, *aim],
        capture_output=True,
        text=True,
        timeout=(60 + 8 * kills) * len(seeds),
        env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sys.stdout.write(done.stdout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def torture(place: Path, kind: str, kills: int, seed: int) -> dict:
    """The report on one kind."""
    return tortures(place, {kind: seed}, kills)[0]


def check(report: dict, kills: int) -> None:
    assert report["wrong"] == []
    assert report["kills"] >= kills
    assert report["runs"] >= 1


@pytest.mark.parametrize(
    ("kind", "kills"),
    [("records", 5), ("minibatch", 4), pytest.param("short", 10, marks=pytest.mark.full)],
)
def test_killed_runs_end_as_if_nobody_had_killed_them(tmp_path, kind, kills):
    check(torture(tmp_path, kind, kills, 5), kills)


# Seeds whose kills fall between two checkpoints.
LATE = {"flow": 9, "loss-based": 12, "normalized": 25, "smoothness": 7}
COMPILED = {f"{KERNEL}{kind}": seed for kind, seed in LATE.items() if kind != "flow"} | {
    f"{KERNEL}minibatch": 5
}


@pytest.mark.parametrize(
    "seeds",
    [pytest.param(LATE, id="eager", marks=pytest.mark.full), pytest.param(COMPILED, id="kernel")],
)
def test_killed_runs_of_late_rules_end_as_if_nobody_had_killed_them(tmp_path, seeds):
    """The rule's own memory (α, its last epoch, the integrator's step) comes back to the last bit."""
    # Aimed at file calls, which are the same on a busy machine.
    reports = tortures(tmp_path, seeds, 2, "call")
    assert [report["kind"] for report in reports] == list(seeds)
    for report in reports:
        check(report, 2)
        assert report["hits"].get("training", 0) >= 1, "no kill fell between two checkpoints"


@pytest.mark.full
@pytest.mark.parametrize(
    "kind",
    [
        "short",
        "records",
        "minibatch",
        "log",
        "momentum",
        "adam",
        "muon",
        "own",
        *LATE,
        f"{KERNEL}records",
        f"{KERNEL}muon",
        *COMPILED,
    ],
)
def test_two_hundred_kills_change_no_bit(tmp_path, kind):
    report = torture(tmp_path, kind, 50, 11)
    check(report, 50)
    assert len(report["hits"]) >= 3, "the kills fell too much alike"


def test_a_run_killed_after_its_last_checkpoint_can_still_finish(tmp_path):
    from cases import finished

    from workbench.errors import BadInput
    from workbench.record.lock import RunLock
    from workbench.record.store import RunStore
    from workbench.run.session import Session

    session = finished(tmp_path)
    with RunLock(session.folder):
        RunStore.reopen(session.folder).close()
    assert summarize(session.folder).status == "lost"
    again = Session.resume(session.folder)
    again.start()
    assert again.wait(60)
    again.close()
    assert summarize(session.folder).status == "finished"
    with pytest.raises(BadInput, match="finished"):
        Session.resume(session.folder)


def workbench(*arguments: object) -> subprocess.Popen[bytes]:
    """A real `workbench` command, with everything a cold start does."""
    command = [sys.executable, "-m", "commands.main", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT, cwd=ROOT
    )


def test_the_command_itself_survives_kills(tmp_path):
    rng = random.Random(3)
    toml = tmp_path / "killed.toml"
    from e2e.kill_kinds import settings

    toml.write_text(settings("records"))
    whole = workbench("run", toml, "--headless", "--runs-dir", tmp_path / "whole")
    runs = tmp_path / "runs"
    for _ in range(4):
        started = [f for f in list_runs(runs) if (f / "run.h5").exists()]
        arguments = ("resume", started[0].name) if started else ("run", toml)
        child = workbench(*arguments, "--headless", "--runs-dir", runs)
        until = time.monotonic() + 60
        # Sooner is only the interpreter starting: the forked kills cover what comes after.
        while not list_runs(runs) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(rng.random() * (1.0 if not started else 3.0))
        child.send_signal(signal.SIGKILL)
        child.communicate(timeout=60)
        for folder in list_runs(runs):
            assert summarize(folder).status in ("lost", "unreadable", "finished")
    started = [f for f in list_runs(runs) if (f / "run.h5").exists()]
    arguments = ("resume", started[0].name) if started else ("run", toml)
    told = workbench(*arguments, "--headless", "--runs-dir", runs).communicate(timeout=120)[0]
    assert b"finished" in told
    assert whole.wait(120) == 0
    assert whole.stdout is not None
    whole.stdout.close()
    ours = next(f for f in list_runs(runs) if (f / "run.h5").exists())
    theirs = list_runs(tmp_path / "whole")[0]
    with RunReader(ours) as one, RunReader(theirs) as other:
        assert one.series_names() == other.series_names()
        for name in one.series_names():
            assert np.asarray(one.read(name)).tobytes() == np.asarray(other.read(name)).tobytes()
    assert (
        latest_checkpoint(ours).arrays["theta"].tobytes()
        == latest_checkpoint(theirs).arrays["theta"].tobytes()
    )
