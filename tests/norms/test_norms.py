"""Norms against slow formulas: by definition, the dual by search over the ball, the direction by both."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.spectral import Spectral

SHAPES = ((3, 2), (4,), (2, 3, 2), ())
SIZE = 6 + 4 + 12 + 1
NORMS = [L1(), L2(), LInf(), Spectral(SHAPES)]


def blocks(a):
    """θ's parameters as matrices, one by one."""
    return [
        a[:6].reshape(3, 2),
        a[6:10].reshape(4, 1),
        a[10:22].reshape(2, 6),
        a[22:].reshape(1, 1),
    ]


def slow_norm(norm, a):
    match norm:
        case L1():
            return sum(abs(float(v)) for v in a)
        case L2():
            return sum(float(v) ** 2 for v in a) ** 0.5
        case LInf():
            return max(abs(float(v)) for v in a)
    return max(np.sqrt(np.linalg.eigvalsh(m @ m.T).max()) for m in blocks(a))


def slow_dual(norm, a):
    """max ⟨a, d⟩ over the ball: a linear program, Cauchy and Schwarz, or the nuclear norm by eigenvalues."""
    match norm:
        case LInf():
            return -linprog(-a, bounds=[(-1, 1)] * SIZE).fun
        case L1():
            both = np.concatenate([a, -a])
            return -linprog(-both, A_ub=np.ones((1, 2 * SIZE)), b_ub=[1.0], bounds=(0, None)).fun
        case L2():
            return a @ a / np.sqrt(a @ a)
    eigen = [np.linalg.eigvalsh(m @ m.T) for m in blocks(a)]
    return sum(np.sqrt(np.maximum(e, 0.0)).sum() for e in eigen)


@pytest.mark.parametrize("norm", NORMS, ids=lambda n: n.symbol)
def test_norm_and_dual_are_those_of_their_definitions(norm):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, SIZE)) * 10.0 ** rng.uniform(-3, 3, size=(5, SIZE))
    assert norm.norm(rows) == pytest.approx([slow_norm(norm, a) for a in rows], rel=1e-10)
    assert norm.dual(rows) == pytest.approx([slow_dual(norm, a) for a in rows], rel=1e-6)
    assert float(norm.norm(rows[2])) == norm.norm(rows)[2]
    assert float(norm.norm(np.zeros(SIZE))) == float(norm.dual(np.zeros(SIZE))) == 0.0


@pytest.mark.parametrize("norm", NORMS, ids=lambda n: n.symbol)
def test_no_direction_of_norm_one_is_steeper(norm):
    rng = np.random.default_rng(1)
    for g in rng.normal(size=(20, SIZE)):
        d = norm.direction(g)
        assert float(norm.norm(d)) == pytest.approx(1.0, rel=1e-12)
        assert -g @ d == pytest.approx(float(norm.dual(g)), rel=1e-12)
        others = rng.normal(size=(200, SIZE))
        others /= norm.norm(others)[:, None]
        assert (-(others @ g) <= -g @ d).all()
        # Nor is one nearby.
        near = d + 1e-3 * rng.normal(size=(200, SIZE))
        near /= norm.norm(near)[:, None]
        assert (-(near @ g) <= -g @ d + 1e-12).all()
    assert (norm.direction(np.zeros(SIZE)) == 0.0).all()


def test_one_of_several_largest_coordinates_is_taken():
    assert L1().direction(np.array([1.0, -2.0, 2.0])).tolist() == [0.0, 1.0, 0.0]


def test_rounding_in_a_gradient_of_rank_one_does_not_turn_the_step():
    rng = np.random.default_rng(2)
    u, v = rng.normal(size=5), rng.normal(size=4)
    norm = Spectral(((5, 4),))
    clean = -np.outer(u / np.linalg.norm(u), v / np.linalg.norm(v)).ravel()
    noisy = np.outer(u, v).ravel() * (1.0 + 1e-16 * rng.normal(size=20))
    assert norm.direction(noisy) == pytest.approx(clean, abs=1e-12)


def test_sizes_of_any_order_are_kept():
    tiny = np.array([3e-300, 4e-300])
    assert float(L2().norm(tiny)) == pytest.approx(5e-300)
    assert float(L2().norm(tiny * 1e300 * 1e299)) == pytest.approx(5e299)
    assert L2().direction(tiny) == pytest.approx([-0.6, -0.8])
