"""A run's nearest approach to the stages of a pursuit."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.pursuit import pursuit
from workbench.theory.ncf.pursuit_visits import in_order, visits


def test_a_run_made_by_hand_is_measured():
    """Inputs on the axes: a neuron w makes the output σ(w_i)² of sample i."""
    problem = ActiveProblem(np.eye(2), np.array([4.0, 1.0]), NeuronKind.SQUARED_RELU)
    stages = pursuit(problem, {1.0: 2}).stages
    a, turn = 2.0, np.radians(5.0)
    path = [
        [[1e-5, 0.0], [0.0, 1e-6]],
        [[a * np.cos(turn), a * np.sin(turn)], [0.0, 1e-3]],
        [[a, 0.0], [0.0, 0.9]],
    ]
    found = visits(problem, stages, np.array(path), np.ones(2))
    assert [v.row for v in found] == [0, 1, 2]
    assert in_order(found)
    outputs = np.array([(a * np.cos(turn)) ** 2, (a * np.sin(turn)) ** 2 + 1e-6])
    assert found[1].distance == pytest.approx(np.linalg.norm(outputs - [4.0, 0.0]) / np.sqrt(17.0))
    assert found[1].risk == pytest.approx(0.5 * np.sum((problem.y - outputs) ** 2))
    assert np.isnan(found[0].angle)
    assert found[1].angle == pytest.approx(5.0, abs=1e-3)
    assert found[1].lacking == pytest.approx(5.0, abs=1e-3)
    assert found[2].angle == pytest.approx(0.0, abs=1e-3)
    back = visits(problem, stages, np.array(path)[::-1], np.ones(2))
    assert not in_order(back)
    lacks = visits(problem, stages, np.array(path[:2]), np.ones(2))
    assert lacks[2].lacking == pytest.approx(85.0, abs=1e-3)


def test_output_signs_are_told_apart():
    problem = ActiveProblem(np.eye(2), np.array([-4.0, 1.0]), NeuronKind.SQUARED_RELU)
    stages = pursuit(problem, {1.0: 1, -1.0: 1}).stages
    run = np.array([[[2.0, 0.0]]])
    same, other = (visits(problem, stages, run, np.array([s]))[1] for s in (-1.0, 1.0))
    assert same.angle == pytest.approx(0.0, abs=1e-3)
    assert same.distance == pytest.approx(0.0, abs=1e-6)
    assert other.angle == 180.0
