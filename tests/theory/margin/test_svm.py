"""Hard-margin SVM and separability against 60-digit arithmetic, enumeration, and SLSQP."""

from __future__ import annotations

from itertools import combinations

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import minimize

from workbench.theory.margin.svm import HardMargin, hard_margin_svm
from workbench.theory.numerics.compensated import accurate_matvec
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.numerics.separability import Inseparable, Separable, separability


def mp_solution(z, support):
    """w with z_i·w = 1 on the support, of least norm, and its multipliers, in 60 digits."""
    rows = mp.matrix([[mp.mpf(float(v)) for v in z[i]] for i in support])
    multipliers = mp.lu_solve(rows * rows.T, mp.matrix([1] * len(support)))
    return rows.T * multipliers, multipliers


def mp_margins(z, w):
    return [mp.fsum(mp.mpf(float(v)) * c for v, c in zip(row, w, strict=True)) for row in z]


def mp_svm(z):
    """The SVM by trying every support set of up to d rows."""
    n, d = z.shape
    for k in range(1, d + 1):
        for support in combinations(range(n), k):
            try:
                w, multipliers = mp_solution(z, support)
            except ZeroDivisionError:
                continue
            if min(multipliers) >= 0 and min(mp_margins(z, w)) >= 1 - mp.mpf(10) ** -40:
                return w
    raise AssertionError("not separable")


def mp_angle(direction, w):
    size = mp.sqrt(mp.fsum(c * c for c in w))
    return float(
        mp.sqrt(
            mp.fsum((mp.mpf(float(a)) - c / size) ** 2 for a, c in zip(direction, w, strict=True))
        )
    )


def separated(seed, n, d, margin):
    """Rows with a margin of about `margin` between them and the origin."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=d)
    u /= np.linalg.norm(u)
    x = rng.normal(size=(n, d))
    x -= np.outer(x @ u, u)
    return x + np.outer(margin * (1.0 + rng.exponential(size=n)), u)


@pytest.mark.parametrize("seed", range(12))
def test_direction_against_enumeration_in_60_digits(seed):
    z = separated(seed, 7, 2 + seed % 2, 10.0 ** -(seed / 2))
    with mp.workdps(60):
        exact = mp_svm(z)
        found = hard_margin_svm(z)
        assert isinstance(found, HardMargin)
        assert mp_angle(found.direction, exact) <= 1e-14


@pytest.mark.parametrize("seed", range(20))
def test_direction_and_kkt_in_60_digits_down_to_margins_of_1e_minus_6(seed):
    rng = np.random.default_rng(seed)
    z = separated(seed, int(rng.integers(10, 60)), int(rng.integers(3, 12)), 1e-6)
    z *= 10.0 ** rng.uniform(-5, 5)
    found = hard_margin_svm(z)
    with mp.workdps(60):
        w, multipliers = mp_solution(z, found.support)
        # KKT in 60 digits: then w is the solution, whatever the product's support came from.
        assert min(multipliers) >= 0
        assert min(mp_margins(z, w)) >= 1 - mp.mpf(10) ** -40
        assert mp_angle(found.direction, w) <= 1e-14
        assert found.error <= 1e-15
        margin = 1 / mp.sqrt(mp.fsum(c * c for c in w))
        assert found.margin <= margin * (1 + 1e-9) <= found.margin_above * (1 + 1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_against_slsqp(seed):
    z = separated(seed, 15, 4, 0.3)
    slow = minimize(
        lambda w: 0.5 * w @ w,
        np.full(4, 0.1),
        jac=lambda w: w,
        constraints={"type": "ineq", "fun": lambda w: z @ w - 1.0, "jac": lambda _: z},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    found = hard_margin_svm(z)
    assert found.w == pytest.approx(slow.x, abs=1e-6)
    assert found.gap == pytest.approx(0.0, abs=1e-13)
    assert found.w == pytest.approx(found.multipliers @ z, abs=1e-12)
    assert (found.multipliers >= 0).all()


@pytest.mark.parametrize("shape", [(400, 3), (30, 350), (600, 20)])
def test_wide_and_tall_data_have_no_gap(shape):
    rng = np.random.default_rng(1)
    z = rng.normal(size=shape) + 0.0
    if shape[0] > shape[1]:
        z *= np.sign(z[:, :1])
        z[:, 0] += 0.05
    found = hard_margin_svm(z)
    assert isinstance(found, HardMargin)
    assert abs(found.gap) <= 1e-13
    assert (z @ found.w >= 1 - 1e-12).all()


def test_general_levels_against_slsqp():
    rng = np.random.default_rng(3)
    z, h = separated(3, 10, 3, 0.5), rng.uniform(-1, 2, size=10)
    slow = minimize(
        lambda w: 0.5 * w @ w,
        np.ones(3),
        jac=lambda w: w,
        constraints={"type": "ineq", "fun": lambda w: z @ w - h, "jac": lambda _: z},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert least_distance(z, h).w == pytest.approx(slow.x, abs=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_inseparable_data_come_with_a_convex_combination_that_is_zero(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(60, 2 + seed % 4)) * 10.0 ** rng.uniform(-3, 3, size=(60, 1))
    found = separability(z)
    assert isinstance(found, Inseparable)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    assert (found.weights >= 0).all()
    assert found.weights.sum() == pytest.approx(1.0)
    assert np.linalg.norm(found.weights @ unit) <= 1e-14
    assert found.residual <= 1e-14
    assert isinstance(hard_margin_svm(z), Inseparable)
    assert "no direction separates" in found.sentence


@pytest.mark.parametrize("margin", [1e-2, 1e-6, 1e-9, 1e-12])
def test_separable_data_come_with_a_direction_that_proves_it(margin):
    z = np.array([[1.0, margin], [-1.0, margin], [0.3, 0.9]])
    found = separability(z)
    assert isinstance(found, Separable)
    with mp.workdps(60):
        unit = [[mp.mpf(float(v)) / mp.sqrt(mp.mpf(float(r @ r))) for v in r] for r in z]
        least = min(
            mp.fsum(a * mp.mpf(float(b)) for a, b in zip(row, found.direction, strict=True))
            for row in unit
        )
        assert 0 < found.margin <= float(least)


def test_edges():
    touching = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert isinstance(separability(touching), Inseparable)
    below = separability(np.array([[1.0, 0.0], [-1.0, 1e-14]]))
    assert isinstance(below, Inseparable)
    assert 0 < below.residual <= 1e-14
    zero = separability(np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert isinstance(zero, Inseparable)
    assert zero.weights == pytest.approx([0.0, 1.0])
    twice = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert hard_margin_svm(twice).w == pytest.approx([0.5, 1.0], abs=1e-15)
    with pytest.raises(ValueError, match="finite"):
        hard_margin_svm(np.array([[np.nan, 1.0]]))
    with pytest.raises(ValueError, match="positive level"):
        least_distance(np.eye(2), np.array([-1.0, 0.0]))


def test_accurate_matvec_where_plain_sums_lose_everything():
    rng = np.random.default_rng(0)
    x = rng.normal(size=501)
    a = rng.normal(size=(4, 501)) * 10.0 ** rng.uniform(-8, 8, size=(4, 501))
    start = -(a @ x)
    found = accurate_matvec(a, x, start)
    with mp.workdps(60):
        for row, first, value in zip(a, start, found, strict=True):
            exact = mp.mpf(float(first)) + mp.fsum(
                mp.mpf(float(p)) * mp.mpf(float(q)) for p, q in zip(row, x, strict=True)
            )
            assert abs(value - float(exact)) <= 1e-15 * abs(float(exact)) + 1e-20


@pytest.mark.parametrize("z", [[[0.0, 0.0]], [[1.0, 2.0], [0.0, 0.0]], [[0.0], [0.0], [3.0]]])
def test_a_row_of_zeros_is_its_own_proof(z):
    found = hard_margin_svm(np.array(z))
    assert isinstance(found, Inseparable)
    assert found.residual == 0
    assert found.weights.sum() == 1
    assert not (found.weights @ np.array(z)).any()


def test_a_row_of_zeros_that_need_not_rise_changes_nothing():
    rows, levels = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([-1.0, 1.0])
    np.testing.assert_array_equal(least_distance(rows, levels).w, [0.5, 0.5])


@pytest.mark.parametrize("shortest", [1e-130, 1e-200, 1e-320])
def test_rows_whose_squares_are_no_floats_are_no_zeros(shortest):
    z = np.array([[shortest, 0.0], [1.0, 1.0]])
    found = separability(z)
    assert isinstance(found, Separable)
    assert found.margin == pytest.approx(np.cos(np.pi / 8), rel=1e-14)
    if shortest > 1e-150:
        svm = hard_margin_svm(z)
        assert svm.w == pytest.approx([1 / shortest, 0], rel=1e-14)
        assert svm.margin == pytest.approx(shortest, rel=1e-14)
    else:
        with pytest.raises(ValueError, match="beyond 1e\\+150"):
            hard_margin_svm(z)
