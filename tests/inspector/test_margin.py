"""Margin certificates of states of real networks, with gates caught from torch."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from tests.theory.margin.patterned_networks import SquaredRelu, TwoLayer
from workbench.config.toml import parse_config
from workbench.errors import BadInput
from workbench.inspector.gated_network import GatedNetwork
from workbench.inspector.inspect import certified, inspect_state
from workbench.inspector.margin import margin_certificate, why_no_margin
from workbench.inspector.state import InspectedState
from workbench.losses.registry import loss_of
from workbench.run.experiment import experiment_of
from workbench.theory.margin.patterned import gates_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
Y = np.sign(X[:, 0])
CLASSES = (X[:, 0] > 0) + (X[:, 1] > 0) * 1.0


def fresh(model, loss="logistic", x=X, y=Y, reduction="sum", init=None):
    """The state a configuration starts from."""
    experiment = experiment_of(
        parse_config(
            {
                "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
                "model": model,
                "init": init or {"kind": "gaussian", "scale": 0.4, "seed": 1},
                "loss": {"kind": loss, "reduction": reduction},
                "device": {"kind": "cpu"},
            },
            "test",
        )
    )
    return experiment, experiment.inspected(experiment.state.theta.numpy().copy(), step=0)


def trained(experiment, state, log_risk=-60.0, share=4e-3):
    """Steepest descent by steps of a share of ‖θ‖ whatever the size of the risk."""
    theta, steps = state.theta.copy(), 0
    while state.risk.log_risk(theta) > log_risk:
        steps += 1
        assert steps < 6000
        gradient, _ = state.risk.gradient(theta)
        theta -= share * np.linalg.norm(theta) * gradient / np.linalg.norm(gradient)
    return experiment.inspected(theta, step=steps)


# --- gates caught from torch, against loops ---


@pytest.mark.parametrize("family", ["two-layer-relu", "squared-relu"])
def test_held_gates_against_loops(family):
    leak = 0.1
    model = {"kind": family, "width": 4, "leak": leak}
    _, state = fresh(model, "exponential")
    network = GatedNetwork(state)
    slow = (
        TwoLayer(X, Y, 4, leak)
        if family == "two-layer-relu"
        else SquaredRelu(X, Y, np.ones(4), leak)
    )
    theta = state.theta
    gates = gates_of(network.heights(theta), network.low)
    gates[2, 1], gates[7, 0] = 0.5, 0.9
    which, weights = np.array([0, 2, 7]), np.array([1.0, 2.0, 0.5])
    assert network.low == pytest.approx(np.full(4, leak))
    assert network.smooth == slow.smooth
    assert network.heights(theta) == pytest.approx(slow.heights(theta))
    assert network.margins(theta, gates) == pytest.approx(slow.margins(theta, gates))
    assert network.rows(theta, gates, which) == pytest.approx(slow.rows(theta, gates, which))
    assert network.curvature(theta, gates, which, weights) == pytest.approx(
        slow.curvature(theta, gates, which, weights)
    )
    if not slow.smooth:
        pairs = np.array([[2, 1], [7, 0], [0, 3]])
        for fast, loops in zip(
            network.kinks(theta, gates, which, weights, pairs),
            slow.kinks(theta, gates, which, weights, pairs),
            strict=True,
        ):
            assert fast == pytest.approx(loops)


def test_gates_of_deep_networks_and_classes():
    _, state = fresh({"kind": "deep-relu", "widths": [5, 4]}, "cross-entropy", y=CLASSES)
    network = GatedNetwork(state)
    gates = gates_of(network.heights(state.theta), network.low)
    assert gates.shape == (12, 9)
    every = np.arange(24)
    q, rows = network.margins(state.theta, gates), network.rows(state.theta, gates, every)
    assert rows @ state.theta == pytest.approx(3.0 * q)
    for (i, j), margin in zip(network.pairs, q, strict=True):
        own = int(CLASSES[i])
        assert margin == pytest.approx(state.outputs[i, own] - state.outputs[i, j])
    step = 1e-6 * RNG.normal(size=len(state.theta))
    change = network.margins(state.theta + step, gates) - network.margins(state.theta - step, gates)
    assert change == pytest.approx(2 * rows @ step, abs=1e-14)


class Reluish(nn.Module):
    """Every way in which people write a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 4, bias=False)
        self.b = nn.Linear(4, 4, bias=False)
        self.c = nn.Linear(4, 4, bias=False)
        self.d = nn.Linear(4, 4, bias=False)
        self.e = nn.Linear(4, 1, bias=False)
        self.act = nn.ReLU(inplace=True)
        self.slope = nn.LeakyReLU(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.act(self.a(x))
        h = self.slope(self.b(h))
        h = torch.relu(self.c(h))
        return self.e(self.d(h).relu())


def test_every_spelling_of_relu_is_caught():
    from workbench.inspector.risk_model import RiskModel
    from workbench.models.network import structure_of

    torch.manual_seed(0)
    model = Reluish().double()
    theta = torch.cat([p.detach().reshape(-1) for p in model.parameters()]).numpy()
    state = InspectedState.of(
        RiskModel(model, X, Y, loss_of("logistic"), "sum"),
        structure_of(model, 3),
        theta,
        order=5.0,
        learning_rate=0.1,
    )
    network = GatedNetwork(state)
    assert network.low == pytest.approx([0.0] * 4 + [0.2] * 4 + [0.0] * 8)
    gates = gates_of(network.heights(theta), network.low)
    assert network.margins(theta, gates) == pytest.approx(Y * state.outputs)
    rows = network.rows(theta, gates, np.arange(12))
    assert rows @ theta == pytest.approx(5.0 * Y * state.outputs, abs=1e-12)


# --- certificates ---


def vss(values, x, labels):
    return fresh(
        {"kind": "two-layer-relu", "width": 2},
        "exponential",
        np.array(x),
        np.array(labels),
        init={"kind": "inline", "values": values},
    )


@pytest.mark.parametrize("size", [1.0, 30.0])
def test_vss_limits_are_kkt_points(size):
    # C.6's limit; scaled, its risk is 1e−391 and its multipliers stay (2, 2, 1).
    values = {"u": [[0.0, 2.0 * size], [0.0, -size]], "v": [2.0 * size, size]}
    _, state = vss(values, [[1.0, 0.25], [-1.0, 0.25], [0.0, -1.0]], [1.0, 1.0, 1.0])
    found = margin_certificate(state)
    report = found.as_json()
    assert report["epsilon"] <= 1e-12
    assert report["active"] == [0, 1, 2]
    assert report["multipliers"] == pytest.approx([2.0, 2.0, 1.0], abs=1e-12)
    assert report["delta"] <= 1e-12
    assert report["norm2"] == pytest.approx(10.0, abs=1e-12)
    assert report["polished"]["found"]
    assert report["polished"]["angle"] <= 1e-12
    # The paper's multipliers are equal where the margins are: (2, 2, 1) is not to be had from them.
    assert report["paper_epsilon"] > 0.1


def test_a_flow_of_vss_3_2_is_polished_to_its_limit():
    values = {"u": [[0.1, 1.0], [0.05, -1.0]], "v": [0.5, 0.3]}
    experiment, state = vss(values, [[1.0, 0.25], [-1.0, 0.25]], [1.0, 1.0])
    found = margin_certificate(trained(experiment, state))
    assert found.polished is not None
    assert found.polished.outcome.converged, found.polished.outcome.why_not
    assert found.polished.norm2 == pytest.approx(8.0, abs=1e-10)
    assert found.polished.theta == pytest.approx([0, 2, 0, 0, 2, 0], abs=1e-10)
    assert found.polished.multipliers == pytest.approx([2.0, 2.0], abs=1e-10)
    assert found.polished.outcome.residual <= 1e-10
    assert 0 < found.polished.angle < 0.1


@pytest.mark.parametrize(
    ("model", "loss", "reduction"),
    [
        ({"kind": "two-layer-relu", "width": 5}, "logistic", "mean"),
        ({"kind": "squared-relu", "width": 6, "signs": "alternate"}, "exponential", "sum"),
        ({"kind": "deep-relu", "widths": [4], "leak": 0.1}, "cross-entropy", "mean"),
        pytest.param(
            {"kind": "deep-relu", "widths": [5, 4], "leak": 0.1},
            "cross-entropy",
            "mean",
            marks=pytest.mark.full,
        ),
    ],
)
def test_trained_networks(model, loss, reduction):
    y = CLASSES if loss == "cross-entropy" else Y
    experiment, state = fresh(model, loss, y=y, reduction=reduction)
    state = trained(experiment, state)
    assert why_no_margin(state) is None
    found = margin_certificate(state)
    report = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert set(report) >= {
        "epsilon", "delta", "active", "multipliers", "paper_epsilon", "paper_delta"
    }  # fmt: skip
    assert 0 <= report["epsilon_low"] <= report["epsilon"] * (1 + 1e-12)
    assert report["epsilon"] <= report["paper_epsilon"] * (1 + 1e-9)
    assert report["delta"] == report["paper_delta"]
    assert report["paper_epsilon"] <= report["epsilon_bound"] * (1 + 1e-9)
    assert report["paper_delta"] <= report["delta_bound"]
    front = report["front"]
    assert (np.diff(front["delta"]) > 0).all()
    assert (np.diff(front["epsilon"]) <= 1e-9).all()
    # The best front passes below the paper's point.
    position = front["delta"].index(report["paper_delta"])
    assert front["epsilon"][position] == pytest.approx(report["epsilon"], rel=1e-6)
    if model["kind"] != "squared-relu":
        assert report["layers"]["norm2"] <= report["norm2"] * (1 + 1e-12)
    polished = report["polished"]
    assert polished["residual"] <= 1e-10 or not polished["found"]
    assert polished["found"] or "rad from the flow" in polished["reason"]
    assert polished["norm2"] <= report["norm2"] * (1 + 1e-12)


def test_refusals_say_which_samples():
    _, state = fresh({"kind": "two-layer-relu", "width": 5})
    wrong = np.flatnonzero(Y * state.outputs <= 0)
    words = why_no_margin(state)
    assert words is not None
    assert f"{len(wrong)} of 12 samples are not separated" in words
    assert ", ".join(str(i) for i in wrong[:8]) in words
    with pytest.raises(BadInput, match="not separated"):
        margin_certificate(state)
    _, square = fresh({"kind": "two-layer-relu", "width": 5}, "square")
    assert "square loss" in str(why_no_margin(square))
    import dataclasses

    biased = dataclasses.replace(state, order=None)
    assert "not homogeneous" in str(why_no_margin(biased))


def test_a_search_that_takes_too_long_is_given_up(monkeypatch):
    """After so many operations, wherever it is then; and it says so."""
    experiment, state = fresh({"kind": "two-layer-relu", "width": 5})
    state = trained(experiment, state, -3.0)
    whole = margin_certificate(state)
    assert whole.polished.outcome.converged
    assert not any("operations" in note for note in whole.notes)
    monkeypatch.setattr("workbench.inspector.margin.MOST_OPERATIONS", 1e4)
    none = margin_certificate(state)
    assert (
        none.polished.outcome.why_not == "no KKT point was reached in 10,000 operations of search"
    )
    assert any("stopped after 10,000 operations" in note for note in none.notes)
    # What was found is still a certificate, and no better than that of the whole search.
    assert none.uniform.best.epsilon >= whole.uniform.best.epsilon * (1 - 1e-9)
    assert none.uniform.best.epsilon_low <= whole.uniform.best.epsilon * (1 + 1e-9)
    assert none.uniform.paper.epsilon == whole.uniform.paper.epsilon
    monkeypatch.setattr("workbench.inspector.margin.MOST_OPERATIONS", 1e8)
    some = [margin_certificate(state).as_json() for _ in range(2)]
    assert some[0] == some[1]
    assert not some[0]["polished"]["found"]


def test_too_large_and_too_many(monkeypatch):
    experiment, state = fresh({"kind": "two-layer-relu", "width": 5})
    state = trained(experiment, state, -3.0)
    assert why_no_margin(state) is None
    monkeypatch.setattr("workbench.inspector.margin.MOST_POLISHED", 10)
    found = margin_certificate(state)
    assert found.polished is None
    assert "up to 10 parameters" in found.as_json()["polished"]["reason"]
    monkeypatch.setattr("workbench.inspector.margin.LEAST_ROWS", 4)
    monkeypatch.setattr("workbench.inspector.margin.MOST_NUMBERS", 20 * 5)
    part = margin_certificate(state)
    assert len(part.constraints) == 5
    assert part.total == 12
    assert part.uniform.best.epsilon >= found.uniform.best.epsilon * (1 - 1e-9)
    # The paper's certificate needs no gradients of single samples.
    assert part.uniform.paper.epsilon == pytest.approx(found.uniform.paper.epsilon, rel=1e-12)
    assert any("5 lowest of 12" in note for note in part.notes)
    monkeypatch.setattr("workbench.inspector.margin.MOST_NUMBERS", 20 * 3)
    assert "too many" in str(why_no_margin(state))


def test_a_network_with_dropout_has_no_margins_of_its_own():
    values = {
        "data": {"kind": "inline", "x": [[1.0, 0.5], [-1.0, -0.4]], "y": [1, -1]},
        "model": {"kind": "torch", "class": "tests.models.own_modules:Dropping"},
        "init": {"kind": "gaussian", "scale": 0.5},
        "loss": {"kind": "logistic"},
        "device": {"kind": "cpu"},
    }
    experiment = experiment_of(parse_config(values, "test"))
    state = experiment.inspected(experiment.state.theta.numpy().copy(), step=0)
    found = certified(inspect_state(state), state)
    assert found.margin is None
    assert any("random numbers" in sentence for sentence in found.limits)
