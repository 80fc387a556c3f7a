"""What a member of a group weighs, reckoned before anything is run, and how many of them a shard takes.

It follows from sizes, never from a clock, so that the same study is cut the same way.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil, log10

from workbench.config.launcher import LauncherTable
from workbench.config.study import StudyTable
from workbench.engine.schedule import PER_DECADE
from workbench.measures.panel import WIDE_DIRECTIONS, WIDE_SAMPLES
from workbench.models.structure import Structure
from workbench.run.experiment import require_samples
from workbench.run.network import network_of
from workbench.run.record_every import RECORDS
from workbench.study.groups import Group

RATE = 4e9
"""Multiplications and additions of one core in a second."""
STEP_SECONDS = 1e-6
"""Of a step beside these."""
RECORD_SECONDS = 2e-5
SHARD_SECONDS, LEAST_SECONDS = 60.0, 5.0
"""How long a shard is to take, and at least, where more shards would serve more jobs."""
SHARDS_A_JOB = 4
"""Or more, so that no job waits long for the last."""
SHARD_BYTES = 32 * 10**6
STATE_COPIES = 8
"""θ of a member in memory and in the file while it runs: the state, its rows, what is being written."""
STATE_BYTES = 256 * 2**20
MEMBER_BYTES = 2_000
"""Of a member's outcome beside series and θ."""
MOST_MEMBERS = 4_096


@dataclass(frozen=True)
class Weight:
    """Of one member: `seconds` on one core, `file_bytes` when it is done, `state_bytes` while it runs."""

    seconds: float
    file_bytes: int
    state_bytes: int


def weight_of(group: Group, study: StudyTable) -> Weight:
    """Of a member of the group.

    Raises:
        BadInput: the network, the loss or the batches do not fit the samples.
    """
    config, dataset = group.config, group.dataset
    require_samples(config, dataset)
    network = network_of(config, dataset)
    size, train = network.structure.size, config.train
    samples = train.batch or dataset.n
    every = config.record.every
    records = train.steps // every if isinstance(every, int) else min(train.steps, RECORDS)
    seconds = train.steps * (STEP_SECONDS + 6.0 * size * samples / RATE)
    seconds += records * (RECORD_SECONDS + 2.0 * size * dataset.n / RATE)
    kept = records if study.records == "all" and every != "log" else log_records(train.steps)
    numbers = sum(_numbers(name, network.structure, dataset.n, dataset.d) for name in study.keep)
    return Weight(
        seconds,
        8 * (numbers * (min(kept, records) + 1) + (size if study.theta else 0)) + MEMBER_BYTES,
        8 * STATE_COPIES * size,
    )


def log_records(steps: int) -> int:
    """How many of `steps` steps are kept, about 50 a decade."""
    return min(steps, PER_DECADE) + ceil(PER_DECADE * log10(max(1.0, steps / PER_DECADE)))


def _numbers(name: str, structure: Structure, n: int, d: int) -> int:
    """Of one record of a series, at most about."""
    rows = structure.neurons and structure.parameter(structure.neurons.incoming).shape[0]
    neurons = min(rows or 0, WIDE_DIRECTIONS)
    wide = {
        "theta": structure.size,
        "margins": min(n, WIDE_SAMPLES),
        "neuron_norm": neurons,
        "neuron_angle": neurons,
        "neuron_direction": neurons * d,
    }
    return wide.get(name, len(structure.layers) if name.startswith("layer_") else 1)


def members_a_shard(weight: Weight, count: int, study: StudyTable, launcher: LauncherTable) -> int:
    """How many of `count` members of a group one shard takes."""
    if study.members != "auto":
        return study.members
    total = count * weight.seconds
    shards = max(
        ceil(total / SHARD_SECONDS),
        min(SHARDS_A_JOB * jobs_of(launcher), ceil(total / LEAST_SECONDS)),
        ceil(count * weight.file_bytes / SHARD_BYTES),
        ceil(count * weight.state_bytes / STATE_BYTES),
        ceil(count / MOST_MEMBERS),
        1,
    )
    return ceil(count / min(shards, count))


def jobs_of(launcher: LauncherTable) -> int:
    """Shards at a time; by default one a core that this process may use."""
    return launcher.at_once or len(os.sched_getaffinity(0))
