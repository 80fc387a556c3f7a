"""What the certificates of problem (P) cost at n = 2,000 and P = 20,000, against SciPy's lsq_linear.

    python benchmarks/certificate_cost.py [--samples 2000] [--width 1000]

The best multipliers for one δ are the bounded least squares min ‖θ − Σ λ_i h_i‖, 0 ≤ λ_i ≤ δ/(q_i − 1).
The rival gets the problem reduced to n variables first (a QR of the n × P matrix): on the matrix itself
it takes hours. Times are of the processor, one thread. In the plane (--inputs 2 --width 10000) the gradients
of neighbouring samples nearly depend on each other: there the search ends at its limit, with bounds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from scipy.optimize import lsq_linear

from workbench.config.toml import parse_config
from workbench.engine.program import StopFlag
from workbench.inspector.margin import margin_certificate
from workbench.run.experiment import experiment_of

STEPS = 200


def state_of(samples: int, width: int, inputs: int):  # type: ignore[no-untyped-def]
    """A separating state of `width` squared-ReLU neurons."""
    experiment = experiment_of(
        parse_config(
            {
                "data": {"kind": "gaussian-separable", "n": samples, "d": inputs, "margin": 0.2},
                "model": {"kind": "squared-relu", "width": width, "signs": "alternate"},
                "init": {"kind": "he", "scale": 0.3},
                "loss": {"kind": "logistic"},
                "train": {"rule": "normalized", "lr": 0.05},
                "device": {"kind": "cpu"},
            },
            "benchmark",
        )
    )
    began = time.process_time()
    experiment.program.run_chunk(experiment.state, 0, 1, STEPS, None, StopFlag())
    rate = STEPS / (time.process_time() - began)
    return experiment.inspected(experiment.state.theta.numpy().copy(), step=STEPS), rate


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--width", type=int, default=1_000)
    parser.add_argument("--inputs", type=int, default=20)
    parser.add_argument("--rival", action="store_true", help="run lsq_linear too (minutes)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    state, rate = state_of(options.samples, options.width, options.inputs)
    print(f"n = {state.n:,}, P = {state.structure.size:,}; {rate:,.0f} steps a processor second")
    began = time.process_time()
    found = margin_certificate(state)
    ours = time.process_time() - began
    best = found.uniform.best
    print(f"all certificates   {ours:7.1f} s   ε {best.epsilon:.6g} at δ {best.delta:.3g}")
    if not options.rival:
        return
    from workbench.inspector.gated_network import GatedNetwork
    from workbench.inspector.margin import constraint_margins
    from workbench.theory.margin.patterned import gates_of
    from workbench.theory.margin.problem import MarginPoint, uniform_rescaling

    network = GatedNetwork(state)
    q, _ = constraint_margins(state)
    gates = gates_of(network.heights(state.theta), network.low)
    rows = network.rows(state.theta, gates, np.arange(len(q)))
    scaling = uniform_rescaling(state.theta, q, 2.0)
    point = MarginPoint.at(state.theta, q, rows, 2.0, scaling)
    began = time.process_time()
    basis, triangle = np.linalg.qr(point.rows.T)
    with np.errstate(divide="ignore"):
        caps = np.maximum(found.uniform.paper.delta / np.maximum(point.q - 1.0, 1e-300), 1e-300)
    solved = lsq_linear(triangle, basis.T @ point.theta, bounds=(0.0, np.minimum(caps, 1e300)))
    rival = time.process_time() - began
    epsilon = np.linalg.norm(point.theta - point.rows.T @ solved.x)
    print(f"lsq_linear, one δ  {rival:7.1f} s   ε {epsilon:.6g}")
    print(f"ratio {rival / ours:.2f}, one δ against the front, the layers and all gradients")


if __name__ == "__main__":
    main()
