"""Merged lines as integers: every sign found from them is a proof about the data as given.

With integer rows A_j, each along its line, and integer weights P_j, Q_j,

    N(u), or g(u)  =  2^exponent Σ_j w_j (A_j·u)^k,     w_j = P_j for A_j·u > 0 and Q_j for A_j·u < 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

import numpy as np

from workbench.arrays import Array
from workbench.theory.integers import floats, integers
from workbench.theory.lines import Lines, Source

FIT_BITS = 80
"""Bits of the length that an input near a line and not on it is given along it."""


@dataclass(frozen=True, eq=False)
class ExactLines:
    """`axis` (m, d), `plus`, `minus` (m,): integers, of the kinked lines; `smooth` (m,), (m, d): the
    weight and row of lines without a kink. `exponent`, `degree` as above."""

    axis: Array
    plus: Array
    minus: Array
    smooth_axis: Array
    smooth: Array
    exponent: int
    degree: int

    @property
    def dimension(self) -> int:
        """d, the dimension of the inputs."""
        return int(self.axis.shape[1])

    def weights(self, signs: Array) -> Array:
        """(m,) weight of each kinked line at a sign vector; 0 where the sign is 0."""
        return np.where(signs > 0, self.plus, np.where(signs < 0, self.minus, 0))

    def slope(self, signs: Array) -> Array:
        """(d,) Σ w_j A_j over kinked lines with a sign and all smooth ones (k = 1)."""
        return self.weights(signs).dot(self.axis) + self.smooth.dot(self.smooth_axis)

    def matrix(self, signs: Array) -> Array:
        """(d, d) Σ w_j A_j A_jᵀ likewise (k = 2)."""
        kinked = (self.axis * self.weights(signs)[:, None]).T.dot(self.axis)
        return kinked + (self.smooth_axis * self.smooth[:, None]).T.dot(self.smooth_axis)


@dataclass(frozen=True, eq=False)
class RoundedLines:
    """Exact lines in float64, each number within a share 2(d + 4)·2^−53 of itself: `axis` (m, d) unit
    rows, `plus`, `minus` (m,) their weights over a common power of two; `smooth_axis`, `smooth`
    likewise."""

    axis: Array
    plus: Array
    minus: Array
    smooth_axis: Array
    smooth: Array


def exact_lines(lines: Lines) -> ExactLines:
    """Merged lines as integers. Inputs that are on one line only up to rounding are put onto it."""
    source = lines.source
    m = len(source.first)
    rows, low = integers(source.x)
    labels, below = integers(source.z)
    off = Fraction(source.factor[0]) ** lines.degree
    axis = rows[source.first] if m else rows[:0]
    ones = np.bincount(source.label, minlength=m) == 1
    plus = labels[source.first] * off.denominator if m else labels[:0]
    minus = labels[source.first] * off.numerator if m else labels[:0]
    plus, minus = plus.copy(), (minus if lines.degree == 2 else minus)
    exponent = int(below) + lines.degree * int(low) - (off.denominator.bit_length() - 1)
    spread = 0
    several: list[tuple[int, Fraction, Fraction]] = []
    order = np.argsort(source.label, kind="stable")
    for block in np.split(order, np.flatnonzero(np.diff(source.label[order])) + 1):
        j = int(source.label[block[0]]) if len(block) else 0
        if len(block) and not ones[j]:
            axis[j], one, other = _line(rows, labels, source, block, j, lines.degree, off)
            several.append((j, one, other))
            spread = max(spread, *(v.denominator.bit_length() - 1 for v in (one, other)))
    if spread:
        plus, minus = plus * 2**spread, minus * 2**spread
    for j, one, other in several:
        plus[j], minus[j] = int(one * 2**spread), int(other * 2**spread)
    plus[lines.plus == 0] = 0
    minus[lines.minus == 0] = 0
    kinked = lines.kinked
    return ExactLines(
        axis[kinked],
        plus[kinked],
        minus[kinked],
        axis[~kinked],
        plus[~kinked],
        exponent - spread,
        lines.degree,
    )


def _line(
    rows: Array, labels: Array, source: Source, block: Array, j: int, degree: int, off: Fraction
) -> tuple[Array, Fraction, Fraction]:
    """(primitive row, plus, minus) of a line with several inputs."""
    first = rows[source.first[j]]
    axis = first // gcd(*first)
    square = int(axis.dot(axis))
    plus = minus = Fraction(0)
    for i in block:
        length = _length(rows[i], axis, square)
        mass = labels[i] * off.denominator * length**degree
        part = mass * off
        if length < 0:
            plus, minus = plus + part, minus + mass
        else:
            plus, minus = plus + mass, minus + part
    return axis, plus, minus


def _length(row: Array, axis: Array, square: int) -> Fraction:
    """c with row = c·axis; where there is none, that of the nearest point, to FIT_BITS bits."""
    dot = int(row.dot(axis))
    exact = Fraction(dot, square)
    if exact.denominator == 1 and (row == exact.numerator * axis).all():
        return exact
    shift = FIT_BITS + square.bit_length() - abs(dot).bit_length()
    return Fraction(round(exact * Fraction(2) ** shift)) / Fraction(2) ** shift


def rounded_lines(lines: ExactLines) -> RoundedLines:
    """Float64 lines for estimates with bounds; weights over a common power of two."""
    unit, length, power = _unit(lines.axis)
    smooth_unit, smooth_length, smooth_power = _unit(lines.smooth_axis)
    weight, shift = floats(np.concatenate([lines.plus, lines.minus, lines.smooth]))
    weight = weight * np.concatenate([length, length, smooth_length]) ** lines.degree
    exponent = lines.degree * np.concatenate([power, power, smooth_power]) + int(shift)
    live = weight != 0
    top = int((np.frexp(weight)[1] + exponent)[live].max()) if live.any() else 0
    weight = np.ldexp(weight, exponent - top)
    m = len(unit)
    return RoundedLines(unit, weight[:m], weight[m : 2 * m], smooth_unit, weight[2 * m :])


def _unit(rows: Array) -> tuple[Array, Array, Array]:
    """Unit rows, and their lengths as (number, exponent)."""
    size, shift = floats(rows, by_row=True)
    exponent = np.frexp(np.abs(size).max(axis=1, initial=0.0))[1].astype(np.int64)
    size = np.ldexp(size, -exponent[:, None])
    length = np.linalg.norm(size, axis=1)
    return size / length[:, None], length, exponent + shift.reshape(len(rows))
