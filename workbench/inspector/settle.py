"""Where a state comes to rest if whatever falls fast falls at once: the critical point it is heading to.

A way out counts for the verdict only if it is still there: near a minimum with a residual, the directions
that grow do so at a rate that vanishes with the gradient, near a saddle at one that stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.inspector.state import InspectedState
from workbench.theory.numerics.outcome import End, Outcome

ROUNDS = 2
"""Newton steps: the first leaves of a distance Δ about Δ², the second next to nothing."""
PRODUCTS = 30
"""Most products with the Hessian in a step."""
NUMBERS = 2e9
"""Most samples × parameters × products; one product is always made, a step down the gradient."""
SOLVED = 1e-3
"""Share of the gradient at which a Newton step counts as solved."""
FLAT = 1e-12
"""Share of the largest curvature met, that along θ included, up to which a direction's own is rounding:
along one the gradient is rounding as well, and a Newton step of any length."""
LONGEST = 0.5
"""Most of ‖θ‖ that a step may go."""
SHARES = (1.0, 0.5, 0.25, 0.1)
"""Parts of a step that are tried until the risk does not rise."""
LEAST_LOG_RISK = -600.0
"""Below it the gradient is no float any more."""


@dataclass(frozen=True, eq=False)
class Settled:
    """The `state` reached, what the risk lost on the way, (𝓛 − 𝓛')/𝓛, and ‖θ' − θ‖.

    `bend`: gᵀ∇²𝓛g/‖g‖² at the start, the rate at which the gradient decays; negative where it grows.
    `outcome`: iterations are Newton steps taken, the residual is ‖∇𝓛‖ over that at the start, and `SOLVED` is
    its tolerance.
    """

    state: InspectedState
    fall: float
    distance: float
    bend: float
    outcome: Outcome

    @classmethod
    def nowhere(cls, state: InspectedState) -> Settled:
        """Where nothing was tried."""
        return cls(state, 0.0, 0.0, 0.0, Outcome(End.STALLED, 0, 1.0))


def settle(state: InspectedState) -> Settled:
    """Newton steps by conjugate gradients, each ended where the curvature is not positive.

    Steihaug 1983: along such a direction nothing settles. Bounded in work, never by the clock.
    """
    at, bend = state, 0.0
    if not np.isfinite(state.theta).all() or not state.log_risk > LEAST_LOG_RISK:
        return Settled.nowhere(state)
    most = int(np.clip(NUMBERS / (state.n * state.structure.size), 1, PRODUCTS))
    rounds, end = 0, End.OUT_OF_STEPS
    while rounds < min(ROUNDS, most):
        step, along = _newton(at, most)
        bend = along if rounds == 0 else bend
        moved = _descended(at, step)
        if moved is None:
            end = End.STALLED
            break
        at, rounds = moved, rounds + 1
    fall = -float(np.expm1(min(0.0, at.log_risk - state.log_risk)))
    with np.errstate(invalid="ignore", over="ignore"):
        rest = float(np.exp(at.grad_norm_log - state.grad_norm_log))
    outcome = Outcome(End.CONVERGED if rest <= SOLVED else end, rounds, rest)
    return Settled(at, fall, float(np.linalg.norm(at.theta - state.theta)), bend, outcome)


def _newton(state: InspectedState, most: int) -> tuple[Float[np.ndarray, " P"], float]:
    """(d, bend): d solves ∇²𝓛 d = −∇𝓛 among the directions of positive curvature met in `most` products."""
    gradient = state.gradient * np.exp(state.gradient_log_scale)
    d = np.zeros_like(gradient)
    size = float(np.linalg.norm(gradient))
    if not 0.0 < size < np.inf:
        return d, 0.0
    # On the gradient's own scale, so that squares of tiny gradients are numbers.
    left, bend = gradient / size, 0.0
    top = _curvature(state, state.theta)
    p, square = -left, 1.0
    for k in range(most):
        image = state.risk.hessian_products(state.theta, p[None])[0]
        along = float(p @ image)
        if k == 0:
            bend = along if np.isfinite(along) else 0.0
        square_p = float(p @ p)
        top = max(top, float(np.linalg.norm(image)) / np.sqrt(square_p))
        if not along > FLAT * top * square_p:
            break
        d = d + (square / along) * p
        left = left + (square / along) * image
        after = float(left @ left)
        if after <= SOLVED**2:
            break
        p, square = -left + (after / square) * p, after
    return size * d, bend


def _curvature(state: InspectedState, direction: Float[np.ndarray, " P"]) -> float:
    """‖∇²𝓛 v‖/‖v‖; 0 for v = 0."""
    length = float(np.linalg.norm(direction))
    if not length > 0.0:
        return 0.0
    image = state.risk.hessian_products(state.theta, (direction / length)[None])[0]
    found = float(np.linalg.norm(image))
    return found if np.isfinite(found) else 0.0


def _descended(state: InspectedState, step: Float[np.ndarray, " P"]) -> InspectedState | None:
    """The state after as much of the step as does not let the risk rise, or None."""
    length, size = float(np.linalg.norm(step)), float(np.linalg.norm(state.theta))
    if not 0.0 < length < np.inf:
        return None
    step = step * min(1.0, LONGEST * size / length)
    for share in SHARES:
        theta = state.theta + share * step
        if state.risk.log_risk(theta) <= state.log_risk + 1e-12:
            return state.at(theta)
    return None
