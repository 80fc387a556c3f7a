"""Faces of a central hyperplane arrangement {u : a_j·u = 0} in R^d, as sign vectors.

Every face of an arrangement of rank r has a vertex (a ray, up to the space common to all planes) in
its closure, and a vertex is the null direction of r − 1 of the planes. So all faces are the faces
around all vertices: where exactly r − 1 planes meet these are the 3^(r−1) sign choices, elsewhere
the faces of the smaller arrangement of the planes that meet there. Signs at the other planes are
those of the vertex. Cost O(C(m, r − 1) (m + 3^(r−1))), no linear programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array

DEPENDENT = 1e-9
"""Planes whose unit normals span a smaller volume than this count as dependent."""

ON_PLANE = 1e-10
"""A unit vector with |a_j·u| below this lies on plane j."""


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


def rank_of(axis: Float[Array, "m d"]) -> int:
    """Numerical rank of unit normals."""
    if len(axis) == 0:
        return 0
    size = np.linalg.svd(axis, compute_uv=False)
    return int((size > DEPENDENT * size[0]).sum())


def enumerate_faces(axis: Float[Array, "m d"], *, cells_only: bool = False) -> Faces:
    """All faces (or all cells) of the arrangement with distinct planes of unit normals `axis`."""
    m = len(axis)
    if m == 0:
        return Faces(np.zeros((1, 0), dtype=np.int8), 0, True)
    _, size, turn = np.linalg.svd(axis, full_matrices=False)
    rank = int((size > DEPENDENT * size[0]).sum())
    choice = (-1, 1) if cells_only else (-1, 0, 1)
    if rank == 1:
        return Faces(np.array(choice, dtype=np.int8)[:, None] * np.ones((1, m), np.int8), 1, True)
    ray, planes = rays(axis @ turn[:rank].T)
    height = ray @ (axis @ turn[:rank].T).T
    signs = np.sign(np.where(np.abs(height) <= ON_PLANE, 0.0, height)).astype(np.int8)
    np.put_along_axis(signs, planes, 0, axis=1)
    signs = np.vstack([signs, -signs])
    simple = (signs != 0).sum(axis=1) == m - rank + 1
    code = np.random.default_rng(m).integers(-(2**62), 2**62, size=m, dtype=np.int64)
    rows = [_around(signs[simple], np.vstack([planes, planes])[simple], choice, code)]
    crowded = signs[~simple]
    if len(crowded):
        crowded = crowded[np.unique(crowded @ code, return_index=True)[1]]
    for row in crowded:
        here = np.flatnonzero(row == 0)
        local = enumerate_faces(axis[here], cells_only=cells_only).signs
        block = np.repeat(row[None], len(local), axis=0)
        block[:, here] = local
        rows.append(block)
    if not cells_only:
        rows.append(np.zeros((1, m), dtype=np.int8))
    together = np.vstack(rows)
    first = np.unique(together @ code, return_index=True)[1]
    return Faces(together[first], rank, bool(simple.all()))


def rays(axis: Float[Array, "m r"]) -> tuple[Float[Array, "V r"], Int[Array, "V q"]]:
    """Unit null vectors of every independent set of q = r − 1 rows, one of ±, and the sets' indices."""
    m, r = axis.shape
    chosen = np.array(list(combinations(range(m), r - 1)), dtype=np.int64).reshape(-1, r - 1)
    stack = axis[chosen]
    if r == 2:
        ray = np.column_stack([-stack[:, 0, 1], stack[:, 0, 0]])
    elif r == 3:
        ray = np.cross(stack[:, 0], stack[:, 1])
    else:
        columns = range(r)
        ray = np.column_stack(
            [(-1) ** j * np.linalg.det(np.delete(stack, j, axis=2)) for j in columns]
        )
    volume = np.linalg.norm(ray, axis=1)
    kept = volume > DEPENDENT
    return ray[kept] / volume[kept, None], chosen[kept]


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
