"""What a study is going to cost: members, shards, time and bytes, from sizes and a moment of stepping."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

import torch

from workbench.config.study import StudyConfig
from workbench.engine.pace import Pace
from workbench.engine.program import StopFlag
from workbench.run.member_run import MemberRun
from workbench.run.members import members_of
from workbench.study.groups import Group, groups_of
from workbench.study.kept import kept_series
from workbench.study.plan import Plan, ShardPlan, shard_configs
from workbench.study.weight import Weight, jobs_of, weight_of

TRIAL_SECONDS = 1.5
TRIAL_MEMBERS = 64
CHUNK_SECONDS = 0.2
LEAST_SECONDS = 1e-4
"""That a member takes."""


@dataclass(frozen=True)
class Cost:
    """Of the shards that are to be run. `core_seconds`: of one core; `seconds`: with `jobs` shards at a time;
    `file_bytes` on disk when all are done. The last three are estimates, without what `finish` asks."""

    members: int
    shards: int
    jobs: int
    core_seconds: float
    seconds: float
    file_bytes: int
    finish: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for people."""
        jobs = f"{self.jobs} at a time" if self.jobs > 1 else "one at a time"
        more = f"; {' and '.join(self.finish)} at every end come on top" if self.finish else ""
        return (
            f"{self.members:,} member{'s' * (self.members != 1)} in {self.shards:,} "
            f"shard{'s' * (self.shards != 1)}, {jobs}: about {duration(self.seconds)}"
            f" and {_size(self.file_bytes)}{more}"
        )


def cost_of(study: StudyConfig, plan: Plan, shards: Collection[int] | None = None) -> Cost:
    """Of the shards with these numbers, None: of all.

    The first shard's members are stepped for a moment; what others take follows from their sizes.

    Raises:
        BadInput: they cannot be stepped, or `study.keep` names a series that there is not.
    """
    chosen = [shard for shard in plan.shards if shards is None or shard.number in shards]
    jobs = min(jobs_of(study.launcher), max(1, len(chosen)))
    finish = study.study.finish
    if not chosen:
        return Cost(0, 0, jobs, 0.0, 0.0, 0, finish)
    weights = _weights(study, plan)
    first = weights[chosen[0].members[0]]
    pace = trial_seconds(study, plan, chosen[0]) / first.seconds
    each = [len(shard.members) * weights[shard.members[0]].seconds * pace for shard in chosen]
    total = sum(each)
    return Cost(
        sum(len(shard.members) for shard in chosen),
        len(chosen),
        jobs,
        total,
        max(total / jobs, max(each)),
        sum(len(shard.members) * weights[shard.members[0]].file_bytes for shard in chosen),
        finish,
    )


def _weights(study: StudyConfig, plan: Plan) -> dict[int, Weight]:
    """By member, the first of every shard among them."""
    groups: list[Group] = groups_of(study, plan.settings, 0)
    found: dict[int, Weight] = {}
    for group in groups:
        weight = weight_of(group, study.study)
        found.update(dict.fromkeys(group.members.tolist(), weight))
    return found


def trial_seconds(study: StudyConfig, plan: Plan, shard: ShardPlan) -> float:
    """About how long one core takes to bring one member of a shard to its end, from a moment of stepping."""
    few = ShardPlan(shard.number, shard.members[:TRIAL_MEMBERS])
    block = members_of(*shard_configs(study, plan, few))
    have = block.first.panel.shapes()
    run = MemberRun(block, kept_series(study.study.keep, have))
    threads = torch.get_num_threads()
    torch.set_num_threads(block.config.device.threads)
    try:
        return _stepped(run)
    finally:
        torch.set_num_threads(threads)


def _stepped(run: MemberRun) -> float:
    """Seconds to a member's end, records included, at the rate of the chunks after the first."""
    flag = StopFlag()
    run.pace = Pace(CHUNK_SECONDS)
    # The start, and the first few steps, wait for what is not compiled yet.
    run.advance(flag)
    if not run.ended:
        run.advance(flag)
    before, began = _member_steps(run), time.perf_counter()
    while not run.ended and time.perf_counter() - began < TRIAL_SECONDS:
        run.advance(flag)
    steps = _member_steps(run) - before
    # None: so short that it was over at once.
    return (time.perf_counter() - began) / steps * run.steps if steps else LEAST_SECONDS


def _member_steps(run: MemberRun) -> int:
    return sum(run.members.at(member) for member in range(run.members.count))


def duration(seconds: float) -> str:
    """`2 s`, `3 min`, `4.5 h`, `3 days`: as exact as an estimate is."""
    if seconds < 90:
        return f"{max(1, ceil(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return (
                f"{count / size:.2g} {unit}" if count < 100 * size else f"{count // size:,} {unit}"
            )
    return f"{count} bytes"
