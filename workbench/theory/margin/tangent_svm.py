"""The hard-margin SVM in the features ∇q_i(θ^) against θ^ itself: LL20 Corollary 4.5 and Lemma C.13.

At a KKT direction of (P), θ/L solves min ½‖w‖² s.t. ∇q_i·w ≥ 1, with the multipliers of (P) over L; the
kernel is the neural tangent kernel at the limit. The angle between θ and the SVM's solution is 0 there.
At a kink the corollary holds for some elements of ∂q_i, and for others the angle may stay above 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.margin.svm import HardMargin, hard_margin_svm
from workbench.theory.numerics.separability import Inseparable


@dataclass(frozen=True, eq=False)
class TangentSvm:
    """`angle`: radians between θ and the SVM's direction; `angle_error`: most that the SVM's own
    error changes it. `margin_ratio`: min_i ∇q_i·θ^ over the SVM's margin, at most 1 and 1 at a KKT point."""

    svm: HardMargin
    angle: float
    angle_error: float
    margin_ratio: float


def angle_between(a: Float[Array, " P"], b: Float[Array, " P"]) -> float:
    """Radians between two vectors, to rounding also where they are next to parallel (Kahan).

    Raises:
        ValueError: one of them is zero.
    """
    size_a, size_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if not (size_a > 0 and size_b > 0):
        raise ValueError("the zero vector has no direction")
    a, b = a / size_a, b / size_b
    return float(2.0 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def tangent_svm(theta: Float[Array, " P"], rows: Float[Array, "M P"]) -> TangentSvm | Inseparable:
    """The SVM over the rows ∂q_i (M, P) at θ (P), whatever the scale of either.

    Raises:
        ValueError: θ = 0, numbers that are not finite, or the active-set steps ran out.
    """
    svm = hard_margin_svm(rows)
    if isinstance(svm, Inseparable):
        return svm
    angle = angle_between(theta, svm.direction)
    own = float((rows @ theta).min()) / float(np.linalg.norm(theta))
    error = 1.01 * svm.error + 4.0 * float(np.finfo(np.float64).eps)
    return TangentSvm(svm, angle, error, own / svm.margin_above)
