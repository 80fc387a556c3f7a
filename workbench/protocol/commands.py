"""What can be asked of a running engine: plain values on a queue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.protocol.inspections import RecordedInspection


@dataclass(frozen=True)
class Pause:
    """Stop between two steps and wait."""

    reason: str = "asked"


@dataclass(frozen=True)
class Resume:
    """Go on; every pending goal of StepN or RunUntil is dropped."""


@dataclass(frozen=True)
class StepN:
    """Take n steps, then pause."""

    n: int


@dataclass(frozen=True)
class RunUntil:
    """Go on until a step is reached, the risk falls below 10^log10_risk at a record, or the next saddle
    is seen; then pause."""

    step: int | None = None
    log10_risk: float | None = None
    next_saddle: bool = False


@dataclass(frozen=True)
class Perturb:
    """Add `delta` (P) to θ while paused; `text` goes to the events."""

    delta: Float[np.ndarray, " P"]
    text: str


@dataclass(frozen=True)
class Checkpoint:
    """Write the whole state to disk now."""


@dataclass(frozen=True)
class RecordInspection:
    """Keep an inspection in the run's file and follow its forecast."""

    kept: RecordedInspection


@dataclass(frozen=True)
class Stop:
    """Write a checkpoint and end; the run can be resumed."""

    reason: str = "asked"


Command = Pause | Resume | StepN | RunUntil | Perturb | Checkpoint | RecordInspection | Stop
