"""What the engine tells: plain dataclasses, published from its thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from workbench.arrays import Array, Float
from workbench.protocol.inspections import ForecastOutcome, RecordedInspection

Outcome = Literal["finished", "stopped", "diverged", "stalled"]


@dataclass(frozen=True)
class Started:
    """The first step is about to be taken."""

    step: int
    engine: str


@dataclass(frozen=True)
class Recorded:
    """New records: `step` (T) and every series (T, …)."""

    rows: Mapping[str, Array]


@dataclass(frozen=True)
class Paused:
    """The engine waits at `step`."""

    step: int
    reason: str


@dataclass(frozen=True)
class Resumed:
    """The engine goes on from `step`."""

    step: int


@dataclass(frozen=True)
class Perturbed:
    """θ was moved by hand."""

    step: int
    text: str


@dataclass(frozen=True)
class SaddleFound:
    """The state is near a saddle; `theta` (P) is that state, where it is known."""

    step: int
    evidence: str
    theta: Array | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Inspected:
    """A look into the state at `step`, to be kept in the run."""

    step: int
    kept: RecordedInspection


@dataclass(frozen=True)
class Forecast:
    """What is forecast at `step`, or what became of it; `outcome` goes to the run's tables."""

    step: int
    text: str
    outcome: ForecastOutcome | None = None


@dataclass(frozen=True)
class Noted:
    """What the step rule has to say of a step."""

    step: int
    text: str


@dataclass(frozen=True)
class Checkpointed:
    """The state's arrays, to be made durable by whoever records."""

    step: int
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Finished:
    """The engine has ended on purpose."""

    step: int
    outcome: Outcome
    text: str = ""


@dataclass(frozen=True)
class Failed:
    """The engine has ended by an exception."""

    step: int
    error: BaseException


Event = (
    Started
    | Recorded
    | Paused
    | Resumed
    | Perturbed
    | SaddleFound
    | Inspected
    | Forecast
    | Noted
    | Checkpointed
    | Finished
    | Failed
)

Mode = Literal[
    "starting", "running", "paused", "finished", "stopped", "diverged", "stalled", "failed"
]


@dataclass(frozen=True)
class Snapshot:
    """The latest state for a screen: replaced whole, polled, never queued.

    `theta` (P) and `outputs` (n) or (n, C) belong to `step`; `values` are that state's scalar series,
    though it may lie between two records. `memory` is what the state remembers beside θ.
    """

    step: int
    mode: Mode
    theta: Float[np.ndarray, " P"]
    outputs: Float[np.ndarray, "n ..."]
    values: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, Array] = field(default_factory=dict)
    steps_per_second: float = 0.0
    eta_seconds: float | None = None
    note: str = ""
