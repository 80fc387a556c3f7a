"""The one interface of every way to step, and the buffer it writes records into."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array
from workbench.engine.state import EngineState
from workbench.measures.rows import MemoryColumns, Rows
from workbench.protocol.events import Ending


class StopFlag:
    """Set from any thread; a running chunk looks at it before every step, compiled code at `shared` (1)."""

    __slots__ = ("shared",)

    def __init__(self) -> None:
        self.shared = np.zeros(1, dtype=np.uint8)

    @property
    def raised(self) -> bool:
        """Whether a chunk is to end."""
        return bool(self.shared[0])

    @raised.setter
    def raised(self, value: bool) -> None:
        self.shared[0] = value


class RowBuffer:
    """Preallocated room for `capacity` records on the device of θ.

    A program writes a row with `note`, or many into the arrays themselves: then it sets `count`, and what its
    rule remembers of them by `remember`.
    """

    def __init__(self, capacity: int, theta: Tensor, output_shape: tuple[int, ...]) -> None:
        self.capacity = capacity
        self.count = 0
        self.step = np.zeros(capacity, dtype=np.int64)
        self.time = np.zeros(capacity)
        self.theta = theta.new_empty(capacity, theta.numel())
        self.outputs = theta.new_empty(capacity, *output_shape)
        self.gradient = theta.new_empty(capacity, theta.numel())
        self.gradient_log_scale = theta.new_empty(capacity)
        self.time_log = np.zeros(capacity)
        self.path_length = np.zeros(capacity)
        self.rate_log = np.zeros(capacity)
        self._memory: list[dict[str, Array]] = []
        self._columns: Mapping[str, Array] = {}

    def take(self) -> Rows:
        """The records written so far as float64 arrays of their own, and the buffer empty again."""
        count, self.count = self.count, 0
        arrays = [
            part[:count].to(device="cpu", dtype=torch.float64, copy=True).numpy()
            for part in (self.theta, self.outputs, self.gradient, self.gradient_log_scale)
        ]
        theta, outputs, gradient, scale = arrays
        known = {
            "time_log": self.time_log[:count].copy(),
            "learning_rate_log": self.rate_log[:count].copy(),
        }
        step, time = self.step[:count].copy(), self.time[:count].copy()
        path = self.path_length[:count].copy()
        noted = self._memory
        columns = MemoryColumns(self._columns, count - len(noted))
        memory: Sequence[Mapping[str, Array]] = [*noted, *columns] if noted else columns
        self._memory, self._columns = [], {}
        return Rows(step, time, path, theta, outputs, gradient, scale, known, memory)

    def remember(self, arrays: Mapping[str, Array]) -> None:
        """What the step rule remembers at every row written at once, after those noted, (k, …) each."""
        self._columns = {name: np.array(array) for name, array in arrays.items()}

    def note(self, state: EngineState) -> int:
        """Write what the state says of itself into the next row; the row's index, counted from now on."""
        row = self.count
        self.step[row], self.time[row] = state.step, state.time
        self.time_log[row], self.rate_log[row] = state.time_log, state.rate_log
        self.path_length[row] = state.travelled()
        self.theta[row] = state.theta
        # Rules replace their arrays and never write into them, so that rows may share them.
        self._memory.append(dict(state.memory))
        self.count = row + 1
        return row


@dataclass(frozen=True)
class Evaluation:
    """The row of one state, and how many seconds it took to evaluate it."""

    rows: Rows
    seconds: float


def evaluated(program: StepProgram, state: EngineState, buffer: RowBuffer) -> Evaluation:
    """The state as it is, by way of an empty buffer."""
    began = time.monotonic()
    program.evaluate(state, buffer)
    rows = buffer.take()
    return Evaluation(rows, time.monotonic() - began)


class StepProgram(Protocol):
    """A compiled, interpreted or hand-written way to take steps.

    Everything a chunk needs is in `state` and the absolute step: how steps were cut into chunks never
    changes a bit of the result.
    """

    name: str
    x: Tensor

    @property
    def series(self) -> tuple[str, ...]:
        """The series its step rule records besides those of every run."""
        ...

    def run_chunk(
        self,
        state: EngineState,
        step0: int,
        records: int,
        every: int,
        buffer: RowBuffer | None,
        stop_flag: StopFlag,
    ) -> int:
        """Take records × every steps from step0 and write a row after each `every`; return the steps taken.

        A raised stop flag ends it early, between two steps. Without a buffer no row is written.
        """
        ...

    def evaluate(self, state: EngineState, buffer: RowBuffer) -> None:
        """Write a row of the state as it is, without stepping."""
        ...

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """How the run has ended by its own rule, and why in a sentence; None: it goes on."""
        ...
