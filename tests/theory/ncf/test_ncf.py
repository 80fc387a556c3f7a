"""Value and gradient of the NCF, merged lines, least-norm elements."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference_ncf as ref
from workbench.theory.ncf.certificate import certify
from workbench.theory.ncf.flow_paths import flow_paths
from workbench.theory.ncf.frozen_residual import frozen_paths
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.kkt_cells import refusal
from workbench.theory.ncf.merged_lines import merge_lines
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import ORDER, NeuronKind
from workbench.theory.numerics.min_norm import least_norm

KINDS = list(NeuronKind)


def neurons(kind, d, count=7, seed=0):
    return np.random.default_rng(seed).normal(size=(count, kind.width(d)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(24))
def test_value_by_loops(seed, kind):
    case = ref.make_case(seed, d=3)
    w = neurons(kind, 3)
    if kind is NeuronKind.SQUARED_RELU:
        slow = [ref.squared(u, case.x, case.z, case.leak) for u in w]
    else:
        slow = [v[0] * ref.linear(v[1:], case.x, case.z, case.leak) for v in w]
    assert Ncf(case.x, case.z, kind, case.leak).value(w) == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_gradient_by_differences_euler_and_tangent(seed, kind):
    case = ref.make_case(seed, d=3)
    w = neurons(kind, 3)
    ncf = Ncf(case.x, case.z, kind, case.leak)
    gradient = ncf.gradient(w)
    h = 1e-6
    for j, e in enumerate(np.eye(w.shape[1])):
        up = ncf.value(w + h * e)
        down = ncf.value(w - h * e)
        assert gradient[:, j] == pytest.approx((up - down) / (2 * h), abs=1e-5)
    value = ncf.value(w)
    assert np.sum(gradient * w, axis=1) == pytest.approx(ORDER * value)
    unit = w / np.linalg.norm(w, axis=1, keepdims=True)
    tangent = ncf.tangent_gradient(unit)
    assert np.abs(np.sum(tangent * unit, axis=1)).max() < 1e-12


def test_selection_at_zero_is_the_leak_as_in_autograd():
    x, z = np.array([[1.0, 0.0]]), np.array([2.0])
    w = np.array([[1.0, 0.0, 1.0]])
    gradient = Ncf(x, z, NeuronKind.TWO_LAYER_RELU, 0.25).gradient(w)
    assert gradient[0].tolist() == [0.0, 0.5, 0.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(24))
def test_merged_lines_stand_for_the_same_function(seed, kind):
    case = ref.make_case(seed, d=3)
    ncf = Ncf(case.x, case.z, kind, case.leak)
    lines = ncf.merged_lines
    w = neurons(kind, 3)
    s = w[:, -3:] @ lines.axis.T
    merged = np.sum(np.where(s > 0, lines.plus, lines.minus) * s**lines.degree, axis=1)
    if kind is NeuronKind.TWO_LAYER_RELU:
        merged = merged * w[:, 0]
    assert merged == pytest.approx(ncf.value(w), abs=1e-11)
    gram = np.abs(lines.axis @ lines.axis.T) - np.eye(len(lines.axis))
    assert gram.max(initial=0.0) < 1 - 1e-12


def test_many_copies_of_few_lines_merge_quickly():
    rng = np.random.default_rng(0)
    few = rng.normal(size=(5, 4))
    x = rng.choice([-2.0, 0.5, 1.0], size=(20_000, 1)) * few[rng.integers(0, 5, 20_000)]
    assert len(Ncf(x, np.ones(20_000), NeuronKind.SQUARED_RELU, 0.1).merged_lines.axis) == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [2, 3])
def test_lines_are_merged_once_for_points_and_paths(monkeypatch, d, kind):
    merged = []

    def counted(*data):
        merged.append(data)
        return merge_lines(*data)

    monkeypatch.setattr("workbench.theory.ncf.ncf.merge_lines", counted)
    rng = np.random.default_rng(0)
    ncf = Ncf(rng.normal(size=(7, d)), rng.normal(size=7), kind, 0.1)
    found = kkt_points(ncf)
    frozen_paths(1e-3 * neurons(kind, d), ncf, found, 0.1)
    flow_paths(1e-3 * neurons(kind, d), ncf, found, 0.1)
    assert refusal(ncf, 10_000) is None
    assert len(merged) == 1


def test_opposite_labels_on_one_input_cancel():
    x = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0]])
    lines = Ncf(x, np.array([0.1, -0.1, 1.0]), NeuronKind.SQUARED_RELU, 0.0).merged_lines
    assert len(lines.axis) == 1


@pytest.mark.parametrize("seed", range(20))
def test_least_norm_element_is_optimal(seed):
    """v is least-norm in the hull iff it is in the hull and v·v ≤ v·y for every vertex y."""
    rng = np.random.default_rng(seed)
    vertices = rng.normal(size=(rng.integers(1, 9), 3)) + rng.normal(size=3)
    v = least_norm(vertices).element
    assert (vertices @ v).min() >= v @ v - 1e-12
    assert ref.hull_distance(v, vertices) < 1e-7


def test_least_norm_element_of_nothing_is_refused():
    with pytest.raises(ValueError, match="empty"):
        least_norm(np.zeros((0, 2)))


def test_certificate_sees_a_wrong_direction():
    case = ref.make_case(0, d=3)
    for kind in KINDS:
        w = neurons(kind, 3, 4)
        w /= np.linalg.norm(w, axis=1, keepdims=True)
        assert certify(w, Ncf(case.x, case.z, kind, case.leak)).residual.min() > 1e-4
