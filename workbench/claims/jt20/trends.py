"""Sequences over doublings of ln(1/𝓛): do they sum up to something finite, and is their limit 0?

Pure: arrays in, numbers out. A sequence has one value a doubling, k = 1..K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True)
class Limit:
    """What a sequence goes to if it falls geometrically, and how far the last three such fits are apart.

    `last`: the sequence's own last value.
    """

    value: float
    error: float
    last: float

    @property
    def above_zero(self) -> float:
        """value/error: at most 1 where 0 is not below what the fit allows."""
        return self.value / self.error if self.error > 0 else float("nan")

    @property
    def loose(self) -> float:
        """error/|last value|: below 1 where the fit knows more than the last value."""
        return self.error / abs(self.last) if self.last != 0 else float("nan")


def limit(values: Float[np.ndarray, " K"]) -> Limit:
    """a of v_k = a + b r^k through values `APART` doublings apart (Aitken's Δ²), for the last 3 k."""
    fits = [_aitken(np.asarray(values)[: len(values) - back]) for back in (2, 1, 0)]
    last = float(values[-1]) if len(values) else float("nan")
    spread = float(np.max(fits) - np.min(fits))
    return Limit(fits[-1], spread + RESOLVED * abs(last), last)


def limits_at_two_depths(values: Float[np.ndarray, " K"]) -> tuple[Limit, Limit]:
    """As far as the sequence goes, and as it was known `APART` doublings before."""
    return limit(values), limit(np.asarray(values)[:-APART])


def _aitken(values: Array) -> float:
    """a of a + b r^k through the last value and those `APART` and 2 `APART` before; NaN on a line."""
    if len(values) <= 2 * APART:
        return float("nan")
    first, middle, last = (float(values[-1 - back]) for back in (2 * APART, APART, 0))
    bend = (last - middle) - (middle - first)
    return last - (last - middle) ** 2 / bend if bend != 0 else float("nan")
