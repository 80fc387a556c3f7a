"""LL20 Theorems A.7 and A.10, Lemma A.5, where g is no line: the flows of e^{−q³} and ln(1 + e^{−q³}).

g(x) = Θ(x^{1/3}) turns Theorem A.10 into 𝓛 = Θ(1/(t (log t)^{2 − 2/(3L)})) and ρ = Θ((log t)^{1/(3L)}).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.claims.ll20.flow import (
    RATE_BOUNDS,
    exponent_errors,
    monotone,
    monotone_bounds,
    rate_quantities,
    tenfold_rates,
)
from workbench.claims.ll20.runs import LOWEST, SQUARED, flows
from workbench.claims.margin_runs import MarginRun

NETWORKS: Mapping[Size, Mapping[str, tuple[str, ...]]] = {
    "quick": {"exponential-cubed": ("L=2",), "logistic-cubed": ("L=1",)},
    "full": {
        "exponential-cubed": ("L=2", "L=1", "L=3", SQUARED),
        "logistic-cubed": ("L=1", "L=2", "L=3", SQUARED),
    },
}
GAP = "(γ̄ − γ~) ρ^L over q_min − g(f(q_min) − log N), most"
NEARER = "error of the power of log t in 1/(𝓛t) over half of what 3L and 3L + 1 are apart, most"
ROOM = 1e-9
"""Of the gap between margins, what their rounding leaves at the last records."""


def experiment(lab: Lab, size: Size) -> tuple[list[MarginRun], Path | None]:
    """The flows of both losses."""
    runs = [
        run for loss, networks in NETWORKS[size].items() for run in flows(lab, size, networks, loss)
    ]
    return runs, runs[0].trained.folder


def _gap(run: MarginRun) -> float:
    """Lemma A.5 with what its proof bounds: g(max{f(0), f(q_min) − log N}) ≤ g(log 1/𝓛) ≤ q_min."""
    low = run.q.min(axis=1)
    at = -run.loss.log_losses(low[:, None], np.ones(1))[:, 0]
    start = np.maximum(at - np.log(run.samples), -run.loss.log_separating)
    room = low - run.loss.inverse(-start)
    return most((low - run.loss.inverse(run.log_risk)) / (room + ROOM * low))


def _nearer(run: MarginRun) -> float:
    """The last error of the exponent over half the distance of the next order's."""
    order = run.loss.power * run.order
    errors = exponent_errors(run)
    half = 1.0 / order - 1.0 / (order + 1.0)
    return float(errors[-1] / half) if len(errors) else float("nan")


def measure(runs: Sequence[MarginRun]) -> Measured:
    """Theorem A.7, Lemma A.5, Theorem A.10."""
    observed = {}
    for run in runs:
        found, name = tenfold_rates(run), f"{run.loss.name}, L = {run.order:g}"
        if len(found):
            observed[f"power of log t in 1/(𝓛t), {name}"] = float(found.exponent[-1])
            observed[f"power of log t in ρ, {name}"] = float(found.power[-1])
    return Measured(
        {
            **monotone(runs),
            GAP: most(_gap(run) for run in runs),
            **rate_quantities(runs),
            NEARER: most(_nearer(run) for run in runs),
        },
        observed,
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """γ~ never falls; the sandwich; powers of log t nearer to 3L's than to another's, and nearing them."""
    bounds: list[Bound] = [
        *monotone_bounds(-LOWEST["quick"]),
        (GAP, "≤", 1.0, ""),
        *RATE_BOUNDS,
        (NEARER, "<", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LL20-A10",
        paper="LL20",
        place="Theorems A.7 and A.10, Lemma A.5, §4.5",
        statement="Under e^{−q³} and ln(1 + e^{−q³}) too γ~ = ℓ⁻¹(𝓛)/ρ^L never falls after t_0 and stays "
        "within g'(ξ) ρ^{−L} log N of γ̄, and 𝓛 = Θ(g(log t)^{2/L}/(t (log t)²)), ρ = Θ(g(log t)^{1/L}) "
        "with g(x) = Θ(x^{1/3}).",
        method="Flows of linear networks to 1e−10000 under both losses, in full of three orders and squared "
        "ReLUs; powers of log t between −log 𝓛 = 10, 100, … and the end.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="rates",
    ),
)
