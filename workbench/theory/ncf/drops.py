"""Drops of a risk: what falls between two plateaus, from the curve alone.

The speed −d𝓛/dt has a peak in every drop. Between two of them lies a plateau where it falls below a tenth
of both; what falls there by less than a hundredth of the level above is no drop of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float

PLATEAU = 0.1
"""Speed on a plateau, at most, over the peaks on both sides of it."""
LEAST = 0.01
"""Least part of the level before that a drop falls by."""


@dataclass(frozen=True)
class Drop:
    """From the plateau at `begins` to that at `ends` (time) the risk falls from `before` to `after`."""

    begins: float
    ends: float
    before: float
    after: float

    @property
    def middle(self) -> float:
        """The risk halfway down."""
        return 0.5 * (self.before + self.after)


def drops(time: Float[Array, " T"], risk: Float[Array, " T"]) -> tuple[Drop, ...]:
    """All drops of a risk at rising times, in their order; none where it falls by too little."""
    if len(time) < 2:
        return ()
    plateaus = [0, *_slowest(time, risk), len(time) - 1]
    found: list[Drop] = []
    begins = 0
    for ends in plateaus[1:]:
        if risk[begins] - risk[ends] > LEAST * risk[begins]:
            found.append(
                Drop(*(float(x) for x in (time[begins], time[ends], risk[begins], risk[ends])))
            )
            begins = ends
    return tuple(found)


def _slowest(time: Float[Array, " T"], risk: Float[Array, " T"]) -> list[int]:
    """Places of the plateaus between two peaks of the speed."""
    passed, fallen = np.diff(time), np.maximum(-np.diff(risk), 0.0)
    places: list[int] = []
    peak, low, at = 0.0, np.inf, 0
    for place in np.flatnonzero(passed > 0.0).tolist():
        v = fallen[place] / passed[place]
        if v < low:
            low, at = float(v), place
        if low < PLATEAU * peak and v * PLATEAU > low:
            places.append(at)
            peak, low, at = float(v), float(v), place
        elif v > peak:
            peak, low, at = float(v), float(v), place
    return places


def bracket(
    time: Float[Array, " T"], log_risk: Float[Array, " T"], level: float
) -> tuple[float, float]:
    """The moments between which log 𝓛 first falls to log `level`; NaN where it never does."""
    below = np.flatnonzero(log_risk <= np.log(level))
    if not len(below):
        return float("nan"), float("nan")
    k = int(below[0])
    return float(time[max(k - 1, 0)]), float(time[k])


def crossing(time: Float[Array, " T"], log_risk: Float[Array, " T"], level: float) -> float:
    """When log 𝓛 first falls to log `level`, straight between two moments; NaN where it never does."""
    below = np.flatnonzero(log_risk <= np.log(level))
    if not len(below) or below[0] == 0:
        return float("nan") if not len(below) else float(time[0])
    k = int(below[0])
    part = (log_risk[k - 1] - np.log(level)) / (log_risk[k - 1] - log_risk[k])
    return float(time[k - 1] + part * (time[k] - time[k - 1]))
