"""Runs of the gradient flow far into the late phase, for JT20's claims about directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from workbench.arrays import Float
from workbench.claims.claim import Size
from workbench.claims.lab import Lab, TrainedRun
from workbench.claims.limits import RESOLVED
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config
from workbench.data.load import load_dataset
from workbench.inspector.risk_model import RiskModel
from workbench.losses.loss import MarginLoss
from workbench.measures.directions import alignment, chords
from workbench.measures.margins import margin_normalized, sample_margins
from workbench.presets import read_preset
from workbench.run.network import network_of

PRESET = "jt20-squared-relu"

Case = tuple[str, float, bool, tuple[str, ...]]
"""(name, order L, whether ∇q is locally Lipschitz, settings over the preset)."""

LINEAR = (
    "model.kind=deep-linear",
    "model.width=8",
    "init.kind=gaussian",
    "init.scale=0.3",
    "init.seed=1",
    "data.kind=gaussian-separable",
    "data.n=40",
)
THREE_LAYERS: Case = (
    "3 linear layers, logistic",
    3.0,
    True,
    (*LINEAR, "model.depth=3", "data.d=5", "loss.kind=logistic"),
)
LOGISTIC: Case = (
    "12 squared ReLU, logistic",
    2.0,
    True,
    ("loss.kind=logistic", "init.seed=3"),
)
CIRCLES: Case = (
    "6 squared ReLU, two circles",
    2.0,
    True,
    ("data.kind=two-circles", "data.n=20", "model.width=6"),
)
FORTY = ("data.n=40", "data.margin=0.25", "init.seed=4")
"""Two of its neurons of one sign draw together slowly, to 12° at 10^−10,000,000: what is left of the path
falls by 7 % in a doubling, not by 30 % as of the others."""

CASES: Mapping[Size, tuple[Case, ...]] = {
    "quick": (
        LOGISTIC,
        CIRCLES,
        THREE_LAYERS,
    ),
    "full": (
        ("12 squared ReLU, exponential", 2.0, True, ()),
        LOGISTIC,
        CIRCLES,
        ("12 squared ReLU, 40 inputs", 2.0, True, FORTY),
        THREE_LAYERS,
        (
            "8 ReLU",
            2.0,
            False,
            ("model.kind=two-layer-relu", "model.width=8", "init.kind=he", "init.seed=1"),
        ),
    ),
}
DEEPEST = ("train.until={log10_risk=-1e7}", "train.steps=40000")
"""As far as 22 doublings of ln(1/𝓛) need."""
TOLERANCE: Mapping[Size, float] = {"quick": 1e-7, "full": 1e-9}
"""The integrator's error of a step, relative to ‖θ‖."""
COARSER = 10.0


@dataclass(frozen=True, eq=False)
class LateRun:
    """T records of a flow from 𝓛 < ℓ(0)/n on (JT20 Assumption 2.3 has ℓ(0); the text's late phase 1/n).

    `depth` (T): ln(1/𝓛), summed risk. `order`: L. `risk`: the network with its samples. `rtol`: the
    integrator's error of a step, relative to ‖θ‖.
    """

    name: str
    smooth: bool
    run: TrainedRun
    risk: RiskModel
    order: float
    loss: MarginLoss
    rtol: float
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

    def fallen(self, values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " K"]:
        """Positive values at the doublings, powers of ln(1/𝓛) between records; NaN if one is not positive."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.exp(self.at(np.log(values))))

    def resolved(self, values: Float[np.ndarray, " T"]) -> Float[np.ndarray, " k"]:
        """Numbers of a direction at the doublings, as `fallen`, as long as `rtol` is a thousandth of them."""
        found = self.fallen(values)
        lost = np.flatnonzero(~(RESOLVED * found >= self.rtol))
        return found[: lost[0]] if lost.size else found

    def lengths(self) -> Float[np.ndarray, " k"]:
        """Length of the path in every doubling."""
        return np.diff(self.at(self.path))

    def swings(self) -> Float[np.ndarray, "k n"]:
        """max − min of every sample's margin in every doubling, over γ̄ at the end."""
        edges = np.stack([self.at(m) for m in self.margins.T], axis=1)
        wide = []
        for k, (low, high) in enumerate(pairwise(self.doublings)):
            inside = self.margins[(self.depth >= low) & (self.depth <= high)]
            wide.append(np.ptp(np.vstack([edges[k : k + 2], inside]), axis=0))
        return np.array(wide) / abs(float(self.margins[-1].min()))

    def angles(self, coarser: LateRun) -> Float[np.ndarray, " K"]:
        """The angle between θ and −∇𝓛 at the doublings, as long as the integrator resolves it, degrees.

        ∇𝓛 weighs samples by e^{−q_i}, so that an error of θ counts ln(1/𝓛) times in it. The same run at
        `COARSER` times the tolerance errs as many times more, and errors across add by squares: as long as
        the two angles agree to a tenth, this one's error is a thousandth.
        """
        angle = self.fallen(self.angle)
        places = np.log(self.doublings)
        beside = np.exp(np.interp(places, np.log(coarser.depth), np.log(coarser.angle)))
        lost = np.flatnonzero(~(np.abs(beside / angle - 1.0) < RESOLVED * COARSER**2))
        return angle[: lost[0]] if lost.size else angle


def late_run(
    lab: Lab, name: str, config: RunConfig, *, smooth: bool, order: float
) -> LateRun | None:
    """Train and cut off what comes before 𝓛 < ℓ(0)/n; None where that never came."""
    data = load_dataset(config.data)
    network = network_of(config, data)
    risk, loss = network.risk(), network.loss
    assert isinstance(loss, MarginLoss)
    run = lab.train(config)
    late = np.flatnonzero(run.log_risk < loss.log_separating - np.log(data.n))
    if not late.size or not np.isfinite(run.theta).all():
        return None
    return LateRun(
        name,
        smooth,
        run,
        risk,
        order,
        loss,
        config.train.rtol,
        slice(int(late[0]), None),
    )


def late_runs(
    lab: Lab, size: Size, cases: Sequence[Case], *, coarser: bool = False
) -> list[LateRun]:
    """The cases that reach the late phase; `coarser` at `COARSER` times the tolerance."""
    found = []
    rtol = TOLERANCE[size] * (COARSER if coarser else 1.0)
    for name, order, smooth, settings in cases:
        config = preset_config(name, (*DEEPEST, f"train.rtol={rtol:g}", *settings))
        run = late_run(lab, name, config, smooth=smooth, order=order)
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
