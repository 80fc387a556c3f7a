"""Floats as the integers they are, and back: arithmetic that decides signs without rounding.

Every float64 is an integer times a power of two. Arrays of Python integers (dtype object) add and
multiply exactly, so a sign found from them is a proof.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Int

from workbench.arrays import Array

MOST_BITS = 960
"""Integers are shifted to at most this many bits before they become float64."""


def integers(values: Array, *, by_row: bool = False) -> tuple[Array, Array]:
    """Integers and exponents with values = integers · 2^exponent exactly.

    `values`: float64 of any shape, finite. One exponent, shape (), for all; with `by_row` one for
    each row of a matrix, shape (rows, 1): rows are then right up to a positive factor each.
    """
    mantissa, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    live = whole != 0
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    lowest = np.where(live, lowest, 0)
    exponent = exponent.astype(np.int64) - 53 + lowest
    far = np.iinfo(np.int64).max
    placed = np.where(live, exponent, far)
    low = np.asarray(placed.min(axis=1 if by_row else None, keepdims=by_row, initial=far))
    low = np.where(low == far, 0, low)
    shift = np.where(live, exponent - low, 0).astype(object)
    return np.asarray(np.left_shift((whole >> lowest).astype(object), shift)), np.asarray(low)


def floats(values: Array, *, by_row: bool = False) -> tuple[Array, Array]:
    """Float64 numbers and exponents with integers ≈ floats · 2^exponent, each rounded once.

    What is below 2^−900 of the largest entry (with `by_row`: of its row) becomes 0.
    """
    bits = np.frompyfunc(int.bit_length, 1, 1)(values)
    most = bits.max(axis=1 if by_row else None, keepdims=by_row, initial=0)
    most = np.asarray(most, dtype=np.int64)
    shift = np.asarray(np.maximum(most - MOST_BITS, 0))
    moved = np.right_shift(values, shift.astype(object)) if shift.any() else values
    return moved.astype(np.float64), shift


def signs_of(values: Array) -> Int[Array, " ..."]:
    """Signs of integers, as int8."""
    return np.where(values > 0, 1, np.where(values < 0, -1, 0)).astype(np.int8)


def unit_vector(values: Array) -> Array:
    """The float64 unit vector along an integer vector that is not 0."""
    size, _ = floats(values)
    _, exponent = np.frexp(np.abs(size).max())
    size = np.ldexp(size, -exponent)
    return np.asarray(size / np.linalg.norm(size))


def minors(stack: Array, *, absolute: bool = False) -> Array:
    """(V, r) null vectors of V matrices of r − 1 rows: minor j is det without column j, times (−1)^j.

    `stack` (V, r − 1, r), floats or integers. Products with a further row x give det[x; rows]. By
    Laplace's expansion row by row, without a division. `absolute`: the same sums with all terms
    positive, for bounds.
    """
    count, rows, r = stack.shape
    if absolute:
        stack = np.abs(stack)
    level: dict[tuple[int, ...], Array] = {(): np.ones(count, dtype=stack.dtype)}
    for t in range(rows):
        following: dict[tuple[int, ...], Array] = {}
        for chosen in combinations(range(r), t + 1):
            total = np.zeros(count, dtype=stack.dtype)
            for place, k in enumerate(chosen):
                term = stack[:, t, k] * level[chosen[:place] + chosen[place + 1 :]]
                total = total + term if absolute or (t + place) % 2 == 0 else total - term
            following[chosen] = total
        level = following
    every = tuple(range(r))
    columns = [level[every[:j] + every[j + 1 :]] for j in range(r)]
    if not absolute:
        columns = [-column if j % 2 else column for j, column in enumerate(columns)]
    return np.stack(columns, axis=1)
