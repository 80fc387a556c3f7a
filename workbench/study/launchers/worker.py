"""One shard in a worker of a pilot; what came of it goes back to the driver as plain values."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from workbench.study.launchers.launcher import Ended, Report, raised
from workbench.study.launchers.pilot import shard_in_hand

PILOT = "PARSL_WORKER_POOL_ID"
"""The environment's name for what Parsl calls the worker's pool."""
PAUSE = 0.3
"""Seconds before an ending pilot gives a shard back, so that it does not go through all that wait."""


@dataclass(frozen=True)
class Left:
    """The shard is written and left, as the pilot ends. `steps`: of its members together that were taken
    here; None: it was not begun, as the pilot was ending already."""

    number: int
    pilot: str
    steps: int | None


def run_here(folder: str, number: int) -> Report | Left:
    """Run a shard, or leave it written as it has come when the pilot ends."""
    from workbench.engine.program import StopFlag
    from workbench.study.shard import ShardProgress, run_shard

    flag, pilot = StopFlag(), os.environ.get(PILOT, "")

    def leave() -> None:
        flag.raised = True

    done: list[int] = []

    def progress(found: ShardProgress) -> None:
        done[:] = [*done[:1], found.member_steps]

    with shard_in_hand(leave) as welcome:
        if welcome:
            try:
                end = run_shard(Path(folder), number, stop_flag=flag, progress=progress)
            except Exception as error:  # noqa: BLE001  (the driver is told, in plain values)
                return raised(number, error)
            return (
                Left(number, pilot, done[-1] - done[0] if done else 0)
                if end.stopped
                else Ended(number)
            )
    time.sleep(PAUSE)
    return Left(number, pilot, None)
