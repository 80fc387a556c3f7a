"""Orbits of KKT points: their dimension where a symmetry makes one, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.ncf.joint import kkt_joint
from workbench.theory.ncf.orbits import CountedGradient, orbit_of

S = np.array([3.0, -4.0])


def linear(sizes):
    """N(θ) = w_L ⋯ w_1 s of a deep linear network with one output, by rows, with its gradient."""
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    ends = np.cumsum([a * b for a, b in shapes])

    def matrices(theta):
        parts = np.split(theta, ends[:-1], axis=1)
        return [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]

    def value(theta):
        h = np.broadcast_to(S[:, None], (len(theta), 2, 1))
        for w in matrices(theta):
            h = w @ h
        return h[:, 0, 0]

    def gradient(theta):
        ws = matrices(theta)
        below = [np.broadcast_to(S[:, None], (len(theta), 2, 1))]
        for w in ws[:-1]:
            below.append(w @ below[-1])
        above = [np.ones((len(theta), 1, 1))]
        for w in ws[:0:-1]:
            above.append(above[-1] @ w)
        parts = [
            np.swapaxes(a, 1, 2) @ np.swapaxes(b, 1, 2)
            for a, b in zip(above[::-1], below, strict=True)
        ]
        return np.concatenate([part.reshape(len(theta), -1) for part in parts], axis=1)

    def singular(theta):
        return np.concatenate([np.linalg.svd(w, compute_uv=False) for w in matrices(theta)], axis=1)

    return value, gradient, singular, int(ends[-1])


@pytest.mark.parametrize(("widths", "dimension"), [([3], 2), ([3, 2], 3), ([4, 4, 4], 9)])
def test_a_deep_linear_network_has_one_orbit(widths, dimension):
    """W_k = u_k u_{k−1}ᵀ/√L with unit u_k of every hidden layer: spheres of dimension h_k − 1."""
    value, gradient, singular, p = linear([2, *widths, 1])
    order = len(widths) + 1
    found = kkt_joint(value, gradient, p, order=order, starts=60, rounds=1500, invariants=singular)
    (point,) = found.points
    assert point.value == pytest.approx(5.0 * order ** (-order / 2), rel=1e-9)
    assert (point.orbit.dimension, point.orbit.why_unknown) == (dimension, "")
    assert point.orbit.members == 60
    assert point.basin == 1.0


def test_isolated_points_have_dimension_0():
    """One unit a layer: only signs are left, and the points are four."""
    value, gradient, singular, p = linear([2, 1, 1, 1])
    found = kkt_joint(value, gradient, p, order=3, starts=40, rounds=1500, invariants=singular)
    (point,) = found.points
    assert (point.orbit.dimension, point.orbit.members) == (0, 4)


def test_a_point_that_is_flat_to_second_order_only_is_no_orbit():
    """N = ½ − x⁴ near (0, 0, 1): isolated, though the Hessian has a null direction."""

    def value(w):
        return 0.5 * (w**2).sum(1) - w[:, 0] ** 4 / (w**2).sum(1) - w[:, 1] ** 2

    def gradient(w):
        size = (w**2).sum(1, keepdims=True)
        rate = w * (1.0 + 2.0 * w[:, :1] ** 4 / size**2)
        rate[:, 0] -= 4.0 * w[:, 0] ** 3 / size[:, 0]
        rate[:, 1] -= 2.0 * w[:, 1]
        return rate

    top = np.array([[0.0, 0.0, 1.0]])
    found = orbit_of(top, 1, value, CountedGradient(gradient, 1e6), np.random.default_rng(0))
    assert found.dimension is None
    assert "second order" in found.why_unknown


def test_kinks_have_no_dimension():
    def gradient(w):
        return np.column_stack([-np.sign(w[:, 0] - 1e-7), w[:, 1]])

    found = orbit_of(
        np.array([[0.0, 1.0]]),
        1,
        lambda w: w[:, 1],
        CountedGradient(gradient, 1e6),
        np.random.default_rng(0),
    )
    assert found.dimension is None


def test_equal_values_with_other_singular_values_are_two():
    """Without invariants every distinct end is listed."""
    value, gradient, singular, p = linear([2, 3, 1])
    apart = kkt_joint(value, gradient, p, starts=20, rounds=500, keep=20)
    assert len(apart.points) == 20
    assert apart.points[0].orbit is None
    assert len(kkt_joint(value, gradient, p, starts=20, invariants=singular).points) == 1


def test_what_takes_too_long_is_left_open():
    value, gradient, singular, p = linear([2, 3, 2, 1])
    found = kkt_joint(value, gradient, p, order=3, starts=4, rounds=4, invariants=singular)
    assert found.points[-1].orbit.dimension is None
    assert "longer" in found.points[-1].orbit.why_unknown
