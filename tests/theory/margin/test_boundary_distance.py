"""Distances to the boundary of two-layer networks against every cell, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference_attack import every_cell
from workbench.theory.margin.boundary_distance import TwoLayer, boundary_distance
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.numerics.nearest_in_polyhedron import nearest_in_polyhedron

FAR = 20.0
LEAKS = (0.0, 0.1, -0.3, 1.5)


def drawn(rng, h, d, *, box, leak):
    """A random network around a point that it classifies, dead neurons and biases included."""
    weight = rng.standard_normal((h, d))
    x = rng.random(d) if box else rng.standard_normal(d)
    heights = weight @ x + 0.3 * rng.standard_normal(h) * rng.integers(0, 2)
    c, offset = rng.standard_normal(h), 0.1 * float(rng.standard_normal() * rng.integers(0, 2))
    if c @ np.maximum(heights, leak * heights) + offset < 0:
        c, offset = -c, -offset
    low = -x if box else np.full(d, -np.inf)
    high = 1.0 - x if box else np.full(d, np.inf)
    return TwoLayer(weight, heights, c, offset, leak, low, high)


def margin(network, delta):
    return float(network.c @ network.act(network.heights + network.weight @ delta)) + network.offset


@pytest.mark.parametrize("count", [30, pytest.param(600, marks=pytest.mark.full)])
def test_the_search_finds_what_all_cells_hold(count):
    rng = np.random.default_rng(count)
    reached = 0
    for number in range(count):
        network = drawn(
            rng,
            int(rng.integers(1, 8)),
            int(rng.integers(1, 5)),
            box=bool(number % 2),
            leak=LEAKS[number % 4],
        )
        wanted = min(every_cell(network), FAR)
        found = boundary_distance(network, FAR, 100_000)
        assert found.outcome.converged
        assert found.low <= wanted * (1 + 1e-9)
        assert found.low == pytest.approx(wanted, rel=1e-7, abs=1e-11)
        if wanted < FAR:
            reached += 1
            nearest = found.candidates[-1]
            assert np.linalg.norm(nearest) == pytest.approx(wanted, rel=1e-7, abs=1e-11)
            assert margin(network, nearest) == pytest.approx(0.0, abs=1e-9)
            assert (nearest >= network.low - 1e-9).all()
            assert (nearest <= network.high + 1e-9).all()
    assert reached > count / 2


def test_rows_that_are_all_but_infeasible_still_bound_from_below():
    """Multipliers of 1e15 leave nothing of the certificate: one row alone is one, and says so."""
    rows = np.array([
        [0.054214443662532266, -0.9526896774726007, 0.2990705143198073],
        [0.04336952347936781, -0.9504877428758759, 0.3077208720186127],
        [-0.07535951912734704, 0.539482728580677, 0.838617510215499],
        [-0.5451287237305779, -0.7615575582947622, 0.35052069834460736],
        [0.8223624512829831, -0.20876593473821115, -0.5292794944192758],
        [0.0, 1.0, 0.0],
    ])  # fmt: skip
    levels = np.array([0.4995976855778651, 0.5009818860772032, -0.7196466387250243,
                       0.8032437691485471, -0.2197311497324914, -0.7305321058110211])  # fmt: skip
    open_box = np.full(3, np.inf)
    found = nearest_in_polyhedron(rows, levels, -open_box, open_box)
    assert not found.outcome.converged
    assert 0.8 < found.bound <= levels.max()


def test_a_search_that_is_cut_short_bounds_from_below_and_says_so():
    rng = np.random.default_rng(3)
    short = 0
    for _ in range(8):
        network = drawn(rng, 24, 4, box=False, leak=0.0)
        whole = boundary_distance(network, FAR, 50_000)
        cut = boundary_distance(network, FAR, 5)
        assert whole.outcome.converged
        assert cut.low <= whole.low * (1 + 1e-9)
        short += not cut.outcome.converged
    assert short > 2


def test_a_known_distance_shortens_the_search_and_bounds_the_answer():
    network = drawn(np.random.default_rng(0), 30, 5, box=False, leak=0.0)
    whole = boundary_distance(network, FAR, 50_000)
    known = boundary_distance(network, whole.low * (1 + 1e-9), 50_000)
    assert known.outcome.iterations <= whole.outcome.iterations
    assert known.low == pytest.approx(whole.low, rel=1e-7)
    half = boundary_distance(network, 0.5 * whole.low, 50_000)
    assert (half.low, len(half.candidates)) == (pytest.approx(0.5 * whole.low), 0)


def test_the_nearest_point_of_a_polyhedron():
    rng = np.random.default_rng(1)
    for number in range(60):
        rows = rng.standard_normal((int(rng.integers(1, 6)), 4))
        levels = rng.standard_normal(len(rows))
        walls = np.full(4, 0.7 if number % 2 else np.inf)
        found = nearest_in_polyhedron(rows, levels, -walls, walls)
        if not (levels > 0).any():
            assert found.bound == 0.0
            continue
        if number % 2:
            rows = np.concatenate([rows, np.eye(4), -np.eye(4)])
            levels = np.concatenate([levels, np.full(8, -0.7)])
        wanted = least_distance(rows, levels)
        if not wanted.feasible:
            assert found.bound > 1e6
            continue
        assert found.bound <= np.linalg.norm(wanted.w) * (1 + 1e-12)
        assert found.bound == pytest.approx(np.linalg.norm(wanted.w), rel=1e-9)
        assert np.allclose(found.delta, wanted.w, atol=1e-9)
