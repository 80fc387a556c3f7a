"""KKT points of the constrained NCF that ascents from many seeded starts find, for any d.

Squared ReLU: ascents of N and of −N. Two-layer ReLU: ascents of ±g on the sphere of u, which are
the balanced neurons with v > 0 and v < 0; each maximum (v, u) gives the minimum (−v, u). What is
found is polished to rounding and certified; what was missed is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.ncf import ascent_linear, ascent_quadratic
from workbench.theory.ncf.candidates import Candidate, certified
from workbench.theory.ncf.merged_lines import MergedLines
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.piecewise_linear import PiecewiseLinear, linear
from workbench.theory.ncf.piecewise_quadratic import (
    CURVED,
    IN_CELL,
    PiecewiseQuadratic,
    kind_of,
    quadratic,
)
from workbench.theory.ncf.result import FlatExtent, KktSet, PointKind, by_value, largest_residual
from workbench.theory.numerics.outcome import End, Outcome

KEEP = 128
"""Most distinct ends of the ascents that are polished and listed, for each sign."""

Cancel = Callable[[], bool] | None


@dataclass(frozen=True, eq=False)
class _End:
    """A candidate with the number of starts that ended there."""

    candidate: Candidate
    count: int


def kkt_multistart(
    ncf: Ncf,
    *,
    starts: int = 4096,
    seed: int = 0,
    keep: int = KEEP,
    cancel: Cancel = None,
) -> KktSet:
    """KKT points found from `starts` uniform seeded directions; `complete` is always False.

    `basin` is the share of starts that the ascent took to a point (not the flow: ascents take long
    steps), 0 for minima. Squared ReLU uses
    a quarter as many starts again to look for minima; of more than `keep` distinct ends per sign
    the highest are listed. Equal arguments give equal results.

    Raises:
        ValueError: the data or the leak is unusable, or starts < 1.
    """
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    lines = ncf.merged_lines
    search = _squared if ncf.kind is NeuronKind.SQUARED_RELU else _two_layer
    ends, distinct, outcome = search(lines, starts, np.random.default_rng(seed), keep, cancel)
    candidates = [replace(end.candidate, basin=end.count / starts) for end in ends]
    points = certified(candidates, ncf)
    tried = outcome.iterations or 0
    reason = f"{tried:,} seeded starts; what they missed is not known"
    if outcome.cancelled:
        reason = outcome.why_not
    statistics = {
        "lines": float(len(lines.axis)),
        "starts": float(tried),
        "distinct": float(distinct),
        "settled": float(len(ends)),
    }
    return KktSet(
        by_value(points),
        "multistart",
        False,
        reason,
        ncf.kind,
        ncf.dimension,
        replace(outcome, residual=largest_residual(points)),
        statistics,
    )


def _sphere(rng: np.random.Generator, count: int, d: int) -> Float[Array, "B d"]:
    """Uniform unit vectors."""
    u = rng.normal(size=(count, d))
    return u / np.linalg.norm(u, axis=1, keepdims=True)


def leaders(
    u: Float[Array, "B d"], value: Float[Array, " B"], near: float, most: int
) -> tuple[Int[Array, " L"], Int[Array, " L"]]:
    """The highest unit vectors no two of which are nearer than `near`, at most `most`, and how many
    vectors each stands for."""
    left = np.argsort(-value, kind="stable")
    heads: list[int] = []
    counts: list[int] = []
    while len(left) and len(heads) < most:
        head = int(left[0])
        close = np.sum((u[left] - u[head]) ** 2, axis=1) <= near**2
        heads.append(head)
        counts.append(int(close.sum()))
        left = left[~close]
    return np.array(heads, dtype=np.int64), np.array(counts, dtype=np.int64)


def _squared(
    lines: MergedLines, starts: int, rng: np.random.Generator, keep: int, cancel: Cancel
) -> tuple[list[_End], int, Outcome]:
    """Ends of ascents of N and −N, how many differed before polishing, and how the search ended."""
    q = quadratic(lines)
    less = max(1, starts // 4)
    ends: list[_End] = []
    distinct = unsettled = 0
    cancelled = Outcome(End.CANCELLED, starts + less)
    for sign, count in ((1.0, starts), (-1.0, less)):
        one = replace(q, base=sign * q.base, plus=sign * q.plus, minus=sign * q.minus)
        ascent = ascent_quadratic.ascend(one, _sphere(rng, count, lines.dimension), cancel=cancel)
        if ascent.outcome.cancelled:
            return ends, distinct, cancelled
        reached = ascent.direction
        heads, counts = leaders(reached, one.value(reached), 1e-3, keep)
        distinct += len(heads)
        for head, taken in zip(heads, counts, strict=True):
            if cancel is not None and cancel():
                return ends, distinct, cancelled
            polished = ascent_quadratic.polish(one, reached[head])
            if polished.outcome.converged:
                candidate = _squared_candidate(q, polished, sign)
                _add(ends, candidate, int(taken) if sign > 0 else 0, q)
            else:
                unsettled += 1
    return ends, distinct, _ended(starts + less, unsettled)


def _ended(starts: int, unsettled: int) -> Outcome:
    """Of a search that was not cancelled; `unsettled`: ends that polishing did not settle."""
    if not unsettled:
        return Outcome(End.CONVERGED, starts)
    return Outcome(End.STALLED, starts, reason=f"{unsettled:,} ends of ascents did not settle")


def _squared_candidate(
    q: PiecewiseQuadratic, polished: ascent_quadratic.Polished, sign: float
) -> Candidate:
    """A polished end with its kind; exact inside a cell, by bounds and then exactly on kinks."""
    u = polished.direction
    if len(polished.space) > 1:
        return Candidate(u, "flat", FlatExtent("face", None, polished.space))
    if (np.abs(q.axis @ u) > IN_CELL).all():
        kind: PointKind = "saddle"
        if polished.top:
            kind = "max" if sign > 0 else "min"
        return Candidate(u, kind)
    return Candidate(u, _kind_on_kinks(q, u))


def _kind_on_kinks(q: PiecewiseQuadratic, u: Float[Array, " d"]) -> PointKind:
    """Kind on kinks: from forms above and below the second-order change, else by enumeration."""
    local = q.around(u)
    outer = local.axis.T * np.maximum(local.plus, local.minus)
    above = np.linalg.eigvalsh(local.base + outer @ local.axis)[-1]
    outer = local.axis.T * np.minimum(local.plus, local.minus)
    below = np.linalg.eigvalsh(local.base + outer @ local.axis)[0]
    if above < -CURVED * q.scale:
        return "max"
    if below > CURVED * q.scale:
        return "min"
    return kind_of(u, q) if len(local.axis) <= 8 else "saddle"


def _add(ends: list[_End], candidate: Candidate, count: int, q: PiecewiseQuadratic) -> None:
    """Add an end, or its count to an end that is the same point or flat set."""
    for index, end in enumerate(ends):
        same = bool(np.linalg.norm(end.candidate.direction - candidate.direction) <= 1e-7)
        if same or (
            end.candidate.kind == candidate.kind == "flat" and _one_set(end.candidate, candidate, q)
        ):
            ends[index] = replace(end, count=end.count + count)
            return
    ends.append(_End(candidate, count))


def _one_set(a: Candidate, b: Candidate, q: PiecewiseQuadratic) -> bool:
    """Whether the direction midway between two flat ends is stationary with their value."""
    middle = a.direction + b.direction
    size = float(np.linalg.norm(middle))
    if size < 1e-6:
        return False
    middle /= size
    height = q.axis @ middle
    image = middle @ q.base + (np.where(height > 0, q.plus, q.minus) * height) @ q.axis
    value = float(q.value(a.direction[None])[0])
    return bool(np.linalg.norm(image - value * middle) <= 1e-9 * q.scale)


def _two_layer(
    lines: MergedLines, starts: int, rng: np.random.Generator, keep: int, cancel: Cancel
) -> tuple[list[_End], int, Outcome]:
    """Ends of ascents of g (v > 0) and −g (v < 0), and their mirror images with −v.

    Ends with N < 0 are no maxima of N(v, u) but saddles that only balanced neurons approach, while
    they shrink to 0: they are left out, and their starts count for no basin.
    """
    g = linear(lines)
    floor = -ascent_linear.SMALL * g.scale
    ends: list[_End] = []
    distinct = unsettled = 0
    cancelled = Outcome(End.CANCELLED, starts)
    for sign, count in ((1.0, starts - starts // 2), (-1.0, starts // 2)):
        one = replace(g, base=sign * g.base, plus=sign * g.plus, minus=sign * g.minus)
        ascent = ascent_linear.ascend(one, _sphere(rng, count, lines.dimension), cancel=cancel)
        if ascent.outcome.cancelled:
            return ends, distinct, cancelled
        reached = ascent.direction
        value = one.value(reached)
        reached, value = reached[value >= floor], value[value >= floor]
        heads, counts = leaders(reached, value, 0.004, keep)
        distinct += len(heads)
        settled = ascent_linear.settle(one, reached[heads], cancel=cancel)
        if cancel is not None and cancel():
            return ends, distinct, cancelled
        unsettled += int((~settled.done).sum())
        for b in np.flatnonzero(settled.done):
            _add_pair(ends, one, settled, int(b), sign, int(counts[b]))
    return ends, distinct, _ended(starts, unsettled)


def _add_pair(
    ends: list[_End],
    g: PiecewiseLinear,
    settled: ascent_linear.Settled,
    b: int,
    sign: float,
    count: int,
) -> None:
    """A settled row as (sign, u)/√2 with its mirror image, or as a flat set where the slope is 0.

    A row with a positive value is a maximum: every kink it sits on is concave.
    """
    u = settled.direction[b]
    value = float(g.value(u[None])[0])
    flat = settled.slope_size[b] <= 0.0 or abs(value) <= ascent_linear.SMALL * g.scale
    w = np.append(0.0 if flat else sign / np.sqrt(2.0), u if flat else u / np.sqrt(2.0))
    for index, end in enumerate(ends):
        if np.linalg.norm(end.candidate.direction - w) <= 1e-7 or (
            flat and end.candidate.kind == "flat" and _one_dead_set(end.candidate, u, g)
        ):
            ends[index] = replace(end, count=end.count + count)
            return
    if flat:
        ends.append(_End(Candidate(w, "flat", FlatExtent("face", None, None)), count))
        return
    ends.append(_End(Candidate(w, "max"), count))
    ends.append(_End(Candidate(np.append(-w[0], w[1:]), "min"), 0))


def _one_dead_set(a: Candidate, u: Float[Array, " d"], g: PiecewiseLinear) -> bool:
    """Whether g and its slope vanish midway between two directions where they do."""
    middle = a.direction[1:] + u
    if np.linalg.norm(middle) < 1e-6:
        return False
    height = g.axis @ middle
    slope = g.base + np.where(height > 0, g.plus, g.minus) @ g.axis
    return bool(np.linalg.norm(slope) <= ascent_linear.SMALL * g.scale)
