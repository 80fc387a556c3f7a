"""How far a point is from where a two-layer network changes its mind: min ‖δ‖ s.t. q(x + δ) ≤ 0, exactly.

q(x + δ) = c·σ(s + W δ) + offset with σ(s) = max(s, leak·s), convex. Terms with c_k > 0 are convex: q ≤ 0 is
the same as all their tangents', which are added as they are needed. Terms with c_k < 0 are bounded below
by the chord of σ over the heights that are possible within the best distance known and the box; where a
chord is too low the cell is split at s_k = 0 (branch and bound, the lowest bound first). What is left is
a nearest point of a polyhedron, whose dual certifies it.

Misclassified is q ≤ 0, as in LL20 J.2, dead regions with q = 0 included. Certificate: `low` ≤ the distance
whatever the search missed: q ≤ 0 is relaxed by `SLACK` of the sizes of the terms, which covers rounding.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
from jaxtyping import Float, Int8

from workbench.arrays import Array
from workbench.theory.numerics.nearest_in_polyhedron import Nearest, nearest_in_polyhedron
from workbench.theory.numerics.outcome import End, Outcome

SLACK = 1e-13
"""Over Σ|c_k|(|s_k| + ‖w_k‖ radius) + |offset|: what rounding makes of q."""
CLOSE = 1e-8
"""Relative distance of the bounds at which they count as met."""
DEEPER = 1e-9
"""Over the same: how far below 0 a second candidate is sought, for q to be below it in floating point."""
ON_IT = 1e-9
"""Over the same: how far above 0 q may be at a point that counts as one of the boundary; and a point beyond
the box, relative to its size or 1."""
CUTS = 200
"""Most tangents of the convex part in one cell."""


@dataclass(frozen=True, eq=False)
class TwoLayer:
    """q(x + δ) = c·σ(s + W δ) + offset: W (h, d), s (h), c (h), σ(s) = max(s, leak·s); low ≤ δ ≤ high."""

    weight: Float[Array, "h d"]
    heights: Float[Array, " h"]
    c: Float[Array, " h"]
    offset: float
    leak: float
    low: Float[Array, " d"]
    high: Float[Array, " d"]

    def act(self, s: Float[Array, " h"]) -> Float[Array, " h"]:
        """σ."""
        return np.maximum(s, self.leak * s)

    def slope(self, s: Float[Array, " h"]) -> Float[Array, " h"]:
        """σ': of the two slopes the larger one on the right, whichever that is."""
        return np.where(s > 0, max(1.0, self.leak), min(1.0, self.leak))


@dataclass(frozen=True, eq=False)
class Boundary:
    """`low` ≤ min(distance, the radius searched). `candidates` (k, d): δ of points on the boundary or just
    beyond, the nearest last. `outcome`: iterations are the cells looked at, the residual is what the
    nearest distance known, or the radius, is above `low`; converged where no cell was left."""

    low: float
    candidates: Float[Array, "k d"]
    outcome: Outcome


def boundary_distance(network: TwoLayer, radius: float, most_cells: int) -> Boundary:
    """The nearest δ with q ≤ 0 within `radius` (finite), looking at no more than `most_cells` cells."""
    return _Search(network, radius).run(most_cells)


@dataclass(frozen=True, eq=False)
class _Cell:
    """Gates (h) of concave terms: 1 where s_k ≥ 0, −1 where s_k ≤ 0, 0 where both may be; the tangents of
    the convex part that were of use where it came from."""

    gates: Int8[Array, " h"]
    tangents: tuple[Array, ...]


@dataclass(frozen=True, eq=False)
class _Relaxed:
    """The nearest point of a cell's relaxation; `gap` (h): how far each chord is from its term there."""

    nearest: Nearest
    gap: Float[Array, " h"]
    tangents: tuple[Array, ...]


class _Search:
    """Branch and bound over the gates of the concave terms."""

    def __init__(self, network: TwoLayer, radius: float) -> None:
        self.net, self.best = network, radius
        self.concave = network.c < 0
        self.row_norm = np.linalg.norm(network.weight, axis=1)
        sizes = np.abs(network.heights) + self.row_norm * radius
        self.scale = float(np.abs(network.c) @ sizes) * max(1.0, abs(network.leak))
        self.scale += abs(network.offset)
        self.candidates: list[Array] = []
        up, down = np.maximum(network.weight, 0.0), np.maximum(-network.weight, 0.0)
        walled = np.isfinite(network.low).all() and np.isfinite(network.high).all()
        room = np.full(len(network.c), np.inf)
        self.box_top = up @ network.high - down @ network.low if walled else room
        self.box_bottom = up @ network.low - down @ network.high if walled else -room

    def run(self, most_cells: int) -> Boundary:
        """Until the lowest bound meets the best distance or the cells are used up."""
        order = count()
        first = _Cell(np.zeros(len(self.net.c), dtype=np.int8), (self._tangent(self.net.heights),))
        heap: list[tuple[float, int, _Cell]] = [(0.0, next(order), first)]
        self._take_dead_region()
        low, cells = self.best, 0
        while heap and cells < most_cells and heap[0][0] < (1.0 - CLOSE) * self.best:
            before, _, cell = heapq.heappop(heap)
            cells += 1
            relaxed = self._relax(cell, -SLACK * self.scale)
            bound = max(before, relaxed.nearest.bound)
            split = int(np.argmax(relaxed.gap))
            if bound >= (1.0 - CLOSE) * self.best:
                low = min(low, bound)
            elif relaxed.gap[split] <= 0.1 * SLACK * self.scale:
                low = min(low, bound)
                self._take(cell, relaxed)
            else:
                for gate in (1, -1):
                    gates = cell.gates.copy()
                    gates[split] = gate
                    heapq.heappush(heap, (bound, next(order), _Cell(gates, relaxed.tangents)))
        left = heap[0][0] if heap else np.inf
        found = np.array(self.candidates).reshape(-1, self.net.weight.shape[1])
        sure = min(low, left)
        low = min(sure, self.best)
        end = End.CONVERGED if sure >= (1.0 - CLOSE) * self.best else End.OUT_OF_STEPS
        return Boundary(low, found, Outcome(end, cells, self.best - low))

    def _take_dead_region(self) -> None:
        """The nearest point where every term is off, a little inside: there q is `offset`, and no point of
        its corner is seen as misclassified in floating point."""
        net = self.net
        if net.leak != 0.0 or net.offset > 0.0:
            return
        sizes = np.abs(net.heights) + self.row_norm * self.best
        nearest = nearest_in_polyhedron(
            -net.weight, net.heights + DEEPER * sizes, net.low, net.high
        )
        if (net.heights + net.weight @ nearest.delta < 0.0).all():
            self.candidates.append(nearest.delta)
            self.best = min(self.best, float(np.linalg.norm(nearest.delta)))

    def _take(self, cell: _Cell, relaxed: _Relaxed) -> None:
        """Nothing of a solved cell is relaxed: its nearest point is one of the boundary's, unless the cell is
        next to empty and rounding has that point."""
        delta = relaxed.nearest.delta
        if not self._beyond(delta):
            return
        deeper = self._relax(replace(cell, tangents=relaxed.tangents), DEEPER * self.scale)
        self.candidates += [deeper.nearest.delta, delta]
        self.best = min(self.best, float(np.linalg.norm(delta)))

    def _beyond(self, delta: Float[Array, " d"]) -> bool:
        """Whether q(x + δ) ≤ 0 and δ is in the box, up to rounding."""
        net = self.net
        q = float(net.c @ net.act(net.heights + net.weight @ delta)) + net.offset
        slip = ON_IT * max(1.0, float(np.linalg.norm(delta)))
        inside = (delta >= net.low - slip).all() and (delta <= net.high + slip).all()
        return bool(q <= ON_IT * self.scale and inside)

    def _tangent(self, s: Float[Array, " h"]) -> Array:
        """Slopes of the convex terms, 0 of the others."""
        return np.where(self.concave, 0.0, self.net.slope(s))

    def _relax(self, cell: _Cell, below: float) -> _Relaxed:
        """The nearest point of {Σ tangents + Σ chords ≤ −below, s_k on its gate's side}, cut by cut."""
        net = self.net
        slope, level = self._chords(cell.gates)
        straight = (net.c * slope) @ net.weight
        start = float(net.c @ level) + net.offset + below
        held = np.flatnonzero(cell.gates)
        side = cell.gates[held].astype(np.float64)
        walls, wall_levels = side[:, None] * net.weight[held], -side * net.heights[held]
        tangents = list(cell.tangents)
        while True:
            pulls = np.array([straight + (net.c * t) @ net.weight for t in tangents])
            starts = np.array([start + float((net.c * t) @ net.heights) for t in tangents])
            rows = np.concatenate([-pulls, walls])
            levels = np.concatenate([starts, wall_levels])
            nearest = nearest_in_polyhedron(rows, levels, net.low, net.high)
            s = net.heights + net.weight @ nearest.delta
            convex = float(np.where(self.concave, 0.0, net.c) @ net.act(s))
            met = start + float(straight @ nearest.delta) + convex <= 0.1 * SLACK * self.scale
            new = self._tangent(s)
            if met or nearest.bound >= self.best or len(tangents) >= CUTS:
                break
            if any(np.array_equal(new, known) for known in tangents):
                break
            tangents.append(new)
        chord = level + slope * (s - net.heights)
        free = self.concave & (cell.gates == 0)
        gap = np.where(free, -net.c * np.maximum(chord - net.act(s), 0.0), 0.0)
        return _Relaxed(nearest, gap, tuple(tangents[-len(net.c) - 1 :]))

    def _chords(self, gates: Int8[Array, " h"]) -> tuple[Array, Array]:
        """Of every concave term a slope m and a level b, so that σ(s_k + w·δ) ≤ b + m w·δ where the cell,
        the box and the ball of the best distance meet; 0 of the convex ones."""
        net = self.net
        reach = self.best * self.row_norm
        bottom = net.heights + np.maximum(-reach, self.box_bottom)
        top = net.heights + np.minimum(reach, self.box_top)
        bottom = np.where(gates > 0, np.maximum(bottom, 0.0), bottom)
        top = np.where(gates < 0, np.minimum(top, 0.0), top)
        width = top - bottom
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = (net.act(top) - net.act(bottom)) / width
        one_side = (bottom >= 0) | (top <= 0) | ~(width > 0)
        slope = np.where(one_side, net.slope(bottom + top), slope)
        level = np.where(
            one_side, slope * net.heights, net.act(bottom) + slope * (net.heights - bottom)
        )
        return np.where(self.concave, slope, 0.0), np.where(self.concave, level, 0.0)
