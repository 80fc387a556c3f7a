"""What a claim needs to run: somebody who trains a configuration and hands back what was recorded.

Claims lie below the session; the implementation over it is `workbench.claims.sessions`, and tests bring
their own with broken dynamics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.config.run import RunConfig
from workbench.config.study import StudyConfig
from workbench.models.structure import Structure
from workbench.protocol.status import RunStatus

K = TypeVar("K", str, int)


class Lazy(Mapping[K, Array]):
    """Arrays by their keys, each read when it is asked for."""

    def __init__(self, keys: Iterable[K], load: Callable[[K], Array]) -> None:
        self._keys: tuple[K, ...] = tuple(keys)
        self._load: Callable[[K], Array] = load

    def __getitem__(self, key: K) -> Array:
        if key not in self._keys:
            raise KeyError(key)
        return self._load(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """T records of a finished run.

    `time` is the sum of the step sizes, `log_risk` the natural log of the risk as the
    configuration reduces it, `theta` (T, P), or (T, 0) of a run too wide to record it. `folder` is where
    the run lies, if it was kept. `series`: every recorded series (T, …) by its name; `states`: θ (P) at
    the steps of the checkpoints.
    """

    step: Int[np.ndarray, " T"]
    time: Float[np.ndarray, " T"]
    log_risk: Float[np.ndarray, " T"]
    theta: Float[np.ndarray, "T P"]
    structure: Structure
    folder: Path | None = None
    series: Mapping[str, Array] = field(default_factory=dict)
    states: Mapping[int, Array] = field(default_factory=dict)

    @property
    def time_log(self) -> Float[np.ndarray, " T"]:
        """Natural log of the time, as the rule keeps it where time itself may be beyond a float."""
        if "time_log" in self.series:
            return self.series["time_log"]
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.time))

    def until(self, count: int) -> TrainedRun:
        """The first `count` records."""
        return TrainedRun(
            self.step[:count],
            self.time[:count],
            self.log_risk[:count],
            self.theta[:count],
            self.structure,
            self.folder,
            Lazy(self.series, lambda name: self.series[name][:count]),
            Lazy((s for s in self.states if s <= self.step[count - 1]), self.states.__getitem__),
        )


@dataclass(frozen=True, eq=False)
class TrainedMember:
    """A member of a study that was run.

    `settings`: its choices by key; `config`: the run that it is. `step` (T) and `series` (T, …) by name: what
    the study keeps, up to where the member ended; `status`: how. `theta` (P): θ there.
    """

    settings: Mapping[str, Any]
    config: RunConfig
    status: RunStatus
    step: Int[np.ndarray, " T"]
    series: Mapping[str, Array]
    theta: Float[np.ndarray, " P"]


class Lab(Protocol):
    """Trains; every record must hold θ, so claims set `record.theta`."""

    def train(self, config: RunConfig) -> TrainedRun:
        """Train a configuration to its end.

        Raises:
            WorkbenchError: the run failed, or cannot be stored.
        """
        ...

    def study(self, study: StudyConfig) -> list[TrainedMember]:
        """Train every member of a study to its end, in the order of its grid.

        Raises:
            WorkbenchError: a member does not fit, or cannot be trained.
        """
        ...
