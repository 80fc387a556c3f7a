"""Large and small neurons: cut at a gap in their norms, then at the norm at which they count as gone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.inspector.runs import circle, teacher
from workbench.inspector.groups import groups_of, without_left
from workbench.inspector.inspect import inspect_state
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.registry import loss_of
from workbench.models.network import structure_of
from workbench.models.squared_relu import SquaredRelu

X = circle(24, 0.5)


def at(degrees):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def state(norms, degrees):
    u = np.array([r * at(d) for r, d in zip(norms, degrees, strict=True)])
    model = SquaredRelu(2, len(u), 0.0, torch.ones(len(u), dtype=torch.float64))
    y = teacher(X, [0.0, 130.0], [1.2, 0.6], 2)
    risk = RiskModel(model, X, y, loss_of("square"), "sum")
    return InspectedState.of(risk, structure_of(model, 2), u.ravel(), order=2.0, learning_rate=1e-3)


LADDER = (1.0, 0.35, 0.14, 0.05, 0.02, 1e-9)
"""No step but the last is a factor 3, so a gap tells only the last apart."""


def test_neurons_below_the_radius_are_small_without_a_gap():
    found = state(LADDER, [0.0, 0.1, -0.1, 0.2, 60.0, 130.0])
    groups = groups_of(found)
    assert list(groups.small) == [5]
    cut = without_left(groups, found, 0.1)
    assert list(cut.small) == [3, 4, 5]
    assert list(cut.large) == [0, 1, 2]


def test_they_have_a_forecast():
    found = inspect_state(state(LADDER, [0.0, 0.1, -0.1, 0.2, 60.0, 130.0]), hessian=False)
    assert found.forecast.radius > 0.02
    assert [n.index for n in found.forecast.neurons if n.small] == [3, 4, 5]
    assert found.forecast.first in (3, 4)
    assert found.forecast.neurons[4].escape_time < found.forecast.neurons[5].escape_time


@pytest.mark.parametrize("radius", [None, 2.0])
def test_without_a_small_neuron_nothing_changes(radius):
    found = state((1.0, 0.5, 0.3), [0.0, 1.0, 130.0])
    groups = groups_of(found)
    assert not len(groups.small)
    assert without_left(groups, found, radius) is groups
