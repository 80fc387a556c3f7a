"""Where neurons go and when they leave while z stands still, by integration of every neuron's flow.

The time until ‖w‖ = r is the time of turning to the KKT point plus ln(r/‖w‖)/(2N*) there (KH24 Lemma C.6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.flow import flow_step, next_step
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import ORDER, NeuronKind
from workbench.theory.ncf.paths import Paths, is_balanced, time_left, within_angles
from workbench.theory.ncf.result import KktSet
from workbench.theory.ncf.sliding import SlidingField
from workbench.theory.numerics.outcome import End, Outcome, together
from workbench.theory.numerics.work import ELEMENT, Work

ARRIVED = 1e-5
"""A direction this close (chord) to an attracting KKT point has arrived."""

BLOCK = 256
"""Neurons followed at once."""

SLIDING = 3e3
"""Operations by neuron and sample of finding the kinks that hold it."""

STILL = 1e-9
"""A turning rate below this share of the gradient's scale counts as rest."""


def flow_paths(
    weights: Float[Array, "H p"],
    ncf: Ncf,
    found: KktSet,
    radius: float,
    *,
    tolerance: float | None = None,
    rounds: int = 20_000,
    work: Work | None = None,
) -> Paths:
    """Paths under the frozen residual z of `ncf`, whose KKT points are `found`; for any d and any neurons.

    The flow is integrated to a local error of `tolerance` radians a step (default 1e-5 squared ReLU; 1e-4
    two-layer ReLU, whose flow slides along kinks, see `SlidingField`). A target that is a one-sided
    inflection ("saddle" with N > 0, d = 2) attracts in exact arithmetic only: the times are those of the flow
    that passes it. Once `work` is spent the paths not at their end are unknown, and the outcome is cancelled.
    """
    work = work or Work()
    norm = np.linalg.norm(weights, axis=1)
    alive = norm > 0
    target = np.full(len(weights), -1, dtype=np.int64)
    escape = np.full(len(weights), np.nan)
    outcomes = []
    if alive.any():
        if tolerance is None:
            tolerance = 1e-5 if ncf.kind is NeuronKind.SQUARED_RELU else 1e-4
        field = None
        if ncf.kind is NeuronKind.TWO_LAYER_RELU:
            field = SlidingField(ncf.merged_lines, 3.0 * tolerance)
        flow = _Flow(ncf, found, float(np.log(radius)), tolerance, field)
        for rows in np.array_split(np.flatnonzero(alive), -(-int(alive.sum()) // BLOCK)):
            if work():
                outcomes.append(Outcome(End.CANCELLED, 0))
                break
            target[rows], escape[rows], outcome = flow.run(
                weights[rows] / norm[rows, None], np.log(norm[rows]), rounds, work
            )
            outcomes.append(outcome)
    return Paths(target, escape, np.full(len(weights), np.nan), together(outcomes), len(weights))


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

    def _operations(self, count: int) -> float:
        """Of a step of that many neurons: three gradients."""
        n, d = self.ncf.x.shape
        return 3.0 * count * n * (ELEMENT + d + (SLIDING if self.field is not None else 0.0))

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
        work: Work,
    ) -> tuple[Int[Array, " B"], Float[Array, " B"], Outcome]:
        """(target, escape time) of each neuron, and how it ended."""
        count = len(direction)
        target = np.full(count, -1, dtype=np.int64)
        escape = np.full(count, np.nan)
        escape[log_norm >= self.log_radius] = 0.0
        scale = self.ncf.scale
        longest = 0.6 / self.stiffness
        now, step = np.zeros(count), np.full(count, min(0.1 / scale, longest))
        direction, log_norm = direction.copy(), log_norm.copy()
        todo, even = np.arange(count), is_balanced(direction, self.ncf.kind, 1e-6)
        end, done = End.CONVERGED, 0
        while done < rounds:
            if done % 4 == 0:
                ended, at = self._arrivals(direction[todo], scale)
                self._settle(todo[ended], at[ended], now, log_norm, target, escape)
                todo = todo[~ended]
            if len(todo) == 0:
                break
            if work():
                end = End.CANCELLED
                break
            done += 1
            work.add(self._operations(len(todo)))
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
        else:
            end = End.OUT_OF_STEPS if len(todo) else end
        return target, escape, Outcome(end, done)

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
                if within_angles(extent.angles, float(np.arctan2(w[-1], w[-2]))):
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
        escape: Float[Array, " B"],
    ) -> None:
        """Record arrivals in place: the rest of the way out is ln(r/‖w‖)/(2N) at the KKT point."""
        for row, index in zip(rows, at, strict=True):
            target[row] = index
            if not np.isnan(escape[row]) or index < 0:
                continue
            rate = np.array([ORDER * self.found.points[index].value])
            left = self.log_radius - log_norm[row : row + 1]
            least = ORDER * 1e-13 * self.ncf.scale
            escape[row] = now[row] + time_left(left, rate, least)[0]
