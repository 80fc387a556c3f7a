"""What the engine tells: plain dataclasses, published from its thread.

An event that people are told of (`Told`) owns its `kind`, one word, and its `text`, a sentence or nothing:
the screen, the log and the run's file say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from workbench.arrays import Array, Float
from workbench.protocol.inspections import ForecastOutcome, RecordedInspection
from workbench.protocol.status import RunStatus

Ending = Literal[RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.DIVERGED, RunStatus.STALLED]
"""How an engine ends on purpose."""


@dataclass(frozen=True)
class Started:
    """The first step is about to be taken."""

    kind: ClassVar[str] = "started"
    step: int
    engine: str

    @property
    def text(self) -> str:
        """Which engine steps."""
        return f"{self.engine} engine"


@dataclass(frozen=True)
class Recorded:
    """New records: `step` (T) and every series (T, …)."""

    rows: Mapping[str, Array]


@dataclass(frozen=True)
class Paused:
    """The engine waits at `step`; `text` is the reason."""

    kind: ClassVar[str] = "paused"
    step: int
    text: str


@dataclass(frozen=True)
class Resumed:
    """The engine goes on from `step`."""

    kind: ClassVar[str] = "resumed"
    step: int
    text: str = ""


@dataclass(frozen=True)
class Perturbed:
    """θ was moved by hand; `text` says how."""

    kind: ClassVar[str] = "perturbed"
    step: int
    text: str


@dataclass(frozen=True)
class SaddleFound:
    """The state is near a saddle, on the evidence in `text`; `theta` (P) is that state, where it is known."""

    kind: ClassVar[str] = "saddle"
    step: int
    text: str
    theta: Array | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Inspected:
    """A look into the state at `step`, to be kept in the run."""

    step: int
    inspection: RecordedInspection


@dataclass(frozen=True)
class Forecast:
    """What is forecast at `step`, or what became of it; `outcome` goes to the run's tables."""

    kind: ClassVar[str] = "forecast"
    step: int
    text: str
    outcome: ForecastOutcome | None = None


@dataclass(frozen=True)
class Noted:
    """What the step rule has to say of a step."""

    kind: ClassVar[str] = "note"
    step: int
    text: str


@dataclass(frozen=True)
class Checkpointed:
    """The state's arrays, to be made durable by whoever records."""

    kind: ClassVar[str] = "checkpoint"
    text: ClassVar[str] = ""
    step: int
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class Finished:
    """The engine has ended on purpose."""

    step: int
    outcome: Ending
    text: str = ""

    @property
    def kind(self) -> str:
        """How it ended."""
        return self.outcome.value


@dataclass(frozen=True)
class Failed:
    """The engine has ended by an exception."""

    kind: ClassVar[str] = "failed"
    step: int
    error: BaseException

    @property
    def text(self) -> str:
        """What the exception says."""
        return str(self.error)


Told = (
    Started
    | Paused
    | Resumed
    | Perturbed
    | SaddleFound
    | Forecast
    | Noted
    | Checkpointed
    | Finished
    | Failed
)
Event = Told | Recorded | Inspected


class RunEvent(NamedTuple):
    """Something that happened in a run, as its file, its log and the screen have it: `kind` is one word."""

    step: int
    kind: str
    text: str = ""


MOST_EVENTS = 4_000
"""Events that a run being trained keeps in memory; its file has them all."""


def without_the_oldest(events: Sequence[RunEvent]) -> list[RunEvent]:
    """The newer half, and of the older one the last that are no checkpoints: at most three quarters."""
    half = len(events) // 2
    older = [event for event in events[:half] if event.kind != Checkpointed.kind]
    return [*older[-(half // 2) :], *events[half:]]


@dataclass(frozen=True)
class Snapshot:
    """A state for a screen: replaced whole, polled, never queued.

    `theta` (P), `outputs` (n) or (n, C) and `values`, its scalar series, belong to `step`. That is the
    present step where the run stands still. While it trains it may lie between two records, and is the last
    record's where evaluating all samples more often would cost too much. `memory` is what the state
    remembers beside θ.
    """

    step: int
    status: RunStatus
    theta: Float[np.ndarray, " P"]
    outputs: Float[np.ndarray, "n ..."]
    values: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, Array] = field(default_factory=dict)
    steps_per_second: float = 0.0
    eta_seconds: float | None = None
    note: str = ""
