"""M members stepped to their end, with chosen series of all of them: what studies are made of.

found = run_members(config, [{"init.seed": k} for k in range(1000)], series=("log_risk", "rho"))
found.series["log_risk"]      # (T, M)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from workbench.arrays import Array, Float, Int
from workbench.config.run import RunConfig
from workbench.engine.member_rows import MemberBuffer, MemberRows
from workbench.engine.pace import Pace
from workbench.engine.program import StopFlag
from workbench.engine.schedule import RecordSchedule
from workbench.errors import BadInput
from workbench.protocol.status import RunStatus
from workbench.run.member_series import RISK, MemberSeries
from workbench.run.members import MemberBlock, members_of

BUFFER_BYTES = 128 * 2**20
MOST_RECORDS = 512
CHUNK_SECONDS = 1.0
"""How long a chunk is to take, at least: how often progress is told, and how soon a block stops."""
MEMBER_SECONDS = 5e-3
"""How long one member is to be stepped in one go: beginning it costs up to 1e−4 s."""
MEMBERS, SERIES, STEPS = "members/", "series/", "recorded_steps"
"""In what is kept to go on from: prefixes of the members' state and of the series; the records' steps."""


@dataclass(frozen=True, eq=False)
class MemberRecords:
    """What members came to. T records, the same steps for all of them.

    `step` (T); `series`, (T, M, …) by name, NaN where a member has come to rest before; `last`, (M, …) by
    name, at the step where each one is, `last_step` (M), and `theta` (M, P) there; `status` (M): finished,
    stalled, diverged, or running where the block was stopped.
    """

    step: Int[np.ndarray, " T"]
    series: Mapping[str, Float[np.ndarray, "T M ..."]]
    last: Mapping[str, Float[np.ndarray, "M ..."]]
    last_step: Int[np.ndarray, " M"]
    status: tuple[RunStatus, ...]
    theta: Float[np.ndarray, "M P"]


class MemberRun:
    """A block of members being trained: `advance` takes a chunk of steps, until `ended`.

    `every`: steps between records, or "log"; None: as the configuration says. How steps fall into chunks,
    where it was stopped, and `to_arrays` and `load` change no bit of anything.
    """

    def __init__(
        self,
        block: MemberBlock,
        series: Collection[str] = (RISK,),
        every: int | Literal["log"] | None = None,
    ) -> None:
        self.block, self.members, self.program = block, block.members, block.program
        self.series = MemberSeries(block, series)
        self.steps = block.config.train.steps
        self.schedule = RecordSchedule(block.config.record.every if every is None else every)
        threads = block.config.device.threads
        self.pace = Pace(max(CHUNK_SECONDS, MEMBER_SECONDS * block.count / threads))
        shape = block.first.output_shape
        each = (2 * self.members.theta.shape[1] + int(np.prod(shape)) + 8) * block.count
        capacity = int(np.clip(BUFFER_BYTES // (8 * each), 1, MOST_RECORDS))
        theta, parts = self.members.theta, self.series.parts
        self.buffer = MemberBuffer(capacity, theta, shape, parts)
        self.spare = MemberBuffer(1, theta, shape, parts)
        self._steps: list[int] = []
        self._tables: dict[str, list[Array]] = {name: [] for name in self.series.names}

    @property
    def ended(self) -> bool:
        """Whether no member has a step left to take."""
        return bool(self._steps) and (
            self.members.step >= self.steps or not bool(self.members.going.any())
        )

    def advance(self, stop_flag: StopFlag, limit: int | None = None) -> None:
        """The next chunk of steps and its records, up to step `limit`; the first call records the start."""
        members = self.members
        if not self._steps:
            self.program.evaluate(members, self.spare)
            self._keep(self.spare.take(), [members.step])
            return
        step = members.step
        end = self.steps if limit is None else min(limit, self.steps)
        records, every, recorded = self.schedule.segment(
            step, end, self.pace.chunk_steps(end - step)
        )
        records = min(records, self.buffer.capacity)
        began = time.perf_counter()
        taken = self.program.run_chunk(
            members, step, records, every, self.buffer if recorded else None, stop_flag
        )
        if recorded:
            self._keep(self.buffer.take(), range(step + every, step + taken + 1, every))
        if not members.going.any():
            # Where the chunk ended, which nobody reached, is the clock's.
            members.step = int(members.rest_step.max())
        self.pace.took(taken, time.perf_counter() - began)

    def _keep(self, found: MemberRows, steps: Sequence[int]) -> None:
        """Keep the series of a chunk's records, up to where a member has diverged."""
        tables = self.series.compute(found)
        finite = found.table(np.isfinite(found.rows.theta).all(axis=1).astype(float))
        bad = (finite == 0.0) | ~((tables[RISK] < np.inf) | np.isnan(finite))
        for k in np.flatnonzero(bad.any(axis=0)):
            first = int(np.argmax(bad[:, k]))
            self._diverged(found, int(k), first)
            for table in tables.values():
                table[first + 1 :, k] = np.nan
        going, rest = self.members.going, self.members.rest_step
        reached = [step for step in steps if going.any() or step <= rest.max()]
        self._steps += reached
        for name, kept in self._tables.items():
            kept.append(tables[name][: len(reached)])

    def _diverged(self, found: MemberRows, member: int, record: int) -> None:
        """Put a member to rest at the record where its risk or a weight is no longer finite."""
        row = int(np.flatnonzero((found.member == member) & (found.record == record))[0])
        self.members.fall_back(member, found.rows, row)

    def result(self) -> MemberRecords:
        """What there is by now."""
        members = self.members
        self.program.evaluate(members, self.spare)
        tables = self.series.compute(self.spare.take())
        done = members.step >= self.steps
        status = tuple(
            RunStatus.FINISHED
            if done and members.status(k) is RunStatus.RUNNING
            else members.status(k)
            for k in range(members.count)
        )
        return MemberRecords(
            step=np.array(self._steps, dtype=np.int64),
            series={name: self._joined(name) for name in self._tables},
            last={name: tables[name][0] for name in self.series.names},
            last_step=np.array([members.at(k) for k in range(members.count)]),
            status=status,
            theta=members.theta.detach().cpu().double().numpy().copy(),
        )

    def _joined(self, name: str) -> Array:
        """A series so far, (T, M, …)."""
        if not self._tables[name]:
            return np.empty((0, self.members.count, *self.series.shapes[name]))
        return np.concatenate(self._tables[name])

    def to_arrays(self) -> dict[str, Array]:
        """The members and their records so far, to go on from."""
        return {
            **{f"{MEMBERS}{name}": array for name, array in self.members.to_arrays().items()},
            STEPS: np.array(self._steps, dtype=np.int64),
            **{f"{SERIES}{name}": self._joined(name) for name in self._tables},
        }

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `to_arrays` gave.

        Raises:
            BadInput: it is of other members, or has other series.
        """
        have = {n.removeprefix(SERIES) for n in arrays if n.startswith(SERIES)}
        if have != set(self._tables):
            raise BadInput(
                f"what was kept has the series {', '.join(sorted(have))}, and asked for are "
                f"{', '.join(sorted(self._tables))}; a block goes on with the series it began with."
            )
        mine = {n.removeprefix(MEMBERS): a for n, a in arrays.items() if n.startswith(MEMBERS)}
        try:
            self.members.load(mine)
        except (KeyError, ValueError) as error:
            raise BadInput(f"what was kept is not of these members: {error}.") from error
        self._steps = [int(step) for step in arrays[STEPS]]
        self._tables = {name: [np.array(arrays[f"{SERIES}{name}"])] for name in self._tables}


def run_members(
    config: RunConfig,
    overrides: Sequence[Mapping[str, Any]],
    *,
    series: Collection[str] = (RISK,),
    every: int | Literal["log"] | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop_flag: StopFlag | None = None,
    checkpoint: Callable[[dict[str, Array]], None] | None = None,
    kept: Mapping[str, Array] | None = None,
) -> MemberRecords:
    """Train M members of a configuration to their end, or until the stop flag is raised.

    Args:
        overrides: of each member, values by key, as {"init.seed": 3, "train.lr": 1e-3}.
        series: names of those that are kept, any that a run of the configuration records.
        every: steps between records, or "log"; None: as the configuration says.
        progress: told (step, members who go on) after every chunk.
        checkpoint: given, every `checkpoint.every` steps and where it was stopped, arrays to go on from.
        kept: such arrays.

    Raises:
        BadInput: a key does not fit, members differ where they may not, or there is no such series.
    """
    run = MemberRun(members_of(config, overrides), series, every)
    if kept is not None:
        run.load(kept)
    flag = stop_flag or StopFlag()
    threads = torch.get_num_threads()
    torch.set_num_threads(config.device.threads)
    try:
        while not run.ended and not flag.raised:
            due = (run.members.step // config.checkpoint.every + 1) * config.checkpoint.every
            run.advance(flag, due)
            if progress is not None:
                progress(run.members.step, int(run.members.going.sum()))
            if checkpoint is not None and run.members.step == due and not run.ended:
                checkpoint(run.to_arrays())
    finally:
        torch.set_num_threads(threads)
    if checkpoint is not None and flag.raised:
        checkpoint(run.to_arrays())
    return run.result()
