"""Why no better point of (P) can be near, for two layers: VSS22's Theorem 4.3 with kinks allowed.

Nothing is shared, and each neuron is where the sum Σ λ_i y_i v_j σ(w·x_i) over unit w has a local
maximum with value 1 (away from kinks that is the KKT condition itself); a zero neuron needs the supremum
over all w. Then near θ~ ‖θ‖² ≥ 2Σ|v_j|‖w_j‖ ≥ 2Σ λ_i q_i ≥ 2Σ λ_i = ‖θ~‖².
"""

from __future__ import annotations

import numpy as np

from workbench.theory.optimality.bounds import incoming
from workbench.theory.optimality.neuron_supremum import neuron_supremum, peaks_locally
from workbench.theory.optimality.point import CLEAR, TOUCHES, Candidate

SLACK = 1e-9
"""Relative rounding that a certificate may hide."""


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
        into = float(np.linalg.norm(w))
        size = float(np.hypot(into, v))
        if size <= TOUCHES * point.size:
            zeros += 1
            most = neuron_supremum(x, z, network.leak)
            if most is None or most.value > 1.0 + SLACK:
                return None
            continue
        if min(into, abs(v)) < 0.5 * size:
            return None
        w = w / into
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
