"""Faces of a central hyperplane arrangement {u : a_j·u = 0} in R^d, as sign vectors, exactly.

Every face of an arrangement of rank r has a vertex (a ray, up to the space common to all planes) in
its closure, and a vertex is the null direction of r − 1 of the planes. So all faces are the faces
around all vertices: where exactly r − 1 planes meet these are the 3^(r−1) sign choices, elsewhere
the faces of the smaller arrangement of the planes that meet there. Signs at the other planes are
those of the vertex. Cost O(C(m, r − 1) (m + 3^(r−1))), no linear programs.

The sign of a plane at a vertex is that of a determinant. Floating point decides it where it is
larger than a bound on its error, integers where it is not: planes may be as near to each other, and
as near to meeting in one ray, as float64 can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np
from jaxtyping import Int

from workbench.arrays import Array
from workbench.theory.numerics.exact_linear import independent
from workbench.theory.numerics.integers import floats, integers, minors, signs_of

UNIT = 2.0**-53
"""Largest relative error of one operation in float64."""

TINY = 1e-290
"""Added to bounds on errors: covers underflow, entries are at most 1."""

BLOCK = 4_000_000
"""Most determinants that are estimated at once."""


@dataclass(frozen=True, eq=False)
class Faces:
    """`signs` (F, m): −1, 0 or 1 at each plane, one distinct row a face. `rank`: of the normals.

    The face of zeros alone is the space common to all planes, {0} where the rank is d.
    `simple`: no vertex has more than rank − 1 planes.
    """

    signs: Int[Array, "F m"]
    rank: int
    simple: bool

    @property
    def cells(self) -> Int[Array, "C m"]:
        """(C, m) signs of the open cells."""
        return self.signs[(self.signs != 0).all(axis=1)]


def cell_bound(planes: int, rank: int) -> int:
    """Number of cells of a simple central arrangement, the most there can be: 2 Σ_{i<r} C(m−1, i)."""
    if planes == 0:
        return 1
    return 2 * sum(comb(planes - 1, i) for i in range(rank))


def enumerate_faces(axis: Array, *, cells_only: bool = False) -> Faces:
    """All faces (or all cells) of the arrangement with distinct planes of normals `axis`.

    `axis` (m, d): float64, taken exactly, or integers. Rows are told apart by a random 62-bit key.
    """
    m = len(axis)
    rows = axis if axis.dtype == object else integers(axis, by_row=True)[0]
    if m == 0:
        return Faces(np.zeros((1, 0), dtype=np.int8), 0, True)
    _, columns = independent(rows)
    rank, rows = len(columns), rows[:, sorted(columns)]
    choice = (-1, 1) if cells_only else (-1, 0, 1)
    if rank == 1:
        along = np.where(rows[:, 0] > 0, 1, -1).astype(np.int8)
        return Faces(np.array(choice, dtype=np.int8)[:, None] * along, 1, True)
    signs, planes = _vertices(rows)
    signs = np.vstack([signs, -signs])
    simple = (signs != 0).sum(axis=1) == m - rank + 1
    code = np.random.default_rng(m).integers(-(2**62), 2**62, size=m, dtype=np.int64)
    found = [_around(signs[simple], np.vstack([planes, planes])[simple], choice, code)]
    crowded = signs[~simple]
    if len(crowded):
        crowded = crowded[np.unique(crowded @ code, return_index=True)[1]]
    for row in crowded:
        here = np.flatnonzero(row == 0)
        local = enumerate_faces(rows[here], cells_only=cells_only).signs
        block = np.repeat(row[None], len(local), axis=0)
        block[:, here] = local
        found.append(block)
    if not cells_only:
        found.append(np.zeros((1, m), dtype=np.int8))
    together = np.vstack(found)
    first = np.unique(together @ code, return_index=True)[1]
    return Faces(together[first], rank, bool(simple.all()))


def rays(rows: Array) -> Array:
    """(V, r) integer null vectors of every independent set of r − 1 rows (m, r), one of ±.

    The rows have rank r. A ray may come several times.
    """
    m, r = rows.shape
    chosen = np.array(list(combinations(range(m), r - 1)), dtype=np.int64).reshape(-1, r - 1)
    found = minors(rows[chosen])
    return found[(found != 0).any(axis=1)]


def _vertices(rows: Array) -> tuple[Int[Array, "V m"], Int[Array, "V q"]]:
    """Signs of all planes at the vertex of every independent set of r − 1 rows, and the sets."""
    m, r = rows.shape
    chosen = np.array(list(combinations(range(m), r - 1)), dtype=np.int64)
    rounded = floats(rows, by_row=True)[0]
    rounded = np.ldexp(rounded, -np.frexp(np.abs(rounded).max(axis=1, keepdims=True))[1])
    signs, kept = [], []
    step = max(1, BLOCK // m)
    for begin in range(0, len(chosen), step):
        block = chosen[begin : begin + step]
        row, is_vertex = _signs(rows, rounded, block)
        signs.append(row[is_vertex])
        kept.append(block[is_vertex])
    return np.vstack(signs), np.vstack(kept)


def _signs(
    rows: Array, rounded: Array, chosen: Int[Array, "V q"]
) -> tuple[Int[Array, "V m"], Array]:
    """Signs of det[a_j; chosen rows], and whether the chosen rows are independent.

    Every term of the determinant is a product of r numbers, each rounded once, and enters at most
    r(r + 1)/2 sums: its error is below (r² + 3r) 2^−53 times the sum of the terms' sizes.
    """
    r = rows.shape[1]
    ray, size = minors(rounded[chosen]), minors(rounded[chosen], absolute=True)
    share = (r * r + 3 * r + 4) * UNIT
    height = ray @ rounded.T
    doubtful = np.abs(height) <= share * (size @ np.abs(rounded).T) + TINY
    signs = np.sign(height).astype(np.int8)
    np.put_along_axis(signs, chosen, 0, axis=1)
    np.put_along_axis(doubtful, chosen, False, axis=1)
    unsure = (np.abs(ray) <= share * size + TINY).all(axis=1) | doubtful.any(axis=1)
    is_vertex = np.ones(len(chosen), dtype=bool)
    which = np.flatnonzero(unsure)
    if len(which):
        exact = minors(rows[chosen[which]])
        is_vertex[which] = (exact != 0).any(axis=1)
        place, plane = np.nonzero(doubtful[which])
        values = (exact[place] * rows[plane]).sum(axis=1)
        signs[which[place], plane] = signs_of(values)
    return signs, is_vertex


def _around(
    signs: Int[Array, "V m"],
    planes: Int[Array, "V q"],
    choice: tuple[int, ...],
    code: Int[Array, " m"],
) -> Int[Array, "F m"]:
    """Distinct faces around vertices that lie on the given planes alone."""
    local = np.array(list(product(choice, repeat=planes.shape[1])), dtype=np.int64)
    key = (signs @ code)[:, None] + code[planes] @ local.T
    _, first = np.unique(key.ravel(), return_index=True)
    vertex, option = np.divmod(first, len(local))
    faces = signs[vertex]
    np.put_along_axis(faces, planes[vertex], local[option].astype(np.int8), axis=1)
    return faces
