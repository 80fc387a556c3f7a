"""Convex hulls and polyhedral cones decided in rational arithmetic.

One question is asked: is there c ≥ 0 with A c = b? Phase one of the simplex method with Bland's rule
answers it in fractions, with a solution or with a y that shows there is none: yᵀA ≤ 0 < yᵀb.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from workbench.arrays import Array
from workbench.theory.numerics.exact_linear import identity, kernel, whole
from workbench.theory.numerics.integers import floats, integers
from workbench.theory.numerics.min_norm import least_norm


def feasible(
    columns: Array, goal: Array
) -> tuple[dict[int, Fraction] | None, list[Fraction] | None]:
    """(c, None) with c ≥ 0 and Σ c_j column_j = goal, c by index where not 0; or (None, y).

    `columns` (m, k) integers or fractions, one row a column of A; `goal` (k,).
    """
    m, k = columns.shape
    flip = [-1 if b < 0 else 1 for b in goal]
    rows = [
        [*(flip[i] * Fraction(a) for a in columns[:, i]), *_one_at(i, k), flip[i] * Fraction(b)]
        for i, b in enumerate(goal)
    ]
    cost = [-sum((row[j] for row in rows), Fraction(0)) for j in range(m)]
    cost += [Fraction(0)] * k + [-sum((row[-1] for row in rows), Fraction(0))]
    basis = list(range(m, m + k))
    while (enter := next((j for j in range(m) if cost[j] < 0), None)) is not None:
        ratios = [
            (rows[i][-1] / rows[i][enter], basis[i], i) for i in range(k) if rows[i][enter] > 0
        ]
        leave = min(ratios)[2]
        head = rows[leave]
        pivot = head[enter]
        rows[leave] = head = [value / pivot for value in head]
        for i in range(k):
            if i != leave and rows[i][enter]:
                rows[i] = _less(rows[i], rows[i][enter], head)
        cost = _less(cost, cost[enter], head)
        basis[leave] = enter
    if cost[-1] < 0:
        return None, [flip[i] * (1 - cost[m + i]) for i in range(k)]
    return {basis[i]: rows[i][-1] for i in range(k) if basis[i] < m and rows[i][-1]}, None


def _one_at(i: int, k: int) -> list[Fraction]:
    return [Fraction(int(i == j)) for j in range(k)]


def _less(row: list[Fraction], factor: Fraction, head: list[Fraction]) -> list[Fraction]:
    """row − factor·head."""
    return [a - factor * b if b else a for a, b in zip(row, head, strict=True)]


def combination(point: Array, vertices: Array) -> dict[int, Fraction] | None:
    """Convex weights, by index where not 0, that give a point (d,) from vertices (k, d), all integers.

    None where the point lies outside their hull.

    A plane between the two, guessed in float64 and checked in integers, spares most no's the simplex.
    """
    apart = vertices - point
    normal = unit_integers(least_norm(floats(apart)[0]).element)
    if (apart.dot(normal) > 0).all():
        return None
    ones = np.full((len(vertices), 1), 1, dtype=object)
    goal = np.array([0] * len(point) + [1], dtype=object)
    return feasible(np.hstack([apart, ones]), goal)[0]


def unit_integers(vector: Array) -> Array:
    """Integers along a float64 vector, its largest entry rounded to 52 bits."""
    largest = np.abs(vector).max(initial=0.0)
    return integers(np.ldexp(vector, 52 - np.frexp(largest)[1]).round())[0]


def cone(rows: Array) -> tuple[Array, Array]:
    """The cone {c : rows·c ≥ 0} of integer rows (m, k): a vector of its relative interior, a basis.

    The basis (j, k) spans the cone; j = 0 means that the cone is {0}, and the vector is then 0. Where
    some y ≥ 0, y ≠ 0, has yᵀrows = 0 the rows with y > 0 vanish on the cone; else the rows have a
    common strict solution (Gordan), read off from the simplex method.
    """
    k = rows.shape[1]
    basis = identity(k)
    while len(basis):
        local = rows.dot(basis.T)
        local = local[(local != 0).any(axis=1)]
        if len(local) == 0:
            return basis[0], basis
        ones = np.full((len(local), 1), 1, dtype=object)
        goal = np.array([0] * len(basis) + [1], dtype=object)
        weights, against = feasible(np.hstack([local, ones]), goal)
        if weights is None and against is not None:
            inner = whole([-value for value in against[:-1]])
            return inner.dot(basis), basis
        basis = kernel(local[sorted(weights or {})]).dot(basis)
    return np.array([0] * k, dtype=object), basis
