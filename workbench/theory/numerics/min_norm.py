"""The element of least norm in the convex hull of finitely many vectors."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from workbench.arrays import Array


def hull_weights(vertices: Float[Array, "k p"]) -> Float[Array, " k"]:
    """Weights ≥ 0 of sum 1 that give the element of least norm in conv(vertices).

    Non-negative least squares on ‖Vᵀc‖² + (Σc − 1)²: along any ray of c its minimum is q/(1 + q)
    with q the squared norm at Σc = 1, so both problems have the same direction c.

    Raises:
        ValueError: no vertices.
    """
    if len(vertices) == 0:
        raise ValueError("the convex hull of no vertices is empty")
    size = float(np.abs(vertices).max())
    if size == 0.0:
        return np.full(len(vertices), 1.0 / len(vertices))
    system = np.vstack([vertices.T / size, np.ones((1, len(vertices)))])
    weights, _ = nnls(system, np.append(np.zeros(vertices.shape[1]), 1.0))
    return np.asarray(weights / weights.sum())


def min_norm_element(vertices: Float[Array, "k p"]) -> Float[Array, " p"]:
    """argmin ‖v‖ over conv(vertices), the ∂̄ of KH24 §3 when the vertices span a subdifferential.

    Raises:
        ValueError: no vertices.
    """
    return np.asarray(vertices.T @ hull_weights(vertices))
