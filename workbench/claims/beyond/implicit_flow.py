"""Steepest descent flow of a linear predictor in ℓ1, ℓ2 or ℓ∞, by implicit steps of any length.

θ_{k+1} minimizes log 𝓛 over the ball of radius h around θ_k: backward Euler of dθ/ds = u*, s the length in
the norm, so that the velocity d = (θ_{k+1} − θ_k)/h is steepest at θ_{k+1}: ⟨−∇log 𝓛, d⟩ = ‖∇log 𝓛‖_*,
sliding along ties included. On the face of the ball where d lies, the minimum is Newton's; the dimensions are
few, so that all faces can be tried. The risk is convex, hence a = −log 𝓛 has
a_{k+1} − a_k ≥ h a_{k+1}/‖θ_{k+1}‖, and
γ~ = a/‖θ‖ never falls, however long the steps are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from workbench.arrays import Float
from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.norm import Norm

MET = 1e-12
"""⟨−∇log 𝓛, d⟩ off ‖∇log 𝓛‖_*, relative, and ‖d‖ above 1, of a velocity that counts as found."""
MOST_NEWTON = 60


@dataclass(frozen=True, eq=False)
class Flow:
    """θ (K, d) at lengths h, 2h, …; `velocity` (K, d) of the steps that led there; `smoothed` (K): γ~ in the
    norm; `off`: ⟨−∇log 𝓛, d⟩ off ‖∇log 𝓛‖_*, relative, largest."""

    theta: Float[np.ndarray, "K d"]
    velocity: Float[np.ndarray, "K d"]
    smoothed: Float[np.ndarray, " K"]
    off: float


def implicit_flow(z: Float[np.ndarray, "n d"], norm: Norm, length: float, steps: int) -> Flow:
    """From θ = 0 under the summed exponential risk of rows y_i x_i, `steps` steps of `length`.

    Raises:
        ValueError: no face of the ball holds a step's velocity.
    """
    theta = np.zeros(z.shape[1])
    found, velocities, smoothed, worst = [], [], [], 0.0
    face: Face | None = None
    for _ in range(steps):
        face, velocity = _step(z, norm, theta, length, face)
        theta = theta + length * velocity
        log_risk, slope, _ = _log_risk(z, theta)
        found.append(theta)
        velocities.append(velocity)
        smoothed.append(-log_risk / float(norm.norm(theta)))
        worst = max(worst, _off(norm, slope, velocity))
    return Flow(np.array(found), np.array(velocities), np.array(smoothed), worst)


Face = tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d k"]]
"""c and B: the affine set {c + B y} that a face of the ball spans."""


def _step(
    z: Float[np.ndarray, "n d"],
    norm: Norm,
    theta: Float[np.ndarray, " d"],
    length: float,
    before: Face | None,
) -> tuple[Face | None, Float[np.ndarray, " d"]]:
    """The velocity of a step, and the face of the ball that it lies on."""
    if isinstance(norm, L2):
        return None, _on_sphere(z, theta, length)
    for face in (*([before] if before is not None else []), *faces(norm, z.shape[1])):
        velocity = _on_face(z, theta, length, face)
        slope = _log_risk(z, theta + length * velocity)[1]
        if float(norm.norm(velocity)) <= 1.0 + MET and _off(norm, slope, velocity) <= MET:
            return face, velocity
    raise ValueError("no face of the ball holds the velocity")


def faces(norm: Norm, d: int) -> Iterator[Face]:
    """Of the cube, or of the cross-polytope, the smallest first."""
    every = [np.array(s) for s in product((1.0, -1.0, 0.0), repeat=d) if any(s)]
    cross = isinstance(norm, L1)
    for signs in sorted(every, key=lambda s: np.sum(s != 0) * (1 if cross else -1)):
        held = np.flatnonzero(signs)
        if not cross:
            yield signs, np.eye(d)[:, signs == 0.0]
            continue
        first = np.zeros(d)
        first[held[0]] = signs[held[0]]
        edges = np.zeros((d, len(held) - 1))
        for column, other in enumerate(held[1:]):
            edges[other, column] = signs[other]
            edges[:, column] -= first
        yield first, edges


def _on_face(
    z: Float[np.ndarray, "n d"], theta: Float[np.ndarray, " d"], length: float, face: Face
) -> Float[np.ndarray, " d"]:
    """The minimum of log 𝓛(θ + h d) over the face's span, by damped Newton steps."""
    at, basis = face
    y = np.zeros(basis.shape[1])
    if not len(y):
        return at
    for _ in range(MOST_NEWTON):
        value, slope, curvature = _log_risk(z, theta + length * (at + basis @ y))
        gradient = length * basis.T @ slope
        hessian = length**2 * basis.T @ curvature @ basis
        by = -np.linalg.lstsq(hessian, gradient)[0]
        if not np.abs(by).max() < 1e3:
            break
        share = 1.0
        while share > 1e-3:
            ahead = _log_risk(z, theta + length * (at + basis @ (y + share * by)))[0]
            if ahead <= value:
                break
            share *= 0.5
        y = y + share * by
        if np.abs(by).max() <= 1e-15:
            break
    return np.asarray(at + basis @ y)


def _on_sphere(
    z: Float[np.ndarray, "n d"], theta: Float[np.ndarray, " d"], length: float
) -> Float[np.ndarray, " d"]:
    """ℓ2: ∇log 𝓛(θ + h d) + μ d = 0, ‖d‖ = 1, by Newton steps from the direction at θ."""
    slope = _log_risk(z, theta)[1]
    mu = float(np.linalg.norm(slope))
    d = -slope / mu
    for _ in range(MOST_NEWTON):
        _, slope, curvature = _log_risk(z, theta + length * d)
        rest = np.append(slope + mu * d, 0.5 * (d @ d - 1.0))
        jacobian = np.zeros((len(d) + 1, len(d) + 1))
        jacobian[:-1, :-1] = length * curvature + mu * np.eye(len(d))
        jacobian[:-1, -1] = jacobian[-1, :-1] = d
        by = np.linalg.solve(jacobian, rest)
        d, mu = d - by[:-1], mu - by[-1]
        if np.abs(by).max() <= 1e-15:
            break
    return np.asarray(d)


def _log_risk(
    z: Float[np.ndarray, "n d"], theta: Float[np.ndarray, " d"]
) -> tuple[float, Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    """log Σ e^{−z_i·θ}, its gradient and its Hessian."""
    q = z @ theta
    share = np.exp(q.min() - q)
    total = float(share.sum())
    p = share / total
    mean = p @ z
    return float(np.log(total) - q.min()), -mean, (z - mean).T @ (p[:, None] * (z - mean))


def _off(norm: Norm, slope: Float[np.ndarray, " d"], velocity: Float[np.ndarray, " d"]) -> float:
    """1 − ⟨−∇log 𝓛, d⟩/‖∇log 𝓛‖_*, or less by how much d is short of 1."""
    return abs(1.0 + float(slope @ velocity) / float(norm.dual(slope)))
