"""LL20 Appendix A: the theorems on margins, rates and limits hold for the logistic loss."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mpmath as mp
import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.flow import RATE_BOUNDS, monotone, monotone_bounds, rate_quantities
from workbench.claims.ll20.kkt import (
    KKT_BOUNDS,
    LEMMA_BOUNDS,
    deep_limits,
    kkt_quantities,
    lemma_quantities,
)
from workbench.claims.ll20.limit import FlowLimit
from workbench.claims.ll20.runs import LOWEST
from workbench.claims.margin_runs import MarginRun

Slope = Callable[[Float[np.ndarray, " k"]], Float[np.ndarray, " k"]]
"""g' at values of −log 𝓛."""

SLOPE = "g' off the difference quotient of g, most relative"
LOGISTIC_SANDWICH = "(γ̄ − γ~) ρ^L over g'(s) log N, most"


def inverse_slope(x: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """g'(x) of g(x) = −log(e^{e^{−x}} − 1): y/(1 − e^{−y}), y = e^{−x}; 1 in the limit."""
    y = np.exp(-x)
    return np.where(y > 0, y / np.where(y > 0, -np.expm1(-y), 1.0), 1.0)


def printed_slope(x: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Remark A.2's g', e^{−x}/(e^{e^{−x}} − 1), which lacks a factor e^{e^{−x}}."""
    y = np.exp(-x)
    return np.where(y > 0, y / np.where(y > 0, np.expm1(y), 1.0), 1.0)


def slope_error(slope: Slope = inverse_slope) -> float:
    """Largest relative distance of a g' to 50-digit difference quotients of g, for x from f(0) to 30."""
    x = np.linspace(-np.log(np.log(2.0)), 30.0, 60)
    with mp.workdps(50):
        step = mp.mpf(10) ** -15
        exact = np.array(
            [float((_g(mp.mpf(v) + step) - _g(mp.mpf(v) - step)) / (2 * step)) for v in x]
        )
    return most(np.abs(slope(x) / exact - 1.0))


def _g(x: mp.mpf) -> mp.mpf:
    return -mp.log(mp.expm1(mp.e**-x))


def equal_margins(q: float, samples: int) -> float:
    """(γ̄ − γ~) ρ^L over log N where all margins are q: the mean of g' over (f(q) − log N, f(q))."""
    with mp.workdps(50):
        f = -mp.log(mp.log1p(mp.e ** -mp.mpf(q)))
        return float((q - _g(f - mp.log(samples))) / mp.log(samples))


def _logistic_sandwich(run: MarginRun) -> float:
    """Lemma A.5(b) with g' at the low end of where ξ may lie, as g' falls."""
    q = run.q.min(axis=1)
    f = -np.log(np.log1p(np.exp(-np.minimum(q, 30.0))))
    f = np.where(q > 30.0, q, f)
    low = np.maximum(f - np.log(run.samples), -np.log(np.log(2.0)))
    gap = (run.normalized - run.smoothed) * run.rho**run.order
    return most(gap / (inverse_slope(low) * np.log(run.samples)))


def experiment(lab: Lab, size: Size) -> tuple[list[FlowLimit], Path | None]:
    """Flows of the logistic loss."""
    return deep_limits(lab, size, "logistic")


def measure(limits: list[FlowLimit]) -> Measured:
    """Theorems A.7, A.8, A.9 and Corollary A.11, and g'."""
    runs = [limit.run for limit in limits]
    return Measured(
        {
            **monotone(runs),
            LOGISTIC_SANDWICH: most(_logistic_sandwich(run) for run in runs),
            **rate_quantities(runs),
            **lemma_quantities(limits),
            **kkt_quantities(limits),
            SLOPE: slope_error(),
        },
        {
            "printed g' off the difference quotient, most": slope_error(printed_slope),
            "all margins 1, N = 2: γ̄ − γ~ over ρ^{−L} log N": equal_margins(1.0, 2),
            "the same bounded by the printed g' at most": float(
                printed_slope(np.array([-np.log(np.log1p(np.exp(-1.0)))]))[0]
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """As for the exponential loss."""
    bounds: list[Bound] = [
        *monotone_bounds(-LOWEST["quick"]),
        (LOGISTIC_SANDWICH, "≤", 1.0, ""),
        *RATE_BOUNDS,
        *LEMMA_BOUNDS,
        *KKT_BOUNDS,
        (SLOPE, "<", 1e-12, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-A",
        paper="LL20",
        place="Appendix A, Theorems A.7 to A.10",
        statement="Theorems 4.1, 4.3 and 4.4 hold for the logistic loss with γ~ = −log(e^𝓛 − 1)/ρ^L, and "
        "γ̄ − g'(ξ) ρ^{−L} log N ≤ γ~ ≤ γ̄.",
        method="The same flows with the logistic loss.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="margins",
        erratum="Remark A.2's g' lacks a factor e^{e^{−x}}: g'(x) = e^{−x} e^{e^{−x}}/(e^{e^{−x}} − 1). "
        "With the printed one, which is below 1, Lemma A.5(b) is false where all margins are equal.",
    ),
)
