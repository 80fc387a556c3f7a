"""Piecewise sinusoids on the circle: critical items and the ascent flow between them.

For d = 2 the data lines cut the circle into arcs (cells) and on arc c, with u = (cos θ, sin θ),

    f(θ) = A_c + B_c cos kθ + C_c sin kθ,      k = 2: N of squared ReLU,  k = 1: g of two-layer ReLU.

Crossing a line changes (A, B, C) by a fixed amount, so all arcs follow from one by prefix sums of
integers (`exact_circle.py`). Which arcs are flat and the signs of f' at every break are exact; from them
follows where critical points are, without a tolerance. Angles and values are float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.exact_circle import ExactCircle
from workbench.theory.ncf.merged_lines import MergedLines
from workbench.theory.numerics.integers import floats, signs_of

TURN = 2.0 * np.pi


@dataclass(frozen=True, eq=False)
class CircleFunction:
    """f on the circle; arc c runs from `breaks[c]` to `breaks[c + 1]` (cyclic), at least two arcs.

    `breaks` (m,): angles in [0, 2π], not falling. `mean`, `cosine`, `sine` (m,): A, B, C by arc.
    `degree`: k. `scale`: bound on |f|. `direction` (m, 2): unit vectors at the breaks. `real` (m,): the
    break is a data line's, not a helper's.

    Exactly known: `flat` (m,): B = C = 0 on the arc. `level` (m,): sign of f at the break for k = 1.
    `before`, `after` (m,): sign of f' at the break by the formula of the arc before, and after, it.
    `bend_before`, `bend_after` (m,): sign of f − A there, against f''. `wide` (m,): the arc is longer
    than π/2. `line` (h,): index of the kinked line at each of the first h = m/2 breaks, none at helpers;
    `rising` (h,): its sign goes from − to + there, and back at the opposite break.
    """

    breaks: Float[Array, " m"]
    mean: Float[Array, " m"]
    cosine: Float[Array, " m"]
    sine: Float[Array, " m"]
    degree: int
    scale: float
    direction: Float[Array, "m 2"]
    real: Bool[Array, " m"]
    flat: Bool[Array, " m"]
    before: Int[Array, " m"]
    after: Int[Array, " m"]
    bend_before: Int[Array, " m"]
    bend_after: Int[Array, " m"]
    wide: Bool[Array, " m"]
    line: Int[Array, " h"]
    rising: Bool[Array, " h"]

    @property
    def widths(self) -> Float[Array, " m"]:
        """(m,) lengths of the arcs in radians."""
        return np.diff(self.breaks, append=self.breaks[0] + TURN)

    @property
    def level(self) -> Int[Array, " m"]:
        """(m,) sign of f at the breaks, exact for k = 1, where A = 0."""
        return self.bend_after

    def signs(self, arc: int, on_break: bool) -> Int[Array, " h"]:
        """Signs of the kinked lines on an arc, or at the break where it begins."""
        half = len(self.line)
        passed = (np.arange(half) <= arc) & (arc < np.arange(half) + half)
        found = np.empty(half, dtype=np.int8)
        found[self.line] = np.where(passed == self.rising, 1, -1)
        if on_break:
            found[self.line[arc % half]] = 0
        return found

    def wave(
        self, angle: Float[Array, " k"], arc: Int[Array, " k"]
    ) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """(f − A, f') at angles, with the formula of the given arcs."""
        c, s = np.cos(self.degree * angle), np.sin(self.degree * angle)
        b, e = self.cosine[arc], self.sine[arc]
        return b * c + e * s, self.degree * (e * c - b * s)

    def arc_of(self, angle: Float[Array, " k"]) -> Int[Array, " k"]:
        """Index of the arc that holds each angle (any real angle, taken modulo 2π)."""
        position = np.searchsorted(self.breaks, np.mod(angle, TURN), side="right") - 1
        return np.mod(position, len(self.breaks))

    def value(self, angle: Float[Array, " k"]) -> Float[Array, " k"]:
        """f at angles."""
        arc = self.arc_of(angle)
        return self.mean[arc] + self.wave(angle, arc)[0]


@dataclass(frozen=True, eq=False)
class CriticalItems:
    """Critical points and flat arcs of f, in the order of their angles; between them f is monotone.

    `start`, `end` (K,): angles, equal for a point; start in [0, 2π]. `before`, `after` (K,): sign of
    f' just before start and just after end. `value` (K,): f. `flat` (K,). `kinks` (K,): 1 on a break.
    `side` (K,): sign of the value, exact for k = 1. `arc` (K,): that holds it, or begins
    at it. `direction` (K, 2): a unit vector, of a flat arc its middle.
    """

    start: Float[Array, " K"]
    end: Float[Array, " K"]
    before: Int[Array, " K"]
    after: Int[Array, " K"]
    value: Float[Array, " K"]
    flat: Bool[Array, " K"]
    kinks: Int[Array, " K"]
    side: Int[Array, " K"]
    arc: Int[Array, " K"]
    direction: Float[Array, "K 2"]

    @property
    def consistent(self) -> bool:
        """Every item hands its sign of f' on to the next: none was missed or invented."""
        return bool((self.after == np.roll(self.before, -1)).all())

    def target(self, angle: Float[Array, " B"], sign: int = 1) -> Int[Array, " B"]:
        """Item where the ascent flow of sign·f ends from each angle; an item keeps its own angles.

        At a repelling point the flow may branch (KH24 App. E); staying is one of its solutions.
        """
        theta = np.mod(angle, TURN)
        last = np.mod(np.searchsorted(self.start, theta, side="right") - 1, len(self.start))
        offset = np.mod(theta - self.start[last], TURN)
        inside = offset <= self.end[last] - self.start[last]
        onward = sign * self.after[last] > 0
        return np.where(inside | ~onward, last, np.mod(last + 1, len(self.start)))

    def basins(self, sign: int = 1) -> Float[Array, " K"]:
        """Share of the circle that the ascent flow of sign·f takes to each item; sums to 1."""
        count = len(self.start)
        share = self.end - self.start
        gap = np.mod(np.roll(self.start, -1) - self.end, TURN)
        if count == 1 and share[0] == 0:
            gap = np.array([TURN])
        taker = np.where(
            sign * self.after > 0, np.mod(np.arange(count) + 1, count), np.arange(count)
        )
        return np.asarray((share + np.bincount(taker, gap, count)) / TURN)


def circle_function(lines: MergedLines, exact: ExactCircle) -> CircleFunction:
    """f of merged lines in the plane, from their arcs in integers. Cost O(m log m)."""
    k = lines.degree
    number, shift = floats(exact.wave)
    power = exact.exponent + int(shift)
    mean, cosine, sine = np.ldexp(number, power).T
    if len(exact.direction) == 0:
        return _smooth_circle((mean[0], cosine[0], sine[0]), bool(exact.flat[0]), k, lines.scale)
    half = len(exact.direction) // 2
    rows, _ = floats(exact.direction[:half], by_row=True)
    unit = np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1, keepdims=True))[1])
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    upper = np.maximum.accumulate(np.arctan2(unit[:, 1], unit[:, 0]))
    return CircleFunction(
        np.concatenate([upper, np.pi + upper]),
        mean,
        cosine,
        sine,
        k,
        lines.scale,
        np.vstack([unit, -unit]),
        np.ones(2 * half, dtype=bool),
        exact.flat,
        *_signs_at_breaks(exact, k),
        exact.line,
        exact.rising,
    )


def unit(angle: Float[Array, "*k"]) -> Float[Array, "*k 2"]:
    """(cos θ, sin θ)."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _signs_at_breaks(exact: ExactCircle, k: int) -> tuple[Array, Array, Array, Array, Array]:
    """`before`, `after`, `bend_before`, `bend_after` and `wide` of a circle with data lines."""
    p, q = exact.direction.T
    c, s = (p, q) if k == 1 else (p * p - q * q, 2 * p * q)
    following = exact.wave
    previous = np.roll(following, 1, axis=0)

    def slope(wave: Array) -> Array:
        return signs_of(wave[:, 2] * c - wave[:, 1] * s)

    def bend(wave: Array) -> Array:
        return signs_of(wave[:, 1] * c + wave[:, 2] * s)

    onward = np.roll(exact.direction, -1, axis=0)
    wide = (exact.direction * onward).sum(axis=1) < 0
    return slope(previous), slope(following), bend(previous), bend(following), wide.astype(bool)


def _smooth_circle(
    wave: tuple[float, float, float], flat: bool, degree: int, scale: float
) -> CircleFunction:
    """f without a kink: two equal arcs whose helper breaks lie where f is steepest, first upwards."""
    first = np.mod((np.arctan2(wave[2], wave[1]) - np.pi / 2) / degree, TURN)
    turns = degree == 1 and first >= np.pi
    first = np.mod(first, np.pi)
    pair, none = np.ones(2), np.zeros(2, dtype=np.int64)
    slope = np.array([1, 1 if degree == 2 else -1]) * (-1 if turns else 1)
    slope = none if flat else slope
    breaks = np.array([first, first + np.pi])
    return CircleFunction(
        breaks,
        pair * wave[0],
        pair * wave[1],
        pair * wave[2],
        degree,
        scale,
        unit(breaks),
        np.zeros(2, dtype=bool),
        np.full(2, flat),
        slope,
        slope,
        none,
        none,
        np.ones(2, dtype=bool),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=bool),
    )


def critical_items(f: CircleFunction) -> CriticalItems:
    """All critical points (Clarke ones on kinks) and flat arcs of f. Cost O(m log m)."""
    count = len(f.breaks)
    arcs = np.arange(count)
    if f.flat.all():
        zero, one = np.zeros(1, dtype=np.int64), np.ones(1)
        side = np.sign(f.mean[:1]).astype(np.int64)
        flat, middle = one.astype(bool), unit(np.pi * one)
        return CriticalItems(
            0.0 * one, TURN * one, zero, zero, f.mean[:1], flat, zero, side, zero, middle
        )
    left = np.mod(arcs - 1, count)
    before = np.where(f.before != 0, f.before, f.bend_before)
    after = np.where(f.after != 0, f.after, -f.bend_after)
    at = np.flatnonzero((f.before * f.after <= 0) & ~f.flat[left] & ~f.flat)
    runs = np.flatnonzero(f.flat & ~f.flat[left])
    stops = np.flatnonzero(~f.flat & f.flat[left])
    stops = np.roll(stops, -1) if len(runs) and stops[0] <= runs[0] else stops
    inner, arc, top, inside = _inner_zeros(f, before, after)
    bend = f.wave(f.breaks[arc] + inner, arc)[0]
    none = np.zeros(len(inner), dtype=np.int64)
    begin = np.concatenate([f.breaks[at], f.breaks[arc] + inner, f.breaks[runs]])
    width = np.concatenate(
        [np.zeros(len(at) + len(inner)), np.mod(f.breaks[stops] - f.breaks[runs], TURN)]
    )
    mid = 0.5 * (f.mean[left[at]] + f.mean[at])
    mid += 0.5 * (f.wave(f.breaks[at], left[at])[0] + f.wave(f.breaks[at], at)[0])
    value = np.concatenate([mid, f.mean[arc] + bend, f.mean[runs]])
    side = np.sign(value).astype(np.int64)
    if f.degree == 1:
        side = np.concatenate([f.level[at], top, np.zeros(len(runs), dtype=np.int64)])
    where = np.concatenate([at, arc, runs])
    order = _in_order(begin, where, len(at), len(inner))
    middle = unit(f.breaks[runs] + 0.5 * width[len(at) + len(inner) :])
    direction = np.concatenate([f.direction[at], inside, middle])
    return CriticalItems(
        np.where(begin > TURN, begin - TURN, begin)[order],
        (np.where(begin > TURN, begin - TURN, begin) + width)[order],
        np.concatenate([before[at], top, before[runs]])[order],
        np.concatenate([after[at], -top, after[stops]])[order],
        value[order],
        (np.arange(len(begin)) >= len(at) + len(inner))[order],
        np.concatenate([f.real[at].astype(np.int64), none, np.zeros(len(runs), np.int64)])[order],
        side[order],
        where[order],
        direction[order],
    )


def _in_order(
    begin: Float[Array, " K"], arc: Int[Array, " K"], on_break: int, inner: int
) -> Int[Array, " K"]:
    """Items by angle; by their arc, and a break before what lies inside, where angles round alike."""
    inside = np.zeros(len(begin), dtype=np.int64)
    inside[on_break : on_break + inner] = 1
    order = np.lexsort([begin, inside, arc])
    past = begin[order] > TURN
    return np.concatenate([order[past], order[~past]])


def _inner_zeros(
    f: CircleFunction, before: Int[Array, " m"], after: Int[Array, " m"]
) -> tuple[Float[Array, " k"], Int[Array, " k"], Int[Array, " k"], Float[Array, "k 2"]]:
    """Zeros of f' strictly inside arcs: offset from the arc's begin, arc, 1 for a maximum and −1 else,
    and the direction.

    f' changes its sign on the arc once where its signs inside both ends differ. With equal signs it does
    twice only for k = 2, on an arc longer than π/2 with no zero of f' at an end, and else never.
    """
    end = np.roll(before, -1)
    free = (f.after != 0) & (np.roll(f.before, -1) != 0)
    once = ~f.flat & (after != end)
    twice = ~f.flat & (after == end) & free & f.wide & (f.degree == 2)
    arc = np.concatenate([np.flatnonzero(once), np.flatnonzero(twice), np.flatnonzero(twice)])
    top = np.concatenate([after[once], after[twice], -after[twice]])
    phase = np.arctan2(top * f.sine[arc], top * f.cosine[arc]) / f.degree
    period = TURN / f.degree
    offset = np.mod(phase - f.breaks[arc], period)
    width = f.widths[arc]
    outside = offset > width
    # Rounding may put a zero near an end outside: it goes to the nearer end.
    offset = np.where(outside, np.where(offset - width < period - offset, width, 0.0), offset)
    direction = unit(phase)
    along = np.sum(direction * unit(f.breaks[arc] + offset), axis=1)
    return offset, arc, top, np.where(along > 0, 1.0, -1.0)[:, None] * direction
