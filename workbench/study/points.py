"""Directions that many members head for, each found with a residual of its own, told apart as KKT points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Bool, Float

SAME_DEGREES = 5.0
"""Directions of one kind that are nearer than this are one KKT point."""


@dataclass(frozen=True, eq=False)
class Point:
    """A KKT point of several members: their directions' mean as a unit vector (d), its kind (max, saddle,
    min, flat), the mean of their values N, and which of the directions (T) are its own."""

    direction: Float[Array, " d"]
    kind: str
    value: float
    own: Bool[Array, " T"]


def points_of(
    direction: Float[Array, "T d"], kind: Sequence[str] | Array, value: Float[Array, " T"]
) -> list[Point]:
    """The points that T directions of any length are, those of most first, then those of larger N.

    A point is the directions of one kind that are near the first that belongs to none yet. NaN belongs
    nowhere.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    kinds = np.asarray(kind, dtype=object)
    left = np.isfinite(unit).all(axis=1) if unit.shape[1] else np.zeros(len(unit), dtype=bool)
    nearest, found = np.cos(np.radians(SAME_DEGREES)), []
    while left.any():
        first = int(np.argmax(left))
        own = left & (unit @ unit[first] >= nearest) & (kinds == kinds[first])
        # Rounding must not part a direction from itself.
        own[first] = True
        left &= ~own
        mean = unit[own].mean(axis=0)
        mean /= np.linalg.norm(mean)
        found.append(Point(mean, str(kinds[first]), float(np.mean(value[own])), own))
    return sorted(found, key=lambda point: (-int(point.own.sum()), -point.value))
