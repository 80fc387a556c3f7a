"""Where neurons and θ point, and how far θ's direction has travelled."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.measures.norms import norm
from workbench.models.structure import Structure


def unit(a: Float[np.ndarray, "... k"]) -> Float[np.ndarray, "... k"]:
    """a/‖a‖ over the last axis; zero stays zero."""
    length = norm(a)[..., None]
    return a / np.where(length > 0, length, 1.0)


def neuron_directions(
    theta: Float[np.ndarray, "T P"], structure: Structure
) -> Float[np.ndarray, "T H d"]:
    """u_k/‖u_k‖ of every neuron's incoming weights."""
    return unit(structure.incoming(theta))


def neuron_angles(
    theta: Float[np.ndarray, "T P"], structure: Structure
) -> Float[np.ndarray, "T H"]:
    """atan2(u_2, u_1) in (−π, π] of every neuron, for d = 2."""
    u = structure.incoming(theta)
    return np.asarray(np.arctan2(u[..., 1], u[..., 0]))


def alignment(
    theta: Float[np.ndarray, "T P"], gradient: Float[np.ndarray, "T P"]
) -> Float[np.ndarray, " T"]:
    """cos(θ, −∇𝓛) (JT20 Theorem 4.1); NaN where one of them vanishes."""
    product = -np.sum(unit(theta) * unit(gradient), axis=-1)
    return np.where((norm(theta) > 0) & (norm(gradient) > 0), product, np.nan)


def path_increments(
    previous: Float[np.ndarray, " P"] | None, theta: Float[np.ndarray, "T P"]
) -> Float[np.ndarray, " T"]:
    """‖θ^_k − θ^_{k−1}‖ between records: their sum is a lower bound of JT20's path length ζ (Thm 3.1)."""
    direction = unit(theta)
    before = np.concatenate([direction[:1] if previous is None else previous[None], direction[:-1]])
    return norm(direction - before)
