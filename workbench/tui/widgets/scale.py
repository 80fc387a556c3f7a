"""Axes: from values to positions, and the range that suits the values.

Four kinds. *linear*; *log*: values > 0 on a log10 scale; *power*: the values already are log10 of
something too small for a float, drawn linearly and labelled 10ⁿ; *angle*: linear in radians,
labelled with fractions of π.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TINY, _HUGE = 1e-300, 4e307
"""No axis is narrower, and none reaches farther: differences of its ends stay finite."""

STILL = 1e-6
"""Values that differ by no more than this part of them stand still, and are drawn as if they were equal:
what stands still must not look like its rounding."""
LEAST_DECADES = 1.0
"""A logarithmic y axis spans at least this, for the same reason."""


class Kind(StrEnum):
    """What an axis measures."""

    LINEAR = "linear"
    LOG = "log"
    POWER = "power"
    ANGLE = "angle"


@dataclass(frozen=True)
class Axis:
    """A range of values laid out along a line; `low < high`, and both > 0 for *log*."""

    kind: Kind
    low: float
    high: float

    def forward(self, values: Floats) -> Floats:
        """Values in the space in which the axis is even; what has no place becomes NaN."""
        if self.kind is not Kind.LOG:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values > 0, np.log10(values), np.nan)

    @property
    def ends(self) -> tuple[float, float]:
        """The ends in the even space."""
        if self.kind is Kind.LOG:
            return math.log10(self.low), math.log10(self.high)
        return self.low, self.high

    def fraction(self, values: Floats) -> Floats:
        """Places of values: 0 at the low end, 1 at the high end; up to ±10⁶ where outside."""
        low, high = self.ends
        with np.errstate(over="ignore", invalid="ignore"):
            return np.clip((self.forward(values) - low) / (high - low), -1e6, 1e6)

    def below(self, values: Floats) -> NDArray[np.bool_]:
        """Which values are zero or less where the axis is logarithmic: they lie before its low end."""
        return below(self.kind, values)

    def at(self, fraction: float) -> float:
        """The value at a place."""
        low, high = self.ends
        value = low * (1 - fraction) + high * fraction
        return float(10.0**value) if self.kind is Kind.LOG else value

    def edges(self, count: int) -> Floats:
        """The `count + 1` boundaries, in values, of equal buckets along the axis."""
        return _edges(self, count)


def below(kind: Kind, values: Floats) -> NDArray[np.bool_]:
    """Which values no logarithmic axis of this kind has a place for, at any range: ≤ 0, or log10 of 0."""
    if kind is Kind.LOG:
        return values <= 0
    return values == -np.inf if kind is Kind.POWER else np.zeros(values.shape, dtype=np.bool_)


@lru_cache(maxsize=64)
def _edges(shown: Axis, count: int) -> Floats:
    low, high = shown.ends
    t = np.linspace(0.0, 1.0, count + 1)
    even = low * (1 - t) + high * t
    edges = 10.0**even if shown.kind is Kind.LOG else even
    edges[0], edges[-1] = shown.low, shown.high
    edges = np.maximum.accumulate(edges)
    edges.setflags(write=False)
    return edges


def axis(kind: Kind, low: float, high: float) -> Axis:
    """An axis for a range that may be empty, reversed, not finite, or ≤ 0 on a log axis."""
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = (-math.pi, math.pi) if kind is Kind.ANGLE else (0.0, 1.0)
    if low > high:
        low, high = high, low
    low, high = max(min(low, _HUGE), -_HUGE), min(max(high, -_HUGE), _HUGE)
    if kind is Kind.LOG:
        high = max(high, _TINY)
        low = low if low > 0 else min(1.0, high / 10)
        low = max(low, _TINY)
        if high / low < 1 + 1e-9:
            low, high = low / 2, high * 2
        return Axis(kind, low, high)
    if high - low <= 1e-12 * max(abs(low), abs(high)) or high - low < _TINY:
        pad = 0.5 if kind is Kind.POWER or low == 0 else abs(low) * 0.1
        if kind is Kind.POWER:
            pad = max(pad, abs(low) * 1e-11)
        low, high = low - pad, high + pad
    return Axis(kind, low, high)


def snapped(kind: Kind, low: float, high: float, parts: int = 32) -> tuple[float, float]:
    """A range widened outward to round numbers, so that it stays put while data grow a little."""
    made = axis(kind, low, high)
    start, end = made.ends
    step = _nice((end / parts) - (start / parts))
    if not math.isfinite(step) or step <= 0:
        return made.low, made.high
    start, end = math.floor(start / step) * step, math.ceil(end / step) * step
    if kind is Kind.LOG:
        return max(10.0 ** max(start, -300.0), _TINY), 10.0 ** min(end, 300.0)
    return start, end


def _nice(value: float) -> float:
    """The smallest of 1, 2, 2.5, 5 × 10ᵏ that is at least a value."""
    if not (value > 0 and math.isfinite(value)):
        return 0.0
    base = 10.0 ** max(-300, math.floor(math.log10(value)))
    return next((m * base for m in (1.0, 2.0, 2.5, 5.0) if m * base >= value * 0.999999), 10 * base)


def finite_range(arrays: Iterable[Floats], positive: bool = False) -> tuple[float, float] | None:
    """The smallest and largest finite (and, for log axes, positive) value, or None."""
    low, high = math.inf, -math.inf
    for values in arrays:
        if values.size == 0:
            continue
        small, large = float(values.min()), float(values.max())
        if not (math.isfinite(small) and math.isfinite(large)) or (positive and small <= 0):
            kept = values[np.isfinite(values) & (values > 0)] if positive else values
            kept = kept[np.isfinite(kept)]
            if kept.size == 0:
                continue
            small, large = float(kept.min()), float(kept.max())
        low, high = min(low, small), max(high, large)
    return (low, high) if low <= high else None


def y_range(
    kind: Kind, found: tuple[float, float] | None, least: float = 0.0
) -> tuple[float, float]:
    """The range to draw for the values found: padded, rounded outward, whole for angles.

    It spans at least `least`; of what stands still, a range as wide as for a single value.
    """
    if kind is Kind.ANGLE:
        return -math.pi, math.pi
    if found is None:
        return {Kind.LOG: (0.1, 1.0), Kind.POWER: (-1.0, 0.0)}.get(kind, (0.0, 1.0))
    low, high = found
    if kind is Kind.LINEAR and high - low <= STILL * max(abs(low), abs(high)):
        low = high = low / 2 + high / 2
    low, high = axis(kind, low, high).ends
    least = LEAST_DECADES if kind in (Kind.LOG, Kind.POWER) else least
    pad = max((high / 2 - low / 2) * 0.06, (least - (high - low)) / 2)
    if kind is Kind.LOG:
        low, high = 10.0 ** max(low - pad, -300.0), 10.0 ** min(high + pad, 300.0)
    else:
        low, high = low - pad, high + pad
    return snapped(kind, low, high)
