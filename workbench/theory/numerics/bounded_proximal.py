"""One proximal step of a bounded least squares with more columns than rows, solved in the dual.

min ½‖t − Hᵀλ‖² + ½τ‖λ − λ_0‖² s.t. 0 ≤ λ ≤ cap has λ = clip(λ_0 + H y/τ) with the residual
y = t − Hᵀλ, the zero of y − t + Hᵀ clip(λ_0 + H y/τ): the gradient of a convex function of P numbers.
Semismooth Newton steps with a line search (Li, Sun, Toh 2018, A highly efficient semismooth Newton
augmented Lagrangian method for solving lasso problems).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq

from workbench.arrays import Array
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

ROUNDS = 100


@dataclass(frozen=True, eq=False)
class ProximalStep:
    """`solution` (M): λ. `outcome`: iterations are Newton steps, the residual is the norm of the dual
    gradient over ‖t‖, and 1e−15 is its tolerance."""

    solution: Float[Array, " M"]
    outcome: Outcome


def proximal_step(
    rows: Float[Array, "M P"],
    target: Float[Array, " P"],
    cap: Float[Array, " M"],
    center: Float[Array, " M"],
    tau: float,
    *,
    work: Work | None = None,
) -> ProximalStep:
    """The step from λ_0 = `center`, for τ = `tau` > 0 and caps that may be inf.

    `work` is counted, and once it is spent the outcome is cancelled.
    """
    work = work or Work()
    y = target - center @ rows
    s = center + rows @ y / tau
    scale = float(np.linalg.norm(target)) or 1.0
    rounds = 0
    while rounds < ROUNDS:
        gradient = y - target + np.clip(s, 0.0, cap) @ rows
        size = float(np.linalg.norm(gradient))
        if size <= 1e-15 * scale:
            end = End.CONVERGED
            break
        if work():
            end = End.CANCELLED
            break
        free = rows[(s > 0) & (s < cap)]
        work.add(2.0 * rows.size + (len(free) + len(y) / 3.0) * len(y) ** 2)
        matrix = free.T @ free / tau
        matrix.flat[:: len(matrix) + 1] += 1.0
        step = -cho_solve(cho_factor(matrix, lower=True, check_finite=False), gradient)
        along = rows @ step / tau
        length = _length(y, s, step, along, target, cap, tau)
        if length == 0.0:
            end = End.AT_ROUNDING
            break
        y, s, rounds = y + length * step, s + length * along, rounds + 1
    else:
        end = End.OUT_OF_STEPS
        size = float(np.linalg.norm(y - target + np.clip(s, 0.0, cap) @ rows))
    return ProximalStep(np.clip(s, 0.0, cap), Outcome(end, rounds, size / scale))


def _length(
    y: Float[Array, " P"],
    s: Float[Array, " M"],
    step: Float[Array, " P"],
    along: Float[Array, " M"],
    target: Float[Array, " P"],
    cap: Float[Array, " M"],
    tau: float,
) -> float:
    """Where the slope along the step, piecewise linear and rising, is next to 0; 0 if it is not below.

    Slopes instead of values: near the solution differences of values are rounding.
    """
    still, turn = float((y - target) @ step), float(step @ step)

    def slope(length: float) -> float:
        weights = np.clip(s + length * along, 0.0, cap)
        return still + length * turn + tau * float(weights @ along)

    first, far = slope(0.0), 1.0
    if first >= 0:
        return 0.0
    while slope(far) < 0.1 * first and far < 1e6:
        far *= 2.0
    if slope(far) <= -0.1 * first:
        return far
    return float(brentq(slope, 0.0, far, rtol=1e-3, xtol=1e-12))
