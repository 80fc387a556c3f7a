"""KKT points by cell enumeration: against the circle, slow enumeration, Euler's count and G.1, G.2."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest

from tests import reference_ncf as ref
from workbench.theory.ncf.kkt_cells import kkt_cells
from workbench.theory.ncf.kkt_circle import kkt_circle
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.arrangement import cell_bound, enumerate_faces

SQUARED, TWO_LAYER = NeuronKind.SQUARED_RELU, NeuronKind.TWO_LAYER_RELU


def normals(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("m", "d"), [(5, 2), (4, 3), (12, 3), (9, 4), (8, 5), (3, 5)])
def test_generic_arrangements_have_zaslavskys_number_of_cells(m, d):
    axis = normals(np.random.default_rng(m).normal(size=(m, d)))
    faces = enumerate_faces(axis)
    assert faces.simple
    assert len(faces.cells) == cell_bound(m, min(m, d))
    assert len(np.unique(faces.signs, axis=0)) == len(faces.signs)


@pytest.mark.parametrize(("d", "count", "faces"), [(2, 8, 17), (3, 48, 147), (4, 384, 1697)])
def test_the_reflections_of_the_cube_have_as_many_cells_as_symmetries(d, count, faces):
    rows = [v for v in product((-1, 0, 1), repeat=d) if 1 <= np.abs(v).sum() <= 2]
    rows = [v for v in rows if next(c for c in v if c) > 0]
    axis = normals(np.array(rows, dtype=float))
    assert len(enumerate_faces(axis).cells) == count
    assert len(enumerate_faces(axis).signs) == faces
    assert len(enumerate_faces(axis, cells_only=True).signs) == count
    wider = np.hstack([axis, np.zeros((len(axis), 2))])
    assert len(enumerate_faces(wider).cells) == count


def check_circle_and_cells_agree(seed, kind):
    case = ref.make_case(seed)
    ncf = Ncf(case.x, case.z, kind, case.leak)
    circle = kkt_circle(ncf)
    cells = kkt_cells(ncf)
    assert cells.complete

    def isolated(found):
        kept = [p for p in found.points if p.kind != "flat"]
        return [p for p in kept if kind is SQUARED or p.direction[0] != 0]

    one, other = isolated(circle), isolated(cells)
    assert len(one) == len(other), case.name
    for p in one:
        near = [q for q in other if np.linalg.norm(p.direction - q.direction) < 1e-6]
        assert [q.kind for q in near] == [p.kind], case.name
    flat = [p for p in cells.of_kind("flat") if p.extent.shape != "zero-set"]
    assert len(flat) == len(circle.of_kind("flat")), case.name


@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("seed", range(24))
def test_circle_and_cells_agree_in_the_plane(seed, kind):
    check_circle_and_cells_agree(seed, kind)


@pytest.mark.full
@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_circle_and_cells_agree_on_many(seed, kind):
    check_circle_and_cells_agree(seed, kind)


def in_some_flat(u, found):
    """Whether N has the value of a flat set and u lies in that set's hull."""
    for p in found.of_kind("flat"):
        basis = p.extent.basis
        if np.linalg.norm(u - (u @ basis.T) @ basis) < 1e-6:
            return True
    return False


def check_squared_in_space(case):
    found = kkt_cells(Ncf(case.x, case.z, SQUARED, case.leak))
    slow, _ = ref.squared_kkt(case.x, case.z, case.leak)
    mine = [p.direction for p in found.points if p.kind != "flat"]
    for u in slow:
        assert ref.nearest(u, mine) < 1e-6 or in_some_flat(u, found), (case.name, u)
    for u in mine:
        assert ref.nearest(u, slow) < 1e-6 or check_stationary(u, case), (case.name, u)
    assert max((p.residual for p in found.points), default=0) < 1e-9


def check_stationary(u, case):
    """∇N ∥ u by central differences: for isolated members of repeated eigenspaces."""
    h = 1e-6
    gradient = np.array(
        [
            (
                ref.squared(u + h * e, case.x, case.z, case.leak)
                - ref.squared(u - h * e, case.x, case.z, case.leak)
            )
            / (2 * h)
            for e in np.eye(len(u))
        ]
    )
    return np.linalg.norm(gradient - (gradient @ u) * u) < 1e-5 * (1 + np.linalg.norm(gradient))


@pytest.mark.parametrize("seed", range(16))
def test_squared_points_in_space_by_slow_enumeration(seed):
    check_squared_in_space(ref.make_case(seed, d=3, n_max=9))


def check_two_layer_in_space(case):
    found = kkt_cells(Ncf(case.x, case.z, TWO_LAYER, case.leak))
    slow = ref.two_layer_directions(case.x, case.z, case.leak)
    scale = np.abs(case.z) @ np.linalg.norm(case.x, axis=1)
    live = [p for p in found.points if p.kind != "flat" and 0 < abs(p.direction[0]) < 0.9]
    mine = [p.direction[1:] * np.sqrt(2) for p in live]
    for u in slow:
        value = ref.linear(u, case.x, case.z, case.leak)
        if abs(value) > 1e-9 * scale:
            assert ref.nearest(u, mine) < 1e-6, (case.name, u)
    for u in mine:
        assert ref.nearest(u, slow) < 1e-6, (case.name, u)
    assert max((p.residual for p in found.points), default=0) < 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_two_layer_points_in_space_by_slow_enumeration(seed):
    check_two_layer_in_space(ref.make_case(seed, d=3, n_max=7))


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 300))
def test_space_by_slow_enumeration_on_many(seed):
    check_squared_in_space(ref.make_case(seed, d=3, n_max=9))
    check_two_layer_in_space(ref.make_case(seed, d=3, n_max=7))


@pytest.mark.parametrize("leak", ref.LEAKS)
@pytest.mark.parametrize("n", [6, 40])
def test_euler_characteristic_of_the_sphere(n, leak):
    """Maxima − saddles + minima = 2 for a Morse function on S²: nothing missed, nothing invented."""
    rng = np.random.default_rng(n)
    x, z = rng.normal(size=(n, 3)), rng.normal(size=n)
    found = kkt_cells(Ncf(x, z, SQUARED, leak))
    if not found.of_kind("flat"):
        extrema = len(found.of_kind("max", "min"))
        assert extrema - len(found.of_kind("saddle")) == 2
    else:
        assert leak == 0.0


def along_kinks(h, w, x):
    """Directions without their part across the data planes through w, where N is smooth."""
    u = w[-x.shape[1] :]
    planes = x[(np.abs(x @ u) <= 1e-9 * np.linalg.norm(x, axis=1))]
    basis = np.linalg.svd(planes, full_matrices=False)[2] if len(planes) else planes
    rank = np.linalg.matrix_rank(planes) if len(planes) else 0
    across = np.hstack([np.zeros((rank, len(w) - len(u))), basis[:rank]])
    return h - (h @ across.T) @ across


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_kinds_agree_with_probing(seed):
    """Kinds against N at points around each direction, along the whole tangent sphere."""
    case = ref.make_case(seed, d=3, n_max=12)
    rng = np.random.default_rng(seed)
    for kind in NeuronKind:
        for p in kkt_cells(Ncf(case.x, case.z, kind, case.leak)).points:
            if p.kind == "flat" or abs(p.direction[0]) == 1:
                continue
            h = rng.normal(size=(600, len(p.direction)))
            h = np.vstack([h, along_kinks(h, p.direction, case.x)])
            h -= (h @ p.direction)[:, None] * p.direction
            near = p.direction + 1e-4 * normals(h)
            near = normals(near)
            if kind is SQUARED:
                values = ref.squared(near.T, case.x, case.z, case.leak)
            else:
                values = near[:, 0] * ref.linear(near[:, 1:].T, case.x, case.z, case.leak)
            up, down = (values > p.value + 1e-12).any(), (values < p.value - 1e-12).any()
            assert {(True, True): "saddle", (False, True): "max", (True, False): "min"}[
                (up, down)
            ] == p.kind, (case.name, p)


@pytest.mark.parametrize("d", [3, 4, 5])
@pytest.mark.parametrize("leak", [0.0, -0.5])
def test_symmetric_data(d, leak):
    """KH24 G.1 and G.2 in higher dimension: one cell, eigenvectors, and the flat set u ⊥ q."""
    rng = np.random.default_rng(d)
    half, y = rng.normal(size=(9, d)), rng.normal(size=9)
    x = np.vstack([half, -half])
    values = np.linalg.eigvalsh((1 + leak**2) * (half * y[:, None]).T @ half)
    squared = kkt_cells(Ncf(x, np.append(y, y), SQUARED, leak))
    assert squared.values == pytest.approx(np.repeat(values[::-1], 2))
    assert [len(squared.of_kind(k)) for k in ("max", "saddle", "min")] == [2, 2 * d - 4, 2]
    q = y @ half
    two = kkt_cells(Ncf(x, np.append(y, -y), TWO_LAYER, leak))
    top = (1 + leak) * np.linalg.norm(q) / 2
    assert two.values == pytest.approx([top, top, 0, -top, -top], abs=1e-12)
    (flat,) = two.of_kind("flat")
    assert flat.extent.shape == "zero-set"
    assert flat.extent.basis.shape == (d - 1, d + 1)
    assert np.abs(flat.extent.basis[:, 1:] @ q).max() < 1e-12


def test_repeated_eigenvalue_is_one_flat_set():
    """Σ z x xᵀ = I on mirrored data: every direction is a KKT point."""
    x = np.vstack([np.eye(3), -np.eye(3)])
    (flat,) = kkt_cells(Ncf(x, np.ones(6), SQUARED, 0.3)).points
    assert (flat.kind, flat.value, len(flat.extent.basis)) == ("flat", pytest.approx(1.09), 3)


def test_dead_cell_with_its_walls_is_one_flat_set():
    """ReLU on one orthant's axes: dead for u ≤ 0, and each octant boundary adds nothing isolated."""
    found = kkt_cells(Ncf(np.eye(3), np.array([3.0, 2.0, 1.0]), SQUARED))
    (flat,) = found.of_kind("flat")
    assert flat.value == 0
    assert (flat.direction < 0).all()
    tops = {tuple(p.direction.round(6) + 0.0) for p in found.points if p.kind != "flat"}
    assert {(1, 0, 0), (0, 1, 0), (0, 0, 1)} <= tops


@pytest.mark.parametrize("kind", list(NeuronKind))
@pytest.mark.parametrize("d", [1, 3, 4])
def test_nothing_to_correlate_with(kind, d):
    found = kkt_cells(Ncf(np.ones((2, d)), np.zeros(2), kind))
    assert found.complete
    assert all(p.value == 0 for p in found.points)
    if d > 1:
        assert [p.kind for p in found.points] == ["flat"]


def test_cap_is_said():
    rng = np.random.default_rng(0)
    found = kkt_cells(Ncf(rng.normal(size=(50, 5)), np.ones(50), SQUARED), cap=1000)
    assert not found.complete
    assert "cap of 1,000" in found.reason
    assert found.points == ()


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_cancel_is_prompt_and_said(kind):
    rng = np.random.default_rng(0)
    found = kkt_cells(Ncf(rng.normal(size=(40, 3)), rng.normal(size=40), kind), cancel=lambda: True)
    assert (found.outcome.cancelled, found.complete, found.reason) == (True, False, "cancelled")


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_two_hundred_samples_in_space_take_less_than_ten_seconds(kind):
    rng = np.random.default_rng(0)
    start = time.process_time()
    found = kkt_cells(Ncf(rng.normal(size=(200, 3)), rng.normal(size=200), kind))
    assert time.process_time() - start < 10
    assert found.complete
    assert found.statistics["cell_bound"] == 39_802
