"""Leading triples by powers of WᵀW: against 40 digits, and rows as if they were alone."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from workbench.measures.leading import leading
from workbench.measures.power_method import power_method

RATIOS = [0.3, 1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12]
EPSILON = float(np.finfo(float).eps)


def with_values(rng, shape, values):
    """A matrix of random singular vectors."""
    k = len(values)
    left, right = (np.linalg.qr(rng.standard_normal((side, k)))[0] for side in shape)
    return (left * values) @ right.T


def exact(w):
    """σ_1, u_1, v_1 and Σ_{j>1} σ_j², with 40 digits."""
    with mpmath.workdps(40):
        u, s, vt = mpmath.svd_r(mpmath.matrix(w.tolist()))
        rest = sum(s[j] ** 2 for j in range(1, len(s)))
        return (
            float(s[0]),
            np.array([float(x) for x in u[:, 0]]),
            np.array([float(x) for x in vt[0, :]]),
            float(rest),
        )


def off(a, b):
    """How far two unit vectors are apart, up to their sign."""
    return min(np.linalg.norm(a - b), np.linalg.norm(a + b))


@pytest.mark.parametrize("shape", [(11, 10), (9, 14)])
def test_digits_are_those_of_the_exact_triple(shape):
    rng = np.random.default_rng(1)
    side = min(shape)
    cases = [(r, np.array([1.0, *(r * 0.9 ** np.arange(side - 1))])) for r in RATIOS]
    cases += [(1 - gap, np.array([1.0, 1 - gap, *[0.3] * (side - 2)])) for gap in (0.1, 0.01)]
    w = np.stack([with_values(rng, shape, values) for _, values in cases])
    assert power_method(w / np.abs(w).max(axis=(1, 2), keepdims=True)).found.all()
    found = leading(w)
    for t, (ratio, _) in enumerate(cases):
        sigma, left, right, rest = exact(w[t])
        assert found.size[t] == pytest.approx(sigma, rel=8 * EPSILON)
        # What is left is known to rounding of the whole matrix, as by LAPACK.
        assert np.sqrt(found.rest[t]) == pytest.approx(np.sqrt(rest), rel=20 * EPSILON / ratio)
        assert found.rank1[t] == pytest.approx(sigma / np.hypot(sigma, np.sqrt(rest)), rel=1e-15)
        assert off(found.left[t], left) <= 20 * EPSILON / (1 - ratio)
        assert off(found.right[t], right) <= 20 * EPSILON / (1 - ratio)


def test_nearly_repeated_values_are_left_to_the_full_decomposition():
    rng = np.random.default_rng(2)
    gaps = [1e-3, 1e-6, 1e-12, 0.0]
    w = np.stack([with_values(rng, (12, 10), [1.0, 1 - gap, *[0.3] * 8]) for gap in gaps])
    scale = np.abs(w).max(axis=(1, 2), keepdims=True)
    assert not power_method(w / scale).found.any()
    _, s, _ = np.linalg.svd(w / scale)
    found = leading(w)
    assert found.size.tobytes() == (s[:, 0] * scale[:, 0, 0]).tobytes()


@pytest.mark.parametrize("gap", [0.2, 0.05, 0.01, 1e-4])
def test_an_exact_singular_vector_that_is_not_the_leading_one_is_not_taken(gap):
    # A column of its own, of σ_2; σ_1 is spread over all the others.
    w = np.zeros((40, 40))
    w[0, 0] = 1 - gap
    w[1:, 1:] = 1 / 39
    found = leading(w[None])
    assert found.size[0] == pytest.approx(1.0, rel=1e-14)
    assert abs(found.right[0, 0]) <= 1e-12
    assert found.rest[0] == pytest.approx((1 - gap) ** 2, rel=1e-13)


@pytest.mark.parametrize("shape", [(32, 32), (32, 10), (9, 17), (13, 11), (64, 63), (5, 7), (1, 9)])
def test_a_matrix_has_the_same_bits_alone_and_among_others(shape):
    rng = np.random.default_rng(3)
    count = 200
    w = rng.standard_normal((count, *shape)) * 10.0 ** rng.integers(-3, 4, (count, 1, 1))
    w[::3] += with_values(rng, shape, [300.0])
    w[5], w[7], w[9] = 0.0, np.nan, with_values(rng, shape, np.ones(min(shape)))
    whole, order = leading(w), rng.permutation(count)
    mixed, alone = leading(w[order]), [leading(one[None]) for one in w]
    within = np.zeros((count, w[0].size + 3))
    within[:, 3:] = w.reshape(count, -1)
    strided = leading(within[:, 3:].reshape(w.shape))
    for name in ("size", "left", "right", "rest", "frobenius"):
        bits = getattr(whole, name)
        assert getattr(mixed, name).tobytes() == bits[order].tobytes(), name
        assert getattr(strided, name).tobytes() == bits.tobytes(), name
        assert np.concatenate([getattr(x, name) for x in alone]).tobytes() == bits.tobytes(), name
