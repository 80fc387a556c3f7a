"""Exact KKT points in the plane: against dense grids, slow enumeration and the paper's numbers."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tests import reference_ncf as ref
from workbench.theory.ncf.kkt_circle import kkt_circle
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU


def kh24_inputs(offset: float = 0.0):
    angle = np.deg2rad(7.2 * (np.arange(50) + offset))
    return np.column_stack([np.cos(angle), np.sin(angle)])


def kh24_labels(x):
    return 5 * np.maximum(0, x[:, 0]) ** 2 + 4 * np.maximum(0, -x[:, 0]) ** 2


def degrees(point):
    u = point.direction[-2:]
    return float(np.rad2deg(np.arctan2(u[1], u[0])) % 360)


def apart(a, b):
    return np.abs(np.mod(np.asarray(a) - b + np.pi, 2 * np.pi) - np.pi)


def angles_of(points):
    return np.array([np.arctan2(p.direction[-1], p.direction[-2]) for p in points])


def inside_flat(theta, points, slack=0.0):
    inside = np.zeros(len(theta), dtype=bool)
    for p in points:
        if p.kind == "flat" and p.extent.angles is not None:
            start, end = p.extent.angles
            inside |= np.mod(theta - start + slack, 2 * np.pi) <= end - start + 2 * slack
    return inside


def check_against_grid(case, kind, count):
    """Every extremum on the grid is a reported one, and every separate reported one is on the grid."""
    found = kkt_circle(Ncf(case.x, case.z, kind, case.leak))
    assert found.complete
    power = 2 if kind is SQUARED else 1
    step = 2 * np.pi / count
    maxima, minima = ref.grid_extrema(ref.circle_values(case.x, case.z, case.leak, power), count)
    points = found.points
    if kind is TWO_LAYER:
        points = [p for p in points if p.direction[0] > 0 and p.direction[1:].any()] + [
            p for p in points if p.kind == "flat"
        ]
    everywhere = angles_of(points)
    g = ref.circle_values(case.x, case.z, case.leak, power)
    for wanted, on_grid in ((1, maxima), (-1, minima)):
        here = [
            p for p in points if p.kind != "flat" and is_extremum(p, wanted, g, everywhere, step)
        ]
        null = [p for p in points if p.kind == "flat" and p.extent.shape == "meridian"]
        on_grid = on_grid[~inside_flat(on_grid, points, 2 * step)]
        for theta in on_grid:
            assert apart(angles_of([*here, *null]), theta).min(initial=9) <= 2 * step, (
                case.name,
                theta,
            )
        for p in here:
            theta = angles_of([p])[0]
            others = everywhere[apart(everywhere, theta) > 0]
            if apart(others, theta).min(initial=9) > 4 * step:
                assert apart(on_grid, theta).min(initial=9) <= 2 * step, (case.name, theta)


def is_extremum(point, sign, g, everywhere, step):
    """Whether the report calls the point an extremum of this sign on the circle."""
    if len(point.direction) == 2:
        return point.kind == ("max" if sign > 0 else "min")
    if point.kind in ("max", "min"):
        return point.kind == ("max" if sign > 0 else "min")
    theta = np.arctan2(point.direction[2], point.direction[1])
    others = everywhere[apart(everywhere, theta) > 0]
    h = min(1e-4, 0.2 * apart(others, theta).min(initial=1.0))
    around = g(np.array([theta - h, theta, theta + h]))
    return bool((sign * (around[1] - around[[0, 2]]) > 0).all())


@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("seed", range(24))
def test_grid_finds_what_is_reported_and_nothing_else(seed, kind):
    check_against_grid(ref.make_case(seed), kind, 60_000)


@pytest.mark.full
@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("seed", range(100, 300))
def test_grid_of_a_million_points(seed, kind):
    check_against_grid(ref.make_case(seed), kind, 1_000_000)


def check_squared_set(case):
    found = kkt_circle(Ncf(case.x, case.z, SQUARED, case.leak))
    slow, _ = ref.squared_kkt(case.x, case.z, case.leak)
    mine = [p.direction for p in found.points if p.kind != "flat"]
    for u in slow:
        theta = np.array([np.arctan2(u[1], u[0])])
        assert ref.nearest(u, mine) < 1e-6 or inside_flat(theta, found.points, 1e-6)[0], case.name
    for u in mine:
        assert ref.nearest(u, slow) < 1e-6, (case.name, u)


@pytest.mark.parametrize("seed", range(30))
def test_squared_points_are_the_eigenvectors_in_their_cells(seed):
    check_squared_set(ref.make_case(seed))


def check_two_layer_points(case):
    """Each reported point satisfies λw ∈ ∂N(w), with ∂g from probing around u."""
    found = kkt_circle(Ncf(case.x, case.z, TWO_LAYER, case.leak))
    scale = max(np.abs(case.z) @ np.linalg.norm(case.x, axis=1), 1e-300)
    for p in found.points:
        v, u = p.direction[0], p.direction[1:]
        g = ref.linear(u, case.x, case.z, case.leak)
        assert p.value == pytest.approx(v * g, abs=1e-12 * scale)
        assert p.multiplier == pytest.approx(2 * p.value)
        assert abs(2 * v * g * v - g) <= 1e-9 * scale, case.name
        vertices = ref.clarke_vertices(u, case.x, case.z, case.leak)
        assert ref.hull_distance(2 * v * g * u, v * vertices) <= 1e-7 * scale, (case.name, p)
        if v != 0 and abs(v) < 1:
            assert abs(v) == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("seed", range(30))
def test_two_layer_points_satisfy_the_clarke_condition(seed):
    check_two_layer_points(ref.make_case(seed))


@pytest.mark.full
@pytest.mark.parametrize("seed", range(300, 500))
def test_many_cases_by_slow_enumeration(seed):
    check_squared_set(ref.make_case(seed))
    check_two_layer_points(ref.make_case(seed))


@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("seed", range(30))
def test_residuals_vanish_and_basins_fill_the_circle(seed, kind):
    case = ref.make_case(seed)
    found = kkt_circle(Ncf(case.x, case.z, kind, case.leak))
    assert found.points
    assert max(p.residual for p in found.points) <= 1e-11
    assert sum(p.basin for p in found.points) == pytest.approx(1.0)
    assert list(found.values) == sorted(found.values, reverse=True) or np.all(
        np.diff(found.values) <= 1e-11
    )


@pytest.mark.parametrize("seed", [0, 3, 5, 12, 21])
def test_basins_agree_with_integrated_flow(seed):
    case = ref.make_case(seed)
    found = kkt_circle(Ncf(case.x, case.z, SQUARED, case.leak))
    count = 600
    theta = 2 * np.pi * (np.arange(count) + 0.5) / count
    u = np.column_stack([np.cos(theta), np.sin(theta)])
    bound = np.abs(case.z) @ np.sum(case.x**2, axis=1)
    for _ in range(4000):
        s = u @ case.x.T
        gradient = (ref.sigma(s, case.leak) * np.where(s > 0, 1, case.leak) * case.z) @ case.x
        u = u + gradient * 2 / max(bound, 1e-300)
        u /= np.linalg.norm(u, axis=1, keepdims=True)
    end = np.arctan2(u[:, 1], u[:, 0])
    for p in found.of_kind("max"):
        near = apart(end, angles_of([p])[0]) < 0.02
        assert near.mean() == pytest.approx(p.basin, abs=0.01), case.name


def test_kh24_circle_has_exactly_four_points():
    x = kh24_inputs()
    found = kkt_circle(Ncf(x, kh24_labels(x), SQUARED))
    assert [p.kind for p in found.points] == ["max", "max", "min", "min"]
    assert [p.value for p in found.points] == pytest.approx([46.875, 37.5, *2 * [13.921459568]])
    assert [degrees(p) for p in found.points[1:]] == pytest.approx([180, 94.076653, 265.923347])
    assert apart(np.deg2rad(degrees(found.points[0])), 0.0) < 1e-12
    assert found.points[0].multiplier == pytest.approx(93.75)


def test_kh24_half_step_offset_puts_maxima_on_lines_whose_labels_vanish():
    """The inputs at ±90° are orthogonal to the maxima; their labels are 0 up to rounding: no kink."""
    x = kh24_inputs(0.5)
    found = kkt_circle(Ncf(x, kh24_labels(x), SQUARED))
    assert [p.kind for p in found.points] == ["max", "max", "min", "min"]
    assert [p.kinks for p in found.points] == [0, 0, 0, 0]
    assert [degrees(p) for p in found.points[1:2]] == pytest.approx([180])
    labels = np.where(np.abs(x[:, 0]) < 1e-9, 1.0, kh24_labels(x))
    bent = kkt_circle(Ncf(x, labels, SQUARED))
    assert [p.kind for p in bent.points] == ["max", "max", "min", "min"]
    assert [p.value for p in found.points[:2]] == pytest.approx([46.875, 37.5])


@pytest.mark.parametrize(("offset", "half_width"), [(0.0, 3.6), (0.5, 7.2)])
def test_kh24_figure_4_residual_has_one_flat_arc(offset, half_width):
    x = kh24_inputs(offset)
    found = kkt_circle(Ncf(x, 4 * np.maximum(0, -x[:, 0]) ** 2, SQUARED))
    top, flat = found.points
    assert (top.kind, flat.kind) == ("max", "flat")
    assert top.value == pytest.approx(37.5)
    assert degrees(top) == pytest.approx(180)
    start, end = np.rad2deg(flat.extent.angles)
    assert (start, end) == pytest.approx((360 - half_width, 360 + half_width))
    assert flat.value == pytest.approx(0.0, abs=1e-30)
    assert flat.basin == pytest.approx(2 * half_width / 360)


@pytest.mark.parametrize("leak", ref.LEAKS)
def test_symmetric_data_squared_relu_gives_eigenvectors(leak):
    """KH24 G.1 with labels +y_i on the mirrored points."""
    rng = np.random.default_rng(3)
    half, y = rng.normal(size=(7, 2)), rng.normal(size=7)
    matrix = (1 + leak**2) * (half * y[:, None]).T @ half
    values, vectors = np.linalg.eigh(matrix)
    found = kkt_circle(Ncf(np.vstack([half, -half]), np.append(y, y), SQUARED, leak))
    assert found.values == pytest.approx(np.repeat(values[::-1], 2))
    assert [p.kind for p in found.points] == ["max", "max", "min", "min"]
    for p in found.points[:2]:
        assert abs(p.direction @ vectors[:, 1]) == pytest.approx(1.0)


@pytest.mark.parametrize("leak", ref.LEAKS)
def test_symmetric_data_two_layer_relu_follows_q(leak):
    """KH24 G.2: v = ±1/√2, u = ±q/(√2‖q‖), and v = 0 with u ⊥ q."""
    rng = np.random.default_rng(4)
    half, y = rng.normal(size=(7, 2)), rng.normal(size=7)
    q = y @ half
    found = kkt_circle(Ncf(np.vstack([half, -half]), np.append(y, -y), TWO_LAYER, leak))
    top = (1 + leak) * np.linalg.norm(q) / 2
    assert found.values == pytest.approx([top, top, 0, 0, -top, -top], abs=1e-12)
    for p in found.points[:2]:
        sign = np.sign(p.direction[0])
        expected = np.append(sign, sign * q / np.linalg.norm(q)) / np.sqrt(2)
        assert p.direction == pytest.approx(expected)
    for p in found.points[2:4]:
        assert p.direction[0] == 0
        assert p.direction[1:] @ q == pytest.approx(0.0, abs=1e-12)


def test_lemma_h1_lifts_points_of_the_inner_problem():
    """KH24 Lemma H.1: |v| = ‖u‖ = 1/√2 and N = ±g(û)/2 at every KKT point with N ≠ 0."""
    case = ref.make_case(40)
    for p in kkt_circle(Ncf(case.x, case.z, TWO_LAYER, case.leak)).points:
        if abs(p.value) > 1e-9:
            v, u = p.direction[0], p.direction[1:]
            assert abs(v) == pytest.approx(np.sqrt(0.5))
            g = ref.linear(u * np.sqrt(2), case.x, case.z, case.leak)
            assert p.value == pytest.approx(np.sign(v) * g / 2)


def test_linear_leak_leaves_one_cell():
    """α = 1: N is a quadratic form (squared) or bilinear (two-layer)."""
    rng = np.random.default_rng(6)
    x, z = rng.normal(size=(9, 2)), rng.normal(size=9)
    ncf = Ncf(x, z, SQUARED, 1.0)
    assert kkt_circle(ncf).statistics["cells"] == 1
    assert len(kkt_circle(ncf).points) == 4
    assert kkt_circle(Ncf(x, z, TWO_LAYER, 1.0)).values[:2] == pytest.approx(
        2 * [np.linalg.norm(z @ x) / 2]
    )


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_nothing_to_correlate_with_is_one_flat_set(kind):
    for x, z in (
        (np.eye(2), np.zeros(2)),
        (np.zeros((3, 2)), np.ones(3)),
        (np.zeros((0, 2)), np.zeros(0)),
    ):
        (only,) = kkt_circle(Ncf(x, z, kind)).points
        assert only.kind == "flat"
        assert only.value == 0
        assert only.extent.angles == pytest.approx((0.0, 2 * np.pi))
        assert only.basin == pytest.approx(1.0)


def test_one_sample_squared_relu():
    """N = z max(0, x·u)²: a maximum along x and the half circle where the neuron is dead."""
    top, flat = kkt_circle(Ncf(np.array([[0.0, 2.0]]), np.array([1.5]), SQUARED)).points
    assert (top.kind, top.value, degrees(top)) == ("max", pytest.approx(6.0), pytest.approx(90.0))
    assert np.rad2deg(flat.extent.angles) == pytest.approx([180, 360])
    assert flat.basin == pytest.approx(0.5)


def test_dead_two_layer_neurons_are_a_sector():
    """One sample, ReLU: every u with x·u ≤ 0 is stationary for any v."""
    points = kkt_circle(Ncf(np.array([[0.0, 1.0]]), np.array([1.0]), TWO_LAYER)).points
    assert [p.kind for p in points] == ["max", "flat", "min"]
    assert points[1].extent.shape == "sector"
    assert np.rad2deg(points[1].extent.angles) == pytest.approx([180, 360])


def test_noise_below_the_tolerance_is_flat():
    x = kh24_inputs()
    z = np.where(x[:, 0] < -1e-9, 1.0, 0.0)
    noisy = z + 1e-17 * np.random.default_rng(0).normal(size=50)
    kinds = [p.kind for p in kkt_circle(Ncf(x, noisy, SQUARED)).points]
    assert kinds == [p.kind for p in kkt_circle(Ncf(x, z, SQUARED)).points]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="d = 2"):
        kkt_circle(Ncf(np.ones((3, 3)), np.ones(3), SQUARED))
    with pytest.raises(ValueError, match="leak"):
        kkt_circle(Ncf(np.ones((3, 2)), np.ones(3), SQUARED, -1.0))
    with pytest.raises(ValueError, match="finite"):
        kkt_circle(Ncf(np.full((3, 2), np.nan), np.ones(3), SQUARED))
    with pytest.raises((ValueError, TypeError)):
        kkt_circle(Ncf(np.ones((3, 2)), np.ones(4), SQUARED))


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_ten_thousand_samples_take_less_than_a_second(kind):
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(10_000, 2)), rng.normal(size=10_000)
    start = time.process_time()
    found = kkt_circle(Ncf(x, z, kind))
    assert time.process_time() - start < 1.0
    assert max(p.residual for p in found.points) < 1e-13
