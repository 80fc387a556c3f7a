"""Directions in which the risk falls from a state, tried out: the proof that it is no minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.arrays import Float
from workbench.inspector.correlation import Correlation
from workbench.inspector.curvature import Curvature
from workbench.inspector.groups import Groups
from workbench.inspector.state import InspectedState

SHARES = (1e-2, 1e-3, 1e-4, 1e-5)
"""Relative falls of the risk that steps are sized for, by the leading term."""
KEPT = 0.3
"""A fall counts when it is at least this part of what was sized for."""


@dataclass(frozen=True, eq=False)
class Descent:
    """A step tried from the state.

    `along`: a KKT direction put on a neuron, the whole θ along a joint one, or ±v of the Hessian.
    `rate`: growth rate along it in the run's flow, d log‖·‖/dt. `fall`: (𝓛 − 𝓛')/𝓛 found; for ±v the
    mean of both sides, so that the slope does not count. `wanted`: what the leading term says.
    """

    along: Literal["neuron", "joint", "hessian"]
    rate: float
    fall: float
    wanted: float
    size: float

    @property
    def confirmed(self) -> bool:
        """Whether the risk fell about as the leading term says."""
        return self.fall >= KEPT * self.wanted > 0.0


def descent_along_kkt(
    state: InspectedState, groups: Groups, correlation: Correlation
) -> Descent | None:
    """Put the best KKT direction on a small neuron (or on θ near the origin) and look at the risk.

    With weights of norm s the risk changes by −s^L N + O(s^{2L}). None where no direction has N > 0 or
    no neuron is free for it.
    """
    best = correlation.best
    if best is None or not correlation.highest > 1e-12 * correlation.scale:
        return None
    point, sign = correlation.points[best], correlation.signs[best]
    summed = state.log_risk - np.log(state.flow_factor)
    at, tried = state.log_risk, None
    if correlation.joint:
        rate = correlation.escape_rate(float(np.linalg.norm(state.theta)))
    else:
        rate = correlation.escape_rate()
        free = groups.small[state.sees[groups.small] == sign]
        if len(free) == 0:
            return None
        neuron = int(free[np.argmin(state.neuron_norm[free])])
    for share in SHARES:
        size = float(np.exp((np.log(share) + summed - np.log(point.value)) / correlation.order))
        w = size * point.direction
        moved = w if correlation.joint else state.place(state.theta, neuron, w)
        fall = -float(np.expm1(state.risk.log_risk(moved) - at))
        tried = Descent("joint" if correlation.joint else "neuron", rate, fall, share, size)
        if tried.confirmed:
            return tried
    return tried


def descent_along_curvature(state: InspectedState, curvature: Curvature) -> Descent | None:
    """Go ±s along the eigenvector of a negative eigenvalue μ: the mean fall is ½|μ|s² + O(s³)."""
    if not curvature.negative:
        return None
    at, tried = state.log_risk, None
    for share in SHARES:
        size = float(np.exp(0.5 * (np.log(2.0 * share / -curvature.smallest) + at)))
        step: Float[np.ndarray, " P"] = size * curvature.vector
        falls = [
            -float(np.expm1(state.risk.log_risk(state.theta + s * step) - at)) for s in (1, -1)
        ]
        tried = Descent("hessian", -curvature.smallest, float(np.mean(falls)), share, size)
        if tried.confirmed:
            return tried
    return tried
