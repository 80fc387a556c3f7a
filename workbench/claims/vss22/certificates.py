"""Certificates of VSS22's verdicts, looked at anew: exact feasibility and norms, and dual bounds.

A lower bound on ‖θ‖² comes from multipliers λ ≥ 0 and weak duality, and needs no trust in who found λ:

- depth 2, nothing shared, pattern of activation held (problems (7), (10)): Σ_k ‖u_k‖ ≥ Σ_i λ_i where
  ‖Σ_i λ_i A_ik z_ik‖ ≤ 1 for every neuron k, and ‖θ‖² ≥ 2 Σ_k ‖u_k‖;
- one layer, the others and the pattern held (Problem 3): ‖u‖² ≥ 2 Σ_i λ_i − ‖Σ_i λ_i a_i‖², a_i = ∂q_i/∂u;
- fully connected linear of depth m (Theorem 3.1): ‖θ‖² ≥ m γ^{−2/m} with γ the hard margin of the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from workbench.arrays import Float
from workbench.claims.exact_network import Exact, ExactNetwork, norm2
from workbench.theory.margin.svm import HardMargin, hard_margin_svm

ROUNDED = 8.0 * float(np.finfo(np.float64).eps)
"""Relative error of a norm² that is known in closed form, in float64."""
ROUND_UP = Fraction(1, 2**50)
"""By how much a point is scaled up at a time until it is exactly feasible."""


@dataclass(frozen=True)
class Family:
    """K feasible points against a limit: the least margin less 1, the largest ‖θ'‖² over the limit's,
    and the nearest distance; exact up to the last rounding."""

    infeasible: float
    ratio: float
    nearest: float


def family(
    network: ExactNetwork,
    points: Sequence[Sequence[float | Fraction]],
    limit: Float[np.ndarray, " P"],
    limit_norm2: float,
) -> Family:
    """Look at points that are said to be feasible and shorter than a limit of norm² `limit_norm2`.

    The ratio is taken to the lower end of `limit_norm2`'s rounding. No points at all: NaN.
    """
    if not len(points):
        return Family(float("nan"), float("nan"), float("nan"))
    low = Fraction(limit_norm2) * (1 - Fraction(ROUNDED))
    lowest = min(min(network.margins(point)) for point in points)
    longest = max(norm2(point) for point in points)
    apart = [
        norm2([Fraction(a) - Fraction(b) for a, b in zip(point, limit.tolist(), strict=True)])
        for point in points
    ]
    return Family(max(0.0, float(1 - lowest)), _rounded_up(longest / low), float(min(apart)) ** 0.5)


def _rounded_up(value: Fraction) -> float:
    """The least float that is not below."""
    near = float(value)
    return near if Fraction(near) >= value else float(np.nextafter(near, np.inf))


def made_feasible(network: ExactNetwork, theta: Float[np.ndarray, " P"]) -> Exact:
    """θ, feasible up to rounding, scaled up until its margins are ≥ 1 exactly.

    Raises:
        ValueError: θ is farther from feasible than rounding explains.
    """
    for count in range(65):
        scaled = [Fraction(t) * (1 + count * ROUND_UP) for t in theta.tolist()]
        if min(network.margins(scaled)) >= 1:
            return scaled
    raise ValueError("the point is not feasible")


def pattern_bound(
    network: ExactNetwork, theta: Float[np.ndarray, " P"], multipliers: Float[np.ndarray, " n"]
) -> float:
    """Lower bound on ‖θ'‖² for depth 2 over feasible θ' with θ's pattern of activation.

    For linear networks without shared weights that is every feasible θ' (Theorem 4.2 (1)).
    """
    first = network.places[0]
    if network.depth != 2 or network.shares:
        raise ValueError("the bound is for depth 2 without shared weights")
    width = len(first)
    heights = np.array([float(h) for h in network.heights(theta.tolist())]).reshape(-1, width)
    gates = np.where(heights > 0, 1.0, network.leak)
    pulls = (multipliers * network.y)[:, None] * gates
    sizes = [
        np.linalg.norm(pulls[:, k] @ np.where(first[k] >= 0, network.x, 0.0)) for k in range(width)
    ]
    return float(2.0 * multipliers.sum() / max(1.0, *sizes))


def layer_bound(
    network: ExactNetwork,
    theta: Float[np.ndarray, " P"],
    multipliers: Float[np.ndarray, " n"],
    index: int,
) -> float:
    """Lower bound on ‖u‖² of layer `index` over feasible u, the other layers and the pattern held."""
    slopes = np.array([[float(v) for v in row] for row in network.slopes(theta.tolist(), index)])
    pull = multipliers @ slopes
    return float(2.0 * multipliers.sum() - pull @ pull)


def linear_bound(network: ExactNetwork) -> float:
    """Lower bound on ‖θ‖² of fully connected linear networks; NaN where no direction separates."""
    found = hard_margin_svm(network.y[:, None] * network.x)
    if not isinstance(found, HardMargin):
        return float("nan")
    return float(network.depth * found.margin_above ** (-2.0 / network.depth))


def least_height(network: ExactNetwork, theta: Float[np.ndarray, " P"], first: int = 0) -> float:
    """The smallest |pre-activation| of hidden layers `first`…; ∞ where there is none."""
    return float(min((abs(h) for h in network.heights(theta.tolist(), first)), default=np.inf))
