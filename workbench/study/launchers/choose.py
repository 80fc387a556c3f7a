"""The launcher that a study's [launcher] names."""

from __future__ import annotations

from pathlib import Path

from workbench.config.launcher import LauncherTable
from workbench.study.launchers.launcher import Launcher
from workbench.study.launchers.local import LocalLauncher
from workbench.study.weight import jobs_of


def launcher_of(table: LauncherTable, folder: Path, jobs: int = 0) -> Launcher:
    """What runs the shards of the study in `folder`, up to `jobs` at a time; 0: as many as the table says."""
    return LocalLauncher(folder, jobs or jobs_of(table))
