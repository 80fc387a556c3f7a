"""Convex quadratics between bounds: min ½ λᵀ(G + τI)λ − bᵀλ s.t. low ≤ λ ≤ cap.

Projected Newton (Bertsekas 1982, Projected Newton methods for optimization problems with simple
constraints): a Cholesky step on the variables that are free to move, a search along the projected
arc for the others; monotone, and finite once the right bounds are found. The ridge τ keeps steps
bounded where G is singular; who needs the minimum without it repeats with the residual, which is the
proximal point method (theory/margin/front.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from workbench.arrays import Array
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

ROUNDS = 200


@dataclass(frozen=True, eq=False)
class BoundedMinimum:
    """`solution` (n). `outcome`: iterations are Cholesky steps, the residual is the largest projected
    gradient over max |b|, and 1e−12 is its tolerance."""

    solution: Float[Array, " n"]
    outcome: Outcome


def bounded_quadratic(
    gram: Float[Array, "n n"],
    linear: Float[Array, " n"],
    low: Float[Array, " n"],
    cap: Float[Array, " n"],
    start: Float[Array, " n"],
    *,
    ridge: float = 1e-10,
    work: Work | None = None,
) -> BoundedMinimum:
    """min ½ λᵀ(G + τI)λ − bᵀλ s.t. low ≤ λ ≤ cap (inf allowed), from `start` put between the bounds.

    τ is `ridge` times the largest diagonal entry of G. `work` is counted, and once it is spent the
    outcome is cancelled.
    """
    work = work or Work()
    x = np.clip(start, low, cap)
    scale = float(np.abs(linear).max(initial=0.0)) or 1.0
    shift = ridge * float(np.diagonal(gram).max(initial=0.0))
    gradient = gram @ x + shift * x - linear
    for rounds in range(ROUNDS):
        slack = _slack(x, gradient, low, cap) / scale
        if slack <= 1e-12:
            return BoundedMinimum(x, Outcome(End.CONVERGED, rounds, slack))
        if work():
            return BoundedMinimum(x, Outcome(End.CANCELLED, rounds, slack))
        moved = _lower(gram, shift, x, gradient, low, cap, work)
        if moved is None:
            return BoundedMinimum(x, Outcome(End.AT_ROUNDING, rounds, slack))
        x, gradient = moved
    slack = _slack(x, gradient, low, cap) / scale
    return BoundedMinimum(x, Outcome(End.OUT_OF_STEPS, ROUNDS, slack))


def _lower(
    gram: Float[Array, "n n"],
    shift: float,
    x: Float[Array, " n"],
    gradient: Float[Array, " n"],
    low: Float[Array, " n"],
    cap: Float[Array, " n"],
    work: Work,
) -> tuple[Float[Array, " n"], Float[Array, " n"]] | None:
    """A lower point and its gradient: a Newton step, or where none falls, one along the gradient."""
    size = float(np.abs(x).max(initial=0.0))
    # Variables next to a bound they are pushed against would cut the step short: they go there first.
    for near in (0.0, 1e-12, 1e-8, 1e-4, 1e-2):
        down = (x <= low + near * size) & (gradient >= 0)
        up = (x >= cap - near * size) & (gradient <= 0)
        step = np.where(down, low - x, 0.0)
        step[up] = cap[up] - x[up]
        free = ~(down | up)
        if free.any():
            step[free] = _newton(gram, gradient, free, shift, work)
        moved = _search(gram, shift, x, gradient, step, low, cap, work)
        if moved is not None:
            return moved
    bound = float(np.abs(gram).sum(axis=1).max(initial=0.0)) + shift
    return _search(gram, shift, x, gradient, -gradient / (bound or 1.0), low, cap, work)


def _slack(
    x: Float[Array, " n"],
    gradient: Float[Array, " n"],
    low: Float[Array, " n"],
    cap: Float[Array, " n"],
) -> float:
    """The largest part of −gradient that points between the bounds."""
    blocked = ((x <= low) & (gradient > 0)) | ((x >= cap) & (gradient < 0))
    return float(np.abs(np.where(blocked, 0.0, gradient)).max(initial=0.0))


def _newton(
    gram: Float[Array, "n n"],
    gradient: Float[Array, " n"],
    free: Bool[Array, " n"],
    shift: float,
    work: Work,
) -> Float[Array, " k"]:
    """−(G_FF + shift)⁻¹ g_F, with more shift where rounding makes G_FF indefinite."""
    while True:
        matrix = gram.copy() if free.all() else gram[np.ix_(free, free)]
        matrix.flat[:: len(matrix) + 1] += shift
        work.add(len(matrix) ** 3 / 3.0 + len(matrix) ** 2)
        try:
            # The matrix is symmetric; its transpose is in the order that LAPACK overwrites.
            factor = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
            return -cho_solve(factor, gradient[free], check_finite=False)
        except LinAlgError:
            shift = 10.0 * shift + 1e-300


def _search(
    gram: Float[Array, "n n"],
    shift: float,
    x: Float[Array, " n"],
    gradient: Float[Array, " n"],
    step: Float[Array, " n"],
    low: Float[Array, " n"],
    cap: Float[Array, " n"],
    work: Work,
) -> tuple[Float[Array, " n"], Float[Array, " n"]] | None:
    """The first of x + 2^{−k} step, put between the bounds, that lowers the value; with its gradient."""
    length = 1.0
    for _ in range(40):
        moved = np.clip(x + length * step, low, cap)
        by = moved - x
        image = gram @ by + shift * by
        work.add(float(gram.size))
        fall = gradient @ by
        if fall < 0 and fall + 0.5 * by @ image <= 1e-4 * fall:
            return moved, gradient + image
        length *= 0.5
    return None
