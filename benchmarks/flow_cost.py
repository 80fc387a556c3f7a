"""What gradient flow costs: steps, evaluations and seconds to a risk of 1e−800 and 1e−100,000.

    python benchmarks/flow_cost.py [--rtol 1e-6] [--rounds 3]

`worst` is the largest relative fall of the smoothed margin γ~ in a step, which along the exact flow
never falls; `LSODA` the evaluations that scipy's LSODA takes for the same stretch, in u and log ρ with
a Jacobian by differences, where the network has at most 200 parameters ("–": more, or it gave up within
40,000 evaluations). Seconds are processor seconds, the least of the rounds, imports left out.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from scipy.integrate import LSODA

from workbench.config.toml import parse_config
from workbench.engine.program import StopFlag
from workbench.engine.programs.flow.program import FlowProgram, Memory
from workbench.run.experiment import Experiment, experiment_of

PLANE = {"kind": "gaussian-separable", "n": 50, "d": 2, "margin": 0.2, "seed": 1}
WIDE = {"kind": "gaussian-separable", "n": 200, "d": 20, "margin": 0.1}
DEEP = {"kind": "gaussian-separable", "n": 100, "d": 10, "margin": 0.1}
SMALL = {"kind": "gaussian", "scale": 0.1}
NETWORKS: dict[str, dict[str, Any]] = {
    "squared ReLU 20, d=2": {
        "data": PLANE,
        "model": {"kind": "squared-relu", "width": 20, "signs": "alternate"},
        "init": SMALL,
    },
    "squared ReLU 200, d=20": {
        "data": WIDE,
        "model": {"kind": "squared-relu", "width": 200, "signs": "alternate"},
        "init": {"kind": "gaussian", "scale": 1e-2},
    },
    "deep linear 4×32": {
        "data": DEEP,
        "model": {"kind": "deep-relu", "widths": [32, 32, 32], "leak": 1.0},
        "init": {"kind": "he"},
    },
    "deep linear 3×32": {
        "data": DEEP,
        "model": {"kind": "deep-relu", "widths": [32, 32], "leak": 1.0},
        "init": {"kind": "he"},
    },
    "leaky ReLU 24, d=2": {
        "data": PLANE,
        "model": {"kind": "two-layer-relu", "width": 24, "leak": 0.1},
        "init": SMALL,
    },
    "ReLU 24, d=2": {
        "data": PLANE,
        "model": {"kind": "two-layer-relu", "width": 24},
        "init": SMALL,
    },
    "leaky ReLU 200, d=20": {
        "data": WIDE,
        "model": {"kind": "two-layer-relu", "width": 200, "leak": 0.1},
        "init": {"kind": "gaussian", "scale": 1e-2},
    },
}
MOST_DENSE = 200
MOST_EVALUATIONS = 40_000
MOST_SECONDS = 600.0
LONG = 60.0
"""Seconds after which a flow is followed once only."""


def made(name: str, log10_risk: float, rtol: float, engine: str = "auto") -> Experiment:
    """A network with its flow."""
    train = {"rule": "flow", "rtol": rtol, "until": {"log10_risk": log10_risk}}
    loss, device = {"kind": "exponential"}, {"kind": "cpu", "engine": engine}
    table = {**NETWORKS[name], "loss": loss, "train": train, "device": device}
    return experiment_of(parse_config(table, name))


def followed(name: str, log10_risk: float, rtol: float) -> tuple[float, Experiment]:
    """Processor seconds to the risk."""
    experiment = made(name, log10_risk, rtol)
    began = time.process_time()
    while experiment.program.ended(experiment.state) is None:
        experiment.program.run_chunk(
            experiment.state, experiment.state.step, 1, 50, None, StopFlag()
        )
        if time.process_time() - began > MOST_SECONDS:
            break
    return time.process_time() - began, experiment


def lsoda(name: str, log10_risk: float, rtol: float) -> str:
    """Evaluations of LSODA from the place where the far chart begins to the same risk."""
    # Autograd's field has its kinks smoothed, and so is one that LSODA can follow.
    experiment = made(name, log10_risk, rtol, "eager")
    program = experiment.program
    if experiment.structure.size > MOST_DENSE or not isinstance(program, FlowProgram):
        return "–"
    while not Memory.of(experiment.state).far and experiment.state.step < 5_000:
        program.run_chunk(experiment.state, experiment.state.step, 1, 1, None, StopFlag())
    theta = experiment.state.theta.numpy().copy()
    norm = float(np.linalg.norm(theta))
    field = program.field
    solver = LSODA(
        lambda x, u: field.far_slope(u, x), np.log(norm), theta / norm, 60.0, rtol=rtol, atol=rtol
    )
    before = field.evaluations
    while field.far(solver.y, solver.t).height < (program.goal or 0.0):
        if field.evaluations - before > MOST_EVALUATIONS or solver.step() is not None:
            return "–"
    return f"{field.evaluations - before:,}"


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rtol", type=float, default=1e-6)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    followed("squared ReLU 20, d=2", -3.0, 1e-4)
    print(
        f"{'':24} {'log10 𝓛':>9} {'steps':>7} {'rejected':>8} {'evaluations':>11} {'seconds':>8} "
        f"{'worst':>8} {'LSODA':>7}"
    )
    for name in NETWORKS:
        for risk in (-800.0, -100_000.0):
            runs = [followed(name, risk, given.rtol)]
            while len(runs) < given.rounds and runs[0][0] < LONG:
                runs.append(followed(name, risk, given.rtol))
            seconds, experiment = min(runs, key=lambda run: run[0])
            memory = Memory.of(experiment.state)
            assert isinstance(experiment.program, FlowProgram)
            theta = experiment.state.theta.numpy()
            experiment.program.field.restore(theta, None)
            place = experiment.program.field.near(theta)
            print(
                f"{name:24} {-place.height / np.log(10.0):9.0f} {experiment.state.step:7,} "
                f"{memory.rejected:8,.0f} {memory.evaluations:11,.0f} {seconds:8.2f} "
                f"{memory.worst:8.0e} {lsoda(name, risk, given.rtol):>7}",
                flush=True,
            )


if __name__ == "__main__":
    main()
