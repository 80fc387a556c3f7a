"""JT20 Fig. 1: the prediction surface of a wide network against its tangent kernel's, with a control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20.late import preset_config
from workbench.claims.lab import Lab, TrainedRun
from workbench.config.run import RunConfig
from workbench.data.load import load_dataset
from workbench.measures.plane import PlaneSurface, plane_grid
from workbench.models.start import first_theta
from workbench.run.network import network_of
from workbench.theory.margin.tangent_classifier import tangent_classifier
from workbench.theory.numerics.separability import Inseparable

SIZES: Mapping[Size, tuple[str, ...]] = {
    "quick": ("data.n=40", "train.steps=1500"),
    "full": (),
}
WIDTHS: Mapping[Size, int] = {"quick": 300, "full": 10_000}
SIDE = 41
"""Points a side of the grid on which surfaces are compared."""
FACTOR = 2.0
"""How many times farther from the kernel's surface the network must be than its linearised copy, which goes
there; and how many times more it must have moved after zero error than it still moves late."""


@dataclass(frozen=True, eq=False)
class Course:
    """Surfaces over the grid at S stored states from the first without an error on, each over its root
    mean square; `depth` (S): ln(n/𝓛) there. `accuracy`: at the end."""

    depth: Float[np.ndarray, " S"]
    surfaces: Float[np.ndarray, "S G G"]
    accuracy: float

    @property
    def late(self) -> slice:
        """The last doubling of ln(n/𝓛)."""
        return slice(int(np.flatnonzero(self.depth >= self.depth[-1] / 2.0)[0]), None)

    @property
    def moved(self) -> float:
        """From the first state without an error to the last."""
        return float(apart(self.surfaces[0], self.surfaces[-1]))

    @property
    def settled(self) -> float:
        """The largest distance from the last state in the last doubling: what it still moves."""
        return float(apart(self.surfaces[self.late], self.surfaces[-1]).max())

    def by(self, depth: float) -> int:
        """The last state at no more than this ln(n/𝓛), or the first."""
        return max(0, int(np.searchsorted(self.depth, depth, side="right")) - 1)


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The network, and its control in the kernel regime: the network linearised at the same start, trained
    by the same rule. `kernel`: the tangent kernel's hard-margin classifier there."""

    network: Course
    control: Course
    kernel: Float[np.ndarray, "G G"]
    kernel_gap: float


def over_rms(surface: Array) -> Array:
    """A surface over its root mean square."""
    return np.asarray(surface / np.sqrt(np.mean(surface**2)))


def apart(a: Array, b: Array) -> Float[np.ndarray, "..."]:
    """Root mean square of the difference over the grid: 0 for the same surface, 2 for opposite ones."""
    return np.asarray(np.sqrt(np.mean((a - b) ** 2, axis=(-2, -1))))


def f1_experiment(lab: Lab, size: Size) -> tuple[Surfaces | None, Path | None]:
    """Train the preset and its control, and solve the kernel's classifier at their start."""
    width = WIDTHS[size]
    config = _all_states("F1", (*SIZES[size], f"model.width={width}"), "jt20-fig1")
    beside = _all_states(
        "F1, activations frozen", (*SIZES[size], f"model.base.width={width}"), "jt20-fig1-ntk"
    )
    run, control = lab.train(config), lab.train(beside)
    data = load_dataset(config.data)
    made = network_of(config, data)
    surface = PlaneSurface(made.model, plane_grid(data.x, SIDE, SIDE), data.x)
    start = first_theta(config.init, made.structure)
    kernel = tangent_classifier(surface.tangents(start, data.x), data.y)
    if isinstance(kernel, Inseparable):
        return None, run.folder
    network = _course(run, surface.at)
    frozen = _course(control, lambda theta: surface.tangent(start, theta))
    if network is None or frozen is None:
        return None, run.folder
    limit = over_rms(surface.tangent(start, kernel[0]))
    return Surfaces(network, frozen, limit, kernel[1].gap), run.folder


def _all_states(name: str, settings: tuple[str, ...], preset: str) -> RunConfig:
    """A preset of which every stored state is kept to be looked at."""
    config = preset_config(name, settings, preset)
    kept = config.checkpoint.model_copy(update={"keep": config.train.steps})
    return config.model_copy(update={"checkpoint": kept})


def _course(run: TrainedRun, surface: Callable[[Array], Array]) -> Course | None:
    """The states without an error, those that went on; None where there are none."""
    right = np.flatnonzero(run.series["accuracy"] == 1.0)
    steps = sorted(s for s in run.states if right.size and s >= run.step[right[0]])
    if not steps:
        return None
    rows = np.searchsorted(run.step, steps)
    depth = np.log(run.series["margins"].shape[1]) - run.log_risk[rows]
    ahead = np.flatnonzero(depth >= np.maximum.accumulate(depth))
    return Course(
        depth[ahead],
        np.stack([over_rms(surface(run.states[steps[k]])) for k in ahead]),
        float(run.series["accuracy"][-1]),
    )


def f1_measure(found: Surfaces | None) -> Measured:
    """How far the surfaces go after the first moment without an error, and from the kernel's."""
    names = (
        "accuracy at the end",
        "moved since zero error, over moved in the last doubling of ln(n/𝓛)",
        "from the kernel's surface, over the control's distance at that ln(n/𝓛)",
        "kernel's duality gap",
    )
    if found is None:
        return Measured(dict.fromkeys(names, float("nan")))
    network, control = found.network, found.control
    away = float(apart(network.surfaces[network.late], found.kernel).min())
    beside = control.by(float(network.depth[-1]))
    near = float(apart(control.surfaces[beside], found.kernel))
    end = network.surfaces[-1]
    values = (
        min(network.accuracy, control.accuracy),
        network.moved / network.settled if network.settled > 0 else float("nan"),
        away / near if near > 0 else np.inf,
        abs(found.kernel_gap),
    )
    return Measured(
        dict(zip(names, values, strict=True)),
        {
            "moved since zero error, rms": network.moved,
            "moved in the last doubling, rms": network.settled,
            "from the kernel's surface in the last doubling, rms": away,
            "control: moved since zero error, rms": control.moved,
            "control: from the kernel's surface, rms": near,
            "control: ln(n/𝓛) there": float(control.depth[beside]),
            "share of the square labelled otherwise than by the kernel": float(
                np.mean(np.sign(end) != np.sign(found.kernel))
            ),
            "ln(n/𝓛) at the end": float(network.depth[-1]),
        },
    )


def f1_criterion(measured: Measured) -> tuple[Check, ...]:
    """It moves after zero error, far more than it does late, and comes to stand away from the kernel's
    surface, where the control, trained the same way, is close to it."""
    bounds: list[Bound] = [
        ("accuracy at the end", "≥", 1.0, ""),
        ("moved since zero error, over moved in the last doubling of ln(n/𝓛)", "≥", FACTOR, ""),
        ("from the kernel's surface, over the control's distance at that ln(n/𝓛)", "≥", FACTOR, ""),
        ("kernel's duality gap", "<", 1e-9, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-F1",
        paper="JT20",
        place="Figure 1",
        statement="The surface a wide squared-ReLU network predicts keeps changing after the first moment "
        "without an error, then settles, away from the neural tangent kernel's classifier.",
        method="10,000 neurons with fixed random signs on labelled points of the plane, steps ∝ 1/𝓛 by line "
        "search; surfaces over their root mean square on a grid; the kernel's hard-margin SVM at the start. "
        "The control: the network linearised there, trained the same way, which goes to that SVM.",
        experiment=f1_experiment,
        measure=f1_measure,
        criterion=f1_criterion,
        figure="contours",
    ),
)
