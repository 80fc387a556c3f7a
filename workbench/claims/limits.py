"""What a sequence goes to, with an error: a limit from a few values, and the same from some before them.

Pure: arrays in, numbers out. Two kinds of falls:

- one value a doubling of ln(1/𝓛), k = 1..K, that falls like a + b r^k. Does the sequence sum up to something
  finite, and is its limit 0?
- values at heights h that fall like a + c h^{−p}. Three of them a half tenfold of h apart fix a, c and p;
  a tenfold of h earlier three others do. Terms that this leaves out fall with h, so the limit is off by about
  what it changed between the depths, and by what errors of the values are enlarged to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from workbench.arrays import Array, Float

RATIO = 0.95
"""Increments 1/k, whose sum is infinite, fall by less than this in a doubling from the 20th on: v_20/v_19 is
0.95. Increments that fall by more there are told apart from them."""
FEWEST = 22
"""Doublings needed, so that the last `LAST` ratios start at that of v_20 over v_19."""
LAST = 3
APART = 2
"""Doublings between the three values of a limit's fit: noise in neighbours would decide it."""
RESOLVED = 1e-3
"""Part of a value that interpolation between records and the integrator can be off by."""
HALF_TENFOLDS = (-2.0, -1.5, -1.0, -0.5, 0.0)
"""log10 of the heights over the last one: the first three are the shallow ones, the last three the deep."""
POWERS = (0.01, 8.0)
"""Between these p is sought."""


@dataclass(frozen=True)
class Limit:
    """The limit `value` ± `error` of a sequence that ends with `last`; NaN where nothing fits. `power`: p of
    a fall like h^{−p}."""

    value: float
    error: float
    last: float
    power: float = float("nan")

    @property
    def above_zero(self) -> float:
        """value/error: at most 1 where 0 is not below what the fit allows."""
        return self.value / self.error if self.error > 0 else float("nan")

    @property
    def off_zero(self) -> float:
        """|value|/error: at most 1 where the limit is 0 within it."""
        return abs(self.above_zero)

    @property
    def loose(self) -> float:
        """error/|last value|: below 1 where the fit knows more than the last value."""
        return self.error / abs(self.last) if self.last != 0 else float("nan")


def last_ratio(values: Float[np.ndarray, " K"]) -> float:
    """The largest of the last `LAST` ratios v_{k+1}/v_k; NaN where there are fewer, or a value is not > 0."""
    late = np.asarray(values)[-LAST - 1 :]
    if len(late) <= LAST or not (late > 0).all():
        return float("nan")
    return float(np.max(late[1:] / late[:-1]))


def to_come(values: Float[np.ndarray, " K"]) -> float:
    """A bound on Σ_{k>K} v_k: v_K r/(1 − r) with r the largest of the last ratios; ∞ for r ≥ 1."""
    ratio = last_ratio(values)
    if not ratio < 1.0:
        return float("nan") if np.isnan(ratio) else float("inf")
    return float(values[-1] * ratio / (1.0 - ratio))


def geometric_limit(values: Float[np.ndarray, " K"]) -> Limit:
    """a of v_k = a + b r^k through values `APART` doublings apart (Aitken's Δ²), for the last 3 k: the error
    is how far these are apart."""
    fits = [_aitken(np.asarray(values)[: len(values) - back]) for back in (2, 1, 0)]
    last = float(values[-1]) if len(values) else float("nan")
    spread = float(np.max(fits) - np.min(fits))
    return Limit(fits[-1], spread + RESOLVED * abs(last), last)


def limits_at_two_depths(values: Float[np.ndarray, " K"]) -> tuple[Limit, Limit]:
    """As far as the sequence goes, and as it was known `APART` doublings before."""
    return geometric_limit(values), geometric_limit(np.asarray(values)[:-APART])


def _aitken(values: Array) -> float:
    """a of a + b r^k through the last value and those `APART` and 2 `APART` before; NaN on a line."""
    if len(values) <= 2 * APART:
        return float("nan")
    first, middle, last = (float(values[-1 - back]) for back in (2 * APART, APART, 0))
    bend = (last - middle) - (middle - first)
    return last - (last - middle) ** 2 / bend if bend != 0 else float("nan")


def power_limit(heights: Sequence[float], values: Sequence[float], noise: float = 0.0) -> Limit:
    """a of a + c h^{−p}, from five values at heights about `HALF_TENFOLDS` apart, each known to `noise`."""
    limit, power, enlarged = _power_fit(heights[2:], values[2:])
    shallow = _power_fit(heights[:3], values[:3])[0]
    return Limit(limit, abs(limit - shallow) + enlarged * noise, float(values[-1]), power)


def _power_fit(h: Sequence[float], v: Sequence[float]) -> tuple[float, float, float]:
    """a and p of a + c h^{−p} through three points, and how much a error of the values is enlarged; NaN
    where they do not fall, or fall faster and faster."""
    nothing = (float("nan"),) * 3
    if not (np.isfinite(v).all() and v[0] > v[1] > v[2] and h[0] < h[1] < h[2]):
        return nothing
    # In units of the last height.
    first, second = np.log(h[0] / h[2]), np.log(h[1] / h[2])
    ratio = (v[0] - v[1]) / (v[1] - v[2])

    def off(p: float) -> float:
        """Zero where the power's falls are in the values' proportion."""
        return float((np.exp(-p * first) - np.exp(-p * second)) / np.expm1(-p * second) - ratio)

    low, high = POWERS
    if not off(low) < 0 < off(high):
        return nothing
    p = float(brentq(off, low, high, xtol=1e-13))
    limit = v[2] - (v[1] - v[2]) / np.expm1(-p * second)
    shrink = float(np.exp(p * second))
    return float(limit), p, ((1.0 + shrink) / (1.0 - shrink)) ** 2
