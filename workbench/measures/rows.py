"""What a step program hands over at every record: states, outputs and gradients, nothing derived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from workbench.arrays import Array, Float, Int


class MemoryColumns(Sequence[Mapping[str, Array]]):
    """What a step rule remembered at each of T rows, kept by name in arrays (T, …): a row's own is made
    when it is asked for."""

    def __init__(self, arrays: Mapping[str, Array], count: int) -> None:
        self.arrays, self._count = arrays, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, row: int) -> Mapping[str, Array]: ...

    @overload
    def __getitem__(self, row: slice) -> MemoryColumns: ...

    def __getitem__(self, row: int | slice) -> Mapping[str, Array] | MemoryColumns:
        if isinstance(row, slice):
            found = {name: array[row] for name, array in self.arrays.items()}
            return MemoryColumns(found, len(range(self._count)[row]))
        place = range(self._count)[row]
        return {name: np.array(array[place]) for name, array in self.arrays.items()}


@dataclass(frozen=True)
class Rows:
    """T records of one run, float64.

    `path_length` is how far θ's direction has travelled. `outputs` are Φ(θ; x_i), (T, n) or (T, n, C). The
    risk's gradient is exp(gradient_log_scale) · gradient, kept apart so that it survives risks below
    1e−308. `rule_series` holds what the step rule itself knows, (T) each: `time_log`,
    `learning_rate_log`; `memory` the rule's own state at every row.
    """

    step: Int[np.ndarray, " T"]
    time: Float[np.ndarray, " T"]
    path_length: Float[np.ndarray, " T"]
    theta: Float[np.ndarray, "T P"]
    outputs: Float[np.ndarray, "T n ..."]
    gradient: Float[np.ndarray, "T P"]
    gradient_log_scale: Float[np.ndarray, " T"]
    rule_series: Mapping[str, Float[np.ndarray, " T"]] = field(default_factory=dict)
    memory: Sequence[Mapping[str, Array]] = ()

    def __len__(self) -> int:
        return int(self.step.shape[0])

    @property
    def bytes_a_record(self) -> int:
        """Of θ, the outputs and the gradient of one."""
        parts = (self.theta, self.outputs, self.gradient)
        return sum(part.itemsize * int(np.prod(part.shape[1:])) for part in parts)

    def head(self, count: int) -> Rows:
        """The first `count` records."""
        return self.part(0, count)

    def part(self, start: int, stop: int) -> Rows:
        """Records `start` to `stop` − 1."""
        return Rows(
            self.step[start:stop],
            self.time[start:stop],
            self.path_length[start:stop],
            self.theta[start:stop],
            self.outputs[start:stop],
            self.gradient[start:stop],
            self.gradient_log_scale[start:stop],
            {name: values[start:stop] for name, values in self.rule_series.items()},
            self.memory[start:stop],
        )
