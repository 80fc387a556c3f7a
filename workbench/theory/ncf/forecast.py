"""Which small neurons leave a saddle, along which KKT direction, and when.

While a neuron is small its weights follow the NCF flow of the residual z (KH24 Theorem 5.5): the
direction runs û' = ∇N(û) − 2N(û)û to a KKT point and d log‖w‖/dt = 2N(û). With z frozen the time
until ‖w‖ = r is the turning time plus ln(r/‖w‖)/(2N*) at the KKT point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.flow import flow_step, next_step
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import ORDER, NeuronKind
from workbench.theory.ncf.result import KktPoint, KktSet
from workbench.theory.ncf.scalar_neuron import scalar_paths
from workbench.theory.ncf.sliding import SlidingField

ARRIVED = 1e-5
"""A direction this close (chord) to an attracting KKT point has arrived."""

BLOCK = 256
"""Neurons followed at once."""

STILL = 1e-9
"""A turning rate below this share of the gradient's scale counts as rest."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """By neuron, each (H,).

    `target`: index into the KKT set's points; −1: none of the listed ones, or not reached in the
    allowed steps. `cosine`: of the direction now with the target's (for a flat set, with its nearest
    member where that is known, else its listed one); nan without a target. `rate`: d log‖w‖/dt now,
    per unit of gradient-flow time. `turn_time`: time until the direction has arrived, nan where it
    did not. `escape_time`: time until ‖w‖ = radius, 0 if it is there already; inf if the norm stays
    below; nan where that is not known.
    """

    target: Int[Array, " H"]
    cosine: Float[Array, " H"]
    rate: Float[Array, " H"]
    turn_time: Float[Array, " H"]
    escape_time: Float[Array, " H"]


def forecast(
    weights: Float[Array, "H p"],
    ncf: Ncf,
    found: KktSet,
    *,
    radius: float,
    tolerance: float | None = None,
    rounds: int = 20_000,
    cancel: Callable[[], bool] | None = None,
) -> Forecast:
    """Forecast for neurons that share one output sign; for sign −1 pass −z and its own KKT set.

    `found`: the KKT points of `ncf`. For d = 2 targets are exact from the
    arcs between KKT points (squared ReLU, and balanced two-layer neurons |v| = ‖u‖); otherwise, and
    for all times, the flow is integrated to a local error of `tolerance` radians a step (default
    1e-5 squared ReLU; 1e-4 two-layer ReLU, whose flow slides along kinks, see `SlidingField`).
    Two-layer neurons on d = 1 have all in closed form. Times are in units of gradient-flow time for
    the summed loss whose residual is z. A target that is a one-sided inflection ("saddle" with N > 0,
    d = 2) attracts in exact arithmetic only: the times are those of the flow that passes it.

    Raises:
        ValueError: radius is not positive.
    """
    if not radius > 0:
        raise ValueError(f"radius must be positive, got {radius}")
    norm = np.linalg.norm(weights, axis=1)
    alive = norm > 0
    direction = weights[alive] / norm[alive, None]
    rate = np.full(len(weights), np.nan)
    rate[alive] = ORDER * ncf.value(direction)
    target = np.full(len(weights), -1, dtype=np.int64)
    turn, escape = np.full(len(weights), np.nan), np.full(len(weights), np.nan)
    if ncf.in_closed_form:
        paths = scalar_paths(weights, ncf, found, radius)
        target, turn, escape = paths.target, paths.turn_time, paths.escape_time
    elif alive.any():
        if tolerance is None:
            tolerance = 1e-5 if ncf.kind is NeuronKind.SQUARED_RELU else 1e-4
        field = None
        if ncf.kind is NeuronKind.TWO_LAYER_RELU:
            field = SlidingField(ncf.merged_lines, 3.0 * tolerance)
        flow = _Flow(ncf, found, float(np.log(radius)), tolerance, field)
        for rows in np.array_split(np.flatnonzero(alive), -(-int(alive.sum()) // BLOCK)):
            if cancel is not None and cancel():
                break
            target[rows], turn[rows], escape[rows] = flow.run(
                weights[rows] / norm[rows, None], np.log(norm[rows]), rounds, cancel
            )
        exact = _targets_on_circle(direction, ncf, found)
        target[alive] = np.where(exact >= 0, exact, target[alive])
    cosine = np.full(len(weights), np.nan)
    aimed = target >= 0
    if aimed.any():
        ends = np.stack([_nearest(found.points[t], w) for t, w in _pairs(target, weights, norm)])
        cosine[aimed] = np.sum(ends * weights[aimed], axis=1) / norm[aimed]
    return Forecast(target, cosine, rate, turn, escape)


def _pairs(
    target: Int[Array, " H"], weights: Float[Array, "H p"], norm: Float[Array, " H"]
) -> list[tuple[int, Float[Array, " p"]]]:
    """(target, unit direction) of the neurons that have a target."""
    return [(int(target[i]), weights[i] / norm[i]) for i in np.flatnonzero(target >= 0)]


def _nearest(point: KktPoint, w: Float[Array, " p"]) -> Float[Array, " p"]:
    """The member of a point or arc nearest to a direction; for other flat sets the listed one."""
    extent = point.extent
    if extent is None or extent.shape != "arc" or extent.angles is None:
        return point.direction
    start, end = extent.angles
    offset = np.mod(np.arctan2(w[1], w[0]) - start, 2 * np.pi)
    if offset <= end - start:
        return w
    angle = start if 2 * np.pi - offset < offset - (end - start) else end
    return np.array([np.cos(angle), np.sin(angle)])


def _targets_on_circle(direction: Float[Array, "B p"], ncf: Ncf, found: KktSet) -> Int[Array, " B"]:
    """Targets by arcs for d = 2, −1 where arcs do not decide."""
    none = np.full(len(direction), -1, dtype=np.int64)
    if ncf.dimension != 2 or found.method != "exact" or not found.points:
        return none
    items, kind = ncf.critical_items, ncf.kind
    middle = 0.5 * (items.start + items.end)
    ends = np.column_stack([np.cos(middle), np.sin(middle)])
    balanced = _balanced(direction, kind)
    sign = np.ones(len(direction))
    if kind is NeuronKind.TWO_LAYER_RELU:
        sign = np.sign(direction[:, 0])
    angle = np.arctan2(direction[:, -1], direction[:, -2])
    item = np.where(sign > 0, items.target(angle, 1), items.target(angle, -1))
    goal = ends[item]
    if kind is NeuronKind.TWO_LAYER_RELU:
        free = np.column_stack([sign / np.sqrt(2.0), goal / np.sqrt(2.0)])
        fixed = np.column_stack([np.zeros(len(goal)), goal])
        listed = np.array([p.kind == "flat" for p in found.points])
        gap = np.linalg.norm(free[:, None] - found.directions[None], axis=2)
        gap_flat = np.linalg.norm(fixed[:, None] - found.directions[None], axis=2)
        gap = np.where(listed, gap_flat, gap)
    else:
        gap = np.linalg.norm(goal[:, None] - found.directions[None], axis=2)
    index = np.argmin(gap, axis=1)
    near = gap[np.arange(len(goal)), index] < 1e-6
    return np.where(near & balanced, index, -1)


def _balanced(direction: Float[Array, "B p"], kind: NeuronKind) -> Bool[Array, " B"]:
    """Rows with |v| = ‖u‖; all rows of neurons without v."""
    if kind is NeuronKind.SQUARED_RELU:
        return np.ones(len(direction), dtype=bool)
    return np.abs(2 * direction[:, 0] ** 2 - 1) < 1e-6


@dataclass(frozen=True, eq=False)
class _Flow:
    """The direction flow of a batch until it arrives at a KKT point of the set or comes to rest."""

    ncf: Ncf
    found: KktSet
    log_radius: float
    tolerance: float
    field: SlidingField | None

    @property
    def stiffness(self) -> float:
        """A bound on the slopes that turn a direction: explicit steps above 0.6 of its inverse
        would not settle on a point of rest."""
        x, z = self.ncf.x, np.abs(self.ncf.z)
        if self.ncf.kind is NeuronKind.SQUARED_RELU:
            return float(np.linalg.norm((x * z[:, None]).T @ x, 2)) or 1.0
        return float(np.linalg.norm(x, 2) * np.linalg.norm(z)) or 1.0

    def gradient(self, w: Float[Array, "B p"]) -> Float[Array, "B p"]:
        """∇N of the frozen residual, along the kinks that hold."""
        if self.field is not None:
            return self.field.gradient(w)
        return self.ncf.gradient(w)

    def run(
        self,
        direction: Float[Array, "B p"],
        log_norm: Float[Array, " B"],
        rounds: int,
        cancel: Callable[[], bool] | None,
    ) -> tuple[Int[Array, " B"], Float[Array, " B"], Float[Array, " B"]]:
        """(target, turn time, escape time) of each neuron."""
        count = len(direction)
        target = np.full(count, -1, dtype=np.int64)
        turn, escape = np.full(count, np.nan), np.full(count, np.nan)
        escape[log_norm >= self.log_radius] = 0.0
        scale = self.ncf.scale
        longest = 0.6 / self.stiffness
        now, step = np.zeros(count), np.full(count, min(0.1 / scale, longest))
        direction, log_norm = direction.copy(), log_norm.copy()
        todo, even = np.arange(count), _balanced(direction, self.ncf.kind)
        for done in range(rounds):
            if done % 4 == 0:
                ended, at = self._arrivals(direction[todo], scale)
                self._settle(todo[ended], at[ended], now, log_norm, target, turn, escape)
                todo = todo[~ended]
            if len(todo) == 0 or (cancel is not None and done % 64 == 0 and cancel()):
                break
            moved = flow_step(self.gradient, direction[todo], log_norm[todo], step[todo])
            good = moved.error <= self.tolerance
            taken, h = todo[good], step[todo][good]
            before, after = log_norm[taken], moved.log_norm[good]
            passes = np.isnan(escape[taken]) & (after >= self.log_radius)
            part = (self.log_radius - before[passes]) / (after[passes] - before[passes])
            escape[taken[passes]] = now[taken[passes]] + part * h[passes]
            direction[taken] = self._tidied(moved.direction[good], even[taken])
            log_norm[taken] = after
            now[taken] += h
            wished = next_step(step[todo], moved.error, self.tolerance)
            step[todo] = np.clip(wished, 1e-10 / scale, longest)
        return target, turn, escape

    def _tidied(self, w: Float[Array, "B p"], even: Bool[Array, " B"]) -> Float[Array, "B p"]:
        """Directions on the kinks that hold them, and those that began balanced kept so.

        v² − ‖u‖² is conserved (KH24 (85)), so that balance is exact in theory; while N < 0 the norm
        shrinks and rounding would blow the imbalance up.
        """
        if self.field is None:
            return w
        w = self.field.onto_kinks(w)
        size = np.linalg.norm(w[:, 1:], axis=1, keepdims=True)
        even = even & (size[:, 0] > 0)
        level = np.hstack([np.sign(w[:, :1]), w[:, 1:] / np.where(size > 0, size, 1.0)])
        return np.where(even[:, None], level / np.sqrt(2.0), w)

    def _arrivals(
        self, w: Float[Array, "B p"], scale: float
    ) -> tuple[Bool[Array, " B"], Int[Array, " B"]]:
        """Which directions have arrived or are at rest, and the index of the KKT point, −1 if none."""
        gradient = self.gradient(w)
        outward = np.sum(gradient * w, axis=1)
        still = np.linalg.norm(gradient - outward[:, None] * w, axis=1) <= STILL * scale
        at = np.full(len(w), -1, dtype=np.int64)
        if not self.found.points:
            return still, at
        gap = np.sqrt(np.maximum(2.0 - 2.0 * np.clip(w @ self.found.directions.T, -1.0, 1.0), 0.0))
        kinds = np.array([point.kind for point in self.found.points])
        reach = ARRIVED if self.ncf.kind is NeuronKind.SQUARED_RELU else 30 * self.tolerance
        attracting = np.where(kinds == "max", gap, np.inf)
        nearest = np.argmin(attracting, axis=1)
        near = attracting[np.arange(len(w)), nearest] <= reach
        at[near] = nearest[near]
        for b in np.flatnonzero(still & ~near):
            at[b] = self._at_rest(w[b], gap[b], 0.5 * float(outward[b]), scale)
        return still | near, at

    def _at_rest(
        self, w: Float[Array, " p"], gap: Float[Array, " K"], value: float, scale: float
    ) -> int:
        """The listed point a resting direction stands on: an isolated one, else its flat set."""
        nearest = int(np.argmin(gap))
        if gap[nearest] < 1e-4:
            return nearest
        for index, point in enumerate(self.found.points):
            extent = point.extent
            if extent is None or abs(point.value - value) > 1e-9 * scale:
                continue
            if extent.angles is not None:
                start, end = extent.angles
                offset = np.mod(np.arctan2(w[-1], w[-2]) - start + 1e-6, 2 * np.pi)
                if offset <= end - start + 2e-6:
                    return index
            elif extent.shape == "zero-set":
                if abs(w[0]) < 1e-6:
                    return index
            elif (
                extent.basis is None
                or np.linalg.norm(w - (w @ extent.basis.T) @ extent.basis) < 1e-6
            ):
                return index
        return -1

    def _settle(
        self,
        rows: Int[Array, " k"],
        at: Int[Array, " k"],
        now: Float[Array, " B"],
        log_norm: Float[Array, " B"],
        target: Int[Array, " B"],
        turn: Float[Array, " B"],
        escape: Float[Array, " B"],
    ) -> None:
        """Record arrivals in place: the rest of the way out is ln(r/‖w‖)/(2N) at the KKT point."""
        for row, index in zip(rows, at, strict=True):
            target[row], turn[row] = index, now[row]
            if not np.isnan(escape[row]) or index < 0:
                continue
            value = self.found.points[index].value
            left = self.log_radius - log_norm[row]
            growing = value > 1e-13 * self.ncf.scale
            escape[row] = now[row] + left / (ORDER * value) if growing else np.inf
