"""Hard-margin SVM without bias: min ½‖w‖² s.t. z_i·w ≥ 1 (LL20 Corollary 4.5, JT19 Assumption 2.1).

The margin γ = max_{‖u‖=1} min_i z_i·u = 1/‖w‖ lies between min_i z_i·ŵ and ‖Σ p_i z_i‖ for any p in the
simplex; with p the normalized multipliers both meet, and their distance is the duality gap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.numerics.compensated import accurate_matvec
from workbench.theory.numerics.least_distance import ACCURATE_NUMBERS, least_distance
from workbench.theory.numerics.outcome import Outcome
from workbench.theory.numerics.separability import Inseparable, separability


@dataclass(frozen=True, eq=False)
class HardMargin:
    """The solution w (d) and its certificate.

    `direction`: w/‖w‖. `multipliers` (n) ≥ 0 with w = Σ λ_i z_i, zero off `support`.
    `margin` and `margin_above`: bounds of γ from w and from the multipliers, in the units of z.
    `error`: what one more refinement of the support's equations would move w by, over ‖w‖.
    `outcome`: iterations are active-set steps, the residual is ‖w − Σλ_i z_i‖/‖w‖.
    """

    w: Float[Array, " d"]
    direction: Float[Array, " d"]
    multipliers: Float[Array, " n"]
    support: Int[Array, " k"]
    margin: float
    margin_above: float
    error: float
    outcome: Outcome

    @property
    def gap(self) -> float:
        """(above − below)/above of the margin's bounds; negative by rounding alone."""
        return (self.margin_above - self.margin) / self.margin_above


def hard_margin_svm(z: Float[Array, "n d"]) -> HardMargin | Inseparable:
    """The SVM of rows z_i = y_i x_i, or the proof that nothing separates them.

    Raises:
        ValueError: no rows, numbers that are not finite, or the active-set steps ran out.
    """
    found = least_distance(z, np.ones(len(z)))
    if not found.outcome.converged:
        steps = found.outcome.iterations
        raise ValueError(f"the SVM is not solved after {steps} active-set steps")
    size = float(np.linalg.norm(found.w))
    if not found.feasible or not (z @ found.w > 0).all():
        decision = separability(z)
        if isinstance(decision, Inseparable):
            return decision
        raise ValueError(
            f"the samples separate with margin {decision.margin:.2g}, too little for the SVM in float64"
        )
    direction = found.w / size
    shares = found.multipliers / found.multipliers.sum()
    combination = _matvec(np.ascontiguousarray(z[found.support].T), shares[found.support])
    return HardMargin(
        w=found.w,
        direction=direction,
        multipliers=found.multipliers,
        support=found.support,
        margin=float(_matvec(z, direction).min()),
        margin_above=float(np.linalg.norm(combination)),
        error=found.error,
        outcome=replace(found.outcome, residual=found.outcome.residual / size),
    )


def _matvec(a: Float[Array, "n d"], x: Float[Array, " d"]) -> Float[Array, " n"]:
    """a x, accurately where that takes well below a second."""
    return accurate_matvec(a, x) if a.size <= ACCURATE_NUMBERS else a @ x
