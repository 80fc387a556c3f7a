"""Runs of the gradient flow far into the late phase, for JT20's claims about directions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.claim import Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.config import RunConfig, override, parse_config
from workbench.data.load import load_dataset
from workbench.inspector.risk_model import RiskModel
from workbench.measures.directions import alignment, chords
from workbench.measures.margins import margin_normalized, sample_margins
from workbench.models.build import build_model
from workbench.presets import read_preset

PRESET = "jt20-squared-relu"
ORDERS = {"squared-relu": 2.0, "two-layer-relu": 2.0}
LEAST_DOUBLINGS = 4

CASES: Mapping[Size, tuple[tuple[str, bool, tuple[str, ...]], ...]] = {
    "quick": (
        ("12 squared ReLU, exponential", True, ()),
        ("12 squared ReLU, logistic", True, ("loss.kind=logistic", "init.seed=3")),
    ),
    "full": (
        ("12 squared ReLU, exponential", True, ()),
        ("12 squared ReLU, logistic", True, ("loss.kind=logistic", "init.seed=3")),
        (
            "6 squared ReLU, two circles",
            True,
            ("data.kind=two-circles", "data.n=20", "model.width=6"),
        ),
        ("12 squared ReLU, 40 inputs", True, ("data.n=40", "data.margin=0.25", "init.seed=4")),
        (
            "8 ReLU",
            False,
            ("model.kind=two-layer-relu", "model.width=8", "init.kind=he", "init.seed=1"),
        ),
    ),
}
"""(name, whether ∇q is locally Lipschitz, settings over the preset)."""


@dataclass(frozen=True, eq=False)
class LateRun:
    """T records of a flow from 𝓛 < ℓ(0)/n on (JT20 Assumption 2.3 has ℓ(0); the text's late phase 1/n).

    `depth` (T): ln(1/𝓛), summed risk. `order`: L. `risk`: the network with its samples.
    """

    name: str
    smooth: bool
    run: TrainedRun
    risk: RiskModel
    order: float
    rows: slice

    @property
    def theta(self) -> Float[np.ndarray, "T P"]:
        """θ at every record of the late phase."""
        return self.run.theta[self.rows]

    @cached_property
    def depth(self) -> Float[np.ndarray, " T"]:
        """ln(1/𝓛), never falling."""
        return np.maximum.accumulate(-self.run.log_risk[self.rows])

    @cached_property
    def path(self) -> Float[np.ndarray, " T"]:
        """Length of the path of θ/‖θ‖ from the first record on, a sum over records."""
        return np.concatenate([[0.0], np.cumsum(chords(self.theta))])

    @cached_property
    def margins(self) -> Float[np.ndarray, "T n"]:
        """q_i/ρ^L of every sample."""
        outputs = np.stack([self.risk.outputs(theta) for theta in self.theta])
        rho = np.linalg.norm(self.theta, axis=1)
        return margin_normalized(sample_margins(outputs, self.risk.y), rho, self.order)

    @cached_property
    def angle(self) -> Float[np.ndarray, " T"]:
        """Angle between θ and −∇𝓛, degrees."""
        gradients = np.stack([self.risk.gradient(theta)[0] for theta in self.theta])
        return np.degrees(np.arccos(np.clip(alignment(self.theta, gradients), -1.0, 1.0)))

    @cached_property
    def doublings(self) -> Float[np.ndarray, " K"]:
        """ln(1/𝓛) at the first record and at every doubling of it that was reached."""
        count = int(np.floor(np.log2(self.depth[-1] / self.depth[0]) + 1e-9))
        return np.asarray(self.depth[0] * 2.0 ** np.arange(count + 1))

    def at(self, values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " K"]:
        """Values at the doublings, linear in ln ln(1/𝓛) between records."""
        return np.interp(np.log(self.doublings), np.log(self.depth), values)

    def lengths(self) -> Float[np.ndarray, " k"]:
        """Length of the path in every doubling."""
        return np.diff(self.at(self.path))

    def swings(self) -> Float[np.ndarray, " k"]:
        """The widest swing of any margin in every doubling, max_i (max − min), over γ̄ at the end."""
        edges = np.stack([self.at(m) for m in self.margins.T], axis=1)
        wide = []
        for k, (low, high) in enumerate(pairwise(self.doublings)):
            inside = self.margins[(self.depth >= low) & (self.depth <= high)]
            wide.append(np.ptp(np.vstack([edges[k : k + 2], inside]), axis=0).max())
        return np.array(wide) / abs(float(self.margins[-1].min()))


def late_run(
    lab: Lab, name: str, config: RunConfig, *, smooth: bool, order: float
) -> LateRun | None:
    """Train and cut off what comes before 𝓛 < ℓ(0)/n; None where that never came."""
    data = load_dataset(config.data)
    model = build_model(config.model, data.x.shape[1:], 1, config.init.seed)
    risk = RiskModel(model, data.x, data.y, config.loss.kind, config.loss.reduction)
    run = lab.train(config)
    zero = 0.0 if config.loss.kind == "exponential" else float(np.log(np.log(2.0)))
    late = np.flatnonzero(run.log_risk < zero - np.log(data.n))
    if not late.size or not np.isfinite(run.theta).all():
        return None
    return LateRun(name, smooth, run, risk, order, slice(int(late[0]), None))


def late_runs(lab: Lab, size: Size) -> list[LateRun]:
    """The size's cases that reach the late phase."""
    found = []
    for name, smooth, settings in CASES[size]:
        config = preset_config(name, settings)
        run = late_run(lab, name, config, smooth=smooth, order=ORDERS[config.model.kind])
        if run is not None:
            found.append(run)
    return found


def preset_config(name: str, settings: tuple[str, ...], preset: str = PRESET) -> RunConfig:
    """A preset with other settings, as a claim's run."""
    also = [
        f'name="JT20 {name}"',
        "device.kind=cpu",
        "checkpoint.keep=1",
        "pause.at_saddle=false",
        *settings,
    ]
    return parse_config(override(read_preset(preset), also), name)


def ratio_over(values: Array) -> Array:
    """v_{k+1}/v_k; NaN where v_k is not positive or there are too few values to speak of a trend."""
    if len(values) < LEAST_DOUBLINGS:
        return np.array([np.nan])
    return np.where(
        values[:-1] > 0, values[1:] / np.where(values[:-1] > 0, values[:-1], 1.0), np.nan
    )


def still_to_come(values: Array) -> float:
    """Σ of what follows over Σ of what was, if the values go on falling by their mean ratio r: v r/(1−r).

    Infinite where they do not fall, NaN where there are too few.
    """
    if len(values) < LEAST_DOUBLINGS or not (values > 0).all():
        return float("nan")
    ratio = float((values[-1] / values[0]) ** (1.0 / (len(values) - 1)))
    return float(values[-1] * ratio / (1.0 - ratio) / values.sum()) if ratio < 1.0 else np.inf
