"""The members of a shard being stepped, watched and written down, from their configurations to their ends."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from workbench import __version__
from workbench.arrays import Array
from workbench.config.run import RunConfig
from workbench.config.study import StudyTable
from workbench.engine.program import StopFlag
from workbench.protocol.status import RunStatus
from workbench.record.process import host_name
from workbench.record.shard_file import ShardRecord
from workbench.record.values import Value
from workbench.run.member_run import MemberRecords, MemberRun
from workbench.run.member_series import Fault, said
from workbench.run.members import MemberBlock, block_of
from workbench.study import finish
from workbench.study.outcome import MemberStatus
from workbench.study.plan import ShardPlan
from workbench.study.saddle_table import SaddleTable
from workbench.study.stored import StoredStudy
from workbench.study.watching import WATCHED, Watching

RUN, WATCHING = "run/", "watching/"
"""In the state: what the stepping and the watching go on from."""


@dataclass(frozen=True)
class ShardMember:
    """One to be run: its number in the study, what it sets, and the run that it is."""

    number: int
    settings: Mapping[str, Any]
    config: RunConfig


class ShardRun:
    """Members of equal shapes on their way. `advance` until `ended`; `record` is what is known by then.

    A member that cannot be made, as its data or its network raises, has failed before its first step, alone.
    """

    def __init__(self, members: Sequence[ShardMember], table: StudyTable) -> None:
        self.members, self.table = tuple(members), table
        self.broken: dict[int, str] = {}
        self.block = self._made()
        self.seconds = 0.0
        self.ends: dict[int, dict[str, float | str]] = {}
        if self.block is None:
            return
        shapes = self.block.first.panel.shapes()
        keep = [name for name in dict.fromkeys(table.keep) if name in shapes]
        scalars = [name for name, shape in shapes.items() if shape == ()]
        self.stepped = [k for k in range(len(self.members)) if k not in self.broken]
        self.watching = Watching(self.block, [self.members[k].number for k in self.stepped])
        self.run = MemberRun(
            self.block,
            keep,
            watched=WATCHED,
            last=scalars,
            thinned=table.records == "log",
            observe=self.watching.observe,
        )

    @property
    def steps(self) -> int:
        """Of every member."""
        return self.members[0].config.train.steps

    @property
    def step(self) -> int:
        """Where those are who go on."""
        return self.steps if self.block is None else self.run.members.step

    @property
    def going(self) -> int:
        """How many are stepped still."""
        return 0 if self.block is None or self.run.ended else int(self.run.members.going.sum())

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        return self.block is None or (self.run.ended and not self._to_ask())

    def advance(self, stop_flag: StopFlag) -> None:
        """A second's work or so: a chunk of steps, or one member's end looked at."""
        began = time.perf_counter()
        if self.block is not None:
            if not self.run.ended:
                self.run.advance(stop_flag)
            elif ask := self._to_ask():
                self._ask(ask[0])
        self.seconds += time.perf_counter() - began

    # --- members that end the process ---

    def try_alone(self, member: int, reached: Callable[[int], None]) -> None:
        """Take a member to its end alone, as `MemberRun.try_alone`; nothing where it could not be made."""
        if self.block is not None and member not in self.broken:
            self.run.try_alone(self.stepped.index(member), reached)

    def doom(self, faults: Mapping[int, Fault]) -> None:
        """These members fail where they are said to."""
        for member, fault in faults.items():
            self.run.doom(self.stepped.index(member), fault)

    # --- ends ---

    def _to_ask(self) -> list[int]:
        """Places in the block of members whose end is to be looked at."""
        if not self.table.finish:
            return []
        good = (RunStatus.RUNNING, RunStatus.FINISHED, RunStatus.STALLED)
        members = self.run.members
        return [k for k in range(members.count) if members.status(k) in good and k not in self.ends]

    def _ask(self, k: int) -> None:
        members = self.run.members
        theta = members.theta[k].detach().cpu().double().numpy().copy()
        try:
            state = self.watching.questions.state(
                k, theta, members.at(k), float(members.time[k]), float(members.rate_log[k])
            )
            self.ends[k] = finish.ending(state, self.table.finish)
        except Exception as error:  # noqa: BLE001  (it must cost this member only)
            members.rest(k, members.at(k), RunStatus.FAILED)
            self.run.reasons[k] = said(error)

    # --- making ---

    def _made(self) -> MemberBlock | None:
        """The block; members that cannot be made are left out of it, and named."""
        configs = [member.config for member in self.members]
        try:
            return block_of(configs)
        except Exception as error:
            for k, config in enumerate(configs):
                try:
                    block_of([config])
                except Exception as own:  # noqa: BLE001  (as above)
                    self.broken[k] = said(own)
            if not self.broken:
                raise error
        good = [config for k, config in enumerate(configs) if k not in self.broken]
        return block_of(good) if good else None

    # --- the file ---

    def record(self, status: str, attributes: Mapping[str, Value]) -> ShardRecord:
        """Everything known by now; `status` "running" or "done", with which there is no state."""
        shared = {
            **attributes,
            "status": status,
            "workbench": __version__,
            "torch": str(torch.__version__),
        }
        shared |= {"host": host_name(), **self._machine()}
        if self.block is None:
            none, empty = SaddleTable(0, 0), {"step": np.zeros(0, dtype=np.int64)}
            columns = self._member_columns(None)
            return ShardRecord(shared, columns, empty, saddle=none.columns(), point=none.points())
        found = self.run.result()
        series = {
            n: np.moveaxis(self._spread(np.moveaxis(a, 1, 0)), 0, 1)
            for n, a in found.series.items()
        }
        return ShardRecord(
            shared,
            self._member_columns(found),
            series={"step": found.step, **series},
            last={name: self._spread(array) for name, array in found.last.items()},
            theta=self._spread(found.theta) if self.table.theta else None,
            saddle=self.watching.table.columns(),
            point=self.watching.table.points(),
            end=self._end_columns(),
            state={} if status == "done" else self._state(),
        )

    def load(self, kept: ShardRecord) -> None:
        """Go on from a record that was written while running; raises BadInput where it is another's."""
        if self.block is None:
            return
        state = kept.state
        self.run.load({n.removeprefix(RUN): a for n, a in state.items() if n.startswith(RUN)})
        self.watching.load(
            {n.removeprefix(WATCHING): a for n, a in state.items() if n.startswith(WATCHING)}
        )
        rows = np.searchsorted(
            kept.member["number"], [self.members[k].number for k in self.stepped]
        )
        mine = np.isin(kept.saddle["member"], kept.member["number"][rows])
        _load_saddles(self.watching, kept, mine)
        self.watching.separated_step = kept.end["separated_step"][rows].copy()
        self.watching.separated_time = kept.end["separated_time"][rows].copy()
        self.seconds = float(state["seconds"])
        for place, row in enumerate(rows):
            if reason := str(kept.member["reason"][row]):
                self.run.reasons[place] = reason
            if state["asked"][place]:
                self.ends[place] = {
                    name: column[row].item() if column.dtype.kind != "U" else str(column[row])
                    for name, column in kept.end.items()
                    if not name.startswith("separated_")
                }

    def _state(self) -> dict[str, Array]:
        """What the file does not say besides."""
        asked = [k in self.ends for k in range(len(self.stepped))]
        return {
            "number": np.array([member.number for member in self.members], dtype=np.int64),
            "asked": np.array(asked, dtype=bool),
            "seconds": np.array(self.seconds),
            **{f"{RUN}{name}": array for name, array in self.run.to_arrays().items()},
            **{f"{WATCHING}{name}": array for name, array in self.watching.to_arrays().items()},
        }

    def _machine(self) -> dict[str, Value]:
        config = self.members[0].config
        if self.block is None:
            return {"engine": "none", "device": config.device.kind, "dtype": config.device.dtype}
        first = self.block.first
        return {
            "engine": self.block.program.name,
            "device": str(first.device),
            "dtype": config.device.dtype,
        }

    def _member_columns(self, found: MemberRecords | None) -> dict[str, Array]:
        """Every member's own row, those that could not be made too."""
        count = len(self.members)
        status, reason, last = ["failed"] * count, [""] * count, [0] * count
        for k, words in self.broken.items():
            reason[k] = words
        if found is not None:
            for place, k in enumerate(self.stepped):
                status[k] = str(found.status[place])
                reason[k] = self.run.reasons.get(place, "")
                last[k] = int(found.last_step[place])
                if found.status[place] is RunStatus.DIVERGED:
                    reason[k] = "the risk or a weight is no longer a finite number"
                elif found.status[place] is RunStatus.FINISHED and self._to_ask():
                    status[k] = str(RunStatus.RUNNING)
        return {
            "number": np.array([member.number for member in self.members], dtype=np.int64),
            "status": np.array(status),
            "reason": np.array(reason),
            "last_step": np.array(last, dtype=np.int64),
            "seconds": np.full(count, self.seconds / count),
            "settings": np.array([json.dumps(dict(m.settings), default=str) for m in self.members]),
        }

    def _end_columns(self) -> dict[str, Array]:
        """When samples separated, and what [study] finish asked for."""
        found: dict[str, Array] = {
            "separated_step": self.watching.separated_step,
            "separated_time": self.watching.separated_time,
        }
        for kind in self.table.finish:
            for name in finish.NUMBERS[kind]:
                found[name] = self._asked(name, np.nan).astype(float)
            for name in finish.TEXTS[kind]:
                found[name] = self._asked(name, "").astype(str)
        return {name: self._spread(column) for name, column in found.items()}

    def _asked(self, name: str, nothing: float | str) -> Array:
        return np.array(
            [self.ends.get(k, {}).get(name, nothing) for k in range(len(self.stepped))],
            dtype=object,
        )

    def _spread(self, array: Array) -> Array:
        """An array by place in the block as one by member; NaN or "" for those that could not be made."""
        if not self.broken:
            return array
        text = array.dtype.kind == "U"
        kind: Any = object if text else float
        found = np.full((len(self.members), *array.shape[1:]), "" if text else np.nan, dtype=kind)
        found[self.stepped] = array
        return found.astype(str) if text else found


def _load_saddles(watching: Watching, kept: ShardRecord, mine: Array) -> None:
    """The saddles of these members, and their points."""
    renumbered = np.cumsum(mine) - 1
    of = mine[kept.point["saddle"]] if len(mine) else np.zeros(0, dtype=bool)
    points = {name: column[of] for name, column in kept.point.items()}
    if len(mine):
        points["saddle"] = renumbered[points["saddle"]]
    watching.table.load({name: column[mine] for name, column in kept.saddle.items()}, points)


def members_left(plan: ShardPlan, kept: ShardRecord | None) -> tuple[int, ...]:
    """The members that are to be stepped: all, those whose state is kept, or those that failed."""
    if kept is None:
        return plan.members
    if kept.state:
        left = kept.state["number"]
    else:
        left = kept.member["number"][
            ~np.isin(kept.member["status"], [status for status in MemberStatus if status.ended])
        ]
    found = set(left.tolist())
    return tuple(k for k in plan.members if k in found)


def shard_run(study: StoredStudy, plan: ShardPlan, kept: ShardRecord | None) -> ShardRun:
    """A shard's members that are left, as far as its file has them."""
    members = [
        ShardMember(k, study.plan.settings[k], study.member_config(k))
        for k in members_left(plan, kept)
    ]
    run = ShardRun(members, study.config.study)
    if kept is not None and kept.state:
        run.load(kept)
    return run


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """As many as a single run has: sums of several threads have other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
