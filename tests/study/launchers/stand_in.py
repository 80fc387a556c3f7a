"""A shard of a study as a launcher sees one: claimed, gone on with from its file, left when it is told to."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from workbench.record.lock import RunLock
from workbench.record.subject import shard_subject
from workbench.study.launchers.launcher import Ended, Report
from workbench.study.launchers.pilot import shard_in_hand
from workbench.study.launchers.worker import PILOT, Left

STEPS = 100
SECONDS = 0.01


def shards_of(study: Path) -> Path:
    """The folder of the shards."""
    return study / "shards"


def stand(study: Path, number: int) -> int:
    """How many steps a shard has come."""
    path = shards_of(study) / f"{number:04d}.h5"
    return int(path.read_text()) if path.exists() else 0


def starts(study: Path, number: int) -> list[list[str]]:
    """Step, process and host of every start of a shard."""
    path = shards_of(study) / f"{number:04d}.starts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def run_here(folder: str, number: int) -> Report | Left:
    """Steps of a hundredth of a second, or as many as `study.toml` says; its words: `kill N`, `raise N`."""
    study = Path(folder)
    settings = dict(line.split() for line in (study / "study.toml").read_text().splitlines())
    steps, seconds = int(settings.get("steps", STEPS)), float(settings.get("seconds", SECONDS))
    told: list[bool] = []
    pilot = os.environ.get(PILOT, "")
    with (
        shard_in_hand(lambda: told.append(True)) as welcome,
        RunLock(shards_of(study), subject=shard_subject(number)),
    ):
        if not welcome:
            return Left(number, pilot, begun=False)
        step = stand(study, number)
        with (shards_of(study) / f"{number:04d}.starts").open("a") as log:
            log.write(f"{step} {os.getpid()} {os.uname().nodename}\n")
        if settings.get("raise") == str(number):
            raise ValueError("a shard that cannot be run")
        while step < steps and not told:
            time.sleep(seconds)
            step += 1
            if settings.get("kill") == str(number) and step == steps // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            written = shards_of(study) / f".{number:04d}.tmp"
            written.write_text(str(step))
            written.replace(shards_of(study) / f"{number:04d}.h5")
    return Ended(number) if step == steps else Left(number, pilot, begun=True)
