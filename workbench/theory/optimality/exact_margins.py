"""Margins and norms of layered networks in exact arithmetic.

A float is an integer over a power of two, and so are sums and products of floats and the (leaky) ReLU of
one: the margins of float weights on float data are computed in integers, with no rounding at all.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.optimality.layered_network import LayeredNetwork


def exact_margins(network: LayeredNetwork, theta: Float[Array, " P"]) -> list[Fraction]:
    """q_i(θ) of all samples, exactly."""
    h, power = _integers(network.x)
    leak = Fraction(network.leak)
    matrices = network.weights(theta)
    for k, matrix in enumerate(matrices):
        integers, by = _integers(matrix)
        h, power = h @ integers.T, power + by
        if k < len(matrices) - 1 and not network.linear:
            # max(s, leak s) with leak = a/2^b: multiples of 2^-(power + b).
            shift = leak.denominator.bit_length() - 1
            below = h * leak.numerator
            h, power = np.where(h > 0, h * leak.denominator, below), power + shift
    scale = 1 << power
    return [
        Fraction(int(value) * int(label), scale)
        for value, label in zip(h[:, 0], network.y, strict=True)
    ]


def exact_norm2(theta: Float[Array, " P"]) -> Fraction:
    """‖θ‖², exactly."""
    integers, power = _integers(theta)
    return Fraction(int((integers * integers).sum()), 1 << (2 * power))


def rounded_up(value: Fraction) -> float:
    """The least float that is not below."""
    near = float(value)
    return near if Fraction(near) >= value else float(np.nextafter(near, np.inf))


def made_feasible(
    network: LayeredNetwork, theta: Float[Array, " P"], free: Float[Array, " P"], order: float
) -> Float[Array, " P"] | None:
    """θ with the numbers where `free` is 1 scaled so that every margin is ≥ 1 exactly, the least close to
    1; q is homogeneous of `order` in them. None where a margin is not above 0."""
    least = float(network.true_margins(theta).min())
    if not least > 0:
        return None
    factor = least ** (-1.0 / order)
    for ulps in (0, 4, 16, 64, 256):
        scaled = np.where(free > 0, theta * (factor * (1.0 + ulps * 2.0**-52)), theta)
        if all(q >= 1 for q in exact_margins(network, scaled)):
            return scaled
    return None


def _integers(values: Float[Array, "..."]) -> tuple[Array, int]:
    """(integers, p) with values = integers / 2^p."""
    ratios = [float(value).as_integer_ratio() for value in values.ravel()]
    power = max((bottom.bit_length() - 1 for _, bottom in ratios), default=0)
    found = np.empty(len(ratios), dtype=object)
    for k, (top, bottom) in enumerate(ratios):
        found[k] = top << (power - bottom.bit_length() + 1)
    return found.reshape(values.shape), power
