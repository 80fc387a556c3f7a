"""The largest eigenvalue by products alone, against all of them."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.theory.numerics.lanczos import largest_eigenvalue


def of(matrix, **settings):
    return largest_eigenvalue(lambda v: matrix @ v, len(matrix), **settings)


@pytest.mark.parametrize("size", [1, 2, 5, 40, 300])
def test_is_the_largest_within_its_residual(size):
    rng = np.random.default_rng(size)
    a = rng.standard_normal((size, size))
    matrix = 0.5 * (a + a.T)
    found, values = of(matrix), np.linalg.eigvalsh(matrix)
    assert np.abs(values - found.value).min() <= found.residual
    assert values[-1] == pytest.approx(found.value, abs=2 * found.residual)
    assert values[-1] >= found.value - 1e-12 * np.abs(values).max()
    assert found.outcome.converged


def test_negative_definite_and_degenerate_matrices():
    assert of(-np.diag(np.arange(1.0, 30.0))).value == pytest.approx(-1.0, abs=0.03)
    same = of(3.0 * np.eye(50))
    assert same.value == pytest.approx(3.0)
    assert same.outcome.iterations <= 2
    nothing = of(np.zeros((20, 20)))
    assert nothing.value == 0.0
    assert nothing.residual == 0.0


def test_too_few_steps_say_so_and_no_numbers_are_nan():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200, 200))
    few = of(a + a.T, relative=1e-12, most=4)
    assert not few.outcome.converged
    assert few.residual > 1e-3
    assert np.isnan(of(np.full((3, 3), np.nan)).value)


def test_the_same_bits_whatever_was_asked_before():
    rng = np.random.default_rng(0)
    a = rng.standard_normal((50, 50))
    first = of(a + a.T).value
    of(np.eye(50))
    assert of(a + a.T).value == first
