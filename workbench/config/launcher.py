"""The [launcher] table: where a study's shards are run, and how many at a time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.config.section import Natural, Section


class LauncherTable(Section):
    """Who runs the shards. `local`: worker processes of this machine."""

    kind: Literal["local", "slurm", "pbs", "lsf", "kubernetes"] = "local"
    jobs: Natural = Field(0, description="shards at a time; 0: as many as this machine has cores")
