"""Neurons that no small move lets out, and those that any move does: signs, edges, distances."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.inspector.runs import circle
from workbench.inspector.inspect import inspect_state
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.registry import loss_of
from workbench.models.network import structure_of
from workbench.models.squared_relu import SquaredRelu
from workbench.models.two_layer_relu import TwoLayerRelu

X = circle(24, 0.5)
X = X[X[:, 1] > 0.2]
Y = 1.0 + X[:, 0] ** 2
DOWN = [0.1, -1.0]
"""Off on every sample."""


def state(u, v=None, leak=0.0, y=Y):
    u = np.asarray(u, dtype=float)
    if v is None:
        model = SquaredRelu(2, len(u), leak, torch.ones(len(u), dtype=torch.float64))
    else:
        model = TwoLayerRelu(2, len(u), leak)
    theta = np.concatenate([u.ravel(), [] if v is None else v])
    risk = RiskModel(model, X, y, loss_of("square"), "sum")
    return InspectedState.of(risk, structure_of(model, 2), theta, order=2.0, learning_rate=1e-3)


def lowest_within(s, distance, tries=3000):
    """The lowest risk at random points of a ball."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(tries):
        step = rng.normal(size=s.theta.size)
        share = rng.uniform() ** 0.3
        found.append(s.risk.log_risk(s.theta + distance * share * step / np.linalg.norm(step)))
    return min(found)


@pytest.mark.parametrize("size", [1e-6, 1e-2, 1.0])
def test_a_dead_neuron_is_held_as_far_as_its_cell_goes(size):
    s = state([size * np.array(DOWN)], [size])
    found = inspect_state(s).judgement
    near = (np.abs(X @ DOWN) / np.linalg.norm(X, axis=1)).min() * size
    assert found.verdict == "local minimum"
    assert found.evidence.held_distance == pytest.approx(near)
    assert "1 of them off on every sample" in found.reasons[0]
    # One of norm 1 counts as large: no small neuron is there to jump.
    assert (found.evidence.jump_fall is not None) == (size < 1.0)
    assert lowest_within(s, near) >= s.log_risk - 1e-12


def test_one_that_is_exactly_zero_can_leave_beside_it():
    found = inspect_state(state([DOWN, [0.0, 0.0]], [1.0, 0.0])).judgement
    assert found.verdict == "saddle"
    assert found.evidence.jump_distance is None


def test_a_tiny_one_in_a_living_cell_can_leave_beside_it():
    found = inspect_state(state([DOWN, [1e-9, 1e-9]], [1.0, 1e-9])).judgement
    assert found.verdict == "saddle"


def test_the_sign_that_helps_nowhere_is_held_and_the_other_is_not():
    """Positive labels and outputs ≥ 0: v < 0 only harms, whatever u; v² − ‖u‖² keeps it there."""
    wrong, right = state([[0.0, 0.0]], [-0.1]), state([[0.0, 0.0]], [0.1])
    found = inspect_state(wrong).judgement
    assert found.verdict == "local minimum"
    assert found.evidence.held_distance == pytest.approx(0.1 / np.sqrt(2.0))
    assert lowest_within(wrong, found.evidence.held_distance) >= wrong.log_risk - 1e-12
    assert inspect_state(right).judgement.verdict == "saddle"


def test_with_a_leak_the_other_side_of_the_edge_helps_that_sign():
    found = inspect_state(state([[0.0, 0.0]], [-0.1], leak=0.1)).judgement
    assert found.verdict == "saddle"


def test_a_dead_squared_relu_beside_a_fitted_one():
    """The fitted one is alone in its cell, with all curvature positive; the dead one adds nothing near."""
    y = np.maximum(X @ [0.3, 0.9], 0.0) ** 2
    y = y + 0.2 * np.where(X[:, 0] < -0.9, 1.0, 0.0) - 0.2 * np.where(X[:, 0] > 0.9, 1.0, 0.0)
    s = state([[0.3, 0.9], DOWN], y=y)
    for _ in range(20_000):
        g, scale = s.risk.gradient(s.theta)
        s = s.at(s.theta - 5e-3 * g * np.exp(scale)) if np.linalg.norm(g) > 1e-13 else s
        if np.linalg.norm(g) * np.exp(scale) < 1e-12:
            break
    found = inspect_state(s).judgement
    assert found.verdict == "local minimum"
    assert lowest_within(s, 1e-3) >= s.log_risk - 1e-12
