"""The path along which the origin is left: its KKT point, its flow, its saddle, and distances from it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.escape_path import ORIGIN, EscapeProblem, distances
from workbench.theory.ncf.neuron import NeuronKind

X = np.array([[1.0, 0.0], [0.0, 1.0], [-0.6, 0.8]])
Y = np.array([2.0, -1.0, 0.5])
SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])


def outputs(theta):
    return SIGNS @ np.maximum(theta.reshape(6, 2) @ X.T, 0.0) ** 2


@pytest.fixture(scope="module")
def problem():
    return EscapeProblem(ActiveProblem(X, Y, NeuronKind.SQUARED_RELU), SIGNS)


@pytest.fixture(scope="module")
def limit(problem):
    start = np.random.default_rng(0).standard_normal(12)
    return problem.limit(start / np.linalg.norm(start))


def test_a_limit_is_a_kkt_point(limit):
    along, height = limit
    step = 1e-6
    for k in range(12):
        moved = along.copy()
        moved[k] += step
        rise = (Y @ outputs(moved) - Y @ outputs(along)) / step
        assert rise == pytest.approx(2.0 * height * along[k], abs=1e-4)


def test_a_path_is_plain_gradient_steps_to_a_stationary_point(problem, limit):
    path = problem.path(*limit)
    assert np.linalg.norm(path.theta[0]) == pytest.approx(ORIGIN)
    # From a point half way on, steps of descent stay on it.
    size = np.linalg.norm(path.theta, axis=1)
    begin = int(np.argmax(size > 0.5 * size[-1]))
    theta, lr = path.theta[begin].copy(), 1e-4
    for _ in range(round((path.time[-1] - path.time[begin]) / lr)):
        w = theta.reshape(6, 2)
        active = np.maximum(w @ X.T, 0.0)
        theta += lr * (2.0 * SIGNS[:, None] * ((active * (Y - outputs(theta))) @ X)).ravel()
    np.testing.assert_allclose(theta, path.theta[-1], atol=1e-3)
    assert np.linalg.norm(problem.fall(path.saddle)) < 1e-3


def test_a_linear_network_leaves_along_its_leading_direction():
    """Φ = ⟨β, x⟩ with β = Σ v_k u_k: u* is along Xᵀy, and one neuron fits the least squares."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
    data = ActiveProblem(x, y, NeuronKind.TWO_LAYER_RELU, 1.0)
    linear = EscapeProblem(data, np.ones(2))
    start = rng.standard_normal(8)
    along, height = linear.limit(start / np.linalg.norm(start))
    assert height == pytest.approx(np.linalg.norm(x.T @ y) / 2.0, rel=1e-9)
    path = linear.path(along, height)
    w = path.saddle.reshape(2, 4)
    beta = w[:, 0] @ w[:, 1:]
    np.testing.assert_allclose(beta, np.linalg.lstsq(x, y, rcond=None)[0], rtol=1e-3)


def test_a_kink_is_refused():
    with pytest.raises(ValueError, match="kink"):
        EscapeProblem(ActiveProblem(X, Y, NeuronKind.TWO_LAYER_RELU), SIGNS)


def test_distances_are_those_of_a_polygon():
    rng = np.random.default_rng(1)
    points, corners = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    fine = np.concatenate(
        [a + np.linspace(0, 1, 20_001)[:, None] * (b - a) for a, b in pairwise(corners)]
    )
    slow = [np.linalg.norm(fine - p, axis=1).min() for p in points]
    np.testing.assert_allclose(distances(points, corners), slow, atol=1e-4)
