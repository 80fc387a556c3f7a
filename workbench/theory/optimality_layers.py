"""Problem (3) of VSS22: (P) in one layer's weights, the other layers fixed (Theorems 5.2 to 5.4)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from workbench.arrays import Array
from workbench.theory.least_distance import least_distance
from workbench.theory.optimality_families import better_family
from workbench.theory.optimality_point import CLEAR, Candidate
from workbench.theory.optimality_result import LayerVerdict, Verdict

MATCHES = 1e-9
"""Relative gap under which a lower bound meets the norm."""
ROUNDING = 2.0**-50


def layer_verdicts(point: Candidate) -> tuple[LayerVerdict, ...]:
    """One verdict a layer.

    Margins are affine in the last layer, and in every layer of a linear network: then (3) is convex, and the dual
    value Σμ − ½‖Σμ_i a_i‖² bounds it. Elsewhere they are so near θ~ if no active sample sits on a kink of this layer
    or a later one: the same bound holds nearby.
    """
    return tuple(_layer(point, k) for k in range(point.network.depth))


def _layer(point: Candidate, k: int) -> LayerVerdict:
    network = point.network
    free = np.zeros(network.size, dtype=bool)
    free[network.members[k]] = True
    norm2 = float(point.theta[free] @ point.theta[free])
    convex = network.linear or k == network.depth - 1
    bound = 0.0
    if convex or _clear_from(point, k):
        bound = _affine_bound(point, free)
        if norm2 <= bound * (1.0 + MATCHES):
            verdict: Verdict = "global" if convex else "local"
            why = (
                "the margins are affine in it, and the dual bound of the convex problem meets its norm"
                if convex
                else "no active sample sits on a kink from this layer on, so nearby margins are affine in it, and the "
                "dual bound meets its norm"
            )
            return LayerVerdict(
                network.names[k], verdict, norm2, bound if convex else 0.0, None, f"{why}."
            )
    better = better_family(point, free)
    if better is not None:
        reason = f"Feasible points come from it, {better.family}."
        return LayerVerdict(
            network.names[k], "not local", norm2, bound if convex else 0.0, better, reason
        )
    why = (
        "the dual bound falls short of its norm"
        if convex
        else "active samples sit on its kinks, and no better family was found"
    )
    return LayerVerdict(
        network.names[k], "undecided", norm2, bound if convex else 0.0, None, f"{why}."
    )


def _clear_from(point: Candidate, k: int) -> bool:
    """Whether no active sample has a pre-activation of 0 in hidden layers k, k+1, …"""
    first = point.network.first_gate[k]
    return not (point.kinks[:, 1] >= first).any() and point.clearance > CLEAR


def _affine_bound(point: Candidate, free: Bool[Array, " P"]) -> float:
    """A lower bound of ‖u‖² over a_i·u ≥ 1, a_i = ∇q_i in the layer's weights u, by weak duality."""
    network = point.network
    everyone = np.arange(len(network.y))
    rows = network.rows(point.theta, point.gates, everyone)[:, free]
    try:
        weights = least_distance(rows, np.ones(len(rows))).multipliers
    except ValueError:
        return 0.0
    weights = np.maximum(weights, 0.0)
    total: Float[Array, " p"] = weights @ rows
    slack = ROUNDING * sum(rows.shape) * float(weights @ np.linalg.norm(rows, axis=1))
    size = float(np.linalg.norm(total)) + slack
    if not size > 0:
        return 0.0
    # Along a ray of μ the best dual value is ½(Σμ/‖Σμa‖)².
    return float((weights.sum() / size) ** 2 * (1.0 - 8.0 * ROUNDING * len(weights)))
