"""From a state of a run to a verdict: the description of its network, polishing, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.config.toml import parse_config
from workbench.errors import BadInput
from workbench.inspector.optimality import layered_network, optimality_verdict, why_no_verdict
from workbench.run.experiment import experiment_of

HALF = 2.0**-0.5
POINTS = [[1.0, 0.25], [-1.0, 0.25]]


def state_of(model, x, values=None, *, y=None, loss="exponential", log_risk=None):
    """The state a configuration starts from, or steepest descent's at a log risk."""
    init = {"kind": "gaussian", "scale": 0.7, "seed": 2}
    if values is not None:
        init = {"kind": "inline", "values": values}
    experiment = experiment_of(
        parse_config(
            {
                "data": {"kind": "inline", "x": x, "y": y or [1] * len(x)},
                "model": model,
                "init": init,
                "loss": {"kind": loss},
                "device": {"kind": "cpu"},
            },
            "test",
        )
    )
    state = experiment.inspected(experiment.state.theta.numpy().copy(), step=0)
    if log_risk is None:
        return state
    theta = state.theta.copy()
    while state.risk.log_risk(theta) > log_risk:
        gradient, _ = state.risk.gradient(theta)
        theta -= 4e-3 * np.linalg.norm(theta) * gradient / np.linalg.norm(gradient)
    return experiment.inspected(theta, step=1)


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "deep-linear", "widths": [3, 2]},
        {"kind": "deep-relu", "widths": [3, 2], "leak": 0.1},
        {"kind": "two-layer-relu", "width": 3, "leak": 0.2},
        {"kind": "diagonal", "depth": 3, "activation": "relu"},
        {"kind": "shared-patches", "patches": 2},
        {"kind": "shared-patches", "patches": 2, "activation": "linear"},
        {"kind": "sparse", "masks": [[[1, 1, 0, 0], [0, 1, 1, 1]], [[1, 1]]], "activation": "relu"},
    ],
)
def test_the_description_computes_what_the_network_does(model):
    random = np.random.default_rng(0)
    x = random.normal(size=(6, 4))
    state = state_of(model, x.tolist(), y=[1, -1, 1, 1, -1, 1])
    network = layered_network(state)
    theta = random.normal(size=state.structure.size)
    assert network.size == state.structure.size
    assert network.true_margins(theta) == pytest.approx(state.y * state.risk.outputs(theta))
    assert network.names == tuple(layer.name for layer in state.structure.layers)


def test_a_run_on_theorem_3_2():
    values = {"u": [[0.3, 2.0], [0.1, -1.0]], "v": [1.0, 0.5]}
    model = {"kind": "two-layer-relu", "width": 2}
    found = optimality_verdict(state_of(model, POINTS, values, log_risk=-100))
    assert found.verdict == "not local"
    assert found.norm2 == pytest.approx(8)
    assert found.theta == pytest.approx([0, 2, 0, 0, 2, 0], abs=1e-6)
    assert "rad from the state" in found.notes[0]


def test_a_run_of_a_deep_linear_network():
    values = {"w1": [[0.3, 0.2], [0.1, 0.4]], "w2": [[0.5, 0.2]]}
    model = {"kind": "deep-linear", "widths": [2]}
    found = optimality_verdict(
        state_of(model, [[1.0, 0.25], [1.0, -0.5]], values, loss="logistic", log_risk=-60)
    )
    assert found.verdict == "global"
    assert [layer.verdict for layer in found.layers] == ["global", "global"]


def test_refusals_say_what_is_missing():
    wide = {"kind": "two-layer-relu", "width": 2}
    apart = state_of(wide, POINTS, {"u": [[0.0, 1.0]] * 2, "v": [-1.0, -1.0]})
    with pytest.raises(BadInput, match="not separated"):
        optimality_verdict(apart)
    with pytest.raises(BadInput, match="square loss"):
        optimality_verdict(state_of(wide, POINTS, loss="square"))
    skip = state_of({"kind": "skip-linear"}, [[1.0]], {"w": [[2.0]], "v": [2.0], "u": [2.0]})
    with pytest.raises(BadInput, match="not homogeneous"):
        optimality_verdict(skip)
    squared = state_of(
        {"kind": "squared-relu", "width": 2}, POINTS, {"u": [[1.0, 1.0], [-1.0, 1.0]]}
    )
    assert "this network is a SquaredRelu" in why_no_verdict(squared)
    many = {"u": [[0.0, 1.0]] * 200, "v": [1.0] * 200}
    large = state_of({"kind": "two-layer-relu", "width": 200}, POINTS, many)
    assert "up to 400 parameters" in why_no_verdict(large)
