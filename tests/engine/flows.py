"""Flows that several tests follow, without files."""

from __future__ import annotations

import numpy as np
import torch

from workbench.config.toml import parse_config
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.flow.program import Memory
from workbench.run.experiment import experiment_of


class Biased(torch.nn.Module):
    """A bias behind a ReLU: not homogeneous."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(2, 4), torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))


class Linear(torch.nn.Module):
    """Φ = θ·x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x):
        return x @ self.w


MODELS = {
    "squared": (
        {"kind": "gaussian-separable", "n": 50, "d": 2, "margin": 0.2, "seed": 1},
        {"kind": "squared-relu", "width": 20, "signs": "alternate"},
        {"kind": "gaussian", "scale": 0.1},
    ),
    "wide": (
        {"kind": "gaussian-separable", "n": 200, "d": 20, "margin": 0.1},
        {"kind": "squared-relu", "width": 200, "signs": "alternate"},
        {"kind": "gaussian", "scale": 1e-2},
    ),
    "linear": (
        {"kind": "gaussian-separable", "n": 100, "d": 10, "margin": 0.1},
        {"kind": "deep-relu", "widths": [32, 32, 32], "leak": 1.0},
        {"kind": "he"},
    ),
    "relu": (
        {"kind": "gaussian-separable", "n": 40, "d": 2, "margin": 0.3, "seed": 1},
        {"kind": "two-layer-relu", "width": 24},
        {"kind": "gaussian", "scale": 0.1},
    ),
    "leaky": (
        {"kind": "gaussian-separable", "n": 40, "d": 2, "margin": 0.3, "seed": 1},
        {"kind": "two-layer-relu", "width": 24, "leak": 0.1},
        {"kind": "gaussian", "scale": 0.1},
    ),
}


def flow_of(
    model,
    log10_risk=None,
    *,
    loss="exponential",
    reduction="sum",
    rtol=1e-6,
    engine="auto",
    **more,
):
    """A set-up of a flow; `more` goes to [train]."""
    data, network, init = MODELS[model] if isinstance(model, str) else model
    train = {"rule": "flow", "rtol": rtol, "steps": 10**6, **more}
    if log10_risk is not None:
        train["until"] = {"log10_risk": log10_risk}
    return experiment_of(
        parse_config(
            {
                "data": data,
                "model": network,
                "init": init,
                "loss": {"kind": loss, "reduction": reduction},
                "train": train,
                "device": {"kind": "cpu", "engine": engine},
            },
            "test",
        )
    )


def follow(experiment, steps=4000):
    """Follow to the end with a row at every step; the series of the panel and the memory."""
    buffer = RowBuffer(steps, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(
        experiment.state, experiment.state.step, steps, 1, buffer, StopFlag()
    )
    values = experiment.panel.compute(buffer.take())
    return values, Memory.of(experiment.state)


def scalar(sign=1.0, init=0.5):
    """Φ = u², one sample: everything is known in closed form."""
    return (
        {"kind": "inline", "x": [[1.0]], "y": [sign]},
        {"kind": "squared-relu", "width": 1},
        {"kind": "inline", "values": {"u": [[init]]}},
    )


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()
