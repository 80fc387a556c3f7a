"""One neuron on inputs of one number: the closed forms against cells, and against the flow in small steps."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.ncf.frozen_residual import frozen_paths
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.kkt_cells import kkt_cells
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind

TWO = NeuronKind.TWO_LAYER_RELU
LEAKS = (0.0, 0.4, 1.0, -0.3)


def case(seed, leak):
    """Data whose two slopes have either sign."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(7, 1)), rng.normal(size=7), leak


def slopes(x, z, leak):
    """a₊ and a₋ by the definition: Σ z σ(x) and −Σ z σ(−x)."""

    def sigma(s):
        return np.where(s > 0, s, leak * s)

    return float(z @ sigma(x[:, 0])), -float(z @ sigma(-x[:, 0]))


def walked(w, x, z, leak, radius, *, step=1e-3, most=40_000):
    """(direction at the end, time at which ‖w‖ = radius) by Euler steps of the flow itself; ∞ if never."""
    v, u = w
    a, b = slopes(x, z, leak)
    left = np.inf
    for k in range(most):
        size = np.hypot(v, u)
        if size >= radius:
            left = k * step
            break
        if size < 1e-4 * np.hypot(*w):
            break
        above, below = a * v, b * v
        if u > 0 or (u == 0 and above > 0 and below >= 0):
            pull = above
        elif u < 0 or (u == 0 and below < 0 and above <= 0):
            pull = below
        else:
            pull = 0.0
        moved = u + step * pull
        # Nobody jumps over the kink: a step that would ends on it.
        v, u = v + step * (a if u > 0 else b) * u, 0.0 if moved * u < 0 else moved
    return np.array([v, u]) / np.hypot(v, u), left


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("seed", range(6))
def test_points_against_the_cells(seed, leak):
    x, z, leak = case(seed, leak)
    ncf = Ncf(x, z, TWO, leak)
    found, slow = kkt_points(ncf), kkt_cells(ncf)
    assert found.complete
    assert len(found.points) == len(slow.points)
    for p, q in zip(found.points, slow.points, strict=True):
        near = min(slow.points, key=lambda s: float(np.linalg.norm(s.direction - p.direction)))
        assert np.abs(near.direction - p.direction).max() < 1e-12
        assert (near.kind, near.kinks) == (p.kind, p.kinks)
        assert p.value == pytest.approx(q.value, abs=1e-12)
        assert p.residual < 1e-14
    assert sum(p.basin for p in found.points) == 1.0


def test_a_coordinate_of_a_linear_network():
    """N = w_1 w_2 Σ z_i x_i: |w_1| = |w_2| = 1/√2."""
    x, z, _ = case(3, 1.0)
    c = float(z @ x[:, 0])
    found = kkt_points(Ncf(x, z, TWO, 1.0))
    assert [p.kind for p in found.points] == ["max", "max", "min", "min"]
    assert found.values == pytest.approx([abs(c) / 2, abs(c) / 2, -abs(c) / 2, -abs(c) / 2])
    assert np.abs(found.directions) == pytest.approx(2**-0.5)
    assert [p.basin for p in found.points] == [0.5, 0.5, 0.0, 0.0]


def test_sides_without_a_slope_are_flat():
    x, z = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 1.0, -1.0])
    found = kkt_points(Ncf(x, z, TWO, 0.0))
    assert [(p.kind, p.basin) for p in found.points] == [("flat", 1.0)]
    z = np.array([1.0, 1.0, 0.0])
    found = kkt_points(Ncf(x, z, TWO, 0.0))
    assert [p.kind for p in found.points] == ["max", "flat", "min"]
    assert [p.basin for p in found.points] == [0.375, 0.625, 0.0]
    assert found.points[1].direction.tolist() == [0.0, -1.0]


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("seed", range(2))
def test_ways_and_times_against_small_steps(seed, leak):
    x, z, leak = case(seed, leak)
    z = z / np.abs(z @ x[:, 0])
    ncf = Ncf(x, z, TWO, leak)
    found = kkt_points(ncf)
    angle = 2 * np.pi * (np.arange(9) + 0.4) / 9
    start = 0.1 * np.column_stack([np.cos(angle), np.sin(angle)])
    got = frozen_paths(start, ncf, found, 0.5)
    for k, w in enumerate(start):
        direction, left = walked(w, x, z, leak, 0.5)
        if np.isfinite(left):
            assert got.escape_time[k] == pytest.approx(left, rel=5e-3, abs=5e-3)
            assert found.points[got.target[k]].direction @ direction > 0.9
        else:
            assert not got.escape_time[k] < 40.0
    assert (got.target >= 0).all()


def test_shares_of_directions_are_what_starts_do():
    for seed in range(8):
        x, z, leak = case(seed, 0.0)
        ncf = Ncf(x, z, TWO, leak)
        found = kkt_points(ncf)
        angle = 2 * np.pi * (np.arange(4_000) + 0.5) / 4_000
        start = np.column_stack([np.cos(angle), np.sin(angle)])
        got = frozen_paths(start, ncf, found, 2.0)
        share = np.bincount(got.target, minlength=len(found.points)) / len(angle)
        assert share == pytest.approx([p.basin for p in found.points], abs=1e-3)


def test_starts_on_the_axes():
    """From u = 0 a linear neuron leaves, a ReLU stays as its derivative at 0 is 0; from v = 0 both leave."""
    x, z = np.array([[1.0], [-2.0]]), np.array([1.0, -1.0])
    start = np.array([[1e-150, 0.0], [0.0, 1e-3], [0.0, 0.0]])
    for leak, still in ((1.0, False), (0.0, True)):
        ncf = Ncf(x, z, TWO, leak)
        found = kkt_points(ncf)
        got = frozen_paths(start, ncf, found, 1.0)
        assert np.isinf(got.escape_time[0]) == still
        assert np.isfinite(got.escape_time[1])
        assert got.target[2] == -1
    # ‖w‖² = 1e−300 cosh 2at, and a is 3.
    assert got.escape_time[1] == pytest.approx(np.arccosh(1e6) / 2.0, rel=1e-12)
