"""Cells of {a_j·u = 0} that surely hold no eigenvector of their matrix, in float64 with bounds on errors.

With M Ṽ ≈ ṼΛ̃ computed, R = M Ṽ − ṼΛ̃ and O = ṼᵀṼ − I, every eigenvalue of M is within
ρ = ‖R‖ + 2‖M‖‖O‖ + ‖M − M̃‖ of the computed one (Weyl), and a simple eigenvector is within the angle
2ρ/(gap − 2ρ) of the computed one (Davis, Kahan). A cell is ruled out where every eigenvector, with both
signs, is beyond a wall by more than that.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from workbench.arrays import Array
from workbench.theory.ncf.exact_lines import RoundedLines
from workbench.theory.numerics.arrangement import TINY, UNIT


def possible_vectors(
    lines: RoundedLines, signs: Int[Array, "C m"]
) -> tuple[Bool[Array, "C d"], Bool[Array, "C d"]]:
    """Which eigenvectors of M_S = Σ w_j a_j a_jᵀ may lie in the closed cell, in rising order of their
    eigenvalues, and which eigenvalues may be 0.

    Eigenvectors of eigenvalues that are not told apart may lie anywhere.
    """
    m, d = lines.axis.shape
    outer = (lines.axis[:, :, None] * lines.axis[:, None, :]).reshape(m, d * d)
    weight = np.where(signs > 0, lines.plus, lines.minus)
    base = (lines.smooth_axis * lines.smooth[:, None]).T @ lines.smooth_axis
    matrix = base + (weight @ outer).reshape(-1, d, d)
    size = np.abs(weight).sum(axis=1) + np.abs(lines.smooth).sum()
    share = 2 * (m + len(lines.smooth) + 12 * (d + 4)) * UNIT
    values, vectors = np.linalg.eigh(matrix)
    rest = np.linalg.norm(matrix @ vectors - vectors * values[:, None, :], axis=(1, 2))
    skew = np.linalg.norm(vectors.transpose(0, 2, 1) @ vectors - np.eye(d), axis=(1, 2))
    rounding = 8 * d * d * UNIT
    norm = np.linalg.norm(matrix, axis=(1, 2))
    error = rest + 2 * norm * (skew + rounding) + (share + rounding) * size + TINY
    apart = np.diff(values, axis=1)
    edge = np.full((len(signs), 1), np.inf)
    gap = np.minimum(np.hstack([edge, apart]), np.hstack([apart, edge])) - 2 * error[:, None]
    angle = np.full(values.shape, np.inf)
    np.divide(2 * error[:, None], gap, out=angle, where=gap > 0)
    possible = np.zeros(values.shape, dtype=bool)
    for j in range(d):
        slack = (2 * angle[:, j] + skew + 16 * (d + 4) * UNIT)[:, None]
        height = (vectors[:, :, j] @ lines.axis.T) * signs
        possible[:, j] = (height >= -slack).all(axis=1) | (height <= slack).all(axis=1)
    return possible, np.abs(values) <= 2 * error[:, None]
