"""ROS34PW2, a Rosenbrock W-method: order 3 whatever the Jacobian, L-stable where it is exact.

J. Rang, L. Angermann, New Rosenbrock W-methods of order 3 for partial differential algebraic equations
of index 1, BIT 45 (2005), 761–787, Table 4.2. Being a one-step method it has no history: a step is a
function of the state and h alone. The Jacobian here is of low rank, so a step solves k × k systems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import lu_factor, lu_solve

from workbench.arrays import Float

DIAGONAL = 4.3586652150845900e-01
STAGES = (
    (),
    (8.7173304301691801e-01,),
    (8.4457060015369423e-01, -1.1299064236484185e-01),
    (0.0, 0.0, 1.0),
)
COUPLING = (
    (),
    (-8.7173304301691801e-01,),
    (-9.0338057013044082e-01, 5.4180672388095326e-02),
    (2.4212380706095346e-01, -1.2232505839045147e00, 5.4526025533510214e-01),
)
WEIGHTS = (
    2.4212380706095346e-01,
    -1.2232505839045147e00,
    1.5452602553351020e00,
    4.3586652150845900e-01,
)
EMBEDDED = (3.7810903145819369e-01, -9.6042292212423178e-02, 0.5, 2.1793326075422950e-01)
ORDER = 3

Slope = Callable[[Float[np.ndarray, " P"], float], Float[np.ndarray, " P"]]


class Stiffness(Protocol):
    """∂f/∂y ≈ Bᵀ core rows and ∂f/∂x ≈ Bᵀ core drift; core (k, k), drift (k); k = 0: no Jacobian."""

    @property
    def core(self) -> Float[np.ndarray, "k k"]:
        """What moves along the rows do."""

    @property
    def drift(self) -> Float[np.ndarray, " k"]:
        """What x does, as a move along the rows."""

    @property
    def cross(self) -> Float[np.ndarray, "k k"]:
        """rows · Bᵀ: what a motion along Bᵀ does to the rows."""

    def along(self, stage: Float[np.ndarray, " P"]) -> Float[np.ndarray, " k"]:
        """rows · stage."""

    def back(self, c: Float[np.ndarray, " k"]) -> Float[np.ndarray, " P"]:
        """Bᵀc."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """Stiffness of given rows: B = (rows − radial ⊗ slope)/divisor.

    rows (k, P), core (k, k), drift (k), radial (k), slope (P).
    """

    rows: Float[np.ndarray, "k P"]
    core: Float[np.ndarray, "k k"]
    drift: Float[np.ndarray, " k"]
    radial: Float[np.ndarray, " k"]
    slope: Float[np.ndarray, " P"]
    divisor: float

    @cached_property
    def cross(self) -> Float[np.ndarray, "k k"]:
        """rows · Bᵀ."""
        products = self.rows @ self.rows.T
        return (products - np.outer(self.rows @ self.slope, self.radial)) / self.divisor

    def along(self, stage: Float[np.ndarray, " P"]) -> Float[np.ndarray, " k"]:
        """rows · stage."""
        return self.rows @ stage

    def back(self, c: Float[np.ndarray, " k"]) -> Float[np.ndarray, " P"]:
        """Bᵀc."""
        return (c @ self.rows - (self.radial @ c) * self.slope) / self.divisor


def rosenbrock_step(
    slope: Slope,
    y: Float[np.ndarray, " P"],
    x: float,
    first: Float[np.ndarray, " P"],
    h: float,
    jacobian: Stiffness,
) -> tuple[Float[np.ndarray, " P"], Float[np.ndarray, " P"]]:
    """y(x + h) and the estimate of its error, for y' = slope(y, x) with first = slope(y, x).

    Three more evaluations of the slope, whatever h. (I − hγJ)⁻¹ by the Woodbury identity: `seen` holds
    rows · stage, so that a stage costs two products with the rows.
    """
    rank = len(jacobian.core)
    factors = None
    if rank:
        matrix = np.eye(rank) - (h * DIAGONAL) * (jacobian.core @ jacobian.cross)
        factors = lu_factor(matrix, overwrite_a=True, check_finite=False)
    stages: list[Float[np.ndarray, " P"]] = []
    seen: list[Float[np.ndarray, " k"]] = []
    for alpha, gamma in zip(STAGES, COUPLING, strict=True):
        rate = first
        if stages:
            place = y + sum(a * k for a, k in zip(alpha, stages, strict=True) if a)
            rate = slope(place, x + h * sum(alpha))
        stage = h * rate
        if factors is not None:
            mixed = (h * sum(gamma)) * jacobian.drift
            mixed = mixed + sum((g * v for g, v in zip(gamma, seen, strict=True)), 0.0)
            push = h * (jacobian.core @ mixed)
            moved = jacobian.along(stage)
            total = jacobian.core @ (moved + jacobian.cross @ push + h * jacobian.drift)
            push = push + (h * DIAGONAL) * lu_solve(factors, total, check_finite=False)
            stage = stage + jacobian.back(push)
            seen.append(moved + jacobian.cross @ push)
        stages.append(stage)
    new, error = y.copy(), np.zeros_like(y)
    for weight, other, stage in zip(WEIGHTS, EMBEDDED, stages, strict=True):
        new += weight * stage
        error += (weight - other) * stage
    return new, error


def step_factor(error: float) -> float:
    """By how much to change h after a step whose error was that multiple of the tolerance."""
    if not np.isfinite(error):
        return 0.1
    return float(min(4.0, max(0.1, 0.9 * max(error, 1e-9) ** (-1.0 / ORDER))))
