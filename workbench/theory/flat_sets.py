"""Flat sets of KKT points: pieces of neighbouring cells joined into connected sets."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from workbench.arrays import Array
from workbench.theory.piecewise_quadratic import (
    IN_CELL,
    REPEATED,
    FlatPiece,
    PiecewiseQuadratic,
    cone_face,
)


def joined(pieces: tuple[FlatPiece, ...], q: PiecewiseQuadratic) -> list[list[FlatPiece]]:
    """Connected groups of pieces, the largest piece of each group first.

    Two pieces touch where their cones share more than 0; the test by one's interior point settles
    most pairs, a linear program the others.
    """
    count = len(pieces)
    if count == 0:
        return []
    label = np.arange(count)
    order = sorted(range(count), key=lambda i: -len(pieces[i].basis))
    for first in order:
        touching = contains(pieces[first], np.stack([piece.point for piece in pieces]), q.axis)
        for second in np.flatnonzero(touching & (label != label[first])).tolist():
            label[label == label[second]] = label[first]
    for first, second in combinations(range(count), 2):
        if label[first] != label[second] and _meet(pieces[first], pieces[second], q):
            label[label == label[second]] = label[first]
    groups = [[pieces[i] for i in order if label[i] == key] for key in np.unique(label)]
    return sorted(groups, key=lambda group: -group[0].value)


def contains(
    piece: FlatPiece, u: Float[Array, "B d"], axis: Float[Array, "m d"]
) -> Bool[Array, " B"]:
    """Whether unit vectors lie in a piece, up to rounding."""
    off_span = np.linalg.norm(u - (u @ piece.basis.T) @ piece.basis, axis=1)
    height = (u @ axis.T) * piece.signs
    return (off_span <= 10 * IN_CELL) & (height.min(axis=1, initial=0.0) >= -10 * IN_CELL)


def _meet(a: FlatPiece, b: FlatPiece, q: PiecewiseQuadratic) -> bool:
    """Whether two pieces of one value share a direction."""
    if abs(a.value - b.value) > 10 * REPEATED * q.scale:
        return False
    left, size, _ = np.linalg.svd(a.basis @ b.basis.T)
    common = left[:, : int((size > 1 - IN_CELL).sum())].T @ a.basis
    if len(common) == 0:
        return False
    inward = np.vstack([a.signs[:, None] * q.axis, b.signs[:, None] * q.axis])
    return len(cone_face(common, inward)[1]) > 0


def hull_basis(group: list[FlatPiece]) -> Float[Array, "k d"]:
    """Orthonormal rows that span all pieces of a group."""
    _, size, turn = np.linalg.svd(np.vstack([piece.basis for piece in group]), full_matrices=False)
    return turn[size > IN_CELL]


def distinct(points: Float[Array, "K d"], apart: float) -> Int[Array, " J"]:
    """Indices of the first of each cluster of points closer than `apart`, in order."""
    if len(points) < 2:
        return np.arange(len(points))
    pairs = cKDTree(points).query_pairs(apart, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=2 * (len(points),))
    label = connected_components(graph, directed=False)[1]
    return np.sort(np.unique(label, return_index=True)[1])
