"""The element of least norm in the convex hull of finitely many vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from workbench.arrays import Array
from workbench.theory.numerics.outcome import End, Outcome


@dataclass(frozen=True, eq=False)
class LeastNorm:
    """`element` (p) = Σ weights_i v_i, `weights` (k) ≥ 0 of sum 1.

    `outcome`: the residual is max(0, ‖v‖² − min_i v·v_i) over max_i ‖v_i‖², 0 at the least norm. Where SciPy
    gave up the element is the shortest vertex.
    """

    weights: Float[Array, " k"]
    element: Float[Array, " p"]
    outcome: Outcome


def least_norm(vertices: Float[Array, "k p"]) -> LeastNorm:
    """argmin ‖v‖ over conv(vertices), the ∂̄ of KH24 §3 when the vertices span a subdifferential.

    Non-negative least squares on ‖Vᵀc‖² + (Σc − 1)²: along any ray of c its minimum is q/(1 + q)
    with q the squared norm at Σc = 1, so both problems have the same direction c.

    Raises:
        ValueError: no vertices.
    """
    if len(vertices) == 0:
        raise ValueError("the convex hull of no vertices is empty")
    size = float(np.abs(vertices).max())
    if size == 0.0:
        weights = np.full(len(vertices), 1.0 / len(vertices))
        return LeastNorm(weights, np.zeros(vertices.shape[1]), Outcome(End.CONVERGED, None, 0.0))
    system = np.vstack([vertices.T / size, np.ones((1, len(vertices)))])
    end = End.CONVERGED
    try:
        weights, _ = nnls(system, np.append(np.zeros(vertices.shape[1]), 1.0))
    except RuntimeError:
        weights, end = np.zeros(len(vertices)), End.OUT_OF_STEPS
        weights[int(np.argmin(np.linalg.norm(vertices, axis=1)))] = 1.0
    weights = np.asarray(weights / weights.sum())
    element = np.asarray(vertices.T @ weights)
    scaled, unit = vertices / size, element / size
    short = max(0.0, float(unit @ unit - (scaled @ unit).min()))
    longest = float(np.sum(scaled**2, axis=1).max())
    return LeastNorm(weights, element, Outcome(end, None, short / longest))
