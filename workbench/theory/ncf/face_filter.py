"""Faces of {a_j·u = 0} that surely have no critical direction of g, in float64 with bounds on errors.

On a face where the independent planes J meet, λu ∈ ∂g(u) reads λu = s + Σ_J c_j a_j with s the slope
without J, c = −(A Aᵀ)⁻¹A s and c_j between minus_j and plus_j. A face is ruled out where a c_j is outside
by more than its error, or where both signs of s + Σ c_j a_j are on the wrong side of another plane.
What is left is for `face_two_layer.py` to decide in integers.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.exact_lines import RoundedLines
from workbench.theory.numerics.arrangement import TINY, UNIT


def estimated_slopes(
    lines: RoundedLines, signs: Int[Array, "F m"]
) -> tuple[Float[Array, "F d"], Float[Array, " F"]]:
    """s_S for rows of signs (lines with sign 0 left out) and bounds on the norms of their errors.

    Every term is within 5(d + 4) roundings of itself and enters as many sums as there are lines.
    """
    weight = np.where(signs > 0, lines.plus, np.where(signs < 0, lines.minus, 0.0))
    slope = weight @ lines.axis + lines.smooth @ lines.smooth_axis
    d = lines.axis.shape[1]
    share = 2 * (len(lines.plus) + len(lines.smooth) + 6 * (d + 4)) * UNIT
    size = np.abs(weight).sum(axis=1) + np.abs(lines.smooth).sum()
    return slope, share * size + TINY


def possible_faces(lines: RoundedLines, signs: Int[Array, "F m"], count: int) -> Bool[Array, " F"]:
    """Which faces, all of them with `count` planes, may have a critical direction or a vanishing slope."""
    d = lines.axis.shape[1]
    slope, error = estimated_slopes(lines, signs)
    possible = known = np.ones(len(signs), dtype=bool)
    if count:
        planes = np.nonzero(signs == 0)[1].reshape(len(signs), count)
        meet = lines.axis[planes]
        gram = meet @ meet.transpose(0, 2, 1)
        values, vectors = np.linalg.eigh(gram)
        least = values[:, 0] - 32 * count * (d + count + 4) * UNIT
        goal = -(meet @ slope[:, :, None])
        inverse = vectors / np.maximum(values, UNIT)[:, None, :]
        weight = (inverse @ (vectors.transpose(0, 2, 1) @ goal))[:, :, 0]
        total = np.abs(weight).sum(axis=1)
        moved = slope + np.einsum("fk,fkd->fd", weight, meet)
        rounding = 8 * (d + count + 4) * UNIT * (np.linalg.norm(slope, axis=1) + total)
        rest = np.linalg.norm((meet @ moved[:, :, None])[:, :, 0], axis=1)
        known = least > 0
        off = np.full(len(signs), np.inf)
        off[known] = ((rest + np.sqrt(count) * (error + rounding)) / np.where(known, least, 1))[
            known
        ]
        low = np.minimum(lines.plus, lines.minus)[planes]
        high = np.maximum(lines.plus, lines.minus)[planes]
        slack = off[:, None] + 8 * (d + 4) * UNIT * (np.abs(low) + np.abs(high)) + TINY
        possible = ((weight >= low - slack) & (weight <= high + slack)).all(axis=1)
        slope, error = moved, error + np.sqrt(count) * off + rounding
    size = np.linalg.norm(slope, axis=1)
    slack = error + 8 * (d + 4) * UNIT * size + TINY
    height = (slope @ lines.axis.T) * signs
    height[signs == 0] = 0.0
    forward = (height >= -slack[:, None]).all(axis=1)
    backward = (height <= slack[:, None]).all(axis=1)
    return (possible & (forward | backward)) | ~known
