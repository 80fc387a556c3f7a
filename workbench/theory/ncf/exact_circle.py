"""The arcs that data lines cut the circle into, and f's formula on each, in integers.

On arc c f = A + B cos kθ + C sin kθ with, for k = 2, A = (M₁₁ + M₂₂)/2, B = (M₁₁ − M₂₂)/2, C = M₁₂ of
N(u) = uᵀMu, and for k = 1, A = 0 and (B, C) the slope of g. Crossing a line changes M, or the slope, by a
fixed amount: sums of integers, where adding and removing the same line cancels exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cmp_to_key

import numpy as np
from jaxtyping import Bool, Int

from workbench.arrays import Array
from workbench.theory.ncf.exact_lines import ExactLines
from workbench.theory.numerics.integers import floats

NEAR = 1e-14
"""Angles nearer than this are put in order by integers; float64 angles are right to 1e−15."""


@dataclass(frozen=True, eq=False)
class ExactCircle:
    """2m breaks and arcs of m kinked lines; one arc and no break where there is none.

    `direction` (2m, 2): integers along the breaks, by angle from 0; the second half is the first, turned
    by π. `wave` (arcs, 3): integers (A, B, C) over 2^exponent of the arc after each break. `line` (m,): the
    line at each of the first m breaks; `rising` (m,): its sign goes from − to + there.
    """

    direction: Array
    wave: Array
    exponent: int
    line: Int[Array, " m"]
    rising: Bool[Array, " m"]

    @property
    def flat(self) -> Bool[Array, " arcs"]:
        """Arcs on which f is constant."""
        return ((self.wave[:, 1] == 0) & (self.wave[:, 2] == 0)).astype(bool)


def exact_circle(lines: ExactLines) -> ExactCircle:
    """Sort the lines' break directions and sum up the arcs.

    Raises:
        ValueError: the lines are not in the plane.
    """
    if lines.dimension != 2:
        raise ValueError(f"the circle needs d = 2, got d = {lines.dimension}")
    feature = _features(lines.axis, lines.degree)
    smooth = (_features(lines.smooth_axis, lines.degree) * lines.smooth[:, None]).sum(axis=0)
    exponent = lines.exponent - (1 if lines.degree == 2 else 0)
    if len(lines.axis) == 0:
        wave = np.array([0, 0, 0], dtype=object) + smooth
        none = np.zeros(0, dtype=np.int64)
        return ExactCircle(np.zeros((0, 2), dtype=object), wave[None], exponent, none, none > 0)
    turned = np.column_stack([-lines.axis[:, 1], lines.axis[:, 0]])
    # u = turned·t is where the line's sign goes from + to −; the other end is turned back into [0, π).
    fades = ((turned[:, 1] > 0) | ((turned[:, 1] == 0) & (turned[:, 0] > 0))).astype(bool)
    upper = np.where(fades[:, None], turned, -turned)
    order = _by_angle(upper)
    plus, minus = feature * lines.plus[:, None], feature * lines.minus[:, None]
    start = np.where(fades[:, None], plus, minus).sum(axis=0) + smooth
    step = np.where(fades[:, None], minus - plus, plus - minus)[order]
    wave = start + np.cumsum(np.concatenate([step, -step]), axis=0)
    direction = np.concatenate([upper[order], -upper[order]])
    return ExactCircle(direction, wave, exponent, order, ~fades[order])


def _features(rows: Array, degree: int) -> Array:
    """(m, 3) what weight 1 on a row adds to (A, B, C), doubled for k = 2."""
    x, y = rows[:, 0], rows[:, 1]
    if degree == 1:
        return np.column_stack([0 * x, x, y])
    return np.column_stack([x * x + y * y, x * x - y * y, 2 * x * y])


def _by_angle(upper: Array) -> Int[Array, " m"]:
    """Order of directions with angles in [0, π), neighbours that float64 cannot tell apart by integers."""
    number, _ = floats(upper, by_row=True)
    angle = np.arctan2(number[:, 1], number[:, 0])
    order = np.argsort(angle, kind="stable")
    close = np.diff(angle[order]) < NEAR
    for run in np.split(np.arange(len(order)), np.flatnonzero(~close) + 1):
        if len(run) > 1:
            order[run] = sorted(order[run].tolist(), key=cmp_to_key(_turn(upper)))
    return order


def _turn(rows: Array):  # type: ignore[no-untyped-def]
    """Comparison of row indices by angle."""
    pairs = rows.tolist()

    def compare(one: int, other: int) -> int:
        (a, b), (c, d) = pairs[one], pairs[other]
        cross = a * d - b * c
        return -1 if cross > 0 else 1 if cross < 0 else 0

    return compare
