"""U Vᵀ in compiled code is that of LAPACK's singular values, whatever the rank."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.engine.programs.kernel.polar import MOST_SIDE, polar_factors, room_for
from workbench.engine.programs.kernel.rules import rule_kernel
from workbench.engine.rules.steepest import SteepestRule
from workbench.norms.spectral import Spectral

SHAPES = ((200, 20), (3, 50), (5, 5), (40, 2), (7, 1), (1, 7))


def factors(shapes, theta):
    sizes = [rows * columns for rows, columns in shapes]
    starts = np.cumsum(sizes) - sizes
    room = np.full(room_for(list(shapes), sum(sizes)), np.nan)
    total = polar_factors(np.column_stack([starts, shapes]), theta, room)
    return room[: sum(sizes)], total


def matrices(shapes, values, seed=0):
    """θ of matrices with the singular values `values(k)`."""
    rng = np.random.default_rng(seed)
    parts = []
    for rows, columns in shapes:
        left = np.linalg.qr(rng.standard_normal((rows, min(rows, columns))))[0]
        right = np.linalg.qr(rng.standard_normal((columns, min(rows, columns))))[0]
        parts.append(((left * values(min(rows, columns))) @ right.T).ravel())
    return np.concatenate(parts)


def half(count):
    """The upper half of k singular values; the others are rounding once the matrix is made."""
    return np.where(np.arange(count) <= count // 2, 2.0 - np.arange(count) / count, 0.0)


@pytest.mark.parametrize(
    ("values", "scale", "exact"),
    [
        (lambda k: np.linspace(1.0, 2.0, k), 1.0, 1e-14),
        (np.ones, 1.0, 1e-14),
        (lambda k: np.geomspace(1.0, 0.1, k), 1e-300, 1e-14),
        (lambda k: np.geomspace(1.0, 0.1, k), 1e300, 1e-14),
        (half, 1.0, 1e-13),
        (lambda k: np.eye(k)[0], 3.0, 1e-14),
        (lambda k: np.geomspace(1.0, 0.01, k), 1.0, 1e-12),
        # A relative rounding of G turns singular vectors by so much over the smallest one.
        (lambda k: np.geomspace(1.0, 1e-6, k), 1.0, 1e-9),
        (lambda k: np.geomspace(1.0, 1e-11, k), 1.0, 1e-4),
        (np.zeros, 1.0, 0.0),
    ],
)
def test_it_is_the_one_by_singular_values(values, scale, exact):
    theta = scale * matrices(SHAPES, values)
    norm = Spectral(SHAPES)
    found, total = factors(SHAPES, theta)
    np.testing.assert_allclose(found, -norm.direction(theta), atol=exact)
    np.testing.assert_allclose(total, norm.dual(theta), rtol=1e-12)
    # And as long as it is said to be, which no condition excuses.
    assert norm.norm(found) == pytest.approx(float(theta.any()), abs=1e-13)


def test_what_is_no_number_comes_back():
    theta = matrices(SHAPES, np.ones)
    theta[7] = np.inf
    found, total = factors(SHAPES, theta)
    np.testing.assert_array_equal(found, -theta)
    assert np.isnan(total)


def test_large_matrices_are_left_to_lapack():
    large = Spectral(((MOST_SIDE + 1, MOST_SIDE + 1),))
    assert rule_kernel(SteepestRule(large, 0.1)) is None
    assert rule_kernel(SteepestRule(Spectral(((1_000, MOST_SIDE),)), 0.1)) is not None
