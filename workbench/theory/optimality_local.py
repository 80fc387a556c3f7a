"""Why no better point of (P) can be near: two certificates of a local optimum.

`local_by_neurons` is VSS22's Theorem 4.3 with kinks allowed: two layers, nothing shared, and each neuron
where the sum Σ λ_i y_i v_j σ(w·x_i) over unit w has a local maximum with value 1 (away from kinks that is the
KKT condition itself); a zero neuron needs the supremum over all w. Then near θ~
‖θ‖² ≥ 2Σ|v_j|‖w_j‖ ≥ 2Σ λ_i q_i ≥ 2Σ λ_i = ‖θ~‖². `local_by_curvature` is the second-order condition, for any depth.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.neuron_supremum import neuron_supremum, peaks_locally
from workbench.theory.optimality_bounds import incoming
from workbench.theory.optimality_point import CLEAR, TOUCHES, Candidate

SLACK = 1e-9
"""Relative rounding that a certificate may hide."""
CURVED = 1e-6
"""Smallest curvature of the Lagrangian, in units where ½‖θ‖² has 1, that counts as positive."""
MOST_KINKS = 8
"""Most kinks whose gates are all gone through."""


def local_by_neurons(point: Candidate) -> str | None:
    """The reason why θ~ is a local optimum, or None."""
    network = point.network
    seen = incoming(network)
    if seen is None or not point.stationary:
        return None
    used = point.support
    z = (point.multipliers * network.y)[used]
    first, last = network.weights(point.theta)
    reaching = np.flatnonzero(network.index[1][0] >= 0)
    zeros, kinks = 0, 0
    for j, columns in zip(reaching, seen, strict=True):
        x, w, v = network.x[used][:, columns], first[j, columns], float(last[0, j])
        size = float(np.hypot(np.linalg.norm(w), v))
        if size <= TOUCHES * point.size:
            zeros += 1
            most = neuron_supremum(x, z, network.leak)
            if most is None or most.value > 1.0 + SLACK:
                return None
            continue
        if min(np.linalg.norm(w), abs(v)) < 0.5 * size:
            return None
        w = w / np.linalg.norm(w)
        if not network.linear:
            height = np.abs(x @ w) / np.maximum(np.linalg.norm(x, axis=1), 1e-300)
            if ((height > TOUCHES) & (height <= CLEAR)).any():
                return None
            kinks += int((height <= TOUCHES).sum())
        rest = peaks_locally(x, np.sign(v) * z, network.leak, w, TOUCHES)
        if rest is None or rest > SLACK:
            return None
    return (
        "Two layers, nothing shared: with the multipliers fixed every neuron is where it makes the most of "
        f"its norm among nearby ones ({_zeros(zeros)}{kinks} kinks), so nearby feasible points "
        "have no smaller norm (VSS22 Theorem 4.3)."
    )


def _zeros(count: int) -> str:
    return f"{count} zero neurons among all, " if count else ""


def local_by_curvature(point: Candidate) -> str | None:
    """The reason why θ~ is a strict local optimum by the second-order condition, or None: M = I − Σλ∇²q_i
    is positive definite where ∇q_i·u = 0 for all λ_i > 0, on every side of kinks that leave ∇q_i alone."""
    network, used = point.network, point.support
    if not point.stationary or not len(used):
        return None
    if not network.linear and point.clearance <= CLEAR:
        return None
    kinks = np.flatnonzero(np.isin(point.kinks[:, 0], used))
    if len(kinks) > MOST_KINKS:
        return None
    rows = network.rows(point.theta, point.gates, used)
    basis = null_space_of(rows)
    least = np.inf
    for choice in product((network.leak, 1.0), repeat=len(kinks)):
        pattern = np.full(len(point.kinks), network.leak)
        pattern[kinks] = choice
        gates = point.held(pattern)
        if np.abs(network.rows(point.theta, gates, used) - rows).max() > SLACK * point.size:
            return None
        least = min(least, float(np.linalg.eigvalsh(bent(point, gates, basis)).min(initial=np.inf)))
    if least < CURVED:
        return None
    return (
        f"The Lagrangian's curvature is at least {least:.3g} on all directions that leave the active "
        "margins alone, on every side of the kinks: a strict local optimum (second-order condition)."
    )


def bent(
    point: Candidate, gates: Float[Array, "n G"], basis: Float[Array, "P k"]
) -> Float[Array, "k k"]:
    """M = I − Σ λ_i ∇²q_i between the columns of `basis`, gates held."""
    used = point.support
    curvature = point.network.curvature(point.theta, gates, used, point.multipliers[used])
    return np.asarray(basis.T @ basis - basis.T @ curvature @ basis)


def null_space_of(rows: Float[Array, "k P"]) -> Float[Array, "P p"]:
    """Orthonormal columns that every row is orthogonal to."""
    _, values, right = np.linalg.svd(rows, full_matrices=True)
    rank = int((values > 1e-10 * values.max(initial=0.0)).sum())
    return np.ascontiguousarray(right[rank:].T)
