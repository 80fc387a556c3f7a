"""Where neurons and θ point, and how far θ's direction moves from state to state."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.models.structure import Structure
from workbench.norms.l2 import L2

LEAST, MOST = 1e-280, 1e280
"""‖θ‖² within which squaring neither underflows nor overflows."""


def unit(a: Float[np.ndarray, "... k"]) -> Float[np.ndarray, "... k"]:
    """a/‖a‖ over the last axis; zero stays zero."""
    return divided(a, L2().norm(a))


def divided(
    a: Float[np.ndarray, "... k"], length: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "... k"]:
    """a/‖a‖ where ‖a‖ is known; zero stays zero."""
    return np.asarray(a / np.where(length > 0, length, 1.0)[..., None])


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
    lengths = L2().norm(theta), L2().norm(gradient)
    return cosine((divided(theta, lengths[0]), divided(gradient, lengths[1])), lengths)


def cosine(
    directions: tuple[Float[np.ndarray, "T P"], Float[np.ndarray, "T P"]],
    lengths: tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]],
) -> Float[np.ndarray, " T"]:
    """The same of θ and ∇𝓛 whose directions and lengths are known."""
    product = -np.sum(directions[0] * directions[1], axis=-1)
    return np.where((lengths[0] > 0) & (lengths[1] > 0), product, np.nan)


def chords(states: Float[np.ndarray, "K ... P"]) -> Float[np.ndarray, "K-1 ..."]:
    """‖θ^_{k+1} − θ^_k‖ of neighbours; 0 where one of them is the origin."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.sum(states * states, axis=-1)
        length = np.sqrt(squares)
    extreme = ~((squares > LEAST) & (squares < MOST))
    if extreme.any():
        length[extreme] = L2().norm(states[extreme])
    with np.errstate(invalid="ignore"):
        directions = states / np.where(length > 0.0, length, 1.0)[..., None]
        # A subnormal norm has few digits: what it gives is made a unit vector again.
        small = extreme & (length > 0.0)
        if small.any():
            directions[small] /= L2().norm(directions[small])[:, None]
        step = directions[1:] - directions[:-1]
        found = np.sqrt(np.sum(step * step, axis=-1))
    found[~((length[1:] > 0.0) & (length[:-1] > 0.0))] = 0.0
    return found
