"""Directions in which the risk falls from a state, tried out: the proof that it is no minimum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.arrays import Float, Int
from workbench.inspector.correlation import Correlation
from workbench.inspector.curvature import Curvature
from workbench.inspector.groups import Groups
from workbench.inspector.held import Held
from workbench.inspector.settle import Settled
from workbench.inspector.state import InspectedState

SHARES = (1e-2, 3e-3, 1e-3)
"""Relative falls of the risk that steps are sized for, by the leading term. A way that takes off less
than the last leads nowhere: as much may still fall at a state at rest (saddle.py)."""
KEPT = 0.3
"""A fall counts when it is at least this part of what was sized for."""
FIRST = 1e-5
"""The share that the first step is sized for, where the way down is followed."""
FOLLOWED = 200
"""Most steps of such a descent, either way."""
FOLLOWED_NUMBERS = 1e9
"""Most samples × parameters × steps; where it is fewer than ten steps, none is made."""
LASTING = 0.5
"""Least part of its rate that a way out keeps where the state comes to rest."""


@dataclass(frozen=True, eq=False)
class Descent:
    """A step tried from the state.

    `along`: a KKT direction put on a neuron, the whole θ along a joint one, or ±v of the Hessian.
    `rate`: growth rate along it in the run's flow, d log‖·‖/dt. `rate_at_rest`: the same where what
    falls fast has fallen (settle.py). `fall`: (𝓛 − 𝓛')/𝓛 found; for ±v the mean of both sides, so that
    the slope does not count. `wanted`: what the leading term says. `size`: norm of what was put in.
    `distance`: how far θ was moved. `jump`: no smaller move in this direction lowers the risk, as every
    small neuron is held where it is (held.py). `followed`: not along a line, but by plain descent from a
    first step of `size`.
    """

    along: Literal["neuron", "joint", "hessian"]
    rate: float
    rate_at_rest: float
    fall: float
    wanted: float
    size: float
    distance: float
    jump: bool = False
    followed: bool = False

    @property
    def confirmed(self) -> bool:
        """Whether the risk fell about as the leading term says."""
        return self.fall >= KEPT * self.wanted > 0.0

    @property
    def way_out(self) -> bool:
        """Whether θ leaves this way after the smallest move, and still will once it has settled."""
        return self.confirmed and not self.jump and self.rate_at_rest >= LASTING * self.rate

    @property
    def lasting_rate(self) -> float:
        """The lower of the two rates: what a verdict rests on."""
        return min(self.rate, self.rate_at_rest)


def descent_along_kkt(
    state: InspectedState,
    groups: Groups,
    correlation: Correlation,
    settled: Settled,
    held: Held | None,
) -> Descent | None:
    """Put the best KKT direction on a small neuron (or on θ near the origin) and look at the risk.

    With weights of norm s the risk changes by −s^L N + O(s^{2L}). Where neurons see different things (a sign
    of z, a coordinate of x), the best is that of the neurons that are free; of held ones only where none is.
    None where no direction has N > 0 or no small neuron sees one, or where it is one of weights beside θ.
    """
    if correlation.beside:
        return None
    placed = _placed(state, groups, correlation, held)
    if placed is None:
        return None
    best, neuron, jump = placed
    point = correlation.points[best]
    summed = state.log_risk - np.log(state.flow_factor)
    at, tried = state.log_risk, None
    norm = float(np.linalg.norm(state.theta)) if correlation.joint else 1.0
    rate = correlation.rate_of(best, norm)
    kept = _value_at_rest(settled.state, correlation, best) / point.value
    for share in SHARES:
        size = float(np.exp((np.log(share) + summed - np.log(point.value)) / correlation.order))
        w = size * point.direction
        moved = w if correlation.joint else state.place(state.theta, neuron, w)
        fall = -float(np.expm1(state.risk.log_risk(moved) - at))
        far = float(np.linalg.norm(moved - state.theta))
        along: Literal["neuron", "joint"] = "joint" if correlation.joint else "neuron"
        tried = Descent(along, rate, kept * rate, fall, share, size, far, jump)
        if tried.confirmed:
            return tried
    return tried


def _placed(
    state: InspectedState, groups: Groups, correlation: Correlation, held: Held | None
) -> tuple[int, int, bool] | None:
    """(KKT point, neuron, whether it is held) to try, if any; joint points have no neuron."""
    sets = [(start, found.values) for start, found in correlation.sets.values() if found.points]
    tops = [start + int(np.argmax(values)) for start, values in sets]
    jump = None
    for index in sorted(tops, key=lambda top: -correlation.points[top].value):
        if not correlation.points[index].value > 1e-12 * correlation.scale:
            break
        if correlation.joint:
            return index, -1, False
        seeing = groups.small[state.sees[groups.small] == correlation.sees[index]]
        if len(seeing):
            neuron, is_held = _chosen(state, seeing, held)
            if not is_held:
                return index, neuron, False
            jump = jump or (index, neuron, True)
    return jump


def _chosen(
    state: InspectedState, seeing: Int[np.ndarray, " k"], held: Held | None
) -> tuple[int, bool]:
    """(neuron, whether it is held): the smallest that is free, else the smallest."""
    free = seeing if held is None else seeing[held.reach[seeing] == 0.0]
    among = free if len(free) else seeing
    return int(among[np.argmin(state.neuron_norm[among])]), len(free) == 0


def _value_at_rest(rest: InspectedState, correlation: Correlation, index: int) -> float:
    """N of a KKT direction with the residual of another state."""
    direction = correlation.points[index].direction[None]
    if correlation.joint:
        return float(rest.risk.joint(rest.z).value(direction)[0])
    return float(rest.ncf(correlation.sees[index]).value(direction)[0])


def descent_along_curvature(
    state: InspectedState, curvature: Curvature, settled: Settled
) -> Descent | None:
    """Go ±s along the eigenvector of a negative eigenvalue μ: the mean fall is ½|μ|s² + O(s³).

    Where kinks or other weights bend the way down too soon, it is followed.
    """
    if not curvature.negative:
        return None
    at, tried = state.log_risk, None
    vector, rate = curvature.vector, -curvature.smallest
    rest = settled.state
    lasting = -float(vector @ rest.risk.hessian_products(rest.theta, vector[None])[0])
    for share in SHARES:
        size = float(np.exp(0.5 * (np.log(2.0 * share / rate) + at)))
        step: Float[np.ndarray, " P"] = size * vector
        falls = [
            -float(np.expm1(state.risk.log_risk(state.theta + s * step) - at)) for s in (1, -1)
        ]
        tried = Descent("hessian", rate, lasting, float(np.mean(falls)), share, size, size)
        if tried.confirmed:
            return tried
    return _followed(settled, vector, rate, lasting) or tried


def _followed(
    settled: Settled, vector: Float[np.ndarray, " P"], rate: float, lasting: float
) -> Descent | None:
    """Plain descent with growing steps, from a step either way off where the state settles.

    There nothing else is left to fall. None where neither takes off what the smallest of `SHARES` is.
    """
    rest = settled.state
    steps = int(min(FOLLOWED, FOLLOWED_NUMBERS / (rest.n * rest.structure.size)))
    if steps < 10:
        return None
    size = float(np.exp(0.5 * (np.log(2.0 * FIRST / rate) + rest.log_risk)))
    for sign in (1, -1):
        end = _descend(rest, rest.theta + sign * size * vector, 1.0 / rate, steps)
        fall = -float(np.expm1(rest.risk.log_risk(end) - rest.log_risk))
        if fall >= SHARES[-1]:
            far = float(np.linalg.norm(end - rest.theta))
            return Descent("hessian", rate, lasting, fall, SHARES[-1], size, far, followed=True)
    return None


def _descend(
    rest: InspectedState, theta: Float[np.ndarray, " P"], length: float, steps: int
) -> Float[np.ndarray, " P"]:
    """θ after descent steps, each kept if it lowers the risk; ends once the largest of `SHARES` is off."""
    now = rest.risk.log_risk(theta)
    for _ in range(steps):
        gradient, scale = rest.risk.gradient(theta)
        # A step past all numbers is too long, as one that does not lower the risk.
        with np.errstate(over="ignore", invalid="ignore"):
            moved = theta - length * np.exp(scale) * gradient
            after = rest.risk.log_risk(moved)
        if not after < now:
            length *= 0.3
            continue
        theta, now, length = moved, after, 1.5 * length
        if now < rest.log_risk - SHARES[0]:
            break
    return theta
