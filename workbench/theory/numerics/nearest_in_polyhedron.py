"""The nearest point of a polyhedron in a box: min ‖δ‖ s.t. G δ ≥ h, low ≤ δ ≤ high.

Non-negative least squares in the dual (Lawson, Hanson 1974, ch. 23): the shortest δ is h·λ Gᵀλ/‖Gᵀλ‖² for
the best λ ≥ 0. Walls of the box join the rows only where δ breaks them.

Certificate: every feasible δ has (Gᵀλ)·δ ≥ h·λ, so ‖δ‖ ≥ h·λ/‖Gᵀλ‖ for any λ ≥ 0 whatever, less what
rounding makes of the sums. Where no point is feasible that bound is enormous and δ means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from workbench.arrays import Array
from workbench.theory.numerics.outcome import End, Outcome

ROUNDING = 1e-14
"""Relative error of a sum of products, with room to spare."""
BROKEN = 1e-12
"""A wall counts as broken beyond this, relative to ‖δ‖."""


@dataclass(frozen=True, eq=False)
class Nearest:
    """`delta` (d), feasible up to rounding where a point is, and `bound` ≤ the least ‖δ‖.

    `outcome`: iterations are the rounds that added walls, the residual is ‖δ‖ − bound.
    """

    delta: Float[Array, " d"]
    bound: float
    outcome: Outcome


def nearest_in_polyhedron(
    rows: Float[Array, "m d"],
    levels: Float[Array, " m"],
    low: Float[Array, " d"],
    high: Float[Array, " d"],
) -> Nearest:
    """The nearest point to the origin, which the box must hold: low ≤ 0 ≤ high; ±∞ for no wall."""
    size = np.linalg.norm(rows, axis=1)
    size[size == 0] = 1.0
    rows, levels = rows / size[:, None], levels / size
    standing: set[tuple[int, float]] = set()
    rounds = 1
    while True:
        found = _nearest(rows, levels)
        slip = BROKEN * float(np.linalg.norm(found.delta))
        broken = [(int(i), 1.0) for i in np.flatnonzero(found.delta < low - slip)]
        broken += [(int(i), -1.0) for i in np.flatnonzero(found.delta > high + slip)]
        new = [wall for wall in broken if wall not in standing]
        if not new:
            break
        standing.update(new)
        rounds += 1
        walls = np.zeros((len(new), len(low)))
        for k, (i, sign) in enumerate(new):
            walls[k, i] = sign
        rows = np.concatenate([rows, walls])
        levels = np.append(levels, [low[i] if sign > 0 else -high[i] for i, sign in new])
    return replace(found, outcome=replace(found.outcome, iterations=rounds))


def _nearest(rows: Float[Array, "m d"], levels: Float[Array, " m"]) -> Nearest:
    """Without the box, for rows of length 1 or 0."""
    origin = np.zeros(rows.shape[1])
    top = float(levels.max(initial=0.0))
    if top <= 0:
        return Nearest(origin, 0.0, Outcome(End.CONVERGED, 1, 0.0))
    # In units of the largest level λ solves min ‖Gᵀλ‖² + (h·λ − 1)², all of its numbers about 1.
    system = np.vstack([rows.T, levels / top])
    end = End.CONVERGED
    try:
        multipliers = nnls(system, np.append(origin, 1.0), maxiter=50 * sum(system.shape))[0]
    except RuntimeError:
        # The certificate holds for any λ: the largest level alone.
        multipliers, end = np.where(levels == top, 1.0, 0.0), End.OUT_OF_STEPS
    normal = multipliers @ rows
    length = float(np.linalg.norm(normal))
    blur = ROUNDING * len(levels)
    height = float(multipliers @ levels) - blur * float(multipliers @ np.abs(levels))
    if height <= 0:
        # Next to infeasible: the multipliers are so large that rounding has all of h·λ. One row alone tells.
        first = int(levels.argmax())
        normal, length, height = rows[first], float(np.linalg.norm(rows[first])), (1.0 - blur) * top
        multipliers, end = np.eye(len(levels))[first], End.STALLED
    delta = height / max(length, 1e-150) ** 2 * normal
    bound = height / (length + blur * float(multipliers.sum()))
    return Nearest(delta, bound, Outcome(end, 1, float(np.linalg.norm(delta)) - bound))
