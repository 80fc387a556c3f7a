"""Problem (3) of VSS22: (P) in one layer's weights, the other layers fixed (Theorems 5.2 to 5.4)."""

from __future__ import annotations

from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.numerics.least_distance import least_distance
from workbench.theory.optimality.curvature import MOST_KINKS, SLACK
from workbench.theory.optimality.families import better_family
from workbench.theory.optimality.neuron_supremum import on_cone
from workbench.theory.optimality.point import CLEAR, Candidate
from workbench.theory.optimality.result import LayerVerdict, Verdict

MATCHES = 1e-9
"""Relative gap under which a lower bound meets the norm."""
ROUNDING = 2.0**-50


def layer_verdicts(point: Candidate) -> tuple[LayerVerdict, ...]:
    """One verdict a layer.

    Margins are affine in the last layer, and in every layer of a linear network: then (3) is convex, and
    its dual bounds it. Elsewhere they are affine on each side of the kinks: `_local_reason`.
    """
    return tuple(_layer(point, k) for k in range(point.network.depth))


def _layer(point: Candidate, k: int) -> LayerVerdict:
    network = point.network
    free = np.zeros(network.size, dtype=bool)
    free[network.members[k]] = True
    norm2 = float(point.theta[free] @ point.theta[free])
    bound = 0.0
    why = "no certificate applies, and no better family was found"
    if network.linear or k == network.depth - 1:
        bound = _affine_bound(point, free)
        if norm2 <= bound * (1.0 + MATCHES):
            reason = "The margins are affine in it, and the dual bound of the convex problem meets its norm."
            return LayerVerdict(network.names[k], "global", norm2, bound, None, reason)
        why = "the dual bound falls short of its norm"
    else:
        local = _local_reason(point, k, free)
        if local is not None:
            return LayerVerdict(network.names[k], "local", norm2, 0.0, None, local)
    better = better_family(point, free)
    verdict: Verdict = "undecided" if better is None else "not local"
    reason = (
        f"Undecided: {why}." if better is None else f"Better points come near, {better.family}."
    )
    return LayerVerdict(network.names[k], verdict, norm2, bound, better, reason)


def _local_reason(point: Candidate, k: int, free: Bool[Array, " P"]) -> str | None:
    """Why the layer's weights u~ are a local optimum, or None.

    On each side of the kinks q_i = a_i·u. If (Σλ_i a_i − u~)·(u − u~) ≤ 0 on every side, then near u~
    Σλ_i ≤ Σλ_i q_i ≤ u~·u, and ‖u~‖² = Σλ_i: no shorter u. Without kinks Σλ_i a_i = u~ by itself
    (Theorem 5.4).
    """
    network, used = point.network, point.support
    if not point.stationary or not len(used) or point.clearance <= CLEAR:
        return None
    kinks = _moving(point, k)
    if len(kinks) > MOST_KINKS:
        return None
    own = point.theta[free]
    none = np.zeros(0, dtype=np.int64)
    for choice in product((network.leak, 1.0), repeat=len(kinks)):
        pattern = np.full(len(point.kinks), network.leak)
        pattern[kinks] = choice
        gates = point.held(pattern)
        total = point.multipliers[used] @ network.rows(point.theta, gates, used)[:, free] - own
        _, normals, _ = network.kinks(point.theta, gates, none, np.zeros(0), point.kinks[kinks])
        side = np.where(pattern[kinks] == 1.0, 1.0, -1.0)[:, None] * normals[:, free]
        if np.linalg.norm(on_cone(total, side)) > SLACK * point.size:
            return None
    if not len(kinks):
        return (
            "Nearby margins are affine in it, as active samples sit on no kink that it moves, and the "
            "multipliers prove it optimal among nearby weights (VSS22 Theorem 5.4)."
        )
    return (
        f"Nearby margins are affine in it on each side of {len(kinks)} kinks, and the multipliers prove it "
        "optimal on all sides."
    )


def _moving(point: Candidate, k: int) -> Int[Array, " j"]:
    """Which kinks of samples with a multiplier the layer's weights can move, with an effect on a margin:
    of this layer or a later one, with weights going out, and coming in if those are fixed."""
    network = point.network
    matrices = network.weights(point.theta)
    found = []
    for at, (sample, gate) in enumerate(point.kinks):
        layer = int(np.searchsorted(network.first_gate, gate, side="right")) - 1
        unit = int(gate) - network.first_gate[layer]
        fed = layer == k or bool(matrices[layer][unit].any())
        seen = bool(matrices[layer + 1][:, unit].any())
        if layer >= k and fed and seen and sample in point.support:
            found.append(at)
    return np.array(found, dtype=np.int64)


def _affine_bound(point: Candidate, free: Bool[Array, " P"]) -> float:
    """A lower bound of ‖u‖² over a_i·u ≥ 1, a_i = ∇q_i in the layer's weights u: (Σμ/‖Σμ_i a_i‖)², μ ≥ 0."""
    network = point.network
    rows = network.rows(point.theta, point.gates, network.samples)[:, free]
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
    return float((weights.sum() / size) ** 2 * (1.0 - 8.0 * ROUNDING * len(weights)))
