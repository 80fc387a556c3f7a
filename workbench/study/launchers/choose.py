"""The launcher that a study's [launcher] names."""

from __future__ import annotations

from pathlib import Path

from workbench.config.launcher import LauncherTable, LocalTable
from workbench.errors import BadInput
from workbench.study.launchers.launcher import Launcher
from workbench.study.launchers.local import LocalLauncher
from workbench.study.weight import jobs_of


def launcher_of(table: LauncherTable, folder: Path, jobs: int = 0) -> Launcher:
    """What runs the shards of the study in `folder`, up to `jobs` at a time; 0: as many as the table says.

    Raises:
        BadInput: `jobs` is given for a cluster, where the table says how much runs at a time.
    """
    if isinstance(table, LocalTable):
        return LocalLauncher(folder, jobs or jobs_of(table))
    if jobs:
        raise BadInput(
            f"--jobs is for worker processes of this machine, and launcher.kind is '{table.kind}'; how much "
            "it runs at a time say launcher.pilots, launcher.nodes and launcher.workers in study.toml."
        )
    from workbench.study.launchers.parsl import ParslLauncher

    return ParslLauncher(folder, table)


def require_launcher(table: LauncherTable, *, detached: bool = False) -> None:
    """Refuse what could run no shard from here; `detached`: the driver is to be a job of the cluster, too.

    Raises:
        BadInput: what it needs is not installed, or the scheduler knows no such partition or queue.
    """
    if isinstance(table, LocalTable):
        return
    from workbench.study.launchers.parsl import require_parsl
    from workbench.study.launchers.schedulers import require_scheduler

    require_parsl(table.kind)
    require_scheduler(table, detached=detached)
