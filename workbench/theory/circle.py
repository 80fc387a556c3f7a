"""Piecewise sinusoids on the circle: critical items and the ascent flow between them.

For d = 2 the data lines cut the circle into arcs (cells) and on arc c, with u = (cos θ, sin θ),

    f(θ) = A_c + B_c cos kθ + C_c sin kθ,      k = 2: N of squared ReLU,  k = 1: g of two-layer ReLU.

Crossing a line changes (A, B, C) by a fixed amount, so all arcs follow from one by prefix sums;
the sums are taken in fixed point, where adding and removing the same line cancels exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.lines import Lines

TURN = 2.0 * np.pi
FLAT = 1e-12
"""An arc whose amplitude is below this share of the data's scale is flat; likewise a derivative."""


@dataclass(frozen=True, eq=False)
class CircleFunction:
    """f on the circle; arc c runs from `breaks[c]` to `breaks[c + 1]` (cyclic), at least two arcs.

    `breaks` (m,): angles in [0, 2π), rising. `mean`, `cosine`, `sine` (m,): A, B, C by arc.
    `degree`: k. `scale`: bound on |f|. `real` (m,): the break is a data line's, not a helper's.
    """

    breaks: Float[Array, " m"]
    mean: Float[Array, " m"]
    cosine: Float[Array, " m"]
    sine: Float[Array, " m"]
    degree: int
    scale: float
    real: Bool[Array, " m"]

    @property
    def widths(self) -> Float[Array, " m"]:
        """(m,) lengths of the arcs in radians."""
        return np.diff(self.breaks, append=self.breaks[0] + TURN)

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

    `start`, `end` (K,): angles, equal for a point; start in [0, 2π). `before`, `after` (K,): sign of
    f' just before start and just after end. `value` (K,): f. `flat` (K,). `kinks` (K,): 1 on a break.
    """

    start: Float[Array, " K"]
    end: Float[Array, " K"]
    before: Int[Array, " K"]
    after: Int[Array, " K"]
    value: Float[Array, " K"]
    flat: Bool[Array, " K"]
    kinks: Int[Array, " K"]

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


def circle_function(lines: Lines) -> CircleFunction:
    """f of merged lines in d = 2. Cost O(m log m).

    Raises:
        ValueError: the lines are not in the plane.
    """
    if lines.dimension != 2:
        raise ValueError(f"the circle needs d = 2, got d = {lines.dimension}")
    k = lines.degree
    phi = np.arctan2(lines.axis[:, 1], lines.axis[:, 0])
    half = 0.5 if k == 2 else 1.0
    feature = half * np.column_stack([np.full(len(phi), k - 1.0), np.cos(k * phi), np.sin(k * phi)])
    plus, minus = lines.plus[:, None] * feature, lines.minus[:, None] * feature
    largest = max(np.abs(plus).max(initial=0.0), np.abs(minus).max(initial=0.0))
    unit = float(np.ldexp(1.0, np.frexp(largest)[1]))
    kinked = lines.kinked
    fading = np.mod(phi[kinked] + np.pi / 2, TURN)
    rising = np.mod(phi[kinked] - np.pi / 2, TURN)
    breaks = np.concatenate([fading, rising])
    breaks[breaks >= TURN] = 0.0
    order = np.argsort(breaks, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    count = int(kinked.sum())
    ends_minus = rank[:count] > rank[count:]
    high, low = _fixed(plus, unit), _fixed(minus, unit)
    step = low[:, kinked] - high[:, kinked]
    steps = np.concatenate([step, -step], axis=1)[:, order]
    base = high[:, ~kinked].sum(axis=1) + np.where(
        ends_minus[None, :, None], low[:, kinked], high[:, kinked]
    ).sum(axis=1)
    if count == 0:
        return _smooth_circle(_floating(base[:, None, :], unit)[0], k, lines.scale)
    waves = _floating(base[:, None, :] + np.cumsum(steps, axis=1), unit)
    return CircleFunction(
        breaks[order],
        waves[:, 0],
        waves[:, 1],
        waves[:, 2],
        k,
        lines.scale,
        np.ones(2 * count, dtype=bool),
    )


def _fixed(terms: Float[Array, "m 3"], unit: float) -> Int[Array, "2 m 3"]:
    """Terms as two-word integers, resolution 2^-60 of `unit`; sums of 2^22 terms do not overflow."""
    scaled = terms / unit * 2.0**40
    word = np.rint(scaled)
    return np.stack([word, np.rint((scaled - word) * 2.0**20)]).astype(np.int64)


def _floating(words: Int[Array, "2 m 3"], unit: float) -> Float[Array, "m 3"]:
    """The numbers that two-word integers stand for."""
    return np.asarray((words[0] + words[1] * 2.0**-20) * 2.0**-40 * unit)


def _smooth_circle(wave: Float[Array, "3"], degree: int, scale: float) -> CircleFunction:
    """f without a kink: two equal arcs whose helper breaks lie where f is steepest."""
    first = np.mod((np.arctan2(wave[2], wave[1]) + np.pi / 2) / degree, np.pi)
    pair = np.ones(2)
    return CircleFunction(
        np.array([first, first + np.pi]),
        pair * wave[0],
        pair * wave[1],
        pair * wave[2],
        degree,
        scale,
        np.zeros(2, dtype=bool),
    )


def _sign(
    first: Float[Array, " m"], second: Float[Array, " m"], tolerance: float
) -> Int[Array, " m"]:
    """Sign of `first`, or of `second` where the first is within the tolerance of 0."""
    return np.sign(np.where(np.abs(first) > tolerance, first, second)).astype(np.int64)


def critical_items(f: CircleFunction, tolerance: float = FLAT) -> CriticalItems:
    """All critical points (Clarke ones on kinks) and flat arcs of f. Cost O(m log m).

    `tolerance`: amplitudes and derivatives below tolerance·scale count as zero.
    """
    count = len(f.breaks)
    small = tolerance * f.scale
    flat = np.hypot(f.cosine, f.sine) <= small
    if flat.all():
        zero, one = np.zeros(1, dtype=np.int64), np.ones(1)
        return CriticalItems(0.0 * one, TURN * one, zero, zero, f.mean[:1], one.astype(bool), zero)
    arcs = np.arange(count)
    left = np.mod(arcs - 1, count)
    bend_left, slope_left = f.wave(f.breaks, left)
    bend_right, slope_right = f.wave(f.breaks, arcs)
    before = np.where(flat[left], 0, _sign(slope_left, bend_left, small))
    after = np.where(flat, 0, _sign(slope_right, -bend_right, small))
    away = np.minimum(slope_left, slope_right) > small
    away |= np.maximum(slope_left, slope_right) < -small
    critical = ~away & ~flat[left] & ~flat
    smooth_right = ~away & (np.abs(slope_right) <= small)
    smooth_left = np.roll(~away & (np.abs(slope_left) <= small), -1)
    at = np.flatnonzero(critical)
    runs = np.flatnonzero(flat & ~flat[left])
    stops = np.flatnonzero(~flat & flat[left])
    stops = np.roll(stops, -1) if len(runs) and stops[0] <= runs[0] else stops
    inner, arc, bend = _inner_zeros(f, flat, smooth_right, smooth_left)
    turn = np.sign(bend).astype(np.int64)
    none = np.zeros(len(inner), dtype=np.int64)
    begin = np.concatenate([f.breaks[at], np.mod(inner, TURN), f.breaks[runs]])
    width = np.concatenate(
        [np.zeros(len(at) + len(inner)), np.mod(f.breaks[stops] - f.breaks[runs], TURN)]
    )
    mid = 0.5 * (f.mean[left[at]] + bend_left[at] + f.mean[at] + bend_right[at])
    order = np.argsort(begin, kind="stable")
    is_flat = np.arange(len(begin)) >= len(at) + len(inner)
    return CriticalItems(
        begin[order],
        (begin + width)[order],
        np.concatenate([before[at], turn, before[runs]])[order],
        np.concatenate([after[at], -turn, after[stops]])[order],
        np.concatenate([mid, f.mean[arc] + bend, f.mean[runs]])[order],
        is_flat[order],
        np.concatenate([f.real[at].astype(np.int64), none, np.zeros(len(runs), np.int64)])[order],
    )


def _inner_zeros(
    f: CircleFunction,
    flat: Bool[Array, " m"],
    smooth_right: Bool[Array, " m"],
    smooth_left: Bool[Array, " m"],
) -> tuple[Float[Array, " k"], Int[Array, " k"], Float[Array, " k"]]:
    """Zeros of f' strictly inside arcs, without those that a critical break already stands for."""
    period = np.pi / f.degree
    phase = np.arctan2(f.sine, f.cosine) / f.degree
    offset = np.mod(phase - f.breaks, period)[:, None] + period * np.arange(f.degree + 1)
    width = f.widths[:, None]
    keep = (offset > 0) & (offset < width) & ~flat[:, None]
    keep &= ~(smooth_right[:, None] & (offset < period / 4))
    keep &= ~(smooth_left[:, None] & (offset > width - period / 4))
    arc, column = np.nonzero(keep)
    angle = f.breaks[arc] + offset[arc, column]
    return angle, arc, f.wave(angle, arc)[0]
