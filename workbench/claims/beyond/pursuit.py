"""Neuron pursuit (Kumar, Haupt, arXiv 2509.12154): flow from tiny weights passes its stationary points.

At the first saddle this holds as δ → 0: all times grow like ln(1/δ), and who grows fastest leaves alone.
Later neurons bring along what they grew by before, so that one may leave while the flow is still on its way
to the point before; nearly always, and not always, it comes near.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.pursuit import Pursuit, pursuit
from workbench.theory.ncf.pursuit_visits import Visit, in_order, visits

WIDTH = 16
SAMPLES = 24
WEIGHTS = (1.0, 0.6, 0.36)
"""Of the teacher's neurons."""
SCALES = (1e-10, 1e-60)
"""δ of the start."""
TEACHERS: dict[Size, range] = {"quick": range(3, 5), "full": range(20)}
FITTED = 1e-3
NEAR = 0.05
"""‖Φ − Φ_stage‖/‖y‖ that is near: what small neurons may add (`inspector/groups.py`)."""
NINE_IN_TEN = 0.9
STEP = 0.1
"""Step size over 1/λ_max at the last stage."""
LONGER = 1.2
"""Time that a run has, over that of all flows of the pursuit."""
RECORDS = 2_000


@dataclass(frozen=True, eq=False)
class Followed:
    """A teacher at one scale: the run's nearest approach to every stage, and searches that are incomplete."""

    scale: float
    visits: tuple[Visit, ...]
    incomplete: int


def teacher(seed: int) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, " n"]]:
    """Random inputs on the circle, and the labels of three random squared-ReLU neurons."""
    rng = np.random.default_rng([seed, 25])
    x = rng.normal(size=(SAMPLES, 2))
    x /= np.linalg.norm(x, axis=1)[:, None]
    u = rng.normal(size=(len(WEIGHTS), 2))
    u /= np.linalg.norm(u, axis=1)[:, None]
    return x, (np.maximum(x @ u.T, 0.0) ** 2) @ np.array(WEIGHTS)


def experiment(lab: Lab, size: Size) -> tuple[list[Followed], Path | None]:
    """Every teacher from every scale; the run of the last."""
    return followed(lab, TEACHERS[size])


def followed(lab: Lab, teachers: Sequence[int]) -> tuple[list[Followed], Path | None]:
    """Pursuit by itself, and a network trained from weights of N(0, δ²) in plain steps."""
    found, folder = [], None
    for seed in teachers:
        x, y = teacher(seed)
        problem = ActiveProblem(x, y, NeuronKind.SQUARED_RELU)
        for scale in SCALES:
            stages = pursuit(problem, {1.0: WIDTH}, delta=scale, within=0.0, fitted=FITTED)
            run = lab.train(config_of(problem, stages, seed, scale))
            weights = run.theta.reshape(len(run.theta), -1, 2)
            passed = visits(problem, stages.stages, weights, np.ones(weights.shape[1]))
            lacking = sum(not stage.complete for stage in stages.stages)
            found.append(Followed(scale, passed, lacking))
            folder = run.folder
    return found, folder


def config_of(problem: ActiveProblem, found: Pursuit, seed: int, scale: float) -> RunConfig:
    """Steps well below what the last stage is stable for, as long as all flows of the pursuit together."""
    w = found.stages[-1].weights
    rows = 2.0 * np.maximum(w @ problem.x.T, 0.0)[:, :, None] * problem.x
    flat: Array = rows.transpose(1, 0, 2).reshape(len(problem.x), -1)
    lr = float(f"{STEP / np.linalg.norm(flat, 2) ** 2:.3g}")
    time = LONGER * sum(float(stage.time[-1]) for stage in found.stages[1:])
    steps = int(time / lr)
    return parse_config(
        {
            "name": f"pursuit {seed} {scale:g}",
            "data": {"kind": "inline", "x": problem.x.tolist(), "y": problem.y.tolist()},
            "model": {"kind": "squared-relu", "width": WIDTH},
            "init": {"kind": "gaussian", "scale": scale, "seed": seed},
            "loss": {"kind": "square", "reduction": "sum"},
            "train": {"rule": "constant", "lr": lr, "steps": steps},
            "record": {"every": max(1, steps // RECORDS)},
            "checkpoint": {"every": steps},
            "pause": {"at_saddle": False},
            "device": {"kind": "cpu"},
        },
        "KH25-PURSUIT",
    )


ORDER = "share of teachers whose stages are passed in their order"
CLOSE = f"share of stages behind the origin that come within {NEAR:g}‖y‖"
FIRST = "‖Φ − Φ_1‖/‖y‖ at the first of them, largest"
FALLS = "the same in the mean, smallest δ over largest"
SURE = "searches for KKT points that are not complete"


def measure(found: Sequence[Followed]) -> Measured:
    """At the smallest scale, but for what the first stage's distance falls by."""
    largest, smallest = (
        [one for one in found if one.scale == scale] for scale in (max(SCALES), min(SCALES))
    )
    apart = np.array([visit.distance for one in smallest for visit in one.visits[1:]])
    first = [one.visits[1].distance for one in smallest]
    before = float(np.mean([one.visits[1].distance for one in largest]))
    return Measured(
        {
            ORDER: float(np.mean([in_order(one.visits) for one in smallest])),
            CLOSE: float(np.mean(np.where(np.isnan(apart), np.nan, apart <= NEAR))),
            FIRST: most(first),
            FALLS: float(np.mean(first)) / before if before > 0.0 else float("nan"),
            SURE: float(sum(one.incomplete for one in found)),
        },
        {
            "teachers": float(len(smallest)),
            "stages behind the origin": float(apart.size),
            "the one passed farthest away, ‖Φ − Φ_stage‖/‖y‖": most(apart),
            "off a stage's neurons, mean over stages (°)": float(
                np.mean([visit.angle for one in smallest for visit in one.visits[1:]])
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """In order and near for nine in ten, the first one always and ever nearer."""
    bounds: list[Bound] = [
        (ORDER, "≥", NINE_IN_TEN, ""),
        (CLOSE, "≥", NINE_IN_TEN, ""),
        (FIRST, "≤", NEAR, ""),
        (FALLS, "<", 1.0, ""),
        (SURE, "=", 0.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH25-PURSUIT",
        paper="KH25",
        place="neuron pursuit",
        statement="Gradient flow from tiny weights passes the stationary points of neuron pursuit in their "
        "order: the first as δ → 0, and nine in ten of all within 5 % of ‖y‖.",
        method="Random teachers of three squared-ReLU neurons on 24 inputs of the circle; 16 neurons trained "
        "from N(0, δ²), δ = 1e-10 and 1e-60, against a pursuit that knows nothing of the run.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="risk",
    ),
)
