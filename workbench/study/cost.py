"""What a study is going to cost: members, shards, time and bytes, from sizes and a moment of stepping."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from math import ceil, inf

import torch

from workbench.config.study import StudyConfig, member_config
from workbench.engine.pace import Pace
from workbench.engine.program import StopFlag
from workbench.engine.schedule import RecordSchedule
from workbench.errors import BadInput
from workbench.run.member_run import MemberRun
from workbench.study.groups import Group, groups_of
from workbench.study.kept import kept_series
from workbench.study.plan import Plan, ShardPlan
from workbench.study.shard_run import ShardMember, ShardRun
from workbench.study.weight import Weight, jobs_of, log_records, weight_of

TRIAL_SECONDS = 1.5
TRIAL_MEMBERS = 64
STEP_SECONDS = 0.02
"""That a step of all of them takes."""
CHUNK_SECONDS = 0.2
LEAST_SECONDS = 1e-4
"""That a member takes."""


@dataclass(frozen=True)
class Cost:
    """Of the shards that are to be run. `core_seconds`: of one core; `seconds`: with `jobs` shards at a time;
    `file_bytes` on disk when all are done. The last three are estimates, with `saddles` a member that are
    looked into: the origin's, where there is one. What is met beyond comes on top."""

    members: int
    shards: int
    jobs: int
    core_seconds: float
    seconds: float
    file_bytes: int
    saddles: int = 0
    finish: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for people."""
        jobs = f"{self.jobs} at a time" if self.jobs > 1 else "one at a time"
        each = " with a saddle each" if self.saddles else ""
        more = f"; {' and '.join(self.finish)} at every end come on top" if self.finish else ""
        return (
            f"{self.members:,} member{'s' * (self.members != 1)} in {self.shards:,} "
            f"shard{'s' * (self.shards != 1)}, {jobs}: about {duration(self.seconds)}"
            f"{each} and {_size(self.file_bytes)}{more}"
        )


def cost_of(study: StudyConfig, plan: Plan, shards: Collection[int] | None = None) -> Cost:
    """Of the shards with these numbers, None: of all.

    The first shard's members are stepped for a moment, and one of them is looked into; what others take
    follows from their sizes.

    Raises:
        BadInput: they cannot be stepped, or `study.keep` names a series that there is not.
    """
    chosen = [shard for shard in plan.shards if shards is None or shard.number in shards]
    jobs = min(jobs_of(study.launcher), max(1, len(chosen)))
    finish = study.study.finish
    if not chosen:
        return Cost(0, 0, jobs, 0.0, 0.0, 0, finish=finish)
    weights = _weights(study, plan)
    first = weights[chosen[0].members[0]]
    trial = trial_of(study, plan, chosen[0], first)
    pace = trial.steps_seconds / first.seconds
    each = [
        len(shard.members) * (weights[shard.members[0]].seconds * pace + trial.look_seconds)
        for shard in chosen
    ]
    total = sum(each)
    return Cost(
        sum(len(shard.members) for shard in chosen),
        len(chosen),
        jobs,
        total,
        max(total / jobs, max(each)),
        sum(len(shard.members) * weights[shard.members[0]].file_bytes for shard in chosen),
        trial.saddles,
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


@dataclass(frozen=True)
class Trial:
    """Of one member, on one core: about how long its steps and records take, to the end of all, and how long
    looking into its `saddles`, 1 where the origin is one, else 0."""

    steps_seconds: float
    look_seconds: float
    saddles: int


def trial_of(study: StudyConfig, plan: Plan, shard: ShardPlan, weight: Weight) -> Trial:
    """What a member of a shard takes, from a moment of its steps and records, and a look at its start;
    `weight`: of such a member."""
    steps = max(1, member_config(study, plan.settings[shard.members[0]]).train.steps)
    few = min(TRIAL_MEMBERS, max(1, int(STEP_SECONDS * steps / weight.seconds)))
    found = ShardRun(
        [
            ShardMember(k, plan.settings[k], member_config(study, plan.settings[k], f"member {k}"))
            for k in shard.members[:few]
        ],
        study.study,
    )
    if found.block is None:
        number, reason = next(iter(found.broken.items()))
        raise BadInput(f"member {shard.members[number]}: {reason}")
    kept_series(study.study.keep, found.block.first.panel.shapes())
    threads = torch.get_num_threads()
    torch.set_num_threads(found.block.config.device.threads)
    try:
        at_origin = found.watching.watches[0].log_risk_zero is not None
        looking = _look_seconds(found) if at_origin else 0.0
        # Saddles come when they come: a moment says nothing of how many.
        found.run.observe = None
        return Trial(_tried(found.run) / found.block.count, looking, int(at_origin))
    finally:
        torch.set_num_threads(threads)


def _look_seconds(found: ShardRun) -> float:
    """What a verdict on a member's start and a look into it take; the first one, which also loads and
    compiles, counts only where it is all that there is time for."""
    questions, members = found.watching.questions, found.run.members
    theta = members.theta[0].detach().cpu().double().numpy().copy()
    took = inf
    for _ in range(2):
        began = time.perf_counter()
        try:
            questions.saddle(0, theta, 0)
            questions.look(0, theta, 0, 0.0, float("nan"))
        except Exception:  # noqa: BLE001  (a member that cannot be looked into says so when it is run)
            return 0.0
        took = min(took, time.perf_counter() - began)
        if took > TRIAL_SECONDS:
            break
    return took


def _tried(run: MemberRun) -> float:
    """Seconds to the end of all its members: so many steps and so many records, at what one of each takes."""
    flag, members = StopFlag(), run.members
    run.pace = Pace(CHUNK_SECONDS)
    # The start, and the first few steps, wait for what is not compiled yet.
    run.advance(flag)
    if not run.ended:
        run.advance(flag)
    spent, took, steps, records = 0.0, 0.0, 0, 0
    while not run.ended and spent < TRIAL_SECONDS / 2:
        step, began = members.step, time.perf_counter()
        run.advance(flag)
        passed = time.perf_counter() - began
        spent += passed
        found = _records(run.schedule, members.step) - _records(run.schedule, step)
        if found:
            # The last one is the longest: what beginning it costs is spread as in a shard.
            took, steps, records = passed, members.step - step, found
    if run.ended or not steps:
        return max(spent / max(1, members.step) * run.steps, LEAST_SECONDS * members.count)
    a_step = _a_step(run, flag)
    a_record = max(0.0, took - a_step * steps) / records
    return a_step * run.steps + a_record * _records(run.schedule, run.steps)


def _a_step(run: MemberRun, flag: StopFlag) -> float:
    """Seconds that one step of all members takes, without a record."""
    members, count, spent, a_step = run.members, 1, 0.0, 0.0
    while spent < TRIAL_SECONDS / 2 and members.going.any():
        began = time.perf_counter()
        taken = run.program.run_chunk(members, members.step, 1, count, None, flag)
        took = time.perf_counter() - began
        spent, a_step = spent + took, took / max(1, taken)
        count = min(4 * count, max(1, int(CHUNK_SECONDS / max(a_step, 1e-9))))
    return a_step


def _records(schedule: RecordSchedule, steps: int) -> int:
    """How many records there are up to a step, the start's left out; about, where they are spaced in log."""
    return log_records(steps) if schedule.every == "log" else steps // int(schedule.every)


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
