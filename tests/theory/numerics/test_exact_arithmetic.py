"""Integers, rational linear algebra, cones and spectra that proofs rest on."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from tests import reference_kkt as ref
from workbench.theory.ncf.exact_lines import rounded_lines
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.numerics.arrangement import enumerate_faces
from workbench.theory.numerics.exact_cone import combination, cone, feasible
from workbench.theory.numerics.exact_eigen import Spectrum
from workbench.theory.numerics.exact_linear import (
    characteristic,
    distinct_roots,
    independent,
    kernel,
    solve,
)
from workbench.theory.numerics.integers import floats, integers, minors, unit_vector


def whole(rows):
    return np.array(rows, dtype=object)


def test_floats_are_the_integers_they_are():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5, 3)) * 10.0 ** rng.integers(-200, 200, size=(5, 3))
    values[0, 0] = 0.0
    values[1, 1] = 5e-324
    found, exponent = integers(values)
    two = Fraction(2)
    assert all(
        Fraction(v) == i * two ** int(exponent)
        for v, i in zip(values.flat, found.flat, strict=True)
    )
    rows, powers = integers(values, by_row=True)
    assert all(
        Fraction(v) == i * two ** int(p)
        for v, i, p in zip(values.flat, rows.flat, np.repeat(powers, 3), strict=True)
    )
    back, shift = floats(rows, by_row=True)
    assert np.array_equal(np.ldexp(back, shift + powers)[2:], values[2:])
    assert unit_vector(whole([3 * 10**400, 4 * 10**400])) == pytest.approx([0.6, 0.8])


def test_minors_are_null_vectors():
    rng = np.random.default_rng(1)
    stack = whole(rng.integers(-9, 10, size=(7, 3, 4)).tolist())
    null = minors(stack)
    assert not (stack * null[:, None, :]).sum(axis=2).any()
    assert minors(stack.astype(float)) == pytest.approx(null.astype(float))
    assert (minors(stack.astype(float), absolute=True) >= np.abs(null.astype(float))).all()


@pytest.mark.parametrize("seed", range(8))
def test_rank_kernel_and_solution(seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-3, 4, size=(4, 5))
    rows = whole(np.vstack([rows, rows[0] - 2 * rows[1], np.zeros(5, dtype=int)]).tolist())
    kept, columns = independent(rows)
    rank = np.linalg.matrix_rank(rows.astype(float))
    assert len(kept) == len(columns) == rank
    assert np.linalg.matrix_rank(rows[kept][:, columns].astype(float)) == rank
    basis = kernel(rows)
    assert basis.shape == (5 - rank, 5)
    assert not rows.dot(basis.T).any()
    matrix = rows[kept][:, columns]
    found = solve(matrix, matrix.dot(whole(range(rank))))
    assert found == list(range(rank))


def test_characteristic_polynomials_count_their_roots():
    matrix = whole([[2, 1, 0], [1, 2, 0], [0, 0, 1]])
    assert characteristic(matrix) == [1, -5, 7, -3]
    assert distinct_roots([1, -5, 7, -3]) == 2
    assert distinct_roots([1, 0, -2, 0, 1]) == 2
    assert distinct_roots([1, 0, 0, -2]) == 3


@pytest.mark.parametrize("seed", range(12))
def test_simplex_finds_a_combination_or_a_proof_that_there_is_none(seed):
    rng = np.random.default_rng(seed)
    columns = whole(rng.integers(-4, 5, size=(7, 3)).tolist())
    goal = whole(rng.integers(-4, 5, size=3).tolist())
    found, against = feasible(columns, goal)
    if found is None:
        assert all(
            sum(a * y for a, y in zip(column, against, strict=True)) <= 0 for column in columns
        )
        assert sum(b * y for b, y in zip(goal, against, strict=True)) > 0
    else:
        assert min(found.values(), default=0) >= 0
        total = sum((w * columns[i] for i, w in found.items()), whole([0, 0, 0]))
        assert (total == goal).all()


def test_hulls_know_their_border():
    square = whole([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    assert combination(whole([1, 0]), square) is not None
    tiny = 10**30
    assert combination(whole([tiny, 0]), square * tiny) is not None
    assert combination(whole([tiny + 1, 0]), square * tiny) is None


@pytest.mark.parametrize(
    ("rows", "span"),
    [
        ([[1, 0, 0], [0, 1, 0]], 3),
        ([[1, 0, 0], [-1, 0, 0]], 2),
        ([[1, 0, 0], [-1, 10**25, 0], [-1, -(10**25), 0]], 1),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]], 0),
        ([[0, 0, 0]], 3),
    ],
)
def test_cones_know_their_dimension(rows, span):
    rows = whole(rows)
    inner, basis = cone(rows)
    height = rows.dot(inner)
    assert basis.shape == (span, 3)
    assert (height >= 0).all()
    vanish = ~rows.dot(basis.T).any(axis=1) if span else np.ones(len(rows), dtype=bool)
    assert (height[~vanish] > 0).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("gap", [1e-6, 1e-10, 1e-14])
def test_faces_of_nearly_equal_planes_are_those_of_the_reference(seed, gap):
    rng = np.random.default_rng(seed)
    d = 3 + seed % 2
    axis = rng.normal(size=(d, d))
    axis = np.vstack([axis, axis[:2] + gap * rng.normal(size=(2, d)), -axis[:1] * (1 + gap)])
    axis = axis[:-1] if seed % 3 else np.vstack([axis[:-1], axis[0] + axis[1]])
    rows = [[Fraction(v) for v in row] for row in axis.tolist()]
    found = {tuple(row) for row in enumerate_faces(axis).signs.tolist() if any(row)}
    assert found == ref.faces(rows, d)


@pytest.mark.parametrize("seed", range(6))
def test_spectra_have_errors_and_signs_as_stated(seed):
    rng = np.random.default_rng(seed)
    d = 2 + seed % 3
    half = whole([[int(v) ** 3 for v in row] for row in rng.integers(-(2**40), 2**40, size=(d, d))])
    found = Spectrum(half + half.T)
    assert found.groups == [[j] for j in range(d)]
    with mpmath.workdps(200):
        values, vectors = mpmath.eigsy(mpmath.matrix((half + half.T).tolist()))
        rows = whole(rng.integers(-5, 6, size=(9, d)).tolist())
        for j in range(d):
            exact = found.value(j)
            apart = mpmath.mpf(exact.numerator) / exact.denominator - values[j]
            error = found.error()
            assert abs(apart) <= mpmath.mpf(error.numerator) / error.denominator
            at = [
                int(mpmath.sign(sum(int(a) * vectors[i, j] for i, a in enumerate(row))))
                for row in rows
            ]
            signs = found.signs(rows, j).tolist()
            assert signs in (at, [-s for s in at])


def test_a_row_that_is_orthogonal_to_an_irrational_eigenvector_has_sign_zero():
    """(1, 1, 0)/√2-type blocks: (0, 0, 1) is orthogonal to two eigenvectors with golden-ratio entries."""
    found = Spectrum(whole([[0, 1, 0], [1, 1, 0], [0, 0, 7]]))
    rows = whole([[0, 0, 1], [10**30, 0, 1], [1, 0, 0]])
    assert [found.signs(rows, j)[0] for j in range(3)] == [0, 0, 1] or found.signs(rows, 2)[0] == -1
    assert [abs(int(found.signs(rows, j)[2])) for j in range(3)] == [1, 1, 0]


def test_nearly_repeated_eigenvalues_are_told_from_repeated_ones():
    big = 10**60
    assert Spectrum(whole([[big, 1], [1, big]])).groups == [[0], [1]]
    assert Spectrum(whole([[big, 0], [0, big]])).groups == [[0, 1]]


@pytest.mark.parametrize("kind", list(NeuronKind))
def test_exact_lines_are_the_data(kind):
    """N from integers equals N from the inputs one by one."""
    rng = np.random.default_rng(7)
    x = np.vstack([rng.normal(size=(5, 3)), np.eye(3), -2 * np.eye(3), [[0.5, 0, 0]]])
    z = rng.normal(size=len(x))
    degree = 2 if kind is NeuronKind.SQUARED_RELU else 1
    ncf = Ncf(x, z, kind, 0.3)
    exact = ncf.exact_lines
    assert len(ncf.merged_lines.axis) == 8
    leak = Fraction(0.3)
    for u in rng.integers(-5, 6, size=(6, 3)).tolist():
        height = exact.axis.dot(whole(u))
        weight = np.where(height > 0, exact.plus, exact.minus)
        found = int((weight * height**degree).sum()) + int(
            (exact.smooth * exact.smooth_axis.dot(whole(u)) ** degree).sum()
        )
        wanted = sum(
            Fraction(b)
            * ref.sigma(sum(Fraction(a) * c for a, c in zip(row, u, strict=True)), leak) ** degree
            for row, b in zip(x.tolist(), z.tolist(), strict=True)
        )
        assert found * Fraction(2) ** exact.exponent == wanted
    rounded = rounded_lines(exact)
    share = (
        exact.plus[0]
        / exact.plus[1]
        * (
            np.linalg.norm(exact.axis[0].astype(float))
            / np.linalg.norm(exact.axis[1].astype(float))
        )
        ** degree
    )
    assert rounded.plus[0] / rounded.plus[1] == pytest.approx(share)
