"""JT20 Fig. 1: the prediction surface of a wide network against its tangent kernel's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.jt20_late import preset_config
from workbench.claims.kh24_checks import Bound, judged
from workbench.claims.lab import Lab
from workbench.data.load import load_dataset
from workbench.measures.plane import PlaneSurface, plane_grid
from workbench.models.build import build_model
from workbench.models.network import structure_of
from workbench.models.start import first_theta
from workbench.theory.separability import Inseparable
from workbench.theory.tangent_classifier import tangent_classifier

SIZES: Mapping[Size, tuple[str, ...]] = {
    "quick": ("model.width=300", "data.n=40", "train.steps=1500"),
    "full": (),
}
SIDE = 41
"""Points a side of the grid on which surfaces are compared."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Surfaces over the grid at S stored states from the first without an error on, each over its root
    mean square; `depth` (S): ln(n/𝓛) there. `kernel`: the tangent kernel's classifier at the start.
    `accuracy`: at the end."""

    depth: Float[np.ndarray, " S"]
    network: Float[np.ndarray, "S G G"]
    kernel: Float[np.ndarray, "G G"]
    kernel_gap: float
    accuracy: float

    @property
    def late(self) -> slice:
        """The last doubling of ln(n/𝓛)."""
        return slice(int(np.flatnonzero(self.depth >= self.depth[-1] / 2.0)[0]), None)


def over_rms(surface: Array) -> Array:
    """A surface over its root mean square."""
    return np.asarray(surface / np.sqrt(np.mean(surface**2)))


def apart(a: Array, b: Array) -> Float[np.ndarray, "..."]:
    """Root mean square of the difference over the grid: 0 for the same surface, 2 for opposite ones."""
    return np.asarray(np.sqrt(np.mean((a - b) ** 2, axis=(-2, -1))))


def f1_experiment(lab: Lab, size: Size) -> tuple[Surfaces | None, Path | None]:
    """Train the preset, and solve the kernel's classifier at its start."""
    config = preset_config("F1", SIZES[size], "jt20-fig1")
    # Every stored state is looked at.
    config = config.model_copy(
        update={"checkpoint": config.checkpoint.model_copy(update={"keep": config.train.steps})}
    )
    run = lab.train(config)
    data = load_dataset(config.data)
    model = build_model(config.model, data.x.shape[1:], 1, config.init.seed)
    surface = PlaneSurface(model, plane_grid(data.x, SIDE, SIDE), data.x)
    start = first_theta(config.init, structure_of(model, data.d))
    kernel = tangent_classifier(surface.tangents(start, data.x), data.y)
    right = np.flatnonzero(run.series["accuracy"] == 1.0)
    if isinstance(kernel, Inseparable) or not right.size:
        return None, run.folder
    first = run.step[right[0]]
    steps = sorted(s for s in run.states if s >= first)
    rows = np.searchsorted(run.step, steps)
    return Surfaces(
        np.log(data.n) - run.log_risk[rows],
        np.stack([over_rms(surface.at(run.states[step])) for step in steps]),
        over_rms(surface.tangent(start, kernel[0])),
        kernel[1].gap,
        float(run.series["accuracy"][-1]),
    ), run.folder


def f1_measure(found: Surfaces | None) -> Measured:
    """How far the surface goes after the first moment without an error, and in the last doubling."""
    names = (
        "accuracy at the end",
        "moved in the last doubling of ln(n/𝓛), over since zero error",
        "from the kernel's surface, over moved in the last doubling",
        "kernel's duality gap",
    )
    if found is None:
        return Measured(dict.fromkeys(names, float("nan")))
    end = found.network[-1]
    moved = float(apart(found.network[0], end))
    late = found.network[found.late]
    settled = float(apart(late, end).max())
    away = float(apart(late, found.kernel).min())
    labels = float(np.mean(np.sign(end) != np.sign(found.kernel)))
    values = (
        found.accuracy,
        settled / moved if moved > 0 else np.inf,
        away / settled if settled > 0 else np.inf,
        abs(found.kernel_gap),
    )
    return Measured(
        dict(zip(names, values, strict=True)),
        {
            "moved since zero error, rms": moved,
            "moved in the last doubling, rms": settled,
            "from the kernel's surface in the last doubling, rms": away,
            "share of the square labelled otherwise than by the kernel": labels,
            "ln(n/𝓛) at the end": float(found.depth[-1]),
        },
    )


def f1_criterion(measured: Measured) -> tuple[Check, ...]:
    """It keeps moving after zero error, more than it does late, and the kernel's surface is farther from
    it then than any it still goes to."""
    bounds: list[Bound] = [
        ("accuracy at the end", "≥", 1.0, ""),
        ("moved in the last doubling of ln(n/𝓛), over since zero error", "<", 1.0, ""),
        ("from the kernel's surface, over moved in the last doubling", "≥", 1.0, ""),
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
        method="10,000 neurons with fixed random signs on labelled points of the plane, steps ∝ 1/𝓛; "
        "surfaces over their root mean square on a grid; the kernel's hard-margin SVM at the start.",
        experiment=f1_experiment,
        measure=f1_measure,
        criterion=f1_criterion,
        figure="contours",
    ),
)
