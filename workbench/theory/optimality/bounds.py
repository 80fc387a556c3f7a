"""Lower bounds of ‖θ‖² over all feasible points of (P), by convex duality.

Rounding is counted against the bound, so what is returned is certified.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import Bounds, NonlinearConstraint, minimize

from workbench.arrays import Array
from workbench.theory.margin.svm import hard_margin_svm
from workbench.theory.numerics.separability import Inseparable
from workbench.theory.optimality.layered_network import LayeredNetwork
from workbench.theory.optimality.neuron_supremum import neuron_supremum

ROUNDING = 2.0**-50


def product_bound(network: LayeredNetwork) -> float:
    """m (1/γ)^{2/m} for linear networks, γ the hard-margin SVM's (VSS22 Theorem 3.1); for others, which
    obey |Φ| ≤ ∏‖W_k‖ ‖x‖, the same with min_i ‖x_i‖ for γ.

    ‖W_k‖_F² ≤ c_k ‖θ_k‖² where no number of layer k is used more than c_k times, and the mean of the m
    layers' ‖θ_k‖² is at least their geometric mean.
    """
    z = network.y[:, None] * network.x
    if network.linear:
        found = hard_margin_svm(z)
        if isinstance(found, Inseparable):
            return 0.0
        # Any λ ≥ 0 gives Σλ ≤ Σλ z·β ≤ ‖Σλz‖ ‖β‖.
        used = found.multipliers
        size = float(np.linalg.norm(z.T @ used))
        size += ROUNDING * sum(z.shape) * float(used @ np.linalg.norm(z, axis=1))
        least = float(used.sum()) * (1.0 - ROUNDING * len(z)) / size
    else:
        least = float((1.0 / np.linalg.norm(z, axis=1)).max())
    uses = [int(np.bincount(index[index >= 0]).max()) for index in network.index]
    least /= float(np.sqrt(np.prod(uses)))
    m = network.depth
    return m * least ** (2.0 / m) * (1.0 - 8.0 * ROUNDING)


def incoming(network: LayeredNetwork) -> list[Bool[Array, " d"]] | None:
    """For every hidden neuron that reaches the output, which inputs it sees; None unless the network
    has two layers and shares nothing."""
    if network.depth != 2 or network.shared:
        return None
    first, last = network.index
    return [first[j] >= 0 for j in range(len(first)) if last[0, j] >= 0]


def neuron_bound(network: LayeredNetwork, multipliers: Float[Array, " n"]) -> float:
    """2Σλ_i / sup, for two layers without sharing: sup over neurons of unit norm of |Σ λ_i y_i σ(w·x_i)|
    (linear: the dual of VSS22's group-norm problem (7)). 0 where that is not known.

    ‖θ‖² ≥ 2Σ|v_j|‖w_j‖ ≥ 2Σ_j Σ_i λ_i y_i v_j σ(w_j·x_i)/sup ≥ 2Σλ_i/sup.
    """
    seen = incoming(network)
    used = np.flatnonzero(multipliers > 0)
    if seen is None or not len(used):
        return 0.0
    largest = _largest(network, seen, multipliers, used)
    if largest is None or not largest > 0:
        return 0.0
    return 2.0 * float(multipliers.sum()) * (1.0 - ROUNDING * len(used)) / largest


def group_norm_bound(network: LayeredNetwork, start: Float[Array, " n"]) -> float:
    """The best `neuron_bound` of a linear network: max Σλ s.t. ‖Σλ_i y_i x_i^{(j)}‖ ≤ 1, from `start`."""
    seen = incoming(network)
    if seen is None or not network.linear:
        return 0.0
    z = network.y[:, None] * network.x
    blocks = [
        z[:, columns] @ z[:, columns].T for columns in {c.tobytes(): c for c in seen}.values()
    ]

    def excess(lam: Float[Array, " n"]) -> Float[Array, " b"]:
        return np.array([lam @ block @ lam for block in blocks])

    def excess_rows(lam: Float[Array, " n"]) -> Float[Array, "b n"]:
        return np.array([2.0 * block @ lam for block in blocks])

    def value(lam: Float[Array, " n"]) -> float:
        return -float(lam.sum())

    def slope(lam: Float[Array, " n"]) -> Float[Array, " n"]:
        return -np.ones_like(lam)

    found = minimize(
        value,
        start,
        jac=slope,
        bounds=Bounds(0.0, np.inf),
        constraints=NonlinearConstraint(excess, -np.inf, 1.0, jac=excess_rows),
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 300},
    )
    if not np.isfinite(found.x).all():
        return 0.0
    return neuron_bound(network, np.maximum(found.x, 0.0))


def _largest(
    network: LayeredNetwork,
    seen: list[Bool[Array, " d"]],
    multipliers: Float[Array, " n"],
    used: Int[Array, " k"],
) -> float | None:
    """The largest supremum of the neurons; each set of inputs once."""
    z = (multipliers * network.y)[used]
    largest = 0.0
    for columns in {c.tobytes(): c for c in seen}.values():
        found = neuron_supremum(network.x[used][:, columns], z, network.leak)
        if found is None:
            return None
        largest = max(largest, found.value)
    return largest
