"""A shard as a launcher sees one, without a study: claimed, gone on with from its file, left when told to."""

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


def made(place: Path, seconds: float = 0.01, kill: int = -1, fail: int = -1) -> Path:
    """A folder of shards that take so long a step; `kill` ends its process half-way, `fail` raises."""
    (place / "shards").mkdir(parents=True)
    (place / "settings").write_text(f"{seconds} {kill} {fail}")
    return place


def stand(study: Path, number: int) -> int:
    """How many steps a shard has come."""
    path = study / "shards" / f"{number:04d}.h5"
    return int(path.read_text()) if path.exists() else 0


def starts(study: Path, number: int) -> list[tuple[int, int]]:
    """Step and process of every start of a shard."""
    path = study / "shards" / f"{number:04d}.starts"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(step), int(pid)) for step, pid in (line.split() for line in lines)]


def run_here(folder: str, number: int) -> Report | Left:
    """What a worker calls."""
    study, told = Path(folder), list[bool]()
    seconds, kill, fail = (float(word) for word in (study / "settings").read_text().split())
    pilot, shards = os.environ.get(PILOT, ""), study / "shards"
    with (
        shard_in_hand(lambda: told.append(True)) as welcome,
        RunLock(shards, subject=shard_subject(number)),
    ):
        if not welcome:
            return Left(number, pilot, None)
        first = step = stand(study, number)
        with (shards / f"{number:04d}.starts").open("a") as log:
            log.write(f"{step} {os.getpid()}\n")
        if number == fail:
            raise ValueError("a shard that cannot be run")
        while step < STEPS and not told:
            time.sleep(seconds)
            step += 1
            if number == kill and step == STEPS // 2:
                os.kill(os.getpid(), signal.SIGKILL)
            (shards / f".{number:04d}.tmp").write_text(str(step))
            (shards / f".{number:04d}.tmp").replace(shards / f"{number:04d}.h5")
    return Ended(number) if step == STEPS else Left(number, pilot, step - first)
