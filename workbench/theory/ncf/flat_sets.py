"""Flat sets of KKT points of one squared-ReLU neuron: pieces of neighbouring cells joined, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.numerics.exact_cone import cone
from workbench.theory.numerics.exact_linear import independent
from workbench.theory.numerics.integers import signs_of, unit_vector


@dataclass(frozen=True, eq=False)
class FlatPiece:
    """The unit vectors of span(`basis`), k ≥ 2 integer rows, in the closure of the cell `signs`.

    `point` (d,): integers along one of them, in the relative interior. `value`: the eigenvalue.
    """

    point: Array
    basis: Array
    signs: Int[Array, " m"]
    value: int


def joined(pieces: list[FlatPiece], axis: Array) -> list[list[FlatPiece]]:
    """Connected groups of pieces, the largest piece of each group first.

    Two pieces of one value touch where they share a direction. N is C¹, so on the common face of two
    cells both have the same eigenvectors: a direction of one piece in the other's cell is of the other.
    """
    count = len(pieces)
    order = sorted(range(count), key=lambda i: -len(pieces[i].basis))
    label = np.arange(count)
    at = np.array([signs_of(axis.dot(piece.point)) for piece in pieces])
    values = np.array([piece.value for piece in pieces], dtype=object)
    for first in order:
        within = ((at == pieces[first].signs) | (at == 0)).all(axis=1)
        touching = within & (values == pieces[first].value)
        for second in np.flatnonzero(touching & (label != label[first])).tolist():
            label[label == label[second]] = label[first]
    for first, second in combinations(range(count), 2):
        same = pieces[first].value == pieces[second].value
        if same and label[first] != label[second] and _meet(pieces[first], pieces[second], axis):
            label[label == label[second]] = label[first]
    groups = [[pieces[i] for i in order if label[i] == key] for key in np.unique(label)]
    return sorted(groups, key=lambda group: -group[0].value)


def _meet(a: FlatPiece, b: FlatPiece, axis: Array) -> bool:
    """Whether two pieces of one value share a direction: one of a's in the common face of the cells."""
    apart = axis[a.signs != b.signs]
    rows = np.vstack([axis * a.signs[:, None].astype(object), apart, -apart])
    return len(cone(rows.dot(a.basis.T))[1]) > 0


def orthonormal(rows: Array) -> Float[Array, "k d"]:
    """Orthonormal float64 rows that span integer rows."""
    d = rows.shape[1]
    kept, _ = independent(rows)
    if len(kept) == d:
        return np.eye(d)
    unit = np.array([unit_vector(row) for row in rows[kept]]).reshape(len(kept), d)
    return np.linalg.qr(unit.T)[0].T
