"""Sliding along concave kinks: the velocity is the least-norm one, and only held rows are moved."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference_ncf as ref
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.sliding import SlidingField
from workbench.theory.numerics.min_norm import least_norm

KIND = NeuronKind.TWO_LAYER_RELU


def field(x, z, leak=0.0, width=1e-4):
    return SlidingField(Ncf(x, z, KIND, leak).merged_lines, width)


def test_off_the_kinks_it_is_the_gradient():
    case = ref.make_case(1, d=3)
    w = np.random.default_rng(0).normal(size=(20, 4))
    expected = Ncf(case.x, case.z, KIND, case.leak).gradient(w)
    assert field(case.x, case.z, case.leak, 1e-12).gradient(w) == pytest.approx(expected)


def test_on_a_concave_kink_it_slides_along_the_plane():
    """g = 2u_2 + u_1 on u_1 < 0, 2u_2 − u_1 on u_1 > 0: both sides push onto u_1 = 0."""
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    z = np.array([-1.0, -1.0, 2.0, -2.0])
    w = np.array([[0.5, 5e-5, 0.7], [-0.5, 5e-5, 0.7]])
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    held = field(x, z)
    slope = held.gradient(w)[:, 1:] / w[:, :1]
    assert slope[0] == pytest.approx([0.0, 2.0], abs=1e-12)
    assert slope[1] == pytest.approx([-1.0, 2.0])
    moved = held.onto_kinks(w)
    assert moved[0, 1] == pytest.approx(0.0, abs=1e-15)
    assert moved[1] == pytest.approx(w[1])


def test_a_kink_the_flow_crosses_does_not_hold():
    """Concave, but the slope along u_1 is positive on both sides: nothing to slide on."""
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    z = np.array([-1.0, -3.0, 2.5, 2.0, -2.0])
    w = np.array([[0.6, 3e-5, 0.8]])
    w /= np.linalg.norm(w)
    held = field(x, z)
    assert held.gradient(w) == pytest.approx(Ncf(x, z, KIND).gradient(w), abs=1e-12)
    assert held.onto_kinks(w) == pytest.approx(w, abs=1e-15)


@pytest.mark.parametrize("seed", range(12))
def test_where_planes_meet_it_is_the_least_norm_subgradient(seed):
    """Three dimensions, two concave planes through the direction: compared with probed cells.

    The flow's velocity is the least-norm element of ∂N (KH24 Lemma A.3); sliding removes the parts
    across the planes that hold.
    """
    rng = np.random.default_rng(seed)
    corner = np.cross(*rng.normal(size=(2, 3)))
    corner /= np.linalg.norm(corner)
    across = np.linalg.svd(corner[None])[2][1:]
    x = np.vstack([rng.normal(size=(2, 2)) @ across, rng.normal(size=(5, 3))])
    z = np.append(-np.abs(rng.normal(size=2)) - 0.5, 0.1 * rng.normal(size=5))
    w = np.append(1.0, corner)[None] / np.sqrt(2.0)
    vertices = ref.clarke_vertices(corner, x, z, 0.0, step=1e-7) * w[0, 0]
    least = least_norm(vertices).element
    assert field(x, z, 0.0, 1e-9).gradient(w)[0, 1:] == pytest.approx(least, abs=1e-9)
