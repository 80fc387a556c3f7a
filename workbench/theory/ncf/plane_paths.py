"""Where neurons of the plane go and when they leave while z stands still: all of them at once.

On the circle the direction flow of the NCF is one-dimensional (KH24 Lemma C.6). With u at the angle φ,

    squared ReLU:                  φ' = N'(φ),      log‖w‖' = 2N(φ);
    two-layer ReLU, |v| = ‖u‖:     φ' = s g'(φ),    log‖w‖' = s g(φ),     s = sign v,

g(u) = Σ z_i σ(x_i·u). f = N or g and f' come from the sorted arcs (theory/ncf/circle.py), so a step costs
O(H log n) and not O(Hn). No direction passes an attracting point, kink or not: a step that would ends
there. Unbalanced two-layer neurons need theory/ncf/flow_paths.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.theory.ncf.circle import CircleFunction, CriticalItems
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.paths import Paths, point_at, time_left
from workbench.theory.ncf.result import KktSet
from workbench.theory.numerics.outcome import End, Outcome

STEP = {1: 0.1, 2: 0.4}
"""Step of the fourth-order method, over the fastest rate on the circle, by the degree of f: for two-layer
neurons φ' jumps at every data line, which costs the order."""
ROUNDS = 4_000
NEAR = 2e-3
"""Radians from the end at which growth is that of the end: log‖w‖ is then right to about 4e−6."""


@dataclass(frozen=True, eq=False)
class _Field:
    """The flow's field on the circle: f of z and where its slope vanishes."""

    f: CircleFunction
    items: CriticalItems
    growth: float

    def speeds(
        self, angle: Float[Array, " k"], sign: Float[Array, " k"]
    ) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """(φ', log‖w‖')."""
        arc = self.f.arc_of(angle)
        bend, slope = self.f.wave(angle, arc)
        return sign * slope, self.growth * sign * (self.f.mean[arc] + bend)

    @property
    def fastest(self) -> float:
        """Bound on the rates at which directions turn and norms grow."""
        wave = np.hypot(self.f.cosine, self.f.sine)
        both = np.maximum(self.f.degree**2 * wave, self.growth * np.abs(self.f.mean))
        return float(both.max(initial=0.0)) or 1.0

    def ends(self, angle: Float[Array, " k"], sign: Float[Array, " k"]) -> Int[Array, " k"]:
        """The critical item each angle moves to."""
        up, down = self.items.target(angle, 1), self.items.target(angle, -1)
        return np.where(sign > 0, up, down)

    def turn_left(self, angle: Float[Array, " k"], item: Int[Array, " k"]) -> Float[Array, " k"]:
        """Signed angle still to turn, by the shorter way; 0 on the item."""
        start, end = self.items.start[item], self.items.end[item]
        offset = np.mod(angle - start, 2 * np.pi)
        behind = np.mod(angle - end, 2 * np.pi)
        ahead = np.mod(start - angle, 2 * np.pi)
        gap = np.where(ahead <= behind, ahead, -behind)
        return np.where(offset <= end - start, 0.0, gap)


def plane_paths(
    weights: Float[Array, "H p"],
    ncf: Ncf,
    found: KktSet,
    radius: float,
    *,
    cancel: Callable[[], bool] | None = None,
) -> Paths:
    """Paths of balanced neurons under the frozen residual z of `ncf`, whose KKT points are `found`.

    The outcome's residual: radians left to turn before the last step, of the neuron farthest from its end.
    """
    f, kind = ncf.circle, ncf.kind
    field = _Field(f, ncf.critical_items, 2.0 if kind is NeuronKind.SQUARED_RELU else 1.0)
    size = np.linalg.norm(weights, axis=1)
    ends, times, leaving = (np.full(len(weights), np.nan) for _ in range(3))
    alive = np.flatnonzero(size > 0)
    sign = np.ones(len(alive))
    if kind is NeuronKind.TWO_LAYER_RELU:
        sign = np.where(weights[alive, 0] < 0, -1.0, 1.0)
    angle = np.arctan2(weights[alive, -1], weights[alive, -2])
    left = float(np.log(radius)) - np.log(size[alive])
    item, gap0 = field.ends(angle, sign), np.zeros(0)
    clock, h = np.zeros(len(alive)), STEP[f.degree] / field.fastest
    times[alive[left <= 0]], leaving[alive[left <= 0]] = 0.0, angle[left <= 0]
    for done in range(ROUNDS):
        gap0 = field.turn_left(angle, item)
        still = np.abs(gap0) <= NEAR
        if still.any():
            _close(field, alive[still], item[still], angle[still], sign[still],
                   clock[still], left[still], ends, times)  # fmt: skip
            go = ~still
            alive, sign, angle, left = alive[go], sign[go], angle[go], left[go]
            item, clock, gap0 = item[go], clock[go], gap0[go]
        if len(alive) == 0 or (done % 64 == 0 and cancel is not None and cancel()):
            break
        turned, grown = _step(field, angle, sign, h)
        over = (np.abs(turned) > np.abs(gap0)) & (np.sign(turned) == np.sign(gap0))
        turned = np.where(over, gap0, turned)
        passed = np.isnan(times[alive]) & (grown >= left)
        part = left[passed] / grown[passed]
        times[alive[passed]] = clock[passed] + h * part
        leaving[alive[passed]] = angle[passed] + part * turned[passed]
        angle, clock, left = angle + turned, clock + h, left - grown
    late = np.isnan(leaving) & np.isfinite(times)
    leaving[late] = ends[late]
    end = End.CONVERGED
    if len(alive):
        end = End.OUT_OF_STEPS if done + 1 == ROUNDS else End.CANCELLED
    target = [
        point_at(found, kind, a, s)
        for a, s in zip(ends.tolist(), np.sign(weights[:, 0]).tolist(), strict=True)
    ]
    outcome = Outcome(end, done, float(np.abs(gap0).max(initial=0.0)))
    return Paths(np.array(target, dtype=np.int64), times, leaving, outcome, len(weights))


def _step(
    field: _Field, angle: Float[Array, " k"], sign: Float[Array, " k"], h: float
) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """One classical step of fourth order: the turn and the growth of log‖w‖."""
    a1, g1 = field.speeds(angle, sign)
    a2, g2 = field.speeds(angle + h / 2 * a1, sign)
    a3, g3 = field.speeds(angle + h / 2 * a2, sign)
    a4, g4 = field.speeds(angle + h * a3, sign)
    return h / 6 * (a1 + 2 * a2 + 2 * a3 + a4), h / 6 * (g1 + 2 * g2 + 2 * g3 + g4)


def _close(
    field: _Field,
    rows: Int[Array, " k"],
    item: Int[Array, " k"],
    angle: Float[Array, " k"],
    sign: Float[Array, " k"],
    clock: Float[Array, " k"],
    left: Float[Array, " k"],
    ends: Float[Array, " H"],
    times: Float[Array, " H"],
) -> None:
    """Neurons that have arrived: their end, and the wait at the end's growth; in place."""
    flat = field.items.flat[item]
    ends[rows] = np.where(flat, angle, field.items.start[item])
    rate = field.growth * sign * field.items.value[item]
    wait = time_left(left, rate, 1e-13 * field.f.scale)
    times[rows] = np.where(np.isnan(times[rows]), clock + wait, times[rows])
