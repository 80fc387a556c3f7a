"""Physical time of a step of the flow, as a logarithm."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float

NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(24)
SPAN = 45.0
"""e-folds before the end that count: the rest is below rounding."""


def log_time(
    h: float,
    height: tuple[float, float],
    climb: tuple[float, float],
    log_mobility: tuple[float, float],
    *,
    far: bool,
) -> float:
    """log ∫_0^h exp(F(x) + m(x)) dx; F, or log F in the far chart, where F = γ~ρ^L is nearly e^{Lx}, is the
    cubic through its values and slopes at both ends, m linear.

    The time of gradient flow is dt/dx = e^F ρ²/ν (far) or e^F (near), F = −log 𝓛, which may grow by
    thousands over a step: only its last e-folds are looked at. The error is that of the interpolation,
    h⁴ F''''/384 and h² m''/8; 24 Gauss points.
    """
    start = 0.0
    steep = climb[1] * h
    if steep > SPAN and height[1] - height[0] > SPAN:
        start = 1.0 - SPAN / steep
    z = start + (1.0 - start) * 0.5 * (NODES + 1.0)
    if far:
        ends = (float(np.log(height[0])), float(np.log(height[1])))
        exponent = np.exp(_cubic(z, ends, (climb[0] * h / height[0], climb[1] * h / height[1])))
    else:
        exponent = _cubic(z, height, (climb[0] * h, climb[1] * h))
    exponent = exponent + log_mobility[0] + z * (log_mobility[1] - log_mobility[0])
    top = float(exponent.max())
    total = float(np.sum(NODE_WEIGHTS * np.exp(exponent - top)))
    return top + float(np.log(total * 0.5 * (1.0 - start) * h))


def _cubic(
    z: Float[np.ndarray, " k"], value: tuple[float, float], slope: tuple[float, float]
) -> Float[np.ndarray, " k"]:
    """Hermite's cubic on [0, 1]."""
    rise = value[1] - value[0]
    bend = z * (1.0 - z) * ((slope[0] - rise) * (1.0 - z) - (slope[1] - rise) * z)
    return value[0] + rise * z + bend
