"""The certificate of (P) in the norm that a run's own rule descends in, where that is not ℓ2.

Steepest descent in a norm goes to KKT points of min ½‖θ‖² s.t. q_i ≥ 1 in that norm, as gradient descent
does for ℓ2 (Tsilivis et al. 2025); at them ℓ2's ε need not be small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.arrays import Array, Float
from workbench.norms.norm import Norm
from workbench.norms.spectral import Spectral
from workbench.theory.margin.norm_kkt import (
    NormCertificate,
    norm_certificate,
    weighted_certificate,
)
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.numerics.work import Work

MOST_CONSTRAINTS = 400
MOST_NUMBERS = 4_000_000
"""Most constraints, the lowest margins, and numbers in their gradients that the programs look at."""


@dataclass(frozen=True, eq=False)
class OwnNorm:
    """`symbol` of the norm, `norm2` = ‖θ~‖² in it; the multipliers of the risk's gradient, and the best ones
    for their δ over the `constraints` lowest margins. `bound`: whether ε is a bound by projection."""

    symbol: str
    norm2: float
    paper: NormCertificate
    best: NormCertificate
    constraints: int
    bound: bool

    def sentences(self) -> tuple[str, ...]:
        """What the numbers say."""
        how = ", an upper bound by projection" if self.bound else ""
        return (
            f"The run descends in the {self.symbol} norm and goes to KKT points of (P) in it: dual alignment "
            f"{self.paper.alignment:.6g}, 1 at one; ε{how}, is the distance to a θ and a gradient that are "
            "stationary.",
        )

    def as_json(self) -> dict[str, Any]:
        """Both certificates; `divergence` is ½ε² for ℓ2, and none is below `divergence_low` for this δ."""
        return {
            "norm": self.symbol,
            "epsilon": self.best.epsilon,
            "delta": self.best.delta,
            "divergence": self.best.divergence,
            "divergence_low": self.best.divergence_low,
            "active": int(self.best.active.sum()),
            "paper_epsilon": self.paper.epsilon,
            "paper_delta": self.paper.delta,
            "paper_divergence": self.paper.divergence,
            "dual_alignment": self.paper.alignment,
            "norm2": self.norm2,
            "constraints": self.constraints,
            "bound": self.bound,
        }


def own_norm(
    point: MarginPoint,
    norm: Norm,
    *,
    q: Float[Array, " M"],
    log_weights: Float[Array, " M"],
    pull: Float[Array, " P"],
    work: Work,
) -> OwnNorm:
    """Of the rescaled θ~ with all its margins q~; `point` has the rows that are looked at, `pull` (P) is
    Σ w_i h~_i over all, w_i = e^{log w_i − max}.

    Raises:
        ValueError: the gradient vanishes, or HiGHS gave up.
    """
    paper = weighted_certificate(point.theta, q, norm, log_weights, pull)
    most = min(MOST_CONSTRAINTS, max(1, MOST_NUMBERS // len(point.theta)))
    lowest = np.sort(np.argsort(point.q, kind="stable")[:most])
    part = MarginPoint(point.theta, point.q[lowest], point.rows[lowest], point.order)
    best = norm_certificate(part, norm, paper.delta, work=work)
    size = float(norm.norm(point.theta))
    return OwnNorm(norm.symbol, size**2, paper, best, len(lowest), isinstance(norm, Spectral))
