"""KH24 Fig. 4a: how long the distance to the saddle stays small, over what a run has stored.

Fig. 4's saddle and noise of size δ under gradient descent of the summed risk. Theorem 5.5 has a time like
ln(1/δ); the NCF of the residual has its slope: the fastest small neuron grows with 2N_max.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.direction_flow import PlaneNcf
from workbench.claims.kh24.saddle import LARGE, Saddle
from workbench.claims.kh24.theorems import QUIET, RATE
from workbench.claims.lab import Lab
from workbench.config.toml import override, parse_config
from workbench.data.load import load_dataset
from workbench.presets import read_preset

DELTAS = (1e-4, 1e-6, 1e-8, 1e-10)
SEEDS: Mapping[Size, range] = {"quick": range(1), "full": range(10)}
LEFT = 1e-2
"""Distance at which the saddle counts as left: the risk has not changed by `QUIET` yet."""
SLACK = 0.01
"""Relative error of a slope between two δ: a step of descent grows by ln(1 + 2Nη), 0.2 % less than 2Nη."""


@dataclass(frozen=True, eq=False)
class Stay:
    """Runs of one noise at D sizes δ.

    `times` (D): when ‖θ − ū‖ is `LEFT`, NaN if never. `first` (D): the distance at the start. `risk` (D):
    the largest change of the risk by then, relative. `steep` (D): sup ‖θ − ū‖ over its start times e^{2N t}
    by then. `growth`: 2N_max; `slowest`: M_2 of Lemma D.1, from above.
    """

    times: Float[np.ndarray, " D"]
    first: Float[np.ndarray, " D"]
    risk: Float[np.ndarray, " D"]
    steep: Float[np.ndarray, " D"]
    growth: float
    slowest: float


def experiment(lab: Lab, size: Size) -> tuple[list[Stay], Path | None]:
    """Fig. 4's preset from every seed and δ."""
    stays, folder = [], None
    for seed in SEEDS[size]:
        rows = []
        preset = read_preset("kh24-fig4")
        data = load_dataset(parse_config(preset, "kh24-fig4").data)
        saddle = np.array(preset["init"]["values"]["u"])
        case = Saddle(data.x, data.y, saddle[:LARGE], np.zeros_like(saddle))
        ncf = PlaneNcf.of(data.x, case.residual, 1.0)
        growth = 2.0 * ncf.highest
        for delta in DELTAS:
            needed = int(1.2 * np.log(LEFT / delta) / (growth * RATE))
            settings = [
                f'name="KH24-F4A seed {seed}, δ={delta:.0e}"',
                f"init.noise={delta}",
                f"init.seed={seed}",
                "loss.reduction=sum",
                f"train.lr={RATE}",
                f"train.steps={needed}",
                "record.every=50",
                "checkpoint.keep=1",
                "device.kind=cpu",
            ]
            run = lab.train(parse_config(override(preset, settings), "KH24-F4A"))
            folder = run.folder if folder is None else folder
            rows.append(
                _row(
                    run.time,
                    run.log_risk,
                    np.linalg.norm(run.theta - saddle.ravel(), axis=1),
                    growth,
                )
            )
        times, first, risk, steep = np.array(rows).T
        stays.append(Stay(times, first, risk, steep, growth, case.speed))
    return stays, folder


def _row(
    time: Float[np.ndarray, " T"],
    log_risk: Float[np.ndarray, " T"],
    distance: Float[np.ndarray, " T"],
    growth: float,
) -> tuple[float, float, float, float]:
    """(time of leaving, first distance, change of the risk, steepness), the first by its logarithm between
    records."""
    out = np.flatnonzero(distance >= LEFT)
    end = int(out[0]) if out.size else len(time)
    kept = slice(0, max(end, 1))
    change = float(np.max(np.abs(np.expm1(log_risk[kept] - log_risk[0]))))
    allowed = distance[0] * np.exp(growth * time[kept])
    steep = float(np.max(distance[kept] / allowed))
    if not out.size or end == 0:
        return float("nan"), float(distance[0]), change, steep
    part = np.log(distance[end - 1 : end + 1])
    share = (np.log(LEFT) - part[0]) / (part[1] - part[0])
    left = float(time[end - 1] + share * (time[end] - time[end - 1]))
    return left, float(distance[0]), change, steep


SLOPE = "time within 0.01 of ū: its slope in ln(1/δ) over 1/(2N_max), off 1, at the smallest δ"
NEARER = "the same over that at the largest δ"
LEMMA = "time within 0.01 of ū over Lemma D.1's ln(r²/‖θ(0) − ū‖²)/(2M_2), least"
STEEP = "distance over ‖θ(0) − ū‖e^{2N_max t} by then, largest"
RISK = "risk change by then, largest"


def measure(stays: list[Stay]) -> Measured:
    """The law of the time, and how quiet it is until then."""
    inverse = np.log(1.0 / np.array(DELTAS))
    off = [np.abs(np.diff(s.times) / np.diff(inverse) * s.growth - 1.0) for s in stays]
    lemma = [np.log(LEFT**2 / s.first**2) / (2.0 * s.slowest) for s in stays]
    return Measured(
        {
            SLOPE: most(float(o[-1]) for o in off),
            NEARER: most(float(o[-1] / max(o[0], SLACK)) for o in off),
            LEMMA: -most(float(np.max(-s.times / a)) for s, a in zip(stays, lemma, strict=True)),
            STEEP: most(float(np.max(s.steep)) for s in stays),
            RISK: most(float(np.max(s.risk)) for s in stays),
        },
        {
            **{
                f"time at δ={d:.0e}": most([s.times[k] for s in stays])
                for k, d in enumerate(DELTAS)
            },
            "1/(2N_max)": 1.0 / stays[0].growth,
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Like ln(1/δ) with the NCF's slope, longer than the lemma's time, and quiet."""
    bounds: list[Bound] = [
        (SLOPE, "<", SLACK, ""),
        (NEARER, "≤", 1.0, ""),
        (LEMMA, "≥", 1.0, ""),
        (STEEP, "≤", 1.0 + SLACK, ""),
        (RISK, "<", QUIET, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-F4A",
        paper="KH24",
        place="Fig. 4a, Theorem 5.5",
        statement="Beside Fig. 4's saddle the distance stays below 0.01 and the risk where it is for a time "
        "that grows like ln(1/δ)/(2N_max), N_max the largest value of the residual's constrained NCF.",
        method="Gradient descent of the summed risk from ū plus the same noise times δ, 1e−4 to 1e−10; "
        "distances from the stored weights.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
    ),
)
