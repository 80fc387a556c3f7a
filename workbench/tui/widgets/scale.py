"""Axes: from values to positions, and the ticks with labels that fit.

Four kinds. *linear*; *log*: values > 0 on a log10 scale; *power*: the values already are log10 of
something too small for a float, drawn linearly and labelled 10ⁿ; *angle*: linear in radians,
labelled with fractions of π.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets import numbers

Floats = NDArray[np.float64]

_TINY, _HUGE = 1e-300, 4e307
"""No axis is narrower, and none reaches farther: differences of its ends stay finite."""


class Kind(StrEnum):
    """What an axis measures."""

    LINEAR = "linear"
    LOG = "log"
    POWER = "power"
    ANGLE = "angle"


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis; `at` is a fraction of its length from the low end."""

    at: float
    label: str


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

    def at(self, fraction: float) -> float:
        """The value at a place."""
        low, high = self.ends
        value = low * (1 - fraction) + high * fraction
        return float(10.0**value) if self.kind is Kind.LOG else value

    def edges(self, count: int) -> Floats:
        """The `count + 1` boundaries, in values, of equal buckets along the axis."""
        return _edges(self, count)


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


def ticks(shown: Axis, count: int, fits: Callable[[list[Tick]], bool], plain: bool) -> list[Tick]:
    """The densest set of ticks of at most `count` whose labels fit.

    `fits` says whether a set of labels has room (no overlap, not wider than the gutter). Sets with
    two equal labels are refused, so a label always tells one place from another.
    """
    best: list[Tick] = []
    for candidate in _candidates(shown, max(1, count), plain):
        labels = {tick.label for tick in candidate}
        told_apart = len(labels) == len(candidate) and 0 < len(candidate) <= max(1, count)
        if told_apart and len(candidate) > len(best) and fits(candidate):
            best = candidate
        if len(best) >= 2:
            break
    return best


def _candidates(shown: Axis, count: int, plain: bool) -> Iterable[list[Tick]]:
    """Sets of ticks from dense to sparse."""
    if shown.kind is Kind.ANGLE:
        yield from _angle_ticks(shown)
        yield from _linear_ticks(shown, count)
    elif shown.kind in (Kind.LOG, Kind.POWER):
        low, high = shown.ends
        yield from _decade_ticks(low, high, count, plain)
        yield from _mantissa_ticks(low, high, count, plain)
    else:
        yield from _linear_ticks(shown, count)


def _placed(low: float, high: float, value: float) -> float:
    return (value - low) / (high - low)


def _decade_ticks(low: float, high: float, count: int, plain: bool) -> Iterable[list[Tick]]:
    """Whole powers of ten, every 1, 2, 5, 10, 20 … decades; at least two of them."""
    step = max(1, round(_nice((high - low) / (count + 1))))
    for _ in range(6):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if step > 1e300:
            return
        exponents = [k * step for k in range(first, last + 1)] if last - first < 200 else []
        if len(exponents) >= 2:
            yield [Tick(_placed(low, high, e), numbers.power(e, plain=plain)) for e in exponents]
        step = max(step + 1, round(_nice(step * 1.5)))


def _mantissa_ticks(low: float, high: float, count: int, plain: bool) -> Iterable[list[Tick]]:
    """Within a decade or two: 2·10⁻⁷, 5·10⁻⁷ …, evenly spaced in the mantissa."""
    exponent = math.floor(low)
    if high - exponent > 3:
        first = math.ceil(low)
        yield [Tick(_placed(low, high, first), numbers.power(first, plain=plain))]
        return
    start, end = 10.0 ** (low - exponent), 10.0 ** (high - exponent)
    for parts in range(count + 1, 0, -1):
        step = _nice((end - start) / parts)
        if step <= 0:
            return
        first, last = math.ceil(start / step - 1e-9), math.floor(end / step + 1e-9)
        values = [k * step for k in range(first, min(last, first + 50) + 1) if k > 0]
        yield [
            Tick(
                _placed(low, high, math.log10(v) + exponent),
                numbers.decimals(v * 10.0**exponent, step * 10.0**exponent)
                if -3 <= exponent <= 3
                else numbers.power(exponent, float(f"{v:.9g}"), plain),
            )
            for v in values
        ]


def _linear_ticks(shown: Axis, count: int) -> Iterable[list[Tick]]:
    """Multiples of round steps; when they need too many digits, differences from the first."""
    low, high = shown.low, shown.high
    span = high - low
    for parts in range(count + 1, 0, -1):
        step = _nice(span / parts)
        if step <= 0:
            return
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first > 200:
            continue
        values = [k * step for k in range(first, last + 1)]
        small = max(abs(low), abs(high)) < 10000 or step < 1
        name = numbers.decimals if small else numbers.short
        yield [Tick(_placed(low, high, v), name(v, step)) for v in values]
        if values and span < 1e-3 * max(abs(low), abs(high)):
            base = numbers.decimals(values[0], abs(values[0]) * 1e-3)
            gaps = [numbers.decimals(v - values[0], step) for v in values[1:]]
            labels = [base, *("+" + gap for gap in gaps)]
            yield [Tick(_placed(low, high, v), t) for v, t in zip(values, labels, strict=True)]


def _angle_ticks(shown: Axis) -> Iterable[list[Tick]]:
    """Multiples of π/8, π/4, π/2, π, in that order, at least two."""
    for part in (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2)):
        step = float(part) * math.pi
        first, last = math.ceil(shown.low / step - 1e-9), math.floor(shown.high / step + 1e-9)
        if 2 <= last - first + 1 <= 200:
            yield [
                Tick(_placed(shown.low, shown.high, k * step), numbers.pi_fraction(k * part))
                for k in range(first, last + 1)
            ]


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


def y_range(kind: Kind, found: tuple[float, float] | None) -> tuple[float, float]:
    """The range to draw for the values found: padded, rounded outward, whole for angles."""
    if kind is Kind.ANGLE:
        return -math.pi, math.pi
    if found is None:
        return {Kind.LOG: (0.1, 1.0), Kind.POWER: (-1.0, 0.0)}.get(kind, (0.0, 1.0))
    made = axis(kind, *found)
    low, high = made.ends
    pad = (high / 2 - low / 2) * 0.06
    if kind is Kind.LOG:
        low, high = 10.0 ** max(low - pad, -300.0), 10.0 ** min(high + pad, 300.0)
    else:
        low, high = low - pad, high + pad
    return snapped(kind, low, high)
