"""Eigenvalues and eigenvectors of an integer symmetric matrix, with the signs of rows at them.

Numbers come from mpmath with as many bits as the question needs, with bounds; what no number of bits
can tell is decided in integers:

- which eigenvalues are equal: by the number of different roots of the characteristic polynomial;
- whether row·v = 0 for a simple eigenvector v: v then lies in {u : row·Mᵏu = 0 for all k}. That space
  and its complement are both invariant, so v lies in one of them, and the part of v in it is 0 or all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt

import mpmath
import numpy as np

from workbench.arrays import Array
from workbench.theory.numerics.exact_linear import (
    characteristic,
    distinct_roots,
    identity,
    independent,
    kernel,
    solve,
)
from workbench.theory.numerics.integers import signs_of

BITS = 256
"""Bits of the first attempt."""

SHARP = 2**80
"""Eigenvectors are refined until their error is below 1/SHARP."""


@dataclass(eq=False)
class Spectrum:
    """Of `matrix` (d, d), integers. `groups`: indices of equal eigenvalues together, rising.

    `_value` (d,) and `_vector` (d, d), a row each: integers over 2^bits, eigenvalues also over 2^shift;
    eigenvalues are within 1/2^(bits/2).
    """

    matrix: Array
    groups: list[list[int]] = field(init=False)
    _bits: int = field(init=False, default=BITS)
    _shift: int = field(init=False)
    _value: list[int] = field(init=False)
    _vector: Array = field(init=False)

    def __post_init__(self) -> None:
        largest = max((abs(value) for value in self.matrix.ravel()), default=0)
        self._shift = largest.bit_length()
        self._solve()
        self.groups = self._clusters()
        d = len(self.matrix)
        if len(self.groups) < d:
            different = distinct_roots(characteristic(self.matrix)) if largest else 1
            while len(self.groups) != different:
                self.refine()
                self.groups = self._clusters()

    @property
    def _doubt(self) -> int:
        """Bound on the error of eigenvalues, over 2^bits."""
        return 1 << (self._bits - self._bits // 2)

    def _solve(self) -> None:
        """Eigenpairs at the present number of bits; more bits where their residual is too large."""
        d = len(self.matrix)
        with mpmath.workprec(self._bits + 64):
            scaled = mpmath.matrix(d, d)
            for i in range(d):
                for j in range(d):
                    scaled[i, j] = mpmath.ldexp(mpmath.mpf(int(self.matrix[i, j])), -self._shift)
            values, vectors = mpmath.eigsy(scaled)
            rest = scaled * vectors - vectors * mpmath.diag(list(values))
            skew = vectors.T * vectors - mpmath.eye(d)
            worst = max(max(abs(v) for v in rest), max(abs(v) for v in skew))
            if worst * 8 * d * d > mpmath.ldexp(1, -(self._bits // 2)):
                raise ArithmeticError("mpmath's eigenvectors are less accurate than its precision")
            order = sorted(range(d), key=lambda j: values[j])
            self._value = [int(mpmath.nint(mpmath.ldexp(values[j], self._bits))) for j in order]
            self._vector = np.array(
                [
                    [int(mpmath.nint(mpmath.ldexp(vectors[i, j], self._bits))) for i in range(d)]
                    for j in order
                ],
                dtype=object,
            ).reshape(d, d)

    def refine(self) -> None:
        """Take twice as many bits; vectors keep their orientation."""
        before = self._vector
        self._bits *= 2
        self._solve()
        for j, row in enumerate(before):
            if int(row.dot(self._vector[j])) < 0:
                self._vector[j] = -self._vector[j]

    def _clusters(self) -> list[list[int]]:
        """Indices of eigenvalues, together where the bits cannot tell them apart."""
        groups: list[list[int]] = []
        for j, value in enumerate(self._value):
            if groups and value - self._value[j - 1] <= 8 * self._doubt:
                groups[-1].append(j)
            else:
                groups.append([j])
        return groups

    def value(self, j: int) -> Fraction:
        """The eigenvalue to the present number of bits."""
        return Fraction(self._value[j] << self._shift, 1 << self._bits)

    def error(self) -> Fraction:
        """Bound on the error of `value`."""
        return Fraction((2 * self._doubt) << self._shift, 1 << self._bits)

    def vector(self, j: int) -> tuple[Array, int]:
        """(v, error): a simple eigenvector is within `error` of the integers v, whose norm is 2^bits."""
        while True:
            gap = min(
                (abs(self._value[j] - other) for i, other in enumerate(self._value) if i != j),
                default=1 << self._bits,
            )
            error = (8 * self._doubt << self._bits) // gap + 2 * len(self.matrix)
            if error * SHARP <= 1 << self._bits:
                return self._vector[j], error
            self.refine()

    def signs(self, rows: Array, j: int) -> Array:
        """(m,) signs of integer rows at a simple eigenvector; always with the same of ±v."""
        vector, error = self.vector(j)
        height = rows.dot(vector)
        found = signs_of(height)
        size = np.array([isqrt(int(row.dot(row))) + 1 for row in rows], dtype=object)
        for i in np.flatnonzero(np.abs(height) <= error * size):
            found[i] = self._sign(rows[i], j, int(size[i]))
        return found

    def _sign(self, row: Array, j: int, size: int) -> int:
        """The sign of one row, with more bits while it is not known."""
        if self._vanishes(row, j):
            return 0
        while True:
            vector, error = self.vector(j)
            height = int(row.dot(vector))
            if abs(height) > error * size:
                return 1 if height > 0 else -1
            self.refine()

    def _vanishes(self, row: Array, j: int) -> bool:
        """Whether row·v = 0 exactly."""
        chain = [row]
        for _ in range(len(self.matrix) - 1):
            chain.append(self.matrix.dot(chain[-1]))
        rows = np.stack(chain)
        kept, _ = independent(rows)
        if len(kept) == len(self.matrix):
            return False
        span = rows[kept]
        vector, _ = self.vector(j)
        seen = span.dot(vector)
        if not seen.any():
            return True
        weights = solve(span.dot(span.T), seen)
        part = sum((w * s for w, s in zip(weights, seen, strict=True)), Fraction(0))
        return part < Fraction(int(vector.dot(vector)), 2)

    def approximate_space(self, group: list[int]) -> Array:
        """(k, d) integers near a basis of an eigenspace, to the present number of bits."""
        return self._vector[group]

    def vanishes(self, group: list[int]) -> bool:
        """Whether an eigenvalue is 0: no other than an integer 0 is within the error, or bits decide."""
        space = self.eigenspace(group) if abs(self.value(group[0])) <= self.error() else None
        return space is not None and round(self.value(group[0])) == 0

    def eigenspace(self, group: list[int]) -> Array | None:
        """(k, d) integers that span the eigenspace of equal eigenvalues; None where they are no integer.

        A rational root of a polynomial with integer coefficients and leading coefficient 1 is an integer.
        """
        whole = round(self.value(group[0]))
        space = kernel(self.matrix - whole * identity(len(self.matrix)))
        return space if len(space) == len(group) else None
