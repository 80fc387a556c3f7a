"""One (leaky) ReLU neuron (v, u) on inputs of one number, in closed form: KKT points, ways and times.

N(v, u) = v Σ_i z_i σ(u x_i) = v a u, with the slope a = a₊ for u > 0 and a₋ for u < 0; a linear activation
has a₊ = a₋ = Σ z_i x_i. Coordinate j of a diagonal network of depth 2 is such a neuron on x_ij (VSS22 §2),
and its NCF separates from the others' (KH24 Cor. 5.4.1). On either side the flow v' = a u, u' = a v is
linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import check_leak
from workbench.theory.ncf.paths import Paths
from workbench.theory.ncf.result import (
    FlatExtent,
    KktPoint,
    KktSet,
    PointKind,
    by_value,
    largest_residual,
)
from workbench.theory.numerics.outcome import End, Outcome

ROUNDING = 64.0 * float(np.finfo(np.float64).eps)
"""A slope below this share of Σ|z_i||x_i| is what rounding leaves of 0."""
OWN, PASSED = 0.375, 0.125
"""Of all directions (v, u) those that reach the maximum of their own side, and those that come to u = 0."""


@dataclass(frozen=True)
class Slopes:
    """a₊ and a₋, and the slope that autograd takes at u = 0, all 0 where they are rounding; `scale` =
    Σ|z_i||x_i|, 1 where that is 0."""

    above: float
    below: float
    kink: float
    scale: float

    @classmethod
    def of(cls, ncf: Ncf) -> Slopes:
        """Of the data; raises ValueError for a leak outside (−1, 1] or data that is not finite."""
        leak, x = check_leak(ncf.leak), ncf.x
        parts = ncf.z * x[:, 0]
        if not np.isfinite(parts).all():
            raise ValueError("x and z must be finite")
        scale = float(np.abs(parts).sum())
        right, left = float(parts[x[:, 0] > 0].sum()), float(parts[x[:, 0] < 0].sum())
        slopes = np.array([right + leak * left, left + leak * right, leak * (right + left)])
        slopes[np.abs(slopes) <= ROUNDING * scale] = 0.0
        above, below, kink = map(float, slopes)
        return cls(above, below, kink, scale or 1.0)

    def at(self, side: float) -> float:
        """a on the side of a sign of u."""
        return self.above if side > 0 else self.below


def kkt_scalar(ncf: Ncf) -> KktSet:
    """All KKT points: |v| = |u| = 1/√2 on both sides, N = ±|a|/2; (±1, 0) with N = 0 where a₊ and a₋
    differ in sign; every v on a side without a slope.

    `basin`: the share of all directions on the circle of (v, u), exact. A side without a slope is one flat
    set, and both together are one.

    Raises:
        ValueError: the leak or the data is unusable.
    """
    slopes = Slopes.of(ncf)
    points = [p for side in (1.0, -1.0) for p in _on_side(slopes, side, ncf)]
    points += _at_kink(slopes)
    flat = [side for side in (1.0, -1.0) if slopes.at(side) == 0.0]
    if flat:
        other = slopes.at(-flat[0])
        share = 1.0 if len(flat) == 2 else 0.5 + (PASSED if other else 0.0)
        extent = FlatExtent("meridian", None, np.eye(2))
        points.append(KktPoint(np.array([0.0, flat[0]]), 0.0, 0.0, 0.0, "flat", share, extent))
    reason = "closed form for inputs of one number"
    outcome = Outcome(End.CONVERGED, 0, largest_residual(points))
    return KktSet(by_value(points), "exact", True, reason, ncf.kind, 1, outcome)


def _on_side(slopes: Slopes, side: float, ncf: Ncf) -> list[KktPoint]:
    """The maximum and the minimum with u on one side; none without a slope."""
    slope, other = slopes.at(side), slopes.at(-side)
    if slope == 0.0:
        return []
    passed = PASSED if slope * other > 0 else 0.0
    found: list[KktPoint] = []
    kinds: tuple[tuple[PointKind, float], ...] = (("max", 1.0), ("min", -1.0))
    for kind, up in kinds:
        w = np.array([up * np.sign(slope) * side, side]) / np.sqrt(2.0)
        value = 0.5 * up * abs(slope)
        gap = 2.0 * value * w - ncf.gradient(w[None])[0]
        residual = float(np.linalg.norm(gap)) / slopes.scale
        basin = OWN + passed if kind == "max" else 0.0
        found.append(KktPoint(w, value, 2.0 * value, residual, kind, basin))
    return found


def _at_kink(slopes: Slopes) -> list[KktPoint]:
    """(±1, 0): N is |u| times a number of one sign on both sides, where the slopes have different ones."""
    if not slopes.above * slopes.below < 0.0:
        return []
    up = float(np.sign(slopes.above))
    low = KktPoint(np.array([up, 0.0]), 0.0, 0.0, 0.0, "min", 0.0, None, 1)
    return [low, KktPoint(np.array([-up, 0.0]), 0.0, 0.0, 0.0, "max", 2.0 * PASSED, None, 1)]


def scalar_paths(
    weights: Float[Array, "H 2"],
    ncf: Ncf,
    found: KktSet,
    radius: float,
) -> Paths:
    """Where neurons (v, u) go under the frozen residual z of `ncf`, `found` its KKT points.

    From u = 0 a neuron goes where autograd's slope takes it: nowhere for a leak of 0.
    """
    slopes = Slopes.of(ncf)
    target = np.full(len(weights), -1, dtype=np.int64)
    escape = np.full(len(weights), np.nan)
    for row, w in enumerate(weights):
        if not np.linalg.norm(w) > 0:
            continue
        end, escape[row] = _path(w, slopes, radius)
        target[row] = _listed(end, found)
        if np.linalg.norm(w) >= radius:
            escape[row] = 0.0
    outcome = Outcome(End.CONVERGED, 0, 0.0)
    return Paths(target, escape, np.full(len(weights), np.nan), outcome, len(weights))


def _path(w: Float[Array, " 2"], slopes: Slopes, radius: float) -> tuple[Float[Array, " 2"], float]:
    """(limit of the direction, escape time) of one neuron that is not 0."""
    size = float(np.hypot(*w))
    v, u = float(w[0]) / size, float(w[1]) / size
    side = float(np.sign(u)) or float(np.sign(slopes.kink * v))
    slope, began = slopes.at(side) if side else 0.0, 0.0
    if u == 0.0 and slope * v * side <= 0.0:
        return np.array([v, u]), np.inf
    # u = 0 is reached before v = 0, and in finite time, where N < 0 and |v| > |u|.
    if slope * u * v < 0.0 and abs(v) > abs(u):
        began = float(np.arctanh(abs(u / v))) / abs(slope)
        before, side = slope, -side
        slope = slopes.at(side)
        if not slope * before > 0.0:
            return np.array([np.sign(v), 0.0]), np.inf
        v, u = float(np.copysign(np.sqrt((v - u) * (v + u)), v)), 0.0
    if slope == 0.0:
        return np.array([v, u]), np.inf
    # The mode v ± u that grows like e^{|a|t}, and the other, which falls.
    up = float(np.sign(slope))
    growing, falling = v + up * u, v - up * u
    if growing == 0.0:
        return np.array([v, u]) / np.hypot(v, u), np.inf
    end = np.array([np.sign(growing), up * np.sign(growing)]) / np.sqrt(2.0)
    leave = _leaves(growing, falling, radius / size) / (2.0 * abs(slope))
    return end, began + max(0.0, leave)


def _leaves(growing: float, falling: float, radius: float) -> float:
    """log y > 0 at which (growing² y + falling²/y)/2 = radius²."""
    if radius > 1e100:
        return float(np.log(2.0) + 2.0 * np.log(radius / abs(growing)))
    product = abs(growing * falling)
    root = np.sqrt(max(0.0, (radius**2 - product) * (radius**2 + product)))
    return float(np.log(radius**2 + root) - 2.0 * np.log(abs(growing)))


def _listed(end: Float[Array, " 2"], found: KktSet) -> int:
    """The listed point at a direction, a flat one for a direction on its side; −1 without one."""
    for index, point in enumerate(found.points):
        if point.kind != "flat" and np.linalg.norm(point.direction - end) <= 1e-9:
            return index
    for index, point in enumerate(found.points):
        if point.kind == "flat" and (point.basin == 1.0 or end[1] * point.direction[1] >= 0):
            return index
    return -1
