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
from workbench.engine.members import ENDINGS, MemberEnding
from workbench.engine.pace import Pace
from workbench.engine.program import StopFlag
from workbench.engine.schedule import RecordSchedule
from workbench.errors import BadInput
from workbench.protocol.status import RunStatus
from workbench.run.member_series import RISK, Fault, MemberSeries, said
from workbench.run.members import MemberBlock, members_of

BUFFER_BYTES = 128 * 2**20
MOST_RECORDS = 512
CHUNK_SECONDS = 1.0
"""How long a chunk is to take, at least: how often progress is told, and how soon a block stops."""
MEMBER_SECONDS = 5e-3
"""How long one member is to be stepped in one go: beginning it costs up to 1e−4 s."""
MEMBERS, SERIES, STEPS = "members/", "series/", "recorded_steps"
"""In what is kept to go on from: prefixes of the members' state and of the series; the records' steps."""


def kept_steps(schedule: RecordSchedule, steps: int) -> frozenset[int]:
    """Of the recorded steps those that are kept: about 50 a decade of records, the first and the last."""
    if schedule.every == "log":
        every, thin = 1, schedule
    else:
        every, thin = int(schedule.every), RecordSchedule("log")
    last = steps // every
    found, place = {0, last}, 0
    while (place := thin.after(place)) <= last:
        found.add(place)
    return frozenset(every * place for place in found)


@dataclass(frozen=True, eq=False)
class MemberRecords:
    """What members came to. T records, the same steps for all of them.

    `step` (T); `series`, (T, M, …) by name, NaN where a member has come to rest before; `last`, (M, …) by
    name, at the step where each one is, NaN for one that failed, `last_step` (M), and `theta` (M, P) there;
    `status` (M): finished, stalled, diverged, failed, or running where the block was stopped.
    """

    step: Int[np.ndarray, " T"]
    series: Mapping[str, Float[np.ndarray, "T M ..."]]
    last: Mapping[str, Float[np.ndarray, "M ..."]]
    last_step: Int[np.ndarray, " M"]
    status: tuple[RunStatus, ...]
    theta: Float[np.ndarray, "M P"]


Observe = Callable[[MemberRows, Mapping[str, Array], Int[np.ndarray, " M"]], Mapping[int, Fault]]
"""(rows, series (R, M, …) by name, how many rows of each member stand) of the records of a chunk -> the
members who failed there."""


class MemberRun:
    """A block of members being trained: `advance` takes a chunk of steps, until `ended`.

    `every`: steps between records, or "log"; None: as the configuration says. `thinned`: of the records about
    50 a decade are kept, and the last. `observe` is told of all, with the series `watched` besides those
    that are kept; `last` names what `result` has of where each one is, all those that are measured if it
    names none. How steps fall into chunks, where it was stopped, and `to_arrays` and `load` change no bit of
    anything.

    A member whose step rule, network or measure raises fails alone, at the last record before: `reasons`
    says why, by member. Where all are stepped as one, and raise as one, all do.
    """

    def __init__(
        self,
        block: MemberBlock,
        series: Collection[str] = (RISK,),
        every: int | Literal["log"] | None = None,
        *,
        watched: Collection[str] = (),
        last: Collection[str] = (),
        thinned: bool = False,
        observe: Observe | None = None,
    ) -> None:
        self.block, self.members, self.program = block, block.members, block.program
        self.series = MemberSeries(block, (*series, *watched))
        self.last = MemberSeries(block, last) if last else self.series
        self.observe = observe
        self.reasons: dict[int, str] = {}
        self.steps = block.config.train.steps
        self.schedule = RecordSchedule(block.config.record.every if every is None else every)
        self._kept = kept_steps(self.schedule, self.steps) if thinned else None
        threads = block.config.device.threads
        self.pace = Pace(max(CHUNK_SECONDS, MEMBER_SECONDS * block.count / threads))
        shape = block.first.output_shape
        each = (2 * self.members.theta.shape[1] + int(np.prod(shape)) + 8) * block.count
        capacity = int(np.clip(BUFFER_BYTES // (8 * each), 1, MOST_RECORDS))
        theta, parts = self.members.theta, self.series.parts
        self.buffer = MemberBuffer(capacity, theta, shape, parts)
        self.spare = MemberBuffer(1, theta, shape, parts)
        self._steps: list[int] = []
        self._tables: dict[str, list[Array]] = {name: [] for name in dict.fromkeys(series)}
        self._due: dict[int, Fault] = {}

    @property
    def ended(self) -> bool:
        """Whether no member has a step left to take."""
        return bool(self._steps) and (
            self.members.step >= self.steps or not bool(self.members.going.any())
        )

    def advance(self, stop_flag: StopFlag, limit: int | None = None) -> None:
        """The next chunk of steps and its records, up to step `limit`; the first call records the start."""
        members = self.members
        self._end_due()
        if not self._steps:
            self._fail_here(self._evaluate())
            self._keep(self.spare.take(), [members.step])
            return
        step = members.step
        end = min([self.steps if limit is None else limit, self.steps, *self._due_steps()])
        records, every, recorded = self.schedule.segment(
            step, end, self.pace.chunk_steps(end - step)
        )
        records = min(records, self.buffer.capacity)
        began, before = time.perf_counter(), members.to_arrays()
        try:
            taken = self.program.run_chunk(
                members, step, records, every, self.buffer if recorded else None, stop_flag
            )
        except Exception as error:  # noqa: BLE001  (somebody's own code must cost one member only)
            self._look_for_faults(before, step + records * every, error)
            return
        if recorded:
            self._keep(self.buffer.take(), range(step + every, step + taken + 1, every))
        if not members.going.any():
            # Where the chunk ended, which nobody reached, is the clock's.
            members.step = int(members.rest_step.max())
        self.pace.took(taken, time.perf_counter() - began)

    def _keep(self, found: MemberRows, steps: Sequence[int]) -> None:
        """Keep the series of a chunk's records, up to where a member has diverged or failed."""
        tables, faults = self.series.compute_apart(found)
        finite = found.table(np.isfinite(found.rows.theta).all(axis=1).astype(float))
        bad = (finite == 0.0) | ~((tables[RISK] < np.inf) | np.isnan(finite))
        for k in faults:
            bad[faults[k].at :, k] = False
        upto = np.bincount(found.member, minlength=found.members)
        for k in np.flatnonzero(bad.any(axis=0)).tolist():
            first = int(np.argmax(bad[:, k]))
            upto[k] = first
            self._end(found, tables, k, first, RunStatus.DIVERGED)
        for k, fault in faults.items():
            if self.members.status(k) is not RunStatus.DIVERGED or fault.at <= upto[k]:
                upto[k] = fault.at
                self._fail(found, tables, k, fault)
        if self.observe is not None:
            for k, fault in self.observe(found, tables, upto).items():
                self._fail(found, tables, k, fault)
        going, rest = self.members.going, self.members.rest_step
        reached = [step for step in steps if going.any() or step <= rest.max()]
        rows = [row for row, step in enumerate(reached) if self._kept is None or step in self._kept]
        self._steps += [reached[row] for row in rows]
        for name, kept in self._tables.items():
            kept.append(tables[name][rows])

    def _end(
        self,
        found: MemberRows,
        tables: Mapping[str, Array],
        member: int,
        record: int,
        ending: MemberEnding,
    ) -> None:
        """Put a member to rest at a record: its risk or a weight is no longer finite, or something failed."""
        row = int(np.flatnonzero((found.member == member) & (found.record == record))[0])
        self.members.fall_back(member, found.rows, row, ending)
        for table in tables.values():
            table[record + 1 :, member] = np.nan

    def _fail(
        self, found: MemberRows, tables: Mapping[str, Array], member: int, fault: Fault
    ) -> None:
        self._end(found, tables, member, fault.at, RunStatus.FAILED)
        self.reasons[member] = fault.reason

    # --- what raises ---

    def _look_for_faults(self, before: Mapping[str, Array], end: int, error: Exception) -> None:
        """Go back to where the chunk began, and step each member alone, record by record, to see who it was:
        it is to fail at the last record that it reaches."""
        members, going = self.members, np.flatnonzero(self.members.going)
        for k in going:
            members.load(before)
            members.rest_step[(members.rest_step < 0) & (np.arange(members.count) != k)] = 0
            if (fault := self._alone(end)) is not None:
                self._due[int(k)] = fault
        self.buffer.take()
        members.load(before)
        if not self._due:
            # Only together do they raise.
            self._due = {int(k): Fault(members.step, said(error)) for k in going}
        self._end_due()

    def _alone(self, end: int) -> Fault | None:
        """Step whoever goes on up to `end`; the last record's step and why, where that raises."""
        members, flag = self.members, StopFlag()
        while members.step < end and members.going.any():
            step = members.step
            every = min(self.schedule.after(step), end) - step
            try:
                self.program.run_chunk(members, step, 1, every, None, flag)
            except Exception as error:  # noqa: BLE001  (as above)
                return Fault(step, said(error))
        return None

    def try_alone(self, member: int, reached: Callable[[int], None]) -> None:
        """Take one member to its end, the others resting, and go back to where this began.

        `reached` is told the last record's step before every other one is made, −1 before the first: where
        the member's own code ends the process, it was the last thing said. What `observe` noted stays noted.
        """
        before, others = self.to_arrays(), np.arange(self.block.count) != member
        begun = bool(self._steps)
        self.members.rest_step[others & self.members.going] = 0
        self.members.ending[others] = ENDINGS.index(RunStatus.FAILED)
        flag, step = StopFlag(), self.members.step if begun else -1
        while not self.ended:
            reached(step)
            limit = self.schedule.after(max(step, 0))
            self.advance(flag, limit)
            step = self.members.step
        self.load(before)
        self.reasons.clear()

    def doom(self, member: int, fault: Fault) -> None:
        """A member is known to end the process in what follows record `fault.at`: it fails there instead."""
        self._due[member] = fault

    def _due_steps(self) -> list[int]:
        return [fault.at for k, fault in self._due.items() if self.members.going[k]]

    def _end_due(self) -> None:
        """Let those fail who are known to raise in the step from here."""
        for k, fault in self._due.items():
            if self.members.going[k] and fault.at <= self.members.step:
                self.members.rest(k, self.members.step, RunStatus.FAILED)
                self.reasons[k] = fault.reason

    def _evaluate(self) -> dict[int, str]:
        """A row of every member that has not failed, in the spare buffer; why some cannot be evaluated."""
        count, failed = self.block.count, RunStatus.FAILED
        whole = np.array([self.members.status(k) is not failed for k in range(count)])
        try:
            self.program.evaluate(self.members, self.spare, whole)
            return {}
        except Exception:  # noqa: BLE001  (as above)
            self.spare.take()
        reasons: dict[int, str] = {}
        for k in np.flatnonzero(whole):
            try:
                self.program.evaluate(self.members, self.spare, np.arange(count) == k)
            except Exception as error:  # noqa: BLE001  (as above)
                self.spare.written[k] = 0
                reasons[int(k)] = said(error)
        return reasons

    def _fail_here(self, reasons: Mapping[int, str]) -> None:
        for k, reason in reasons.items():
            self.members.rest(k, self.members.at(k), RunStatus.FAILED)
            self.reasons[k] = reason

    # --- what there is ---

    def result(self) -> MemberRecords:
        """What there is by now."""
        members = self.members
        faults = self._evaluate()
        tables, more = self.last.compute_apart(self.spare.take())
        if self.ended:
            # Before the end it is the clock's where each one is.
            self._fail_here(faults | {k: fault.reason for k, fault in more.items()})
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
            last={name: self._last_of(name, tables[name]) for name in self.last.names},
            last_step=np.array([members.at(k) for k in range(members.count)]),
            status=status,
            theta=members.theta.detach().cpu().double().numpy().copy(),
        )

    def _last_of(self, name: str, table: Array) -> Array:
        """(M, …): its only record, or NaN where every member has failed, and none can be looked at."""
        return (
            table[0]
            if len(table)
            else np.full((self.members.count, *self.last.shapes[name]), np.nan)
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
