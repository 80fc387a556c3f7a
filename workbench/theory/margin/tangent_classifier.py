"""The classifier of the neural tangent kernel at a start: JT20 Fig. 1a.

The linear predictor ⟨∇Φ(θ_0; x), v⟩ of largest margin; gradient descent on it goes there in direction
(Soudry et al. 2017).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.margin.svm import HardMargin, hard_margin_svm
from workbench.theory.numerics.separability import Inseparable


def tangent_classifier(
    tangents: Float[Array, "n P"], y: Float[Array, " n"]
) -> tuple[Float[Array, " P"], HardMargin] | Inseparable:
    """v (P), of norm 1, with the SVM and its certificate; the proof where the features do not separate.

    `tangents`: ∇Φ(θ_0; x_i). The SVM is solved in n coordinates, as v lies in the span of the tangents.

    Raises:
        ValueError: as `hard_margin_svm`.
    """
    rows = y[:, None] * tangents
    if rows.shape[1] <= rows.shape[0]:
        found = hard_margin_svm(rows)
        return found if isinstance(found, Inseparable) else (found.direction, found)
    # rows = (R^T) Q^T with orthonormal Q: the same inner products in fewer coordinates.
    q, r = np.linalg.qr(rows.T)
    found = hard_margin_svm(np.ascontiguousarray(r.T))
    return found if isinstance(found, Inseparable) else (q @ found.direction, found)
