"""The places that an axis labels, and their labels.

A tick is a whole multiple of 1, 2 or 5 times a power of ten (on angles: of a fraction of π), so its label
can say exactly what it stands for. On log axes: powers of ten, with 2 and 5 between them where the
range is short, and multiples as on a linear axis where it is shorter still. An axis has at least two
ticks or none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

from workbench.tui.widgets import numbers
from workbench.tui.widgets.scale import Axis, Kind

SHORT = 2.0
"""Decades: a log axis of fewer is labelled within its decades."""
EVEN = 0.35
"""Decades: a log axis of fewer is labelled like a linear one."""
WRITTEN = (-4.0, 12.0)
"""log10 of the least and the largest number that a log axis of less than `SHORT` decades writes out."""
WIDE = 7
"""Numbers longer than this are written as 2.5e-7 where that is shorter."""
SLACK = 1e-10
"""A value this part of the range beyond its ends is still at them."""
FINEST = 200
"""Places on an axis of which the two outermost are labelled where nothing rounder fits."""


@dataclass(frozen=True)
class Tick:
    """A labelled value, log10 of it on a *power* axis."""

    value: float
    label: str


@dataclass(frozen=True)
class Ticks:
    """Ticks from the low end up. With a `base`, labels say how much more than that: `203.38`, `+1e-8`."""

    ticks: tuple[Tick, ...] = ()
    base: str = ""


Keep = Callable[[Ticks], list[Tick]]
"""Of a set of ticks those that can be written; none where labels would touch or are too wide."""
LogTick = Callable[[int, int, str], Tick]
"""A tick at count · 10^exponent of a log axis, from count, exponent and label."""
Family = tuple[Sequence[Any], Callable[[Sequence[Any]], Ticks]]
"""Places of one spacing, and what makes ticks of some of them."""


def ticks(
    shown: Axis, most: int, keep: Keep, *, plain: bool = False, counts: bool = False
) -> Ticks:
    """The densest set of two to `most` ticks that can be written; without any where no two can.

    `plain`: ASCII only. `counts`: large whole numbers as 20k.
    """
    for found in _candidates(shown, max(2, most), plain, counts):
        kept = keep(found)
        if len(kept) >= 2:
            return Ticks(tuple(kept), found.base)
    return Ticks()


def _candidates(shown: Axis, most: int, plain: bool, counts: bool) -> Iterator[Ticks]:
    low, high = shown.ends
    if shown.kind not in (Kind.LOG, Kind.POWER):
        if shown.kind is Kind.ANGLE:
            yield from _offered(_angles(low, high), most)
        yield from _multiples(low, high, most, counts)
        return

    def tick(count: int, exponent: int, label: str) -> Tick:
        if shown.kind is Kind.LOG:
            return Tick(float(f"{count}e{exponent}"), label)
        return Tick(math.log10(count) + exponent, label)

    if high - low >= SHORT:
        yield from _offered(_decades(low, high, tick, plain), most)
        return
    if high - low >= EVEN:
        yield from _offered(_within_decades(low, high, tick, plain, counts), most)
    if not WRITTEN[0] <= low <= high <= WRITTEN[1]:
        yield from _offered(_mantissas(low, high, tick, plain), most)
    if shown.kind is Kind.LOG:
        yield from _multiples(shown.low, shown.high, most, counts)
    elif low > -300 and high < 300:
        for found in _multiples(10.0**low, 10.0**high, most, counts):
            exponents = (Tick(math.log10(t.value), t.label) for t in found.ticks)
            yield Ticks(tuple(exponents), found.base)


def _offered(families: Sequence[Family], most: int) -> Iterator[Ticks]:
    """Sets of 2 to `most`, dense ones first; then the two ends of the denser ones, sparse ones first."""
    for places, made in families:
        if 2 <= len(places) <= most:
            yield made(places)
    for places, made in reversed(families):
        if len(places) > 2:
            yield made((places[0], places[-1]))


def _angles(low: float, high: float) -> list[Family]:
    """Multiples of π/8, π/4, π/2, π or 2π."""

    def of(part: Fraction) -> Family:
        step = float(part) * math.pi
        places = range(math.ceil(low / step - SLACK), math.floor(high / step + SLACK) + 1)
        return places, lambda some: Ticks(
            tuple(Tick(k * step, numbers.pi_fraction(k * part)) for k in some)
        )

    parts = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2))
    return [of(part) for part in parts] if high - low < FINEST else []


def _decades(low: float, high: float, tick: LogTick, plain: bool) -> list[Family]:
    """Whole powers of ten, every 1, 2, 5, 10, 20 … decades."""

    def of(step: int) -> Family:
        return _inside(low, high, step, 0), lambda some: Ticks(
            tuple(tick(1, k * step, numbers.power(k * step, plain=plain)) for k in some)
        )

    return [of(m * 10**k) for m, k in _steps((high - low) / FINEST, high - low) if k >= 0]


def _within_decades(
    low: float, high: float, tick: LogTick, plain: bool, counts: bool
) -> list[Family]:
    """1, 2, 5 times powers of ten; 1 and 5; or powers alone."""
    slack = SLACK * (high - low)
    written = WRITTEN[0] <= low and high <= (WRITTEN[1] if counts else 5)

    def label(m: int, exponent: int) -> str:
        if not written:
            return numbers.power(exponent, str(m), plain)
        return _whole([m], exponent, counts)[0][0]

    def of(mantissas: tuple[int, ...]) -> Family:
        decades = range(math.floor(low), math.ceil(high) + 1)
        places = [
            (m, k)
            for k in decades
            for m in mantissas
            if low - slack <= math.log10(m) + k <= high + slack
        ]
        return places, lambda some: Ticks(tuple(tick(m, k, label(m, k)) for m, k in some))

    return [of((1, 2, 5)), of((1, 5)), of((1,))]


def _mantissas(low: float, high: float, tick: LogTick, plain: bool) -> list[Family]:
    """Within a decade or two of numbers that are not written out: 2.5·10⁻⁷, 3·10⁻⁷ …"""
    whole = math.floor(low)
    start, end = 10.0 ** (low - whole), 10.0 ** (high - whole)

    def named(count: int, exponent: int) -> Tick:
        mantissa, power = numbers.split(count, exponent)
        return tick(count, exponent, numbers.power(power, mantissa, plain))

    def of(m: int, exponent: int) -> Family:
        return _inside(start, end, m, exponent), lambda some: Ticks(
            tuple(named(k * m, exponent + whole) for k in some)
        )

    return [of(*step) for step in _steps((end - start) / FINEST, end - start)]


def _multiples(low: float, high: float, most: int, counts: bool) -> Iterator[Ticks]:
    """Multiples of 1, 2, 5 · 10ᵏ; where they have too many digits, how much more than the lowest."""

    def of(m: int, exponent: int, labelled: Callable[..., tuple[list[str], str]]) -> Family:
        def made(some: Sequence[int]) -> Ticks:
            multiples = [k * m for k in some]
            labels, base = labelled(multiples, exponent, counts)
            values = [float(f"{n}e{exponent}") for n in multiples]
            return Ticks(tuple(map(Tick, values, labels)), base)

        return _inside(low, high, m, exponent), made

    steps = _steps(high / FINEST - low / FINEST, high - low)
    for labelled in (_whole, _above_lowest):
        yield from _offered([of(m, k, labelled) for m, k in steps], most)


def _whole(multiples: Iterable[int], exponent: int, counts: bool) -> tuple[list[str], str]:
    """Every label with all its digits, in the shortest of the ways to write them; no base."""
    multiples = list(multiples)
    usual = [numbers.fixed(n, exponent) for n in multiples]
    longest = max(map(len, usual))
    if counts and max(map(abs, multiples)) >= 10.0 ** max(-300, 4 - exponent):
        suffixed = [numbers.suffixed(n, exponent) for n in multiples]
        if sum(map(len, suffixed)) < sum(map(len, usual)):
            return suffixed, ""
    if longest > WIDE:
        short = [numbers.scientific(n, exponent) for n in multiples]
        if max(map(len, short)) < longest:
            return short, ""
    return usual, ""


def _above_lowest(multiples: Sequence[int], exponent: int, counts: bool) -> tuple[list[str], str]:
    """How much more each is than the lowest, and the lowest as the base."""
    gaps, _ = _whole([n - multiples[0] for n in multiples], exponent, False)
    return ["+" + gap for gap in gaps], _whole(multiples[:1], exponent, counts)[0][0]


def _steps(least: float, most: float) -> list[tuple[int, int]]:
    """The 1, 2, 5 · 10ᵏ from `least` to `most` as (1, 2 or 5; k), ascending."""
    if not least > 0:
        return []
    first, last = math.floor(math.log10(least)), math.floor(math.log10(most))
    low, high = Decimal(least), Decimal(most)
    steps = ((m, k) for k in range(first, last + 1) for m in (1, 2, 5))
    return [(m, k) for m, k in steps if low <= Decimal(m).scaleb(k) <= high]


def _inside(low: float, high: float, mantissa: int, exponent: int) -> range:
    """The k for which k · mantissa · 10^exponent lies between two values."""
    unit = Decimal(mantissa).scaleb(exponent)
    slack = (Decimal(high) - Decimal(low)) * Decimal(SLACK)
    first = ((Decimal(low) - slack) / unit).to_integral_value(ROUND_CEILING)
    last = ((Decimal(high) + slack) / unit).to_integral_value(ROUND_FLOOR)
    return range(int(first), int(last) + 1)
