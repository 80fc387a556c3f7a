"""KH24 Theorem 5.1 over many starts and scales: near the origin for a time that grows like ln(1/δ)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.claims.checks import Bound, judged
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.direction_flow import PlaneNcf
from workbench.claims.escape_times import (
    NEAR,
    EscapeTimes,
    escape_times,
    neighbouring_slopes,
    slopes,
)
from workbench.claims.lab import Lab
from workbench.claims.over_seeds import over_seeds
from workbench.config.run import RunConfig
from workbench.data.load import load_dataset

SCALES: Mapping[Size, tuple[float, ...]] = {
    "quick": (1e-4, 1e-8, 1e-12),
    "full": (1e-4, 1e-8, 1e-12, 1e-16, 1e-20, 1e-24),
}
SEEDS: Mapping[Size, range] = {"quick": range(10), "full": range(100)}


@dataclass(frozen=True, eq=False)
class Law:
    """Times of a network of order 2, and `slope`, the steps in which ln‖w‖ rises by 1 at the highest KKT
    point."""

    times: EscapeTimes
    slope: float


def experiment(lab: Lab, size: Size) -> tuple[Law, None]:
    """Fig. 1's network under the summed risk from every seed and scale."""
    scales = {"init.scale": SCALES[size]}
    times, config = escape_times(lab, "escape-time-order-2", 2.0, SEEDS[size], scales)
    return Law(times, steps_an_e_fold(config)), None


def steps_an_e_fold(config: RunConfig) -> float:
    """1/ln(1 + 2ηN): a step of descent at the KKT point of the largest N multiplies w by 1 + 2ηN."""
    data = load_dataset(config.data)
    share = 1.0 / data.n if config.loss.reduction == "mean" else 1.0
    highest = PlaneNcf.of(data.x, data.y, share).highest
    return 1.0 / float(np.log1p(2.0 * config.train.lr * share * highest))


SLOPE = "slope of the time over ln(1/δ), over 1/(2N)"
NEXT = "between neighbouring scales off 1/(2N), smallest scales over largest"
STAY = "starts that never leave"


def measure(law: Law) -> Measured:
    """The slope with its interval over seeds, and how it nears 1/(2N)."""
    times, x = law.times, law.times.log_inverse
    found = over_seeds(slopes(x, times.known) / law.slope)
    off = np.abs(neighbouring_slopes(x, times.known) / law.slope - 1.0).mean(axis=0)
    return Measured(
        {
            f"{SLOPE}: 95 % interval from": found.low,
            f"{SLOPE}: 95 % interval to": found.high,
            NEXT: float(off[-1] / off[0]) if len(off) > 1 else float("nan"),
            STAY: float(np.isnan(times.steps).any(axis=1).sum()),
        },
        {
            "seeds": float(len(times.seed)),
            f"{SLOPE}: mean": found.mean,
            "the same between the two largest scales off 1": float(off[0]),
            "the same between the two smallest scales off 1": float(off[-1]),
            "steps from the largest scale, mean": float(times.known[:, 0].mean()),
            "steps from the smallest scale, mean": float(times.known[:, -1].mean()),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """The whole interval is near 1, and nearer the smaller the start."""
    bounds: list[Bound] = [
        (f"{SLOPE}: 95 % interval from", "≥", 1.0 - NEAR, ""),
        (f"{SLOPE}: 95 % interval to", "≤", 1.0 + NEAR, ""),
        (NEXT, "<", 1.0, ""),
        (STAY, "=", 0.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-ESCAPE",
        paper="KH24",
        place="Theorem 5.1, Lemma 5.3, over many starts",
        statement="A two-homogeneous network from weights of scale δ stays near the origin for a time that "
        "grows like ln(1/δ)/(2N), N the largest value of the constrained NCF, from every start.",
        method="Study escape-time-order-2: Fig. 1's network, summed risk, seeds by scales; steps until the "
        "risk has fallen by 1 %. The line of every seed over ln(1/δ), the mean of its slopes with "
        "Student's interval over seeds; a step of descent multiplies w by 1 + 2ηN.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
