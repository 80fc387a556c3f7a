"""What M copies of one network are that are stepped at once.

Member k is a run of its own, with its own start, rate, seeds and samples; it shares the absolute step with
the others. One that diverges, stalls or reaches its goal *rests*: it is stepped no more and its state stays
what it was, while the others go on.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array, Bool, Float, Int
from workbench.engine.state import LARGEST_LOG, MEMORY, EngineState
from workbench.engine.trail import Trail
from workbench.measures.rows import Rows
from workbench.protocol.events import Ending
from workbench.protocol.status import RunStatus

ENDINGS: tuple[RunStatus, ...] = (
    RunStatus.RUNNING,
    RunStatus.FINISHED,
    RunStatus.STALLED,
    RunStatus.DIVERGED,
    RunStatus.FAILED,
)
"""What `Members.ending` holds is a place in this; a checkpoint keeps the number, so the order stands."""
MemberEnding = Ending | Literal[RunStatus.FAILED]
APART = "apart/"
"""Prefix, in a checkpoint, of the arrays in `apart`; the member's number follows."""
SCALARS = ("time", "time_log", "rate_log", "path_length")


@dataclass
class Members:
    """What M runs are between two steps; every array's first axis is the member.

    `theta` (M, P) is on the device, the rest in NumPy arrays: `time`, `time_log`, `rate_log`, `path_length`
    (M) and `memory` as in `EngineState`, `rest_step` (M) the step at which a member came to rest, −1 while
    it goes on, and `ending` (M) why, a place in `ENDINGS`. `step` is that of all who go on. What members
    remember that is not of one shape for all, as a flow's kinks, lies in `apart`, by member and name.
    """

    theta: Tensor
    step: int = 0
    memory: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = self.count
        self.time: Float[np.ndarray, " M"] = np.zeros(count)
        self.time_log: Float[np.ndarray, " M"] = np.full(count, -np.inf)
        self.rate_log: Float[np.ndarray, " M"] = np.full(count, np.nan)
        self.path_length: Float[np.ndarray, " M"] = np.zeros(count)
        self.rest_step: Int[np.ndarray, " M"] = np.full(count, -1, dtype=np.int64)
        self.ending: Int[np.ndarray, " M"] = np.zeros(count, dtype=np.int64)
        self.apart: dict[int, dict[str, Array]] = {}
        self._trail = Trail(self.theta)

    @property
    def count(self) -> int:
        """M."""
        return self.theta.shape[0]

    @property
    def going(self) -> Bool[np.ndarray, " M"]:
        """Which members are still stepped."""
        return self.rest_step < 0

    def status(self, member: int) -> RunStatus:
        """Why a member rests; `RUNNING` while it goes on."""
        return ENDINGS[int(self.ending[member])]

    def at(self, member: int) -> int:
        """The step at which a member is."""
        rests = int(self.rest_step[member])
        return self.step if rests < 0 else rests

    def rest(self, member: int, step: int, ending: MemberEnding) -> None:
        """A member's run has ended at a step; its θ and what is known of it are those of that step."""
        self.rest_step[member] = step
        self.ending[member] = ENDINGS.index(ending)

    def fall_back(self, member: int, rows: Rows, row: int, ending: MemberEnding) -> None:
        """A member has diverged, or failed: it rests at that record, whatever was stepped since.

        What its rule remembered there is not kept: 0.
        """
        self.rest(member, int(rows.step[row]), ending)
        with torch.no_grad():
            self.theta[member] = torch.from_numpy(rows.theta[row].copy()).to(self.theta)
        self.time[member], self.path_length[member] = rows.time[row], rows.path_length[row]
        self.time_log[member] = rows.rule_series["time_log"][row]
        self.rate_log[member] = rows.rule_series["learning_rate_log"][row]
        for array in self.memory.values():
            array[member] = 0
        self.apart.pop(member, None)

    def set_out(self) -> None:
        """A chunk of all members at once begins: the next step leads on from the present θ."""
        self._trail.begin(self.theta)

    def arrive(self) -> None:
        """A step of all who go on has led to the present θ."""
        if self._trail.full:
            self.travelled()
        self._trail.add(self.theta)

    def travelled(self) -> Float[np.ndarray, " M"]:
        """The paths' lengths up to the present θ; that of a member at rest stays what it was."""
        found = self._trail.added_to(self.path_length)
        self.path_length = np.where(self.going, found, self.path_length)
        return self.path_length

    def go_back(self, which: Bool[np.ndarray, " M"], path_length: Float[np.ndarray, " M"]) -> None:
        """Those members' steps since their paths were that long are undone, their θ are put back already."""
        self.path_length = np.where(which, path_length, self.path_length)
        self._trail.begin(self.theta)

    def add_time(self, log_amount: Float[np.ndarray, " M"]) -> None:
        """Let e^{log_amount} of the flow's time pass for all who go on, in logarithms."""
        with np.errstate(divide="ignore"):
            first = (self.time_log == -np.inf) & (self.time > 0.0) & (self.time < np.inf)
            begun = np.where(first, np.log(self.time), self.time_log)
        self.set_time_log(np.logaddexp(begun, log_amount), self.going)

    def set_time_log(
        self, time_log: Float[np.ndarray, " M"], which: Bool[np.ndarray, " M"]
    ) -> None:
        """Set the time of some members by its logarithm."""
        self.time_log = np.where(which, time_log, self.time_log)
        with np.errstate(over="ignore"):
            time = np.where(time_log < LARGEST_LOG, np.exp(time_log), np.inf)
        self.time = np.where(which, time, self.time)

    def state(self, member: int) -> EngineState:
        """A member as the state of a single run; its θ is a view of the row here, the rest is copied."""
        return EngineState(
            self.theta[member],
            step=self.at(member),
            time=float(self.time[member]),
            time_log=float(self.time_log[member]),
            rate_log=float(self.rate_log[member]),
            path_length=float(self.path_length[member]),
            memory={
                **{name: np.array(array[member]) for name, array in self.memory.items()},
                **self.apart.get(member, {}),
            },
        )

    def take_back(self, states: Mapping[int, EngineState]) -> None:
        """What states of members who go on say of them besides θ, which is here already, and the step."""
        for member, state in states.items():
            for name in SCALARS:
                getattr(self, name)[member] = getattr(state, name)
        shared = _shared([state.memory for state in states.values()])
        for name in self.memory.keys() | shared:
            known = self.memory.get(name)
            if known is None or (known.shape[1:], known.dtype) != shared.get(name):
                self._part(name, states)
        for name, (shape, dtype) in shared.items():
            # 0 for members who came to rest without one.
            array = self.memory.setdefault(name, np.zeros((self.count, *shape), dtype=dtype))
            for member, state in states.items():
                array[member] = state.memory[name]
        for member, state in states.items():
            self.apart[member] = {n: a for n, a in state.memory.items() if n not in shared}

    def _part(self, name: str, going: Container[int]) -> None:
        """An array that all had alike is one of each member's own from here on, also of those at rest."""
        array = self.memory.pop(name, None)
        for member in range(self.count if array is not None else 0):
            if member not in going and array is not None:
                self.apart.setdefault(member, {})[name] = np.array(array[member])

    def to_arrays(self) -> dict[str, Array]:
        """All members as plain arrays; `load` gives the same bits back."""
        return {
            "theta": self.theta.detach().cpu().numpy().copy(),
            "step": np.array(self.step, dtype=np.int64),
            "rest_step": self.rest_step.copy(),
            "ending": self.ending.copy(),
            **{name: getattr(self, name).copy() for name in SCALARS},
            **{f"{MEMORY}{name}": array.copy() for name, array in self.memory.items()},
            **{
                f"{APART}{member}/{name}": array.copy()
                for member, memory in self.apart.items()
                for name, array in memory.items()
            },
        }

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take over what `to_arrays` gave, θ in place; raises ValueError when θ has another shape."""
        theta = arrays["theta"]
        if theta.shape != tuple(self.theta.shape):
            raise ValueError(f"θ has shape {theta.shape}, and {tuple(self.theta.shape)} is needed")
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
        self.step = int(arrays["step"])
        for name in (*SCALARS, "rest_step", "ending"):
            setattr(self, name, np.array(arrays[name]))
        self.memory = {
            name.removeprefix(MEMORY): np.array(array)
            for name, array in arrays.items()
            if name.startswith(MEMORY)
        }
        self.apart = {}
        for key, array in arrays.items():
            if key.startswith(APART):
                member, _, name = key.removeprefix(APART).partition("/")
                self.apart.setdefault(int(member), {})[name] = np.array(array)


def _shared(memories: Sequence[Mapping[str, Array]]) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """The shape and type of every array that all have alike, by name."""
    found: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
    for name in memories[0] if memories else ():
        kinds = {(m[name].shape, m[name].dtype) if name in m else None for m in memories}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None:
            found[name] = kind
    return found
