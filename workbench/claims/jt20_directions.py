"""JT20 Theorem 3.1, Corollary 3.2, Theorem 4.1: directions, margins and gradients settle under the flow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20_late import LateRun, late_runs, ratio_over, still_to_come
from workbench.claims.kh24_checks import Bound, judged, most
from workbench.claims.lab import Lab

FEWEST = 9
"""Doublings of ln(1/𝓛) that a flow to 10^−3000 goes through at least, from 𝓛 = ℓ(0)/n on."""


def experiment(lab: Lab, size: Size) -> tuple[list[LateRun], Path | None]:
    """Flows to 10^−3000 on planar data."""
    runs = late_runs(lab, size)
    return runs, runs[0].run.folder if runs else None


def _doublings(runs: Sequence[LateRun]) -> float:
    return float(min((len(run.doublings) - 1 for run in runs), default=np.nan))


def _halves(values: np.ndarray) -> float:
    """The largest of the later half over the largest of the earlier."""
    half = len(values) // 2
    return float(values[half:].max() / values[:half].max()) if half else float("nan")


def t31_measure(runs: Sequence[LateRun]) -> Measured:
    """The path's length in every doubling of ln(1/𝓛)."""
    lengths = [run.lengths() for run in runs]
    return Measured(
        {
            "doublings of ln(1/𝓛)": _doublings(runs),
            "path in a doubling over the one before": most(
                float(np.max(ratio_over(v))) for v in lengths
            ),
            "path still to come over what was": most(map(still_to_come, lengths)),
        },
        {
            "path in all doublings": most(float(v.sum()) for v in lengths),
            "path in the last doubling": most(float(v[-1]) for v in lengths),
        },
    )


def t31_criterion(measured: Measured) -> tuple[Check, ...]:
    """Falling in every doubling, and geometrically enough for what follows to be less than what was."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", FEWEST, ""),
        ("path in a doubling over the one before", "<", 1.0, ""),
        ("path still to come over what was", "<", 1.0, ""),
    ]
    return judged(measured, bounds)


def c32_measure(runs: Sequence[LateRun]) -> Measured:
    """The widest swing of a margin in every doubling of ln(1/𝓛), over γ̄ at the end."""
    swings = [run.swings() for run in runs]
    return Measured(
        {
            "doublings of ln(1/𝓛)": _doublings(runs),
            "widest swing, later doublings over earlier": most(map(_halves, swings)),
            "swings still to come over what was": most(map(still_to_come, swings)),
        },
        {
            "widest swing in the first doubling, over γ̄": most(float(v[0]) for v in swings),
            "widest swing in the last doubling, over γ̄": most(float(v[-1]) for v in swings),
        },
    )


def c32_criterion(measured: Measured) -> tuple[Check, ...]:
    """Cauchy: swings fall, and so fast that their sum is finite. A margin may swing more in one doubling
    than in the one before, and does where it turns."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", FEWEST, ""),
        ("widest swing, later doublings over earlier", "<", 1.0, ""),
        ("swings still to come over what was", "<", 1.0, ""),
    ]
    return judged(measured, bounds)


def t41_measure(runs: Sequence[LateRun]) -> Measured:
    """Angles between θ and −∇𝓛 at every doubling; where ∇q is not Lipschitz they are only shown."""
    smooth = [run for run in runs if run.smooth]
    angles = [run.at(run.angle) for run in smooth]
    rough = [run.at(run.angle) for run in runs if not run.smooth]
    return Measured(
        {
            "doublings of ln(1/𝓛)": _doublings(smooth),
            "angle over the one before": most(float(np.max(ratio_over(a))) for a in angles),
            "angle at the end over the first": most(float(a[-1] / a[0]) for a in angles),
        },
        {
            "angle at the first record": most(float(a[0]) for a in angles),
            "angle at the end": most(float(a[-1]) for a in angles),
            **(
                {"ReLU, outside the theorem: angle at the end": float(rough[0][-1])}
                if rough
                else {}
            ),
        },
    )


def t41_criterion(measured: Measured) -> tuple[Check, ...]:
    """Falling in every doubling, by an order of magnitude in all."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", FEWEST, ""),
        ("angle over the one before", "<", 1.0, ""),
        ("angle at the end over the first", "<", 0.1, ""),
    ]
    return judged(measured, bounds)


METHOD = (
    "The flow of a few squared-ReLU neurons of either sign on planar data (at full size of ReLU neurons "
    "too), exponential and logistic loss, from 𝓛 = ℓ(0)/n to 10^−3000, by doublings of ln(1/𝓛)."
)
CLAIMS = (
    Claim(
        id="JT20-T3.1",
        paper="JT20",
        place="Theorem 3.1",
        statement="Under the gradient flow, once 𝓛 < ℓ(0), the curve of θ/‖θ‖ has finite length: its "
        "increments over doublings of ln(1/𝓛) fall geometrically.",
        method=METHOD,
        experiment=experiment,
        measure=t31_measure,
        criterion=t31_criterion,
        figure="margins",
    ),
    Claim(
        id="JT20-C3.2",
        paper="JT20",
        place="Corollary 3.2",
        statement="Every normalized margin q_i/ρ^L converges: its swings over doublings of ln(1/𝓛) fall, "
        "and sum up to a finite number.",
        method=METHOD,
        experiment=experiment,
        measure=c32_measure,
        criterion=c32_criterion,
        figure="margins-ordered",
    ),
    Claim(
        id="JT20-T4.1",
        paper="JT20",
        place="Theorem 4.1",
        statement="Where all q_i have locally Lipschitz gradients, the angle between θ and −∇𝓛 goes to 0.",
        method=METHOD,
        experiment=experiment,
        measure=t41_measure,
        criterion=t41_criterion,
        figure="margins",
    ),
)
