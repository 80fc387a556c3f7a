"""Grokking from large weights with small weight decay (Lyu, Jin, Li, Du, Lee, Hu 2024): the kernel's
predictor first, the max-margin one after a time of order 1/λ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.data.dataset import Dataset
from workbench.data.load import load_dataset
from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.presets import read_preset
from workbench.theory.margin.linear_margin import linear_margin
from workbench.theory.numerics.separability import Inseparable

PRESET = "grokking"
DECAYS: Mapping[Size, tuple[float, ...]] = {
    "quick": (0.01, 0.005),
    "full": (0.01, 0.005, 0.0025),
}
"""λ, each half of the one before."""
SIZES: Mapping[Size, tuple[str, ...]] = {
    "quick": ("data.n=500", "data.d=200", "init.values.w1=8.0", "train.lr=0.004"),
    "full": (),
}
LASTS = 7.0
"""Time of a run, in 1/λ."""
KERNEL = 0.1
"""Distance between unit outputs below which the predictor is the kernel's: 6°."""
SAME = 0.02
"""Part of the held-out samples on which the predictor and the kernel's may differ in accuracy."""
JUMP = 0.1
"""Part of the held-out samples that become right after the training samples all are."""
LATER = 100.0
"""Over the time at which all training samples are right: "long after"."""
OFF_LINE = 0.25
"""The turn comes after (ln(ρ(0)) + …)/λ: times double as λ is halved, up to a part that logarithms change."""


@dataclass(frozen=True, eq=False)
class Phases:
    """A run of weight decay `decay`: `time` (T), accuracies, risk and distances at its records; `margin` (T),
    the ℓ1 margin of its predictor over the largest that there is."""

    decay: float
    time: Float[np.ndarray, " T"]
    log_risk: Float[np.ndarray, " T"]
    accuracy: Float[np.ndarray, " T"]
    test_accuracy: Float[np.ndarray, " T"]
    distance: Float[np.ndarray, " T"]
    margin: Float[np.ndarray, " T"]

    @property
    def fitted(self) -> int:
        """The first record with all training samples right; the last one where there is none."""
        right = np.flatnonzero(self.accuracy == 1.0)
        return int(right[0]) if len(right) else len(self.time) - 1

    @property
    def lazy(self) -> int:
        """The record nearest to the kernel, from there on."""
        return self.fitted + int(np.nanargmin(self.distance[self.fitted :]))

    @property
    def turn(self) -> float:
        """The time at which half of the held-out samples that the end has more are right; NaN for none."""
        first, last = self.test_accuracy[self.lazy], self.test_accuracy[-1]
        later = np.flatnonzero(self.test_accuracy[self.lazy :] >= 0.5 * (first + last))
        return float(self.time[self.lazy + later[0]]) if last > first else float("nan")


def grokking_config(decay: float, size: Size) -> RunConfig:
    """The preset with another λ, for a time of `LASTS`/λ."""
    values = override(read_preset(PRESET), SIZES[size])
    steps = round(LASTS / (decay * values["train"]["lr"]))
    settings = [
        f'name="LD24 λ = {decay:g}"',
        f"train.weight_decay={decay!r}",
        f"train.steps={steps}",
        "device.kind=cpu",
    ]
    return parse_config(override(values, settings), "LD24")


def phases_of(decay: float, run: TrainedRun, data: Dataset) -> Phases:
    """What a run of two diagonal layers recorded, and the ℓ1 margins of its predictors w_1 ∘ w_2."""
    z = data.y[:, None] * data.x
    largest = linear_margin(z, L1())
    if isinstance(largest, Inseparable):
        raise ValueError("the claim's samples are separated by their teacher")
    predictor = run.theta[:, : data.d] * run.theta[:, data.d :]
    with np.errstate(invalid="ignore"):
        margin = (predictor @ z.T).min(axis=1) / np.abs(predictor).sum(axis=1)
    series = run.series
    return Phases(
        decay,
        run.time,
        run.log_risk,
        series["accuracy"],
        series["test_accuracy"],
        series["kernel_distance"],
        margin / largest.margin,
    )


def kernel_accuracy(data: Dataset) -> float:
    """Of the held-out samples: the kernel of w_1 = α, w_2 = 0 is that of the inputs, so is its classifier."""
    found = linear_margin(data.y[:, None] * data.x, L2())
    if isinstance(found, Inseparable) or data.test is None:
        raise ValueError(
            "the claim's samples are separated by their teacher, and some are held out"
        )
    return float((data.test.y * (data.test.x @ found.w) > 0.0).mean())


def experiment(lab: Lab, size: Size) -> tuple[tuple[list[Phases], float], Path | None]:
    """One start with every λ; beside them the accuracy of the kernel's classifier."""
    found, folder = [], None
    for decay in DECAYS[size]:
        config = grokking_config(decay, size)
        run = lab.train(config)
        found.append(phases_of(decay, run, load_dataset(config.data)))
        folder = run.folder
    return (found, kernel_accuracy(load_dataset(config.data))), folder


NEAREST = "least distance from the kernel's predictor, largest of the runs"
AS_KERNEL = "test accuracy there, off that of the kernel's classifier"
RISK = "ln of the risk there"
GROWN = "rise of the test accuracy from there to the end"
DELAY = "time of the turn over that at which all training samples are right, least"
DOUBLES = "time of the turn over that with twice the λ, off 2, over 2"
LEFT = "distance from the kernel's predictor at the end, least"
WAY = "part of the way from the kernel's ℓ1 margin to the largest, the smallest λ"
GAP = "what it lacks, the smallest λ over the largest"


def measure(evidence: tuple[list[Phases], float]) -> Measured:
    """Both phases, and the time between them."""
    runs, kernel = evidence
    turns = [run.turn for run in runs]
    lacks = [1.0 - float(run.margin[-1]) for run in runs]
    doubled = [abs(b / a / 2.0 - 1.0) for a, b in pairwise(turns)]
    return Measured(
        {
            NEAREST: most(run.distance[run.lazy] for run in runs),
            AS_KERNEL: most(abs(run.test_accuracy[run.lazy] - kernel) for run in runs),
            RISK: most(run.log_risk[run.lazy] for run in runs),
            GROWN: least(run.test_accuracy[-1] - run.test_accuracy[run.lazy] for run in runs),
            DELAY: least(run.turn / run.time[run.fitted] for run in runs),
            DOUBLES: most(doubled),
            LEFT: least(run.distance[-1] for run in runs),
            WAY: 1.0 - lacks[-1] / (1.0 - float(runs[-1].margin[runs[-1].lazy])),
            GAP: lacks[-1] / lacks[0],
        },
        {
            "test accuracy of the kernel's classifier": kernel,
            **{
                f"λ times the turn's time, λ = {run.decay:g}": run.decay * turn
                for run, turn in zip(runs, turns, strict=True)
            },
            **{
                f"test accuracy at the end, λ = {r.decay:g}": float(r.test_accuracy[-1])
                for r in runs
            },
            **{f"ℓ1 margin at the end, λ = {r.decay:g}": float(r.margin[-1]) for r in runs},
            **{f"ℓ1 margin while lazy, λ = {r.decay:g}": float(r.margin[r.lazy]) for r in runs},
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Near the kernel with a small risk; then, in a time like 1/λ, away from it and towards the largest
    margin, the nearer the smaller λ."""
    bounds: list[Bound] = [
        (NEAREST, "≤", KERNEL, ""),
        (AS_KERNEL, "≤", SAME, ""),
        (RISK, "≤", float(np.log(0.01)), ""),
        (GROWN, "≥", JUMP, ""),
        (DELAY, "≥", LATER, ""),
        (DOUBLES, "≤", OFF_LINE, ""),
        (LEFT, "≥", 3.0 * KERNEL, ""),
        (WAY, "≥", 0.5, ""),
        (GAP, "<", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="LD24-GROK",
        paper="LD24",
        place="§3, diagonal linear networks",
        statement="From large weights and with small weight decay λ a homogeneous network first becomes the "
        "max-margin classifier of the tangent kernel of its start, and after a time of order 1/λ turns to a "
        "KKT point of (P), here the sparse classifier of largest ℓ1 margin: held-out samples become right "
        "long after the training risk is small.",
        method="Preset grokking, two diagonal layers w_1 = 10, w_2 = 0 on inputs of which three coordinates "
        "matter, from one start with λ halved from run to run: distance from the kernel's predictor on "
        "held-out samples, accuracies, and the ℓ1 margin of w_1 ∘ w_2 over that of a linear program.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="grokking",
    ),
)
