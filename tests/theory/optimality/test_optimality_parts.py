"""What the verdicts stand on: layered networks, exact margins, suprema of neurons, bounds."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from tests.reference_optimality import margins
from tests.theory.optimality.optimality_cases import paper_cases
from workbench.theory.margin.patterned import PatternedMargins
from workbench.theory.optimality.bounds import group_norm_bound, neuron_bound, product_bound
from workbench.theory.optimality.curvature import null_space_of, rotations
from workbench.theory.optimality.exact_margins import (
    exact_margins,
    exact_norm2,
    made_feasible,
    rounded_up,
)
from workbench.theory.optimality.layered_network import (
    LayeredNetwork,
    diagonal_layers,
    full_layers,
    masked_layers,
    patch_layers,
)
from workbench.theory.optimality.neuron_supremum import neuron_supremum, on_cone, peaks_locally
from workbench.theory.optimality.point import candidate

NETWORKS = [
    (full_layers([4, 3, 1]), 0.0),
    (full_layers([4, 3, 2, 1]), 0.1),
    (full_layers([4, 3, 2, 1]), 1.0),
    (full_layers([4, 1]), 1.0),
    (diagonal_layers(4, 3), 0.0),
    (patch_layers(4, 2), 0.3),
    (masked_layers([np.eye(3, 4, dtype=bool), np.ones((1, 3), bool)]), 0.0),
]


def drawn(case, seed=0):
    index, leak = case
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(5, 4)), np.sign(random.normal(size=5))
    network = LayeredNetwork(index, x, y, leak)
    return network, random.normal(size=network.size), random


@pytest.mark.parametrize("case", NETWORKS)
def test_derivatives_with_gates_held(case):
    network, theta, random = drawn(case)
    assert isinstance(network, PatternedMargins)
    assert network.true_margins(theta) == pytest.approx(margins(network, theta))
    gates, which = network.gates(theta), np.arange(5)
    u, weights, step = random.normal(size=network.size), random.normal(size=5), 1e-5
    rows = network.rows(theta, gates, which)
    ahead, behind = theta + step * u, theta - step * u
    slope = (network.margins(ahead, gates) - network.margins(behind, gates)) / (2 * step)
    assert rows @ u == pytest.approx(slope, abs=1e-8)
    assert rows @ theta == pytest.approx(network.order * network.margins(theta, gates))
    bend = weights @ (network.rows(ahead, gates, which) - network.rows(behind, gates, which))
    curvature = network.curvature(theta, gates, which, weights)
    assert curvature @ u == pytest.approx(bend / (2 * step), abs=1e-8)
    assert network.rows(theta, gates, which[:0]).shape == (0, network.size)


@pytest.mark.parametrize("case", NETWORKS)
def test_kinks(case):
    network, theta, random = drawn(case)
    gates, which, weights = network.gates(theta), np.arange(5), random.normal(size=5)
    pairs = np.array(list(product(range(5), range(len(network.low)))), dtype=np.int64).reshape(
        -1, 2
    )
    heights, rows, jumps = network.kinks(theta, gates, which, weights, pairs)
    assert heights == pytest.approx(network.heights(theta).ravel())
    step = 1e-6 * random.normal(size=network.size)
    change = network.heights(theta + step) - network.heights(theta - step)
    assert rows @ step == pytest.approx(change.ravel() / 2, abs=1e-11)
    for (sample, gate), jump in zip(pairs, jumps, strict=True):
        opened = gates.copy()
        opened[sample, gate] += 1.0
        by = weights @ (network.rows(theta, opened, which) - network.rows(theta, gates, which))
        assert jump == pytest.approx(by)


@pytest.mark.parametrize("case", NETWORKS)
def test_margins_are_exact(case):
    network, theta, _ = drawn(case)
    theta[0] *= 2.0**-60
    assert exact_margins(network, theta) == margins(network, theta, Fraction)
    assert exact_norm2(theta) == sum(Fraction(t) ** 2 for t in theta.tolist())


def test_rounding_directions_and_feasibility():
    third = Fraction(1, 3)
    assert third < Fraction(rounded_up(third)) < third + Fraction(1, 2**54)
    assert rounded_up(Fraction(1, 4)) == 0.25
    for seed in range(20):
        network, theta, _ = drawn(NETWORKS[0], seed)
        everything = np.ones(network.size)
        found = made_feasible(network, theta, everything, 2.0)
        if network.true_margins(theta).min() <= 0:
            assert found is None
            continue
        q = margins(network, found, Fraction)
        assert min(q) >= 1
        assert float(min(q)) < 1 + 1e-12


@pytest.mark.parametrize(
    ("index", "y", "leak", "words"),
    [
        (full_layers([4, 3, 2]), np.ones(5), 0.0, "one output"),
        (full_layers([3, 2, 1]), np.ones(5), 0.0, "columns"),
        (tuple(i + 1 - (i < 0) for i in full_layers([4, 1])), np.ones(5), 0.0, "one layer"),
        (full_layers([4, 1]), np.zeros(5), 0.0, "label"),
        (full_layers([4, 1]), np.ones(5), 2.0, "leak"),
    ],
)
def test_what_is_no_layered_network(index, y, leak, words):
    with pytest.raises(ValueError, match=words):
        LayeredNetwork(index, np.ones((5, 4)), y, leak)


# --- suprema ---


@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_supremum_against_all_angles(leak, seed):
    random = np.random.default_rng(seed)
    count = (5, 5, 3, 12, 40)[seed]
    x, z = random.normal(size=(count, 2)), random.normal(size=count)
    if seed == 3:
        x[::2] = np.round(x[::2])
    # Maxima may sit on kinks, where a grid alone is off to first order.
    ends = np.arctan2(x[:, 0], -x[:, 1])
    t = np.concatenate([np.linspace(0, 2 * np.pi, 200_001), ends, ends + np.pi])
    w = np.column_stack([np.cos(t), np.sin(t)])
    s = w @ x.T
    totals = np.maximum(s, leak * s) @ z
    found = neuron_supremum(x, z, leak)
    slow = np.abs(totals).max()
    assert slow - 1e-12 <= found.value <= slow + 1e-8
    h = x @ found.w
    reached = found.sign * (np.maximum(h, leak * h) @ z)
    assert abs(reached) == pytest.approx(slow, abs=1e-8)


def test_arcs_and_all_patterns_agree():
    """In the plane patterns are those of arcs; with a third number 0 they are all gone through."""
    random = np.random.default_rng(7)
    for leak in (0.0, 0.4):
        x, z = random.normal(size=(8, 2)), random.normal(size=8)
        wide = np.column_stack([x, np.zeros(8)])
        flat, all_of_them = neuron_supremum(x, z, leak), neuron_supremum(wide, z, leak)
        assert flat.value == pytest.approx(all_of_them.value, rel=1e-12)
        assert all_of_them.w[:2] == pytest.approx(flat.w)
    assert neuron_supremum(random.normal(size=(15, 3)), np.ones(15), 0.0) is None


def test_local_peaks():
    """|x|-like sums: concave kinks hold a neuron, convex ones push it off."""
    x = np.array([[0.0, 1.0], [1.0, 0.0]])
    top = np.array([0.0, 1.0])
    assert peaks_locally(x, np.array([1.0, -0.5]), 0.0, top, 1e-9) == pytest.approx(0)
    assert peaks_locally(x, np.array([1.0, 0.5]), 0.0, top, 1e-9) == pytest.approx(0.5)
    assert peaks_locally(x, np.array([0.9, 0.0]), 0.0, top, 1e-9) == pytest.approx(0.1)
    assert peaks_locally(np.eye(3)[[1] * 20], np.ones(20), 0.0, np.eye(3)[0], 1e-9) is None
    assert on_cone(np.array([1.0, -2.0]), np.array([[0.0, 1.0]])) == pytest.approx([1, 0])


# --- bounds ---


def test_bounds_never_exceed_a_feasible_norm():
    """Feasible points drawn at random, and multipliers drawn at random: weak duality."""
    random = np.random.default_rng(0)
    for case in NETWORKS:
        network, theta, _ = drawn(case)
        network = LayeredNetwork(
            network.index,
            network.x,
            np.sign(network.y * network.true_margins(theta) + 1e-30),
            case[1],
        )
        q = network.true_margins(theta)
        if q.min() <= 0:
            continue
        norm2 = float(theta @ theta) * q.min() ** (-2 / network.order)
        assert 0 < product_bound(network) <= norm2
        for _ in range(5):
            weights = random.random(5)
            assert neuron_bound(network, weights) <= norm2
            assert group_norm_bound(network, weights) <= norm2 * (1 + 1e-12)


def test_the_group_norm_problem_of_a_diagonal_network():
    """Depth 2, diagonal, one sample (1, 2): min ‖β‖_1 s.t. β·x ≥ 1 is ½, so ‖θ‖² ≥ 1 (Remark 4.1)."""
    network = paper_cases()["4.1 linear"][0]
    assert group_norm_bound(network, np.ones(1)) == pytest.approx(1, rel=1e-9)
    assert neuron_bound(network, np.ones(1)) == pytest.approx(1, rel=1e-9)


# --- curvature ---


def test_rotations_change_nothing():
    network, theta, _ = drawn((full_layers([4, 3, 2, 1]), 1.0))
    network = LayeredNetwork(
        network.index, network.x, np.sign(network.y * network.true_margins(theta))
    )
    point = candidate(network, theta)
    turns = rotations(point, point.gates, np.zeros(0, dtype=np.int64))
    assert len(turns) == 3 + 1
    assert turns @ point.theta == pytest.approx(0, abs=1e-12)
    assert network.rows(point.theta, point.gates, np.arange(5)) @ turns.T == pytest.approx(
        0, abs=1e-10
    )
    basis = null_space_of(turns)
    assert basis.shape == (network.size, network.size - 4)
    assert turns @ basis == pytest.approx(0, abs=1e-10)
