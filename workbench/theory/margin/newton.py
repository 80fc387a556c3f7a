"""Newton's method on the KKT equations of (P) with active constraints, gates and kinks held fixed.

Unknown are θ, the multipliers λ of the active constraints A and the gates g of samples that sit on a
kink: θ = Σ_A λ_i ∇q_i(θ; g), q_A(θ; g) = 1, heights at the kinks 0. Solutions may come in families
(split neurons), so steps are those of least norm in the linear system's least squares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.margin.patterned import PatternedMargins
from workbench.theory.numerics.outcome import End, Outcome
from workbench.theory.numerics.work import Work

STEPS = 40
PATIENCE = 4
"""Steps in a row that do not halve the residual before a piece is given up; three times as many once
the residual is below `CLOSE`, where a dying neuron makes the first steps creep."""
CLOSE = 1e-2
SOLVED = 1e-10
"""Largest relative residual that counts as a solution."""
CALL = 1e7
"""Operations that a call of the network counts, whatever its size; and `TOGETHER` gradients in one."""
TOGETHER = 64
EIGEN = 10.0
"""Operations of an eigendecomposition, over its size cubed."""
CUT = 1e-11
"""Singular values below this share of the largest count as 0."""


@dataclass(frozen=True, eq=False)
class Face:
    """A point on one piece of (P): θ (P), the active constraints with multipliers, gates (n, G) with
    those at `pairs` (sample, gate) free."""

    theta: Float[Array, " P"]
    active: Int[Array, " k"]
    multipliers: Float[Array, " k"]
    gates: Float[Array, "n G"]
    pairs: Int[Array, "j 2"]


@dataclass(frozen=True, eq=False)
class SolvedFace:
    """The `face` that Newton's method ended on. `outcome`: iterations are its steps, the residual is the
    equations' relative one, and `SOLVED` is its tolerance."""

    face: Face
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class _Equations:
    """The residuals and gradients at a face."""

    stationary: Float[Array, " P"]
    short: Float[Array, " k"]
    rows: Float[Array, "k P"]
    heights: Float[Array, " j"]
    height_rows: Float[Array, "j P"]
    force: Float[Array, " j"]
    residual: float


def equations(problem: PatternedMargins, face: Face) -> _Equations:
    """θ − Σλ∇q, 1 − q_A and the kinks' heights; `force` c: ∂/∂g of Σλ∇q is c times the height's ∇."""
    theta, active = face.theta, face.active
    rows = problem.rows(theta, face.gates, active)
    stationary = theta - face.multipliers @ rows
    short = 1.0 - problem.margins(theta, face.gates)[active]
    size = float(np.linalg.norm(theta))
    heights, height_rows = np.zeros(0), np.zeros((0, len(theta)))
    force, high = np.zeros(0), 0.0
    if len(face.pairs):
        heights, height_rows, jump = problem.kinks(
            theta, face.gates, active, face.multipliers, face.pairs
        )
        square = np.maximum(np.sum(height_rows**2, axis=1), 1e-300)
        force = np.sum(height_rows * jump, axis=1) / square
        high = float((np.abs(heights) / np.sqrt(square)).max()) / size
    residual = max(
        float(np.linalg.norm(stationary)) / size, float(np.abs(short).max(initial=0.0)), high
    )
    return _Equations(stationary, short, rows, heights, height_rows, force, residual)


def solve_face(problem: PatternedMargins, face: Face, work: Work | None = None) -> SolvedFace:
    """Newton steps with halving until the residual falls no more, or `work` is spent; the last face,
    solved or not."""
    work = work or Work()
    at = equations(problem, face)
    slow, steps, end = 0, 0, End.STALLED
    while steps < STEPS:
        if at.residual <= 1e-15:
            break
        if work():
            end = End.CANCELLED
            break
        steps += 1
        work.add(_operations(face))
        step = _step(problem, face, at)
        moved = _halved(problem, face, at.residual, step)
        if moved is None:
            break
        # Close to a solution the residual is squared; where it creeps, this piece has none nearby.
        slow = slow + 1 if moved[1].residual > 0.5 * at.residual else 0
        patience = (
            1 if at.residual <= SOLVED else 3 * PATIENCE if at.residual <= CLOSE else PATIENCE
        )
        face, at = moved
        if slow >= patience:
            break
    else:
        end = End.OUT_OF_STEPS
    end = End.CONVERGED if at.residual <= SOLVED else end
    return SolvedFace(face, Outcome(end, steps, at.residual))


def passes(gradients: int, samples: int, p: int) -> float:
    """Operations of that many gradients in θ (p), and of a pass of that many samples."""
    return CALL * (2.0 + gradients / TOGETHER) + float(gradients + samples) * p


def _operations(face: Face) -> float:
    """Of one step: the system's eigenvectors, the curvature by columns, and two tries of a length."""
    p, k, j = len(face.theta), len(face.active), len(face.pairs)
    calls = passes(p, k, p) + 2.0 * passes(k + 2 * j, 2 * len(face.gates), p)
    return EIGEN * (p + k + j) ** 3 + calls


def _step(
    problem: PatternedMargins, face: Face, at: _Equations
) -> tuple[Float[Array, " P"], Float[Array, " k"], Float[Array, " j"]]:
    """(Δθ, Δλ, Δg) of least norm; a gate that moves nothing stays."""
    p, k, j = len(face.theta), len(face.active), len(face.pairs)
    matrix = np.zeros((p + k + j, p + k + j))
    curvature = problem.curvature(face.theta, face.gates, face.active, face.multipliers)
    matrix[:p, :p] = np.eye(p) - 0.5 * (curvature + curvature.T)
    # Each multiplier is measured in units that give its column norm 1.
    columns = np.vstack([at.rows, at.height_rows])
    unit = np.linalg.norm(columns, axis=1)
    unit[unit == 0] = 1.0
    matrix[p:, :p] = -columns / unit[:, None]
    matrix[:p, p:] = matrix[p:, :p].T
    right = -np.concatenate([at.stationary, np.concatenate([at.short, -at.heights]) / unit])
    values, vectors = np.linalg.eigh(matrix)
    kept = np.abs(values) > CUT * np.abs(values).max()
    move = vectors[:, kept] @ ((vectors[:, kept].T @ right) / values[kept])
    change = move[p:] / unit
    with np.errstate(divide="ignore", invalid="ignore"):
        gates = np.where(np.abs(at.force) > 1e-12, change[k:] / at.force, 0.0)
    return move[:p], change[:k], gates


def _halved(
    problem: PatternedMargins,
    face: Face,
    residual: float,
    step: tuple[Float[Array, " P"], Float[Array, " k"], Float[Array, " j"]],
) -> tuple[Face, _Equations] | None:
    """The first of the step, its half, … that lowers the residual, never farther than ‖θ‖/2."""
    theta, multipliers, gates = step
    longest = 0.5 * float(np.linalg.norm(face.theta))
    length = min(1.0, longest / max(float(np.linalg.norm(theta)), 1e-300))
    for _ in range(7):
        moved_gates = face.gates.copy()
        moved_gates[face.pairs[:, 0], face.pairs[:, 1]] += length * gates
        moved = replace(
            face,
            theta=face.theta + length * theta,
            multipliers=face.multipliers + length * multipliers,
            gates=moved_gates,
        )
        at = equations(problem, moved)
        if at.residual < (1.0 - 0.1 * length) * residual:
            return moved, at
        length *= 0.5
    return None
