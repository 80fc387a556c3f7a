"""The regression with the neural tangent kernel of a start: where gradient flow of the linearised
network under the square loss goes (Jacot, Gabriel, Hongler 2018, §5)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array


def tangent_regression(
    tangents: Float[Array, "n P"], residual: Float[Array, " n"]
) -> Float[Array, " P"]:
    """The shortest v with ⟨∇Φ(θ_0; x_i), v⟩ = y_i − Φ(θ_0; x_i), the residual, in least squares.

    The predictor is Φ(θ_0; x) + ⟨∇Φ(θ_0; x), v⟩.
    """
    return np.asarray(np.linalg.lstsq(tangents, residual, rcond=None)[0])
