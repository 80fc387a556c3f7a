"""Merged lines as integers: every sign found from them is a proof about the data as given.

With integer rows A_j, each along its line, and integer weights P_j, Q_j,

    N(u), or g(u)  =  2^exponent Σ_j w_j (A_j·u)^k,     w_j = P_j for A_j·u > 0 and Q_j for A_j·u < 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from workbench.arrays import Array
from workbench.theory.ncf.merged_lines import MergedLines
from workbench.theory.numerics.integers import floats, integers


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


def exact_lines(lines: MergedLines) -> ExactLines:
    """Merged lines as integers."""
    source, k = lines.source, lines.degree
    axis, low = integers(source.x)
    labels, below = integers(source.z)
    off = Fraction(source.leak) ** k
    plus, minus = labels * off.denominator, labels * off.numerator
    exponent = int(below) + k * int(low) - (off.denominator.bit_length() - 1)
    unit = Fraction(2) ** -exponent
    summed = {j: (line.plus * unit, line.minus * unit) for j, line in source.shared.items()}
    # Weights summed along a line may have digits after the point: all weights are shifted alike.
    spread = max(
        (w.denominator.bit_length() - 1 for both in summed.values() for w in both), default=0
    )
    plus, minus = plus * 2**spread, minus * 2**spread
    for j, (one, other) in summed.items():
        axis[j] = source.shared[j].axis
        plus[j], minus[j] = int(one * 2**spread), int(other * 2**spread)
    plus[lines.plus == 0] = 0
    minus[lines.minus == 0] = 0
    bent = lines.kinked
    return ExactLines(
        axis[bent], plus[bent], minus[bent], axis[~bent], plus[~bent], exponent - spread, k
    )


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
