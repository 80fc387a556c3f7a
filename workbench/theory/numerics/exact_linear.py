"""Linear algebra over the integers and the rationals, for small systems: rank, kernel, solutions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from workbench.arrays import Array


def independent(rows: Array, most: int | None = None) -> tuple[list[int], list[int]]:
    """Indices of the first independent rows, and of columns in which these are independent too.

    `rows` (m, d) integers. Stops once `most` (all columns unless given) rows are found.
    """
    goal = rows.shape[1] if most is None else most
    kept: list[int] = []
    columns: list[int] = []
    reduced: list[list[int]] = []
    for index, row in enumerate(rows.tolist()):
        if len(kept) >= goal:
            break
        for column, pivot in zip(columns, reduced, strict=True):
            if row[column]:
                row = _combined(pivot[column], row, row[column], pivot)
        lead = next((c for c, value in enumerate(row) if value), None)
        if lead is not None:
            kept.append(index)
            columns.append(lead)
            reduced.append(row)
    return kept, columns


def _combined(a: int, one: Sequence[int], b: int, other: Sequence[int]) -> list[int]:
    """a·one − b·other without its common factor."""
    row = [a * x - b * y for x, y in zip(one, other, strict=True)]
    common = gcd(*row)
    return [value // common for value in row] if common > 1 else row


def kernel(rows: Array) -> Array:
    """(k, d) integer rows that span {u : rows·u = 0}; the identity where all rows are 0."""
    d = rows.shape[1]
    kept, columns = independent(rows)
    free = [c for c in range(d) if c not in columns]
    if not kept:
        return identity(d)
    basis = np.zeros((len(free), d), dtype=object)
    inner = rows[kept][:, columns]
    for place, c in enumerate(free):
        found = solve(inner, -rows[kept][:, c])
        scale = lcm(*(value.denominator for value in found))
        basis[place, c] = scale
        for column, value in zip(columns, found, strict=True):
            basis[place, column] = int(value * scale)
    return basis


def identity(d: int) -> Array:
    """The identity as integers."""
    return np.array([[int(i == j) for j in range(d)] for i in range(d)], dtype=object).reshape(d, d)


def solve(matrix: Array, goal: Array) -> list[Fraction]:
    """The solution c of matrix·c = goal for an invertible matrix (k, k); by elimination.

    Raises:
        ZeroDivisionError: the matrix has no inverse.
    """
    k = len(goal)
    rows = [[*map(Fraction, row), Fraction(b)] for row, b in zip(matrix, goal, strict=True)]
    for column in range(k):
        pivot = next((i for i in range(column, k) if rows[i][column]), None)
        if pivot is None:
            raise ZeroDivisionError("the matrix has no inverse")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column]
        for i in range(k):
            if i != column and rows[i][column]:
                factor = rows[i][column] / head[column]
                rows[i] = [a - factor * b for a, b in zip(rows[i], head, strict=True)]
    return [rows[i][k] / rows[i][i] for i in range(k)]


def whole(values: Sequence[Fraction]) -> Array:
    """The integer vector along a rational one, without a common factor."""
    scale = lcm(*(Fraction(value).denominator for value in values))
    found = [int(value * scale) for value in values]
    common = gcd(*found) or 1
    return np.array([value // common for value in found], dtype=object)


def characteristic(matrix: Array) -> list[int]:
    """Coefficients of det(tI − M), highest first, of an integer matrix (Faddeev, Le Verrier)."""
    d = len(matrix)
    eye = identity(d)
    coefficients = [1]
    power = np.zeros_like(eye)
    for k in range(1, d + 1):
        power = matrix.dot(power) + coefficients[-1] * eye
        coefficients.append(-int(np.trace(matrix.dot(power))) // k)
    return coefficients


def distinct_roots(polynomial: Sequence[int]) -> int:
    """Number of different complex roots: the degree less that of the common divisor with f'."""
    degree = len(polynomial) - 1
    derivative = [c * (degree - i) for i, c in enumerate(polynomial[:-1])]
    one, other = list(polynomial), _stripped(derivative)
    while other:
        one, other = other, _remainder(one, other)
    return degree - (len(one) - 1)


def _stripped(polynomial: list[int]) -> list[int]:
    """Without leading zeros and common factor."""
    start = next((i for i, c in enumerate(polynomial) if c), len(polynomial))
    common = gcd(*polynomial) or 1
    return [c // common for c in polynomial[start:]]


def _remainder(one: list[int], other: list[int]) -> list[int]:
    """A multiple of the remainder of one / other."""
    while len(one) >= len(other):
        lead, head = one[0], other[0]
        padded = other + [0] * (len(one) - len(other))
        one = [head * a - lead * b for a, b in zip(one, padded, strict=True)][1:]
    return _stripped(one)
