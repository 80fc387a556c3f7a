"""VSS22 §6: without homogeneity the normalized margin can fall all the way (Theorem 6.1).

Φ = vwx + ux on the one sample (1, 1). Every loss of one margin pulls along ∇q, so the flow from (2, 2, 2) is
v = w = 2 e^s, u = 2 + s in a time s of its own, and γ(θ) = Φ(θ/‖θ‖; 1) = vw/‖θ‖² + u/‖θ‖ is known along it.
The rule `normalized` makes Euler steps of about `lr` in s; with half the step half the error must be left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

RATES: dict[Size, tuple[float, float]] = {"quick": (1e-2, 5e-3), "full": (1e-3, 5e-4)}
"""Steps in s, the second half the first."""
END: dict[Size, float] = {"quick": 10.0, "full": 20.0}
"""s at the end of a run."""
FIRST_ORDER = 0.9
"""Fitted orders below 1 by up to this tenth are the next order's; an error that stays has order 0."""


def closed_margin(s: Float[np.ndarray, " T"] | float) -> Float[np.ndarray, " T"]:
    """γ along v = w = 2 e^s, u = 2 + s."""
    v, u = 2.0 * np.exp(s), 2.0 + np.asarray(s)
    return normalized_margin(v, v, u)


def normalized_margin(
    w: Float[np.ndarray, " T"], v: Float[np.ndarray, " T"], u: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """γ(θ) = min_i y_i Φ(θ/‖θ‖; x_i) of VSS22 §6."""
    size = np.sqrt(w * w + v * v + u * u)
    return np.asarray((v / size) * (w / size) + u / size)


@dataclass(frozen=True, eq=False)
class Fall:
    """A run's w, v, u and γ, (T,) each, and the step in s it was made with."""

    loss: str
    rate: float
    log10_risk: float
    w: Float[np.ndarray, " T"]
    v: Float[np.ndarray, " T"]
    u: Float[np.ndarray, " T"]

    @property
    def margin(self) -> Float[np.ndarray, " T"]:
        """γ at every record."""
        return normalized_margin(self.w, self.v, self.u)

    @property
    def astray(self) -> float:
        """sup |γ − γ of the closed form at the same u|."""
        return float(np.abs(self.margin - closed_margin(self.u - 2.0)).max())

    def last_unit(self, values: Float[np.ndarray, " T"]) -> float:
        """|value at the end| over that where u was smaller by one unit of s."""
        before = int(np.searchsorted(self.u, self.u[-1] - 1.0))
        return float(abs(values[-1] / values[before])) if before > 0 else float("nan")


def t61_experiment(lab: Lab, size: Size) -> tuple[list[tuple[Fall, Fall]], Path | None]:
    """The preset with a step and with half of it; in full with both losses."""
    losses = ("exponential",) if size == "quick" else ("exponential", "logistic")
    found, folders = [], []
    for loss in losses:
        pair = []
        for rate in RATES[size]:
            run = _train(lab, loss, rate, END[size])
            pair.append(_fall(run, loss, rate))
            folders.append(run.folder)
        found.append((pair[0], pair[1]))
    return found, folders[0]


def _train(lab: Lab, loss: str, rate: float, end: float) -> TrainedRun:
    settings = [
        f'name="VSS22-T6.1 {loss}, lr {rate:g}"',
        "device.kind=cpu",
        f"loss.kind={loss}",
        f"train.lr={rate}",
        f"train.steps={round(end / rate)}",
    ]
    return lab.train(parse_config(override(read_preset("vss22-6.1"), settings), "VSS22-T6.1"))


def _fall(run: TrainedRun, loss: str, rate: float) -> Fall:
    names = ("w", "v", "u")
    w, v, u = (run.structure.view(run.theta, name).reshape(len(run.theta)) for name in names)
    return Fall(loss, rate, float(run.log_risk[-1] / np.log(10.0)), w, v, u)


def t61_measure(evidence: Sequence[tuple[Fall, Fall]]) -> Measured:
    """γ at the start, its largest step, how it nears 1/2, and the error against the closed form."""
    runs = [run for pair in evidence for run in pair]
    order = [np.log2(a.astray / b.astray) for a, b in evidence]
    return Measured(
        {
            "log10 of the risk, largest": most(run.log10_risk for run in runs),
            "γ at the start": least(run.margin[0] for run in runs),
            "change of γ from a record to the next, largest": most(
                np.diff(run.margin).max() for run in runs
            ),
            "|γ − 1/2| over that a unit of s before, at the end": most(
                run.last_unit(run.margin - 0.5) for run in runs
            ),
            "u/‖θ‖ over that a unit of s before, at the end": most(
                run.last_unit(run.u / np.sqrt(run.w**2 + run.v**2 + run.u**2)) for run in runs
            ),
            "|v − w| over v, largest": most(np.max(np.abs(r.v - r.w) / r.v) for r in runs),
            "order in lr of γ's error against the closed form": least(order),
        },
        {
            "γ − 1/2 at the end": most(abs(run.margin[-1] - 0.5) for run in runs),
            "γ's error against the closed form, the smaller lr": most(
                b.astray for _, b in evidence
            ),
        },
    )


def t61_criterion(measured: Measured) -> tuple[Check, ...]:
    """From above 0.9 strictly down to 1/2, along the flow's own path, to the direction (1, 1, 0)/√2."""
    bounds: list[Bound] = [
        ("log10 of the risk, largest", "≤", -800.0, ""),
        ("γ at the start", "≥", 0.9, ""),
        ("change of γ from a record to the next, largest", "<", 0.0, ""),
        ("|γ − 1/2| over that a unit of s before, at the end", "<", 0.5, ""),
        ("u/‖θ‖ over that a unit of s before, at the end", "<", 0.5, ""),
        ("|v − w| over v, largest", "≤", 1e-12, ""),
        ("order in lr of γ's error against the closed form", "≥", FIRST_ORDER, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="VSS22-T6.1",
        paper="VSS22",
        place="Theorem 6.1",
        statement="A linear neuron with a skip connection on one sample: the risk goes to 0, the weights "
        "converge in direction, and the normalized margin falls strictly from above 0.9 to 1/2.",
        method="Preset vss22-6.1 with a step and half of it, in full further and with both losses; "
        "γ = Φ(θ/‖θ‖; x) against its closed form along the flow.",
        experiment=t61_experiment,
        measure=t61_measure,
        criterion=t61_criterion,
        figure="optimality",
    ),
)
