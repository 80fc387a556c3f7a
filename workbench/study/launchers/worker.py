"""One shard in a worker of a pilot; what came of it goes back to the driver as plain values."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from workbench.study.launchers.launcher import Ended, Report, raised
from workbench.study.launchers.pilot import shard_in_hand

PILOT = "PARSL_WORKER_POOL_ID"
"""The environment's name for what Parsl calls the worker's pool."""


@dataclass(frozen=True)
class Left:
    """The shard is written and left, as the pilot ends; `begun`: whether it was run at all."""

    number: int
    pilot: str
    begun: bool


def run_here(folder: str, number: int) -> Report | Left:
    """Run a shard, or leave it written as it has come when the pilot ends."""
    from workbench.engine.program import StopFlag
    from workbench.study.shard import run_shard

    flag, pilot = StopFlag(), os.environ.get(PILOT, "")

    def leave() -> None:
        flag.raised = True

    with shard_in_hand(leave) as welcome:
        if not welcome:
            return Left(number, pilot, begun=False)
        try:
            end = run_shard(Path(folder), number, stop_flag=flag)
        except Exception as error:  # noqa: BLE001  (the driver is told, in plain values)
            return raised(number, error)
    return Left(number, pilot, begun=True) if end.stopped else Ended(number)
