"""The [launcher] table: where a study's shards are run, and what is asked for there.

`local` is a pool of worker processes on this machine. On a cluster a *pilot* is a job of the scheduler
that starts workers on its nodes; they take shards until none is left or the pilot's time is over.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workbench.config.section import Count, Natural, Section


def _word(text: str) -> str:
    if re.fullmatch(r"[\w.@:/+=-]*", text) is None:
        raise ValueError("needed is one word, of letters, digits and . _ - @ : / + =")
    return text


def _line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("needed is one line")
    return text


def _walltime(text: str) -> str:
    if re.fullmatch(r"\d{1,4}:[0-5]\d:[0-5]\d", text) is None:
        raise ValueError("needed is hours:minutes:seconds, as 01:30:00")
    return text


Name = Annotated[str, Field(max_length=200), AfterValidator(_word)]
"""A partition, a queue, an account, as it goes into a batch script."""
Line = Annotated[str, Field(max_length=2_000), AfterValidator(_line)]
Walltime = Annotated[str, AfterValidator(_walltime)]
SHORTEST_GRACE, LONGEST_GRACE = 15, 120


def seconds_of(walltime: str) -> int:
    """The seconds of hours:minutes:seconds."""
    hours, minutes, seconds = map(int, walltime.split(":"))
    return 3600 * hours + 60 * minutes + seconds


class LocalTable(Section):
    """Worker processes of this machine."""

    kind: Literal["local"] = "local"
    jobs: Natural = Field(0, description="shards at a time; 0: as many as this machine has cores")

    @property
    def at_once(self) -> int:
        """Shards at a time; 0: as many as this machine has cores."""
        return self.jobs


class _Pilots(Section):
    """What the pilots of every cluster have."""

    pilots: Count = Field(1, description="jobs of the scheduler at a time, at most")
    cores: Count = Field(1, description="cores of a node")
    workers: Natural = Field(
        0, description="worker processes of a node, each with a shard; 0: one a core"
    )
    gpus: Natural = Field(0, description="GPUs of a node; then a worker has one")
    memory: Natural = Field(0, description="GB of a node; 0: what the scheduler gives unasked")
    init: tuple[Line, ...] = Field(
        (), description="shell commands before the workers start, as 'module load python'"
    )
    python: Line = Field("", description="Python on the nodes; empty: the one that runs this")
    address: Name = Field(
        "",
        description="name or address of this machine at which the nodes reach it; "
        "empty: what its host name stands for",
    )

    @property
    def worker_count(self) -> int:
        """Workers of a node."""
        wanted = self.workers or self.cores
        return min(wanted, self.gpus) if self.gpus else wanted

    @property
    def at_once(self) -> int:
        """Shards at a time, at most."""
        return self.pilots * self.worker_count


class _Batch(_Pilots):
    """What the pilots of a batch system have."""

    nodes: Count = Field(1, description="nodes of a pilot")
    walltime: Walltime = Field("01:00:00", description="time of a pilot, hours:minutes:seconds")
    grace: Natural = Field(
        0,
        description="seconds before the end of the walltime at which shards are written and left; "
        f"0: a tenth of the walltime, at least {SHORTEST_GRACE} and at most {LONGEST_GRACE}",
    )
    driver_walltime: Walltime = Field(
        "24:00:00", description="time of the driver's own job, which --detach submits"
    )
    account: Name = ""
    options: tuple[Line, ...] = Field(
        (), description="further lines for the scheduler, as '#SBATCH --constraint=skylake'"
    )

    @property
    def at_once(self) -> int:
        """Shards at a time, at most."""
        return self.pilots * self.nodes * self.worker_count

    @property
    def life(self) -> int:
        """Seconds after a pilot's start at which its shards are written and left."""
        seconds = seconds_of(self.walltime)
        grace = self.grace or min(max(seconds // 10, SHORTEST_GRACE), LONGEST_GRACE)
        return max(seconds - grace, 1)


class SlurmTable(_Batch):
    """Jobs of Slurm."""

    kind: Literal["slurm"]
    partition: Name = ""
    qos: Name = ""
    exclusive: bool = Field(False, description="nodes that no other job shares")


class PbsTable(_Batch):
    """Jobs of PBS Pro or OpenPBS."""

    kind: Literal["pbs"]
    queue: Name = ""


class LsfTable(_Batch):
    """Jobs of IBM's LSF."""

    kind: Literal["lsf"]
    queue: Name = ""


class KubernetesTable(_Pilots):
    """Pods of Kubernetes, of an image with the workbench; the study's folder lies where it lies here."""

    kind: Literal["kubernetes"]
    image: Annotated[Line, Field(min_length=1)]
    namespace: Name = "default"
    volumes: dict[Name, Line] = Field(
        {}, description="where persistent volumes are mounted, by the name of their claim"
    )
    service_account: Name = ""
    secret: Name = Field("", description="the secret with which the image is pulled")


BatchTable = SlurmTable | PbsTable | LsfTable
ClusterTable = BatchTable | KubernetesTable
LauncherTable = Annotated[LocalTable | ClusterTable, Field(discriminator="kind")]
KINDS = ("local", "slurm", "pbs", "lsf", "kubernetes")
