"""Whether some w has z_i·w > 0 for all i, decided with a certificate either way (Gordan's theorem).

With ẑ_i = z_i/‖z_i‖ the margin γ = max_{‖w‖=1} min_i ẑ_i·w equals the distance of 0 from conv{ẑ_i} where
that is positive: any unit w bounds it from below, any convex combination from above.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.numerics.compensated import accurate_matvec
from workbench.theory.numerics.least_distance import LeastDistance, least_distance, scaled_rows

ROUNDING = 4.0 * float(np.finfo(np.float64).eps)
"""Error of ẑ·w for unit vectors in float64, computed accurately from rounded ẑ and w."""


@dataclass(frozen=True, eq=False)
class Separable:
    """`direction` (d), unit, with `margin` = min_i ẑ_i·direction > 0, rounding taken off."""

    direction: Float[Array, " d"]
    margin: float


@dataclass(frozen=True, eq=False)
class Inseparable:
    """`weights` (n) ≥ 0 that sum to 1 with ‖Σ weights_i ẑ_i‖ = `residual`: no margin exceeds it.

    Data with a margin below about 1e−13 end here too: to working precision they touch 0."""

    weights: Float[Array, " n"]
    residual: float

    @property
    def sentence(self) -> str:
        """The finding in words."""
        count = int(np.count_nonzero(self.weights))
        return (
            f"no direction separates the samples by more than {self.residual:.2g}, the norm of a convex "
            f"combination of {count} of them"
        )


def separability(z: Float[Array, "n d"]) -> Separable | Inseparable:
    """Whether the rows z_i (labels multiplied in) lie in an open half-space.

    Raises:
        ValueError: no rows, or numbers that are not finite.
    """
    nothing = np.flatnonzero(~z.any(axis=1))
    if len(nothing):
        weights = np.zeros(len(z))
        weights[nothing[0]] = 1.0
        return Inseparable(weights, 0.0)
    rows, _ = scaled_rows(z)
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    return decided(unit, least_distance(unit, np.ones(len(z))))


def decided(unit: Float[Array, "n d"], found: LeastDistance) -> Separable | Inseparable:
    """The certificate that a least-distance solution over unit rows gives.

    Raises:
        ValueError: neither certificate came out, which means the active-set steps ran out.
    """
    if found.feasible:
        w = found.w / np.linalg.norm(found.w)
        margin = float(accurate_matvec(unit, w).min()) - ROUNDING
        if margin > 0:
            return Separable(w, margin)
        if not found.outcome.converged:
            steps = found.outcome.iterations
            raise ValueError(f"separability is undecided after {steps} active-set steps")
    weights = found.multipliers / found.multipliers.sum()
    rest = accurate_matvec(np.ascontiguousarray(unit.T), weights)
    return Inseparable(weights, float(np.linalg.norm(rest)))
