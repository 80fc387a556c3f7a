"""JT20 Theorem 3.1, Corollary 3.2, Theorem 4.1: directions, margins and gradients settle under the flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20.late import CASES, LateRun, late_runs
from workbench.claims.lab import Lab
from workbench.claims.limits import FEWEST, RATIO, last_ratio, limits_at_two_depths, to_come

ANGLES = 9
"""Doublings that the angle must be resolved for: two fits of a limit, and a start to compare with."""


class Doublings(Protocol):
    """A flow by doublings of ln(1/𝓛): what a `LateRun` gives, and what a test can make up."""

    def lengths(self) -> Float[np.ndarray, " k"]:
        """Length of the path of θ/‖θ‖ in every doubling."""
        ...

    def swings(self) -> Float[np.ndarray, "k n"]:
        """How far every sample's normalized margin moves in every doubling, over γ̄ at the end."""
        ...


def experiment(lab: Lab, size: Size) -> tuple[list[LateRun], Path | None]:
    """Flows to 10^−10,000,000."""
    runs = late_runs(lab, size, CASES[size])
    return runs, runs[0].run.folder if runs else None


@dataclass(frozen=True, eq=False)
class Aligned:
    """Degrees between θ and −∇𝓛 at the start and after every doubling; `smooth`: whether all ∇q_i are locally
    Lipschitz."""

    name: str
    smooth: bool
    angles: Float[np.ndarray, " K"]


def t41_experiment(lab: Lab, size: Size) -> tuple[list[Aligned], Path | None]:
    """The same flows, each beside one at a coarser tolerance."""
    runs, folder = experiment(lab, size)
    beside = {run.name: run for run in late_runs(lab, size, CASES[size], coarser=True)}
    return [
        Aligned(run.name, run.smooth, run.angles(beside[run.name]))
        for run in runs
        if run.name in beside
    ], folder


def fewest(sequences: Iterable[Sequence[float] | Float[np.ndarray, " k"]]) -> float:
    """The length of the shortest; NaN of none."""
    return float(min(map(len, sequences), default=np.nan))


def t31_measure(runs: Sequence[Doublings]) -> Measured:
    """The path's length in every doubling of ln(1/𝓛)."""
    lengths = [run.lengths() for run in runs]
    return Measured(
        {
            "doublings of ln(1/𝓛)": fewest(lengths),
            "path in a doubling over the one before, last three": most(map(last_ratio, lengths)),
            "path still to come, at most, over what was": most(
                to_come(v) / float(v.sum()) for v in lengths
            ),
        },
        {
            "path in all doublings": most(float(v.sum()) for v in lengths),
            "path in the last doubling": most(float(v[-1]) for v in lengths),
            "path still to come, at most": most(map(to_come, lengths)),
        },
    )


def t31_criterion(measured: Measured) -> tuple[Check, ...]:
    """Falling by more than 1/k does at that depth, with a bound on the rest of the sum."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", FEWEST, ""),
        ("path in a doubling over the one before, last three", "<", RATIO, ""),
        ("path still to come, at most, over what was", "<", 1.0, ""),
    ]
    return judged(measured, bounds)


def worst_sample(swings: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
    """The largest swing in every doubling, each sample's over its own widest: none hides behind another,
    and one that turns, and stands still for a doubling, is no cause for alarm."""
    with np.errstate(invalid="ignore"):
        return np.asarray((swings / swings.max(axis=0)).max(axis=1))


def c32_measure(runs: Sequence[Doublings]) -> Measured:
    """How far every sample's margin moves in every doubling of ln(1/𝓛)."""
    swings = [run.swings() for run in runs]
    worst = [worst_sample(s) for s in swings]
    name = "swing of a margin over its widest, over the doubling before, last three"
    return Measured(
        {
            "doublings of ln(1/𝓛)": fewest(worst),
            name: most(map(last_ratio, worst)),
            "swings still to come, at most, over what was": most(
                to_come(v) / float(v.sum()) for v in worst
            ),
        },
        {
            "widest swing in the first doubling, over γ̄": most(float(s[0].max()) for s in swings),
            "widest swing in the last doubling, over γ̄": most(float(s[-1].max()) for s in swings),
            "margins of all samples": float(sum(s.shape[1] for s in swings)),
        },
    )


def c32_criterion(measured: Measured) -> tuple[Check, ...]:
    """Cauchy: every sample's swings fall by more than 1/k does at that depth, so their sum is finite."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛)", "≥", FEWEST, ""),
        ("swing of a margin over its widest, over the doubling before, last three", "<", RATIO, ""),
        ("swings still to come, at most, over what was", "<", 1.0, ""),
    ]
    return judged(measured, bounds)


def t41_measure(runs: Sequence[Aligned]) -> Measured:
    """The limit that angles between θ and −∇𝓛 go to; where ∇q is not Lipschitz they are only shown."""
    angles = [run.angles for run in runs if run.smooth]
    rough = [run.angles for run in runs if not run.smooth]
    fits = [limits_at_two_depths(a) for a in angles]
    late = [a[len(a) // 2 :] for a in angles]
    return Measured(
        {
            "doublings of ln(1/𝓛) that resolve the angle": fewest(angles) - 1.0,
            "angle over the one before, later half": most(
                float(np.max(a[1:] / a[:-1], initial=0.0)) for a in late
            ),
            "limit of the angle over the fit's error": most(deep.above_zero for deep, _ in fits),
            "the same at a quarter of ln(1/𝓛)": most(shallow.above_zero for _, shallow in fits),
            "the fit's error over the angle": most(deep.loose for deep, _ in fits),
        },
        {
            "angle at the first record, degrees": most(float(a[0]) for a in angles),
            "angle at the end": most(float(a[-1]) for a in angles),
            "limit of the angle, at most": most(
                max(0.0, deep.value + deep.error) for deep, _ in fits
            ),
            **(
                {"ReLU, outside the theorem: angle at the end": float(rough[0][-1])}
                if rough
                else {}
            ),
        },
    )


def t41_criterion(measured: Measured) -> tuple[Check, ...]:
    """The angle falls, and what it falls to is 0 as far as two depths can tell."""
    bounds: list[Bound] = [
        ("doublings of ln(1/𝓛) that resolve the angle", "≥", ANGLES, ""),
        ("angle over the one before, later half", "<", 1.0, ""),
        ("limit of the angle over the fit's error", "≤", 1.0, ""),
        ("the same at a quarter of ln(1/𝓛)", "≤", 1.0, ""),
        ("the fit's error over the angle", "<", 1.0, ""),
    ]
    return judged(measured, bounds)


METHOD = (
    "Flows from 𝓛 = ℓ(0)/n to 10^−10,000,000, by doublings of ln(1/𝓛): squared-ReLU neurons of either sign "
    "on planar data (L = 2), three linear layers (L = 3), at full size ReLU neurons too; exponential and "
    "logistic loss. "
)
CLAIMS = (
    Claim(
        id="JT20-T3.1",
        paper="JT20",
        place="Theorem 3.1",
        statement="Under the gradient flow, once 𝓛 < ℓ(0), the curve of θ/‖θ‖ has finite length: its "
        "increments over doublings of ln(1/𝓛) fall geometrically.",
        method=METHOD + "Increments 1/k would fall by less than 5 % from the 20th doubling on.",
        experiment=experiment,
        measure=t31_measure,
        criterion=t31_criterion,
        figure="margins",
    ),
    Claim(
        id="JT20-C3.2",
        paper="JT20",
        place="Corollary 3.2",
        statement="Every normalized margin q_i/ρ^L converges: its swings over doublings of ln(1/𝓛) fall "
        "geometrically.",
        method=METHOD + "Every sample's swings over its own widest; the worst sample decides.",
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
        method=METHOD
        + "The angle's limit by Aitken's extrapolation at two depths, its error how far the "
        "last three are apart; angles only as long as a coarser tolerance agrees.",
        experiment=t41_experiment,
        measure=t41_measure,
        criterion=t41_criterion,
        figure="margins",
    ),
)
