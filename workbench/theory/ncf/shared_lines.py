"""Inputs that share a line through 0: their weights summed exactly.

For x_i = c_i a and s = a·u, σ(c s)^k is c^k s^k on one side of the line and α^k c^k s^k on the other, by
the sign of c. Inputs on the line up to rounding are put onto it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.numerics.integers import integers

FIT_BITS = 80
"""Bits of the length that an input near a line and not on it is given along it."""


@dataclass(frozen=True, eq=False)
class SharedLine:
    """`axis` (d,): integers without a common factor. `length`: c of the first input, x = c·axis.

    `plus`, `minus`: the weights of (axis·u)^k on either side. `summed`: Σ |z_i c_i^k|.
    """

    axis: Array
    length: Fraction
    plus: Fraction
    minus: Fraction
    summed: Fraction


def shared_line(
    x: Float[Array, "n d"], z: Float[Array, " n"], degree: int, leak: float
) -> SharedLine:
    """Sum up inputs whose first gives the line its direction."""
    rows, low = integers(x)
    unit = Fraction(2) ** int(low)
    axis = rows[0] // gcd(*rows[0])
    square = int(axis.dot(axis))
    plus = minus = summed = Fraction(0)
    off = Fraction(leak) ** degree
    lengths = [_length(row, axis, square) * unit for row in rows]
    for length, label in zip(lengths, z.tolist(), strict=True):
        active = Fraction(label) * length**degree
        one, other = (active, active * off) if length > 0 else (active * off, active)
        plus, minus, summed = plus + one, minus + other, summed + abs(active)
    return SharedLine(axis, lengths[0], plus, minus, summed)


def _length(row: Array, axis: Array, square: int) -> Fraction:
    """c with row = c·axis; where there is none, that of the nearest point, to FIT_BITS bits."""
    dot = int(row.dot(axis))
    exact = Fraction(dot, square)
    if exact.denominator == 1 and (row == exact.numerator * axis).all():
        return exact
    bits = Fraction(2) ** (FIT_BITS + square.bit_length() - abs(dot).bit_length())
    return Fraction(round(exact * bits)) / bits
