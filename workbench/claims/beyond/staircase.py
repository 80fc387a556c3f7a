"""The whole staircase from the start alone: order, level and time of every drop (THEORY of small starts).

What is predicted knows the samples, the weights at step 0 and the step size, and nothing of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.beyond.pursuit import WEIGHTS, WIDTH, teacher
from workbench.claims.checks import Bound, judged, most
from workbench.claims.claim import Check, Claim, Measured, Size
from workbench.claims.lab import Lab
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.data.load import load_dataset
from workbench.models.start import first_theta
from workbench.run.network import network_of
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.drops import crossing, drops
from workbench.theory.ncf.leaders import agree, leaders
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.staircase import Staircase, staircase

SCALE = 1e-8
"""δ of the start."""
TEACHERS: dict[Size, range] = {"quick": range(2), "full": range(20)}
NINE_IN_TEN = 0.9
STEP = 0.02
"""Step size over 1/λ_max where the teacher's own neurons fit."""
STEPS = 400_000
"""Before it is known how long the course is."""
LONGER = 1.05
"""Steps of a run, over those of the course."""
RECORDS = 4_000


@dataclass(frozen=True, eq=False)
class Held:
    """A teacher's prediction against its run. `in_order`: whether all of the run's drops are foreseen, and
    every one's leader. `within` (S): whether each came in its interval; `wide` (S): that one's width over
    the time; `level` (S): the level below each drop, predicted over the run's. `decided`: its own word."""

    in_order: bool
    within: tuple[bool, ...]
    wide: tuple[float, ...]
    level: tuple[float, ...]
    decided: bool


def experiment(lab: Lab, size: Size) -> tuple[list[Held], Path | None]:
    """Every teacher; the run of the last."""
    return held(lab, TEACHERS[size])


def held(lab: Lab, teachers: Sequence[int]) -> tuple[list[Held], Path | None]:
    """Predict from the start, then train."""
    found, folder = [], None
    for seed in teachers:
        x, y = teacher(seed)
        config = config_of(x, y, seed, STEPS)
        weights, lr = start_of(config), config.train.lr
        problem = ActiveProblem(x, y, NeuronKind.SQUARED_RELU)
        stairs = staircase(problem, weights, np.ones(WIDTH), step=lr, until=STEPS * lr)
        steps = int(LONGER * float(stairs.time[-1]) / lr) + 1
        run = lab.train(config_of(x, y, seed, steps))
        found.append(
            against(stairs, run.time, run.log_risk, run.theta.reshape(len(run.theta), -1, 2))
        )
        folder = run.folder
    return found, folder


def start_of(config: RunConfig) -> Float[Array, "H 2"]:
    """The weights that the run begins with."""
    structure = network_of(config, load_dataset(config.data)).structure
    return np.asarray(first_theta(config.init, structure), float).reshape(-1, 2)


def config_of(x: Array, y: Array, seed: int, steps: int) -> RunConfig:
    """Steps well below what the teacher's own neurons are stable for."""
    rng = np.random.default_rng([seed, 25])
    rng.normal(size=x.shape)
    u = rng.normal(size=(len(WEIGHTS), 2))
    u *= (np.sqrt(WEIGHTS) / np.linalg.norm(u, axis=1))[:, None]
    rows = 2.0 * np.maximum(u @ x.T, 0.0)[:, :, None] * x
    jacobian = rows.transpose(1, 0, 2).reshape(len(x), -1)
    lr = float(f"{STEP / np.linalg.norm(jacobian, 2) ** 2:.3g}")
    return parse_config(
        {
            "name": f"staircase {seed}",
            "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
            "model": {"kind": "squared-relu", "width": WIDTH},
            "init": {"kind": "gaussian", "scale": SCALE, "seed": seed},
            "loss": {"kind": "square", "reduction": "sum"},
            "train": {"rule": "constant", "lr": lr, "steps": steps},
            "record": {"every": max(1, steps // RECORDS)},
            "checkpoint": {"every": steps},
            "pause": {"at_saddle": False},
            "device": {"kind": "cpu"},
        },
        "K25-STAIRCASE",
    )


def against(
    stairs: Staircase,
    time: Float[Array, " T"],
    log_risk: Float[Array, " T"],
    weights: Float[Array, "T H 2"],
) -> Held:
    """A prediction against the curve and the weights of a run, at all of its records."""
    ends = int(np.searchsorted(time, stairs.time[-1], side="right"))
    own = drops(time[:ends], np.exp(log_risk[:ends]))
    with np.errstate(divide="ignore"):
        norms = np.log(np.linalg.norm(weights, axis=2))
    made = leaders(time, log_risk, norms, [stair.middle for stair in stairs.stairs])
    same = [agree(one.leaves, other) for one, other in zip(stairs.stairs, made, strict=True)]
    at = [crossing(time, log_risk, stair.middle) for stair in stairs.stairs]
    return Held(
        len(own) == len(stairs.stairs) and all(same),
        tuple(s.low <= t <= s.high for s, t in zip(stairs.stairs, at, strict=True)),
        tuple((s.high - s.low) / s.time for s in stairs.stairs),
        tuple(s.after / o.after for s, o in zip(stairs.stairs[:-1], own[:-1], strict=False)),
        stairs.decided,
    )


ORDER = "share of teachers whose drops are all foreseen, each with its leader"
WITHIN = "share of drops that come in their intervals"
WIDE = "widest interval over its time"
LEVEL = "levels between drops, predicted over the run's, largest distance from 1"


def measure(found: Sequence[Held]) -> Measured:
    """Over all teachers, undecided ones too."""
    within = [one for held in found for one in held.within]
    level = [abs(one - 1.0) for held in found for one in held.level]
    return Measured(
        {
            ORDER: float(np.mean([one.in_order for one in found])),
            WITHIN: float(np.mean(within)) if within else float("nan"),
            WIDE: most([one for held in found for one in held.wide]),
            LEVEL: most(level) if level else 0.0,
        },
        {
            "teachers": float(len(found)),
            "drops": float(len(within)),
            "predictions that call themselves decided": float(sum(one.decided for one in found)),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Nine in ten of both, with intervals that say something."""
    bounds: list[Bound] = [
        (ORDER, "≥", NINE_IN_TEN, ""),
        (WITHIN, "≥", NINE_IN_TEN, ""),
        (WIDE, "≤", 0.1, ""),
        (LEVEL, "≤", 0.1, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="K25-STAIRCASE",
        paper="K25",
        place="the whole staircase",
        statement="From small weights order, level and time of every drop of the risk follow from the start "
        "alone: dormant neurons climb the residual's correlation function, those that have left minimise.",
        method="Random teachers of three squared-ReLU neurons on 24 inputs of the circle; 16 neurons trained "
        "from N(0, δ²), δ = 1e-8, against a prediction that knows nothing of the run.",
        experiment=experiment,
        measure=measure,
        criterion=criterion,
        figure="staircase",
    ),
)
