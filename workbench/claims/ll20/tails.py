"""LL20 (B3): which losses ℓ = e^{−f} the theorems of Appendix A are about, and what follows of tails.

f, f', g = f⁻¹ and g' by their formulas in 40 digits, over margins up to 10^6. What the loss objects of the
workbench declare (K, b_g, ℓ(b_f), the power of f) is held against that, and other tails fail where they must.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import mpmath as mp
import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.losses.loss import MarginLoss
from workbench.losses.registry import loss_of

DIGITS = 40
REACH = 6
"""log10 of the largest margin, or height, that is looked at."""
POINTS: dict[Size, int] = {"quick": 6, "full": 40}
"""A tenfold."""
HALVES: dict[Size, tuple[float, ...]] = {
    "quick": (0.5, 0.75, 0.999),
    "full": tuple(np.linspace(0.5, 0.999, 12)),
}
"""θ of (B3.4), in [1/2, 1)."""
Function = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True, eq=False)
class Tail:
    """A loss by f, f', g and g', with b_f = 0; `declared`: the workbench's own loss object of that f."""

    name: str
    f: Function
    slope: Function
    g: Function
    inverse_slope: Function
    size: Size = "quick"
    declared: MarginLoss | None = None

    @cached_property
    def places(self) -> list[mp.mpf]:
        """Margins and heights above 0 that are looked at."""
        grid = np.geomspace(1e-3, 10.0**REACH, POINTS[self.size] * (REACH + 3) + 1)
        return [mp.mpf(float(v)) for v in grid]

    @property
    def least_slope(self) -> float:
        """The least f' over −30..30 and the margins: not above 0 breaks (B3.2)."""
        near = [mp.mpf(k) for k in range(-30, 31)]
        return float(min(self.slope(q) for q in [*near, *self.places]))

    @property
    def weighted(self) -> Float[np.ndarray, " k"]:
        """f'(q) q over the margins (B3.3)."""
        return np.array([float(self.slope(q) * q) for q in self.places])

    @property
    def order(self) -> float:
        """Power of q in f'(q) q over the last tenfold; 0 where it stays bounded (B3.3)."""
        last = self.weighted[[-1 - POINTS[self.size], -1]]
        return float(np.log10(last[1] / last[0]))

    @property
    def power(self) -> float:
        """Power of q in f over the last tenfold (Corollary D.3)."""
        a, b = (self.f(self.places[k]) for k in (-1 - POINTS[self.size], -1))
        return float(mp.log10(b / a))

    def swing(self, slope: Function, start: mp.mpf, end: float) -> float:
        """sup slope(v)/slope(θv) over θ and the places v from `start` up to `end` (B3.4)."""
        there = [v for v in self.places if start < v <= end]
        return max(float(slope(v) / slope(mp.mpf(t) * v)) for v in there for t in HALVES[self.size])

    def growth(self, end: float) -> float:
        """The least K of (B3.4) for margins and heights up to `end`."""
        begin = max(2 * self.f(mp.mpf(0)), self.f(mp.mpf(0)))
        first = self.g(begin) if begin > 0 else mp.mpf(0)
        return max(self.swing(self.slope, first, end), self.swing(self.inverse_slope, begin, end))

    def off_lemma(self, growth: float) -> float:
        """g/(x g') and f/(y f') against [1/(2K), 2K], beyond 1 where outside (Lemma D.1)."""
        begin = max(2 * self.f(mp.mpf(0)), self.f(mp.mpf(0)))
        ratios = [
            float(value(v) / (v * slope(v)))
            for value, slope, low in (
                (self.g, self.inverse_slope, begin),
                (self.f, self.slope, self.g(begin) if begin > 0 else mp.mpf(0)),
            )
            for v in self.places
            if v >= low and v > 0
        ]
        return max(max(ratios), 1.0 / min(ratios)) / (2.0 * growth)


def _softplus(q: mp.mpf) -> mp.mpf:
    return -mp.log(mp.log1p(mp.e**-q))


def _softplus_slope(q: mp.mpf) -> mp.mpf:
    return mp.e**-q / ((1 + mp.e**-q) * mp.log1p(mp.e**-q))


def _softplus_inverse(x: mp.mpf) -> mp.mpf:
    return -mp.log(mp.expm1(mp.e**-x))


def _softplus_inverse_slope(x: mp.mpf) -> mp.mpf:
    return -(mp.e**-x) / mp.expm1(-(mp.e**-x))


def _root(x: mp.mpf) -> mp.mpf:
    return mp.cbrt(x) if x >= 0 else -mp.cbrt(-x)


def _one(_: mp.mpf) -> mp.mpf:
    return mp.mpf(1)


def _cubed(name: str, tail: Tail) -> Tail:
    """f(q³)."""
    return Tail(
        name,
        lambda q: tail.f(q**3),
        lambda q: 3 * q**2 * tail.slope(q**3),
        lambda x: _root(tail.g(x)),
        lambda x: tail.inverse_slope(x) / (3 * _root(tail.g(x)) ** 2),
    )


EXPONENTIAL = Tail("exponential", lambda q: q, _one, lambda x: x, _one)
LOGISTIC = Tail("logistic", _softplus, _softplus_slope, _softplus_inverse, _softplus_inverse_slope)
NAMED = (
    EXPONENTIAL,
    LOGISTIC,
    _cubed("exponential-cubed", EXPONENTIAL),
    _cubed("logistic-cubed", LOGISTIC),
)
"""Those that §4.5 and Appendix A name."""
POLYNOMIAL = Tail("1/(1 + q)", lambda q: mp.log1p(q), lambda q: 1 / (1 + q), mp.expm1, mp.exp)
DOUBLE = Tail("e^(1 − e^q)", mp.expm1, mp.exp, mp.log1p, lambda x: 1 / (1 + x))
SQUARED_LOG = Tail(
    "e^(−log²(1 + q))",
    lambda q: mp.log1p(q) ** 2,
    lambda q: 2 * mp.log1p(q) / (1 + q),
    lambda x: mp.expm1(mp.sqrt(x)),
    lambda x: mp.exp(mp.sqrt(x)) / (2 * mp.sqrt(x)),
)
"""Tails too heavy, too light, and between powers and exponentials: they miss (B3.3) or (B3.4)."""


@dataclass(frozen=True)
class Tails:
    """The named losses with what is declared of them, and tails that are outside (B3)."""

    named: tuple[Tail, ...]
    heavy: Tail
    light: Tail
    between: Tail


def tails(size: Size) -> Tails:
    """All of them, on a grid of that size."""
    named = []
    for tail in NAMED:
        declared = loss_of(tail.name)
        assert isinstance(declared, MarginLoss)
        named.append(replace(tail, size=size, declared=declared))
    others = (replace(tail, size=size) for tail in (POLYNOMIAL, DOUBLE, SQUARED_LOG))
    return Tails(tuple(named), *others)


B32 = "f' of the exponential and the logistic loss, least"
CUBED_AT_0 = "f' of the cubed losses at q = 0, most"
CUBED = "f' of the cubed losses away from 0, least"
FALLS = "f'(q)q falls along the margins by, most"
ORDER = "power of q in f'(q)q over the last tenfold, least"
GROWTH = "least K of (B3.4) over the declared one, most"
LOOSE = "declared K over the least one of (B3.4), most"
LEMMA = "f/(yf') and g/(xg') over Lemma D.1's 2K, most"
POWER = "power of q in f off the declared one, most"
BEGIN = "declared b_g off max{2f(0), f(0)}, most"
SEPARATING = "declared log ℓ(0) off −f(0), most"
HEAVY = "1/(1 + q): power of q in f'(q)q"
LIGHT = "e^(1 − e^q): least K up to 100 over that up to 10"
BETWEEN = "e^(−log²(1 + q)): least K up to 10^6 over that up to 10^3"


def measure(found: Tails) -> Measured:
    """(B3.1) to (B3.4), Lemma D.1 and Corollary D.3 for the named losses; where the others fail."""
    with mp.workdps(DIGITS):
        plain, cubed = found.named[:2], found.named[2:]
        growths = [t.growth(10.0**REACH) for t in found.named]
        declared = [_declared(t) for t in found.named]
        zero = [float(t.f(mp.mpf(0))) for t in found.named]
        return Measured(
            {
                B32: least(t.least_slope for t in plain),
                CUBED_AT_0: most(float(t.slope(mp.mpf(0))) for t in cubed),
                CUBED: least(_away_from_zero(t) for t in cubed),
                FALLS: most(-float(np.diff(t.weighted).min()) for t in found.named),
                ORDER: least(t.order for t in found.named),
                GROWTH: most(_ratios(growths, [d.growth for d in declared])),
                LOOSE: most(_ratios([d.growth for d in declared], growths)),
                LEMMA: most(
                    t.off_lemma(d.growth) for t, d in zip(found.named, declared, strict=True)
                ),
                POWER: most(
                    abs(t.power - d.power) for t, d in zip(found.named, declared, strict=True)
                ),
                BEGIN: most(
                    abs(d.begin - max(2 * z, z)) for d, z in zip(declared, zero, strict=True)
                ),
                SEPARATING: most(
                    abs(d.log_separating + z) for d, z in zip(declared, zero, strict=True)
                ),
                HEAVY: found.heavy.order,
                LIGHT: found.light.growth(100.0) / found.light.growth(10.0),
                BETWEEN: found.between.growth(1e6) / found.between.growth(1e3),
            },
            {f"K, {t.name}": k for t, k in zip(found.named, growths, strict=True)},
        )


def _declared(tail: Tail) -> MarginLoss:
    assert tail.declared is not None
    return tail.declared


def _ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


def _away_from_zero(tail: Tail) -> float:
    """The least f' over the margins, and over their negatives down to −10."""
    places = [*tail.places, *(-q for q in tail.places if q <= 10)]
    return float(min(tail.slope(q) for q in places))


def criterion(measured: Measured) -> tuple[Check, ...]:
    """What (B3) says; the cubed losses miss (B3.2) at 0 and nowhere else."""
    bounds: list[Bound] = [
        (B32, "≥", 1e-300, ""),
        (CUBED_AT_0, "=", 0.0, ""),
        (CUBED, "≥", 1e-300, ""),
        (FALLS, "≤", 0.0, ""),
        (ORDER, "≥", 0.9, ""),
        (GROWTH, "≤", 1.0 + 1e-5, ""),
        (LOOSE, "≤", 1.02, ""),
        (LEMMA, "≤", 1.0, ""),
        (POWER, "≤", 1e-3, ""),
        (BEGIN, "≤", 1e-6, ""),
        (SEPARATING, "≤", 1e-12, ""),
        (HEAVY, "<", 0.1, ""),
        (LIGHT, "≥", 10.0, ""),
        (BETWEEN, "≥", 10.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-B3",
        paper="LL20",
        place="Appendix A (B3), Remarks A.1 and A.2, Lemma D.1, Corollaries D.2 and D.3",
        statement="e^{−q}, ln(1 + e^{−q}), e^{−q³} and ln(1 + e^{−q³}) satisfy (B3), with K = 1, 1.0944, 4 "
        "and 5.0143 where b_f = 0, so that f and g are powers up to constants; 1/(1 + q), e^{1 − e^q} and "
        "e^{−log²(1 + q)} do not.",
        method="f, f', g and g' in 40 digits over margins up to 10^6, against what the workbench's losses "
        "declare.",
        experiment=untrained(tails),
        measure=measure,
        criterion=criterion,
        erratum="(B3.2), f' > 0 for all q, fails at q = 0 for the cubed losses, which §4.5 and Appendix A "
        "count in: f'(0) = 0, and a network that outputs 0 stays there. All that the theorems use after t_0 "
        "is f' > 0 for q > b_f = 0, which holds.",
    ),
)
