"""What is kept in a run of a look into one of its states: plain values, from whoever inspects, through
the engine, to whoever records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.arrays import Array, Float, Int

MOST_POINTS = 256
"""Most KKT points that are kept of an inspection."""
MOST_POINT_NUMBERS = 131_072
"""Most components of their directions together, which bounds the points of a long θ."""
MOST_NEURONS = 2_048
"""Most neurons that are."""

WHOLE = -2
"""In place of a neuron's index: the whole θ, of a network that does not separate into neurons."""

Cause = Literal["saddle", "asked"]
OutcomeKind = Literal["left", "late", "void"]


@dataclass(frozen=True, eq=False)
class PointColumns:
    """KKT points as columns of k rows; `basin` is NaN where it was not computed."""

    direction: Float[Array, "k p"]
    value: Float[Array, " k"]
    multiplier: Float[Array, " k"]
    residual: Float[Array, " k"]
    kind: tuple[str, ...]
    basin: Float[Array, " k"]
    sign: Float[Array, " k"]


@dataclass(frozen=True, eq=False)
class NeuronColumns:
    """Neurons as columns of k rows, or `WHOLE`; −1 and NaN where something is not known.

    `target`: row of the kept points. `escape_time`: flow time, ∞ for never; with `…_low` and `…_high` an
    interval. `angle_bound`: most degrees that u is off the target's when it leaves. `confidence`: that it
    is the first to leave. Only the neurons nearest to leaving have these, and no run of before they were
    known.
    """

    index: Int[Array, " k"]
    norm: Float[Array, " k"]
    small: Array
    target: Int[Array, " k"]
    cosine: Float[Array, " k"]
    rate: Float[Array, " k"]
    escape_time: Float[Array, " k"]
    escape_steps: Float[Array, " k"]
    escape_time_low: Float[Array, " k"]
    escape_time_high: Float[Array, " k"]
    escape_steps_low: Float[Array, " k"]
    escape_steps_high: Float[Array, " k"]
    angle_bound: Float[Array, " k"]
    confidence: Float[Array, " k"]


@dataclass(frozen=True)
class ForecastOutcome:
    """What became of the forecast of the inspection at `made`, at `step`.

    `kind`: "left" (a neuron reached the radius), "late" (none did in twice the time), "void" (θ was
    moved by hand). `neuron`: the one that left, `WHOLE`, else −1. `time`: flow time it took. `time_error`:
    forecast/time − 1. `angle_error`: degrees between its direction and the KKT direction that was
    named. NaN where there is none. `time_inside`, `angle_inside`: 1 as the interval and the bound said,
    0 not so, −1 where there is none. A neuron that was named is held against its own forecast, another
    against that of the first one named.
    """

    made: int
    step: int
    kind: OutcomeKind
    neuron: int
    time: float
    time_error: float
    angle_error: float
    text: str
    time_inside: int = -1
    angle_inside: int = -1


@dataclass(frozen=True, eq=False)
class RecordedInspection:
    """One look into the state at `step`, `time` of the flow.

    `cause`: "saddle" (the watch told one) or "asked". `dimension`: numbers of u, the last ones of a
    point's direction; 0 where points are those of the whole θ. `complete`: every KKT point is known.
    `radius`: the norm at which a neuron counts as having left, NaN without a forecast; there its part
    changes the risk by `share`. `first`: the neuron that leaves first, `WHOLE`, −1 if none; `runner_up`:
    the other one where it is undecided which does, else −1. `last_step`: of the run, −1 if not known.
    `large`, `small`, `points_found`: how many there were; what is kept may be fewer. `outcome`: None while
    pending.
    """

    step: int
    time: float
    cause: Cause
    verdict: str
    regime: str
    dimension: int
    method: str
    complete: bool
    radius: float
    share: float
    first: int
    large: int
    small: int
    points_found: int
    evidence: str
    limits: str
    points: PointColumns
    neurons: NeuronColumns
    outcome: ForecastOutcome | None = None
    runner_up: int = -1
    last_step: int = -1

    @property
    def forecasts(self) -> bool:
        """Whether some neuron is forecast to leave at a known time."""
        # Late in a run time may be beyond a float.
        return self.first != -1 and bool(np.isfinite([self.radius, self.wait, self.time]).all())

    @property
    def names(self) -> tuple[int, ...]:
        """The neuron that is said to leave first, or the two between which that is undecided."""
        return tuple(k for k in (self.first, self.runner_up) if k != -1)

    def row(self, neuron: int) -> int | None:
        """Row of a neuron among the kept ones."""
        found = np.flatnonzero(self.neurons.index == neuron)
        return int(found[0]) if found.size and neuron != -1 else None

    @property
    def wait(self) -> float:
        """Flow time until the first neuron leaves; NaN without one."""
        row = self.row(self.first)
        return float("nan") if row is None else float(self.neurons.escape_time[row])

    @property
    def latest(self) -> float:
        """Flow time until which one of the neurons that are named is to have left; NaN without one."""
        rows = [row for row in map(self.row, self.names) if row is not None]
        ends = [self.wait]
        for row in rows:
            ends += [self.neurons.escape_time[row], self.neurons.escape_time_high[row]]
        known = [float(end) for end in ends if np.isfinite(end)]
        return max(known, default=float("nan"))

    @property
    def target(self) -> Float[Array, " p"] | None:
        """The KKT direction that the first neuron is heading to."""
        return self.direction(self.first)

    def direction(self, neuron: int) -> Float[Array, " p"] | None:
        """The KKT direction that a neuron is heading to."""
        row = self.row(neuron)
        point = -1 if row is None else int(self.neurons.target[row])
        return None if point < 0 else np.asarray(self.points.direction[point])


def most_points(width: int) -> int:
    """How many KKT points of `width` numbers each are kept: 1 to `MOST_POINTS`."""
    return max(1, min(MOST_POINTS, MOST_POINT_NUMBERS // max(1, width)))
