"""Singular values and vectors of every layer over the records of a run, followed as continuous branches.

An SVD sorts by size and chooses signs afresh at every record; a branch here keeps its number through
crossings and its sign, so that it can be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from workbench.arrays import Array, Float
from workbench.models.structure import Structure


@dataclass(frozen=True, eq=False)
class Branches:
    """`count` singular triples of one layer over T records.

    Branch j is the j-th largest at the last record, followed backwards: between neighbouring records the
    triples are matched so that Σ |⟨u, u'⟩⟨v, v'⟩| is largest. `left` (T, count, rows) and `right`
    (T, count, columns) are unit, with ⟨u, u'⟩⟨v, v'⟩ > 0 and ⟨v, v'⟩ ≥ 0 between neighbours. Where two
    values meet exactly the vectors are any of their plane's.
    """

    values: Float[np.ndarray, "T r"]
    left: Float[np.ndarray, "T r a"]
    right: Float[np.ndarray, "T r b"]


def singular_values(
    theta: Float[np.ndarray, "T P"], structure: Structure, count: int
) -> Float[np.ndarray, "T m r"]:
    """The `count` largest singular values of every layer, falling; NaN where a layer has no more, or is
    no matrix, or is not finite."""
    found = np.full((len(theta), len(structure.layers), count), np.nan)
    for k, layer in enumerate(structure.layers):
        if layer.matrix is None:
            continue
        w = structure.matrix(theta, layer.matrix)
        finite = np.isfinite(w).all(axis=(1, 2))
        values = np.linalg.svd(w[finite], compute_uv=False)[:, :count]
        found[finite, k, : values.shape[1]] = values
    return found


def branches(
    theta: Float[np.ndarray, "T P"], structure: Structure, layer: int, count: int
) -> Branches:
    """The `count` leading branches of layer `layer` (from 0), or as many as it has.

    Raises:
        ValueError: the layer is no matrix, there is no record, or θ is not finite.
    """
    matrix = structure.layers[layer].matrix
    if matrix is None:
        raise ValueError(f"layer {structure.layers[layer].name} is no matrix")
    if not len(theta) or not np.isfinite(theta).all():
        raise ValueError("singular vectors need at least one record, and finite weights")
    u, s, vt = np.linalg.svd(structure.matrix(theta, matrix), full_matrices=False)
    left, right, values = np.swapaxes(u, 1, 2).copy(), vt.copy(), s.copy()
    for t in range(len(theta) - 2, -1, -1):
        _continue(values, left, right, t)
    return Branches(values[:, :count], left[:, :count], right[:, :count])


def _continue(values: Array, left: Array, right: Array, t: int) -> None:
    """Reorder and turn the triples of record t after those of t + 1, in place."""
    along_u, along_v = left[t + 1] @ left[t].T, right[t + 1] @ right[t].T
    # Triples that match equally well, as of the value zero, stay in their order.
    ties = 1e-12 * np.eye(len(along_u))
    _, order = linear_sum_assignment(np.abs(along_u * along_v) + ties, maximize=True)
    values[t], left[t], right[t] = values[t, order], left[t, order], right[t, order]
    sign = np.where(np.diagonal(along_v[:, order]) < 0, -1.0, 1.0)[:, None]
    left[t] *= sign
    right[t] *= sign
