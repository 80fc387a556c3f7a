"""How much of a sum Σ z_i σ(w·x_i) one neuron of unit norm can make, from above.

The dual of (P) for two layers without sharing: |Σ λ_i y_i σ(w·x_i)| ≤ ‖w‖ for every neuron's w makes
2Σλ_i a lower bound of ‖θ‖² (VSS22 C.5 and C.6, where σ is linear or its pattern fixed). On the cone of
an activation pattern A the sum is s_A·w, and for any μ ≥ 0 on the cone's normals a_i it is at most
‖s_A + Σ μ_i a_i‖.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

from workbench.arrays import Array

MOST_SAMPLES = 14
"""Most samples whose activation patterns are all gone through."""
ROUNDING = 2.0**-50


@dataclass(frozen=True, eq=False)
class Supremum:
    """`value`: sup over ‖w‖ ≤ 1 of |Σ z_i σ(w·x_i)|, rounding included; about reached at the unit `w`
    (c), with the sign `sign` of the sum."""

    value: float
    w: Float[Array, " c"]
    sign: float


def neuron_supremum(
    x: Float[Array, "k c"], z: Float[Array, " k"], leak: float, most: int = MOST_SAMPLES
) -> Supremum | None:
    """The supremum over all patterns; None for more than `most` samples that see more than two numbers."""
    if leak == 1.0:
        total = z @ x
        return Supremum(_up(total, x, z), _unit(total), 1.0)
    patterns = _patterns(x, most)
    if patterns is None:
        return None
    best = Supremum(0.0, np.zeros(x.shape[1]), 1.0)
    for sign in (1.0, -1.0):
        sums = (np.where(patterns, 1.0, leak) * (sign * z)) @ x
        sizes = np.linalg.norm(sums, axis=1)
        for k in np.argsort(-sizes):
            if sizes[k] <= best.value:
                break
            w = on_cone(sums[k], np.where(patterns[k], 1.0, -1.0)[:, None] * x)
            value = _up(w, x, z)
            if value > best.value:
                best = Supremum(value, _unit(w), sign)
    return best


def peaks_locally(
    x: Float[Array, "k c"],
    z: Float[Array, " k"],
    leak: float,
    w: Float[Array, " c"],
    touches: float,
    most: int = MOST_SAMPLES,
) -> float | None:
    """r with Σ z_i σ(w'·x_i) ≤ ‖w'‖ + r‖w' − w‖ for all w' near the unit vector w; None for more than
    `most` samples on a kink. r = 0 says that w is a local maximum of the sum on the sphere, with value 1."""
    heights = x @ w
    kink = np.abs(heights) <= touches * np.linalg.norm(x, axis=1)
    patterns = _patterns(x[kink], most)
    if patterns is None:
        return None
    fixed = (np.where(heights > 0, 1.0, leak) * z)[~kink] @ x[~kink]
    worst = 0.0
    for pattern in patterns:
        total = fixed + (np.where(pattern, 1.0, leak) * z[kink]) @ x[kink] - w
        rest = on_cone(total, np.where(pattern, 1.0, -1.0)[:, None] * x[kink])
        worst = max(worst, float(np.linalg.norm(rest)))
    return worst


def on_cone(point: Float[Array, " c"], normals: Float[Array, "k c"]) -> Float[Array, " c"]:
    """The point of {w: a_i·w ≥ 0} nearest to `point` (Moreau: the point plus Σ μ_i a_i, μ ≥ 0)."""
    if not len(normals) or (normals @ point >= 0).all():
        return point
    return point + nnls(normals.T, -point)[0] @ normals


def _patterns(x: Float[Array, "k c"], most: int) -> Bool[Array, "m k"] | None:
    """Which samples w can be active on: all choices, or in the plane those of the arcs between the lines
    x_i·w = 0, and of the lines' ends. None where there are too many."""
    count, columns = x.shape
    if columns <= 2 and count:
        plane = np.column_stack([x, np.zeros((count, 2 - columns))])
        turned = np.arctan2(plane[:, 0], -plane[:, 1])
        ends = np.unique(np.mod(np.concatenate([turned, turned + np.pi]), 2.0 * np.pi))
        middles = 0.5 * (ends + np.append(ends[1:], ends[0] + 2.0 * np.pi))
        angles = np.concatenate([middles, ends])
        seen = np.column_stack([np.cos(angles), np.sin(angles)]) @ plane.T > 0
        return np.unique(seen, axis=0)
    if count > most:
        return None
    return np.asarray((np.arange(2**count)[:, None] >> np.arange(count)) & 1 == 1)


def _up(total: Float[Array, " c"], x: Float[Array, "k c"], z: Float[Array, " k"]) -> float:
    """‖total‖ with the rounding of the sum behind it added."""
    size = float(np.abs(z) @ np.linalg.norm(x, axis=1))
    return float(np.linalg.norm(total)) + ROUNDING * (len(z) + x.shape[1]) * size


def _unit(vector: Float[Array, " c"]) -> Float[Array, " c"]:
    size = float(np.linalg.norm(vector))
    return vector / size if size > 0 else vector
