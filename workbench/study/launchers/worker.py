"""One shard in a worker of a pilot; what came of it goes back as a plain report."""

from __future__ import annotations

from pathlib import Path

from workbench.study.launchers.launcher import Ended, Report
from workbench.study.launchers.pilot import shard_in_hand


def run_here(folder: str, number: int) -> Report:
    """Run a shard, or leave it written as it has come when the pilot ends."""
    from workbench.engine.program import StopFlag
    from workbench.study.shard import run_shard

    flag = StopFlag()

    def leave() -> None:
        flag.raised = True

    with shard_in_hand(leave):
        run_shard(Path(folder), number, stop_flag=flag, progress=None)
    return Ended(number, stopped=flag.raised)
