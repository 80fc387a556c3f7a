"""The second-order condition of (P) on every side of the kinks: strict local optima at any depth.

On each side (gates g at the kinks, heights h_k ≥ 0 or ≤ 0) (P) is a smooth problem. With λ of the KKT
point and μ_k ≥ 0 of the heights, L = ½‖θ‖² − Σ λ_i (q_i − 1) − Σ μ_k |h_k| is stationary at θ~; if it is
curved upwards wherever ∇q_i·u = 0 (λ_i > 0) and ∇h_k·u = 0 (μ_k > 0), no better point is near there.

With gates held, rotations among hidden units whose gates agree on all samples change neither norm nor
margins. Their directions may be flat: every nearby point can be rotated onto what is orthogonal to them.
Heights with μ_k = 0 are then left out of the problem, which only makes it easier to be better.
"""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls

from workbench.arrays import Array
from workbench.theory.optimality.layered_network import LayeredNetwork
from workbench.theory.optimality.point import CLEAR, Candidate

SLACK = 1e-9
"""Relative rounding that a certificate may hide."""
CURVED = 1e-6
"""Smallest curvature of the Lagrangian, in units where ½‖θ‖² has 1, that counts as positive."""
MOST_KINKS = 8
"""Most kinks whose gates are all gone through."""
STEP = 1e-4
"""Central differences of ∇h_k, which is affine for units of the second layer, take this step over ‖θ~‖."""


def local_by_curvature(point: Candidate) -> str | None:
    """The reason why θ~ is a local optimum by the second-order condition, or None."""
    network, used = point.network, point.support
    kinks = np.flatnonzero(np.isin(point.kinks[:, 0], used))
    clear = network.linear or point.clearance > CLEAR
    if not (point.stationary and len(used) and clear) or len(kinks) > MOST_KINKS:
        return None
    least, turned = np.inf, False
    for choice in product((network.leak, 1.0), repeat=len(kinks)):
        pattern = np.full(len(point.kinks), network.leak)
        pattern[kinks] = choice
        side = _least_curvature(point, kinks, pattern)
        if side is None or side[0] < CURVED:
            return None
        least, turned = min(least, side[0]), turned or side[1]
    spared = " up to rotations of units with equal gates" if turned else ""
    return (
        f"On every side of {len(kinks)} kinks the Lagrangian is curved by {least:.3g} or more along all "
        f"directions that keep the active margins{spared}: a local optimum (second-order condition)."
    )


def _least_curvature(
    point: Candidate,
    kinks: Int[Array, " j"],
    pattern: Float[Array, " k"],
) -> tuple[float, bool] | None:
    """The least curvature on one side of the kinks, and whether rotations were set aside; None where that
    side's L is not stationary."""
    network, used = point.network, point.support
    gates = point.held(pattern)
    rows = network.rows(point.theta, gates, used)
    pull = point.theta - point.multipliers[used] @ rows
    pairs, side = point.kinks[kinks], np.where(pattern[kinks] == 1.0, 1.0, -1.0)
    normals = side[:, None] * _height_rows(network, point.theta, gates, pairs)
    weights = nnls(normals.T, pull)[0] if len(kinks) else np.zeros(0)
    if np.linalg.norm(pull - weights @ normals) > SLACK * point.size:
        return None
    pushed = weights > CURVED * point.size
    turns = rotations(point, gates, pairs[pushed, 1])
    basis = null_space_of(np.vstack([rows, normals[pushed], turns]))
    matrix = bent(point, gates, basis)
    if pushed.any():
        matrix -= _heights_bent(point, gates, pairs[pushed], (side * weights)[pushed], basis)
    return float(np.linalg.eigvalsh(matrix).min(initial=np.inf)), len(turns) > 0


def bent(
    point: Candidate, gates: Float[Array, "n G"], basis: Float[Array, "P k"]
) -> Float[Array, "k k"]:
    """M = I − Σ λ_i ∇²q_i between the columns of `basis`, gates held."""
    used = point.support
    curvature = point.network.curvature(point.theta, gates, used, point.multipliers[used])
    return np.asarray(basis.T @ basis - basis.T @ curvature @ basis)


def null_space_of(rows: Float[Array, "k P"]) -> Float[Array, "P p"]:
    """Orthonormal columns that every row is orthogonal to, nearly dependent rows counted once."""
    size = np.linalg.norm(rows, axis=1)
    unit = rows[size > 0] / size[size > 0, None]
    _, values, right = np.linalg.svd(unit, full_matrices=True)
    rank = int((values > 1e-7 * values.max(initial=0.0)).sum())
    return np.ascontiguousarray(right[rank:].T)


def rotations(
    point: Candidate, gates: Float[Array, "n G"], fixed: Int[Array, " j"]
) -> Float[Array, "r P"]:
    """Generators of rotations among hidden units that see and reach the same units, share no weight, and
    have equal `gates` for all samples with a multiplier: W_k → R W_k, W_{k+1} → W_{k+1} Rᵀ. Gates in
    `fixed` stay."""
    network, used = point.network, point.support
    if network.shared:
        return np.zeros((0, network.size))
    found = []
    for k in range(network.depth - 1):
        index, after = network.index[k], network.index[k + 1]
        for a, b in combinations(range(len(index)), 2):
            alike = np.array_equal(index[a] >= 0, index[b] >= 0)
            alike = alike and np.array_equal(after[:, a] >= 0, after[:, b] >= 0)
            if not network.linear:
                pair = network.first_gate[k] + np.array([a, b])
                alike = alike and np.array_equal(gates[used, pair[0]], gates[used, pair[1]])
                alike = alike and not np.isin(pair, fixed).any()
            if alike:
                found.append(_generator(point, index[[a, b]], after[:, [a, b]].T))
    return np.array(found).reshape(len(found), network.size)


def _generator(
    point: Candidate, incoming: Int[Array, "2 c"], outgoing: Int[Array, "2 e"]
) -> Float[Array, " P"]:
    """dθ of a rotation of two units: each takes the other's weights, one with a minus sign."""
    move = np.zeros(point.network.size)
    for a, b in (incoming, outgoing):
        held = a >= 0
        move[a[held]] = point.theta[b[held]]
        move[b[held]] = -point.theta[a[held]]
    return move


def _height_rows(
    network: LayeredNetwork,
    theta: Float[Array, " P"],
    gates: Float[Array, "n G"],
    pairs: Int[Array, "j 2"],
) -> Float[Array, "j P"]:
    """∇h of kinks with the gates below held."""
    return network.kinks(theta, gates, np.zeros(0, dtype=np.int64), np.zeros(0), pairs)[1]


def _heights_bent(
    point: Candidate,
    gates: Float[Array, "n G"],
    pairs: Int[Array, "j 2"],
    weights: Float[Array, " j"],
    basis: Float[Array, "P k"],
) -> Float[Array, "k k"]:
    """Σ weights_k ∇²h_k between the columns of `basis`."""
    network = point.network
    if (pairs[:, 1] < network.first_gate[1]).all():
        return np.zeros((basis.shape[1], basis.shape[1]))
    step, found = STEP * point.size, []
    for column in basis.T:
        ahead = _height_rows(network, point.theta + step * column, gates, pairs)
        behind = _height_rows(network, point.theta - step * column, gates, pairs)
        found.append(weights @ (ahead - behind) @ basis / (2.0 * step))
    matrix = np.array(found)
    return np.asarray(0.5 * (matrix + matrix.T))
