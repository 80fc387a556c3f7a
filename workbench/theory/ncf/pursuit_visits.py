"""Whether a run passes by the stages of a pursuit: when it comes nearest to each, and how near."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.neuron import NeuronKind, neuron_outputs
from workbench.theory.ncf.pursuit import Stage

LARGE = 0.1
"""Share of the largest norm from which a run's neuron is compared with those of a stage."""


@dataclass(frozen=True)
class Visit:
    """A run's nearest approach to a stage.

    `row` of its records, `distance`: ‖Φ − Φ_stage‖/‖y‖ there, `risk`: ½‖y − Φ‖². `angle`: degrees between
    the run's neurons there and the nearest of the stage, their mean weighted by ‖w‖²; `lacking`: between a
    neuron of the stage and the run's nearest large one, the largest. NaN at the origin.
    """

    row: int
    distance: float
    risk: float
    angle: float
    lacking: float


def visits(
    problem: ActiveProblem,
    stages: Sequence[Stage],
    weights: Float[Array, "T H p"],
    signs: Float[Array, " H"],
) -> tuple[Visit, ...]:
    """Of every stage the nearest approach by a run of T records with H neurons of output signs `signs`."""
    outputs = np.stack(
        [signs @ neuron_outputs(w, problem.x, problem.kind, problem.leak) for w in weights]
    )
    size = float(np.linalg.norm(problem.y)) or 1.0
    found = []
    for stage in stages:
        apart = np.linalg.norm(outputs - stage.outputs, axis=1) / size
        row = int(np.argmin(apart))
        z = problem.y - outputs[row]
        angle, lacking = _angles(problem.kind, weights[row], signs, stage)
        found.append(Visit(row, float(apart[row]), 0.5 * float(z @ z), angle, lacking))
    return tuple(found)


def in_order(found: Sequence[Visit]) -> bool:
    """Whether the stages are passed in their order."""
    rows = [visit.row for visit in found]
    return all(a < b for a, b in pairwise(rows))


def _angles(
    kind: NeuronKind, w: Float[Array, "H p"], signs: Float[Array, " H"], stage: Stage
) -> tuple[float, float]:
    """(mean of the run's to the stage's, largest of the stage's to the run's), degrees."""
    run, run_signs = _directions(kind, w, signs)
    own, own_signs = _directions(kind, stage.weights, stage.signs)
    mass = np.sum(w**2, axis=1)
    if not len(own) or not mass.any():
        return float("nan"), float("nan")
    cosine = np.where(run_signs[:, None] == own_signs, run @ own.T, -1.0)
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    large = mass > LARGE**2 * mass.max()
    mean = float(np.average(angle.min(axis=1), weights=mass))
    return mean, float(angle[large].min(axis=0).max())


def _directions(
    kind: NeuronKind, w: Float[Array, "k p"], signs: Float[Array, " k"]
) -> tuple[Float[Array, "k d"], Float[Array, " k"]]:
    """Unit directions u of neurons, and their output signs."""
    u, s = w, signs
    if kind is NeuronKind.TWO_LAYER_RELU:
        u, s = w[:, 1:], np.where(w[:, :1].sum(axis=1) < 0.0, -1.0, 1.0)
    size = np.linalg.norm(u, axis=1, keepdims=True)
    return u / np.where(size > 0.0, size, 1.0), s
