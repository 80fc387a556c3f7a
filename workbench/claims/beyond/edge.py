"""The edge of stability (Cohen, Kaur, Li, Kolter, Talwalkar 2021): sharpness rises to what the step size is
stable below, and stays there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.presets import read_preset

PRESET = "edge-of-stability"
STEP, LONGER, MOMENTUM = "η", "2η", "1.5η with momentum ½"
RULES: Mapping[str, tuple[str, float]] = {
    STEP: ("", 1.0),
    LONGER: ("", 2.0),
    MOMENTUM: ("momentum", 1.5),
}
"""By name, the rule where it is not the preset's, and the rate over the preset's. Their thresholds are 2/η,
1/η and 2/η."""
SIZES: Mapping[Size, tuple[str, ...]] = {
    "quick": (
        "data.n=20",
        "model.widths=[20,20]",
        "init.scale=0.55",
        "train.lr=0.03",
        "train.steps=1400",
        "record.every=2",
        "measures.sharpness_every=40",
    ),
    "full": (),
}
BEGINS = 0.6
"""The first sharpness is at most this part of the threshold: there is a way to rise."""
NEAR = 0.05
"""How far the mean may be off the threshold once the edge is reached, with steps of η; longer steps swing
wider across the valley, where it is steeper on both sides, and the mean is further above."""
BAND = 0.2
"""How far a single sharpness may be: it swings about the threshold, as risk and sharpness take turns."""


@dataclass(frozen=True, eq=False)
class Edge:
    """A run: `sharpness` (K) over its threshold at the records where it was measured, `at` (K) their places
    among the records, `log_risk` (T) of all."""

    name: str
    at: Int[np.ndarray, " K"]
    sharpness: Float[np.ndarray, " K"]
    residual: Float[np.ndarray, " K"]
    log_risk: Float[np.ndarray, " T"]

    @property
    def reached(self) -> int | None:
        """The first measured record within `NEAR` of the threshold or above; None: none."""
        found = np.flatnonzero(self.sharpness >= 1.0 - NEAR)
        return int(found[0]) if len(found) else None

    @property
    def late(self) -> Float[np.ndarray, " k"]:
        """Sharpness in the second half of what follows, when it has settled; empty where it never came."""
        if self.reached is None:
            return np.empty(0)
        return self.sharpness[(self.reached + len(self.sharpness)) // 2 :]


def edge_config(name: str, size: Size) -> RunConfig:
    """The preset with the rule of that name."""
    rule, factor = RULES[name]
    base = override(read_preset(PRESET), SIZES[size])
    settings = [
        f'name="CO21 {name}"',
        "device.kind=cpu",
        f"train.lr={factor * base['train']['lr']!r}",
    ]
    if factor > 1.0 and not rule:
        # As much time: it is there sooner.
        settings.append(f"train.steps={round(base['train']['steps'] / factor)}")
    if rule:
        settings += [f"train.rule={rule}", "train.momentum=0.5"]
    return parse_config(override(base, settings), "CO21")


def edge_of(name: str, run: TrainedRun) -> Edge:
    """What a run measured."""
    sharpness, threshold = run.series["sharpness"], run.series["stability_threshold"]
    at = np.flatnonzero(np.isfinite(sharpness))
    residual = run.series["sharpness_residual"]
    over: Array = threshold[at]
    return Edge(name, at, sharpness[at] / over, residual[at] / over, run.log_risk)


def experiment(lab: Lab, size: Size) -> tuple[list[Edge], Path | None]:
    """The same start under every rule."""
    runs = {name: lab.train(edge_config(name, size)) for name in RULES}
    return [edge_of(name, run) for name, run in runs.items()], runs[STEP].folder


FIRST = "first sharpness over the threshold, largest of the runs"
FALLS = "fall of the sharpness on its way to the threshold, over it"
MEAN = "mean sharpness once there, off the threshold, of thresholds 2/η"
NEARER = "the same with 2η, over that with η"
SINGLE = "single sharpness once there, off the threshold"
RESIDUAL = "residual of a sharpness, over the threshold"
RISK = "ln of the risk at the end over that where the edge was reached"
RISES = "part of the records at the edge whose risk is above the one before, least of the runs"


def measure(edges: list[Edge]) -> Measured:
    """Where sharpness begins, how it rises, where it stays, and what the risk does meanwhile."""
    falls, singles, risks, rises = [], [], [], []
    means: dict[str, float] = {}
    for edge in edges:
        reached = edge.reached
        late = edge.late
        before = edge.sharpness[: None if reached is None else reached + 1]
        falls.append(most(np.maximum.accumulate(before) - before))
        means[edge.name] = abs(float(late.mean()) - 1.0) if len(late) else np.nan
        singles.append(most(np.abs(late - 1.0)))
        risk = edge.log_risk[edge.at[reached] :] if reached is not None else np.full(2, np.nan)
        risks.append(risk[-1] - risk[0])
        rises.append(float((np.diff(risk) > 0.0).mean()) if reached is not None else np.nan)
    return Measured(
        {
            FIRST: most(edge.sharpness[0] for edge in edges),
            FALLS: most(falls),
            MEAN: most(means[name] for name in (STEP, MOMENTUM)),
            NEARER: means[LONGER] / means[STEP],
            SINGLE: most(singles),
            RESIDUAL: most(most(edge.residual) for edge in edges),
            RISK: most(risks),
            RISES: least(rises),
        },
        {
            f"mean sharpness over the threshold, {edge.name}": float(edge.late.mean())
            for edge in edges
            if len(edge.late)
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """From below to the threshold, and about it from then on, while the risk falls, not at every step."""
    bounds: list[Bound] = [
        (FIRST, "≤", BEGINS, ""),
        (FALLS, "≤", NEAR, ""),
        (MEAN, "≤", NEAR, ""),
        (NEARER, "≥", 1.0, ""),
        (SINGLE, "≤", BAND, ""),
        (RESIDUAL, "≤", 0.01, ""),
        (RISK, "<", 0.0, ""),
        (RISES, "≥", 0.01, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="CO21-EDGE",
        paper="CO21",
        place="§3, App. B",
        statement="Full-batch gradient descent with step size η drives the sharpness λ_max(∇²𝓛) up until it "
        "reaches 2/η, with momentum β 2(1 + β)/η, and then holds it there, while the risk goes on falling, "
        "though not at every step; the shorter the steps, the nearer.",
        method="Preset edge-of-stability, an autoencoder of digits of three hidden ReLU layers under the "
        "square loss, from one start with η, 2η, and 1.5η with momentum ½, whose thresholds are 2/η, 1/η and "
        "2/η: λ_max by Lanczos over the threshold, from its start to the end.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="sharpness",
    ),
)
