"""Exact networks against torch, and the certificates against points where they are known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from workbench.claims.exact_network import exact_network, norm2
from workbench.claims.vss22 import points as points
from workbench.claims.vss22.certificates import (
    family,
    layer_bound,
    least_height,
    linear_bound,
    made_feasible,
    pattern_bound,
)
from workbench.config.toml import parse_config
from workbench.data.dataset import Dataset
from workbench.run.network import network_of

MODELS = {
    "two-layer-relu": {"kind": "two-layer-relu", "width": 3, "leak": 0.1},
    "deep-relu": {"kind": "deep-relu", "widths": [3, 2]},
    "deep-linear": {"kind": "deep-linear", "width": 3, "depth": 3},
    "diagonal": {"kind": "diagonal", "depth": 3, "activation": "relu"},
    "sparse": {
        "kind": "sparse",
        "masks": [[[1, 1, 0, 0], [0, 1, 0, 1]], [[0, 1]]],
        "activation": "relu",
    },
    "shared-patches": {"kind": "shared-patches", "patches": 2, "activation": "linear"},
}
RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((7, 4)), RNG.choice([-1.0, 1.0], 7)


def both(model, x=X, y=Y):
    values = {
        "data": {"kind": "inline", "x": x.tolist(), "y": y.tolist()},
        "model": model,
        "loss": {"kind": "exponential"},
    }
    config = parse_config(values, "test")
    network = exact_network(config.model, x, y)
    theta = np.random.default_rng(5).standard_normal(network.size)
    return network, theta, network_of(config, Dataset(x, y, "test")).state(theta)


@pytest.mark.parametrize("kind", MODELS)
def test_margins_and_slopes_are_the_networks(kind):
    network, theta, state = both(MODELS[kind])
    assert network.size == state.structure.size
    assert network.depth == state.order
    assert network.shares == (kind == "shared-patches")
    exact = network.margins(theta.tolist())
    assert np.array(exact, dtype=float) == pytest.approx(Y * state.outputs, rel=1e-12)
    for index in range(network.depth):
        slopes = np.array(network.slopes(theta.tolist(), index), dtype=float)
        place = network.layer(index)
        # Every layer is 1-homogeneous (Euler).
        assert slopes @ theta[place] == pytest.approx(Y * state.outputs, rel=1e-9)
        step = np.zeros_like(theta)
        step[place[0]] = 1e-6
        change = state.risk.outputs(theta + step) - state.risk.outputs(theta - step)
        assert slopes[:, 0] == pytest.approx(Y * change / 2e-6, abs=1e-8)


def test_another_network_is_refused():
    config = parse_config(
        {"data": {"kind": "kh24-circle"}, "model": {"kind": "squared-relu"}}, "test"
    )
    with pytest.raises(ValueError, match="squared-relu"):
        exact_network(config.model, X, Y)


def test_a_point_a_last_bit_short_is_not_feasible():
    network, _, _ = both({"kind": "diagonal", "depth": 2}, np.array([[1.0, 2.0]]), np.ones(1))
    limit = np.array([1.0, 0.0, 1.0, 0.0])
    short = limit * (1.0 - 2.0**-53)
    found = family(network, [short.tolist()], limit, 2.0)
    assert 0 < found.infeasible < 1e-15
    assert found.ratio >= 1, "a norm within rounding of the limit's is not smaller"
    scaled = made_feasible(network, short)
    assert min(network.margins(scaled)) >= 1
    again = family(network, [scaled], limit, 2.0)
    assert again.infeasible == 0
    with pytest.raises(ValueError, match="not feasible"):
        made_feasible(network, 0.9 * limit)
    assert np.isnan(family(network, [], limit, 2.0).ratio)


@pytest.mark.parametrize("epsilon", [0.3, 1e-2, 1e-4])
def test_norms_of_the_papers_points(epsilon):
    for point, expected in (
        (points.second_neuron_helps(epsilon), 8 - 4 * epsilon + 17 * epsilon**2 / 4),
        (points.second_coordinate_helps(epsilon), 2 - epsilon),
        (points.turned_to_neighbours(epsilon), 8 + 8 * epsilon * (epsilon - 1)),
        (points.patches_apart(epsilon), 2 - epsilon / 2 + epsilon**2),
        (points.each_its_own(epsilon), 4 / np.hypot(1, epsilon)),
        (points.far_from_up_and_down(1.0), 7.8125),
        (points.far_from_up_and_down(0.0), 2 + 1.6 + 41 / 16 / 1.6),
    ):
        assert float(norm2(point.tolist())) == pytest.approx(expected, rel=1e-14)


def test_bounds_hold_for_every_multiplier_and_meet_at_the_right_ones():
    x = np.array([[1.0, 0.25], [-1.0, 0.25], [0.0, -1.0]])
    network, _, _ = both({"kind": "two-layer-relu", "width": 2}, x, np.ones(3))
    theta = points.up_and_down(network, np.zeros(6))
    right = np.array([2.0, 2.0, 1.0])
    assert pattern_bound(network, theta, right) == pytest.approx(10.0)
    assert least_height(network, theta) == 0.25
    for index, size in enumerate((5.0, 5.0)):
        assert layer_bound(network, theta, right, index) == pytest.approx(size)
    rng = np.random.default_rng(0)
    for _ in range(20):
        wrong = right * rng.uniform(0, 2, 3)
        assert pattern_bound(network, theta, wrong) <= 10.0 + 1e-12
        assert layer_bound(network, theta, wrong, 0) <= 5.0 + 1e-12
    deep, theta, _ = both(MODELS["deep-relu"])
    with pytest.raises(ValueError, match="depth 2"):
        pattern_bound(deep, theta, np.ones(7))


def test_the_linear_bound():
    x = np.array([[0.5, 0.0], [2.0, 1.0]])
    network, _, _ = both({"kind": "deep-linear", "width": 2, "depth": 3}, x, np.ones(2))
    svm = 2.0  # w = (2, 0)
    assert linear_bound(network) == pytest.approx(3 * svm ** (2 / 3))
    inseparable, _, _ = both(
        {"kind": "deep-linear", "width": 2, "depth": 3},
        np.array([[1.0, 0.0], [-1.0, 0.0]]),
        np.ones(2),
    )
    assert np.isnan(linear_bound(inseparable))


def test_exact_means_exact():
    network, _, _ = both({"kind": "diagonal", "depth": 2}, np.array([[0.1, 0.2]]), np.ones(1))
    theta = [0.1, 0.3, 0.7, 0.9]
    tenth, fifth = Fraction(0.1), Fraction(0.2)
    expected = tenth * Fraction(0.1) * Fraction(0.7) + fifth * Fraction(0.3) * Fraction(0.9)
    assert network.margins(theta) == [expected]
