"""Where neurons go and when they reach a radius: what every way to follow them shares.

While a neuron is small its weights follow the NCF flow of the residual z (KH24 Theorem 5.5): the direction
runs û' = ∇N(û) − 2N(û)û to a KKT point and d log‖w‖/dt = 2N(û). It has left when ‖w‖ = r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from workbench.arrays import Array
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktPoint, KktSet
from workbench.theory.numerics.outcome import Outcome

BALANCED = 1e-3
"""Largest |2v²/‖w‖² − 1| of a two-layer neuron that counts as balanced."""


@dataclass(frozen=True, eq=False)
class Paths:
    """By neuron, each (H), for times in units of gradient-flow time of the summed loss whose residual is z.

    `target`: index into the KKT set's points; −1: none of the listed ones, or not reached in the allowed
    steps. `escape_time`: until ‖w‖ = radius, 0 if it is there already; ∞ if the norm stays below; NaN where
    that is not known. `escape_angle`: of u then, in radians, which may be before it has arrived; NaN for
    neurons that were not followed on the circle. `outcome`: iterations are steps; converged where every
    neuron came to rest or arrived. `followed`: how many neurons were followed.
    """

    target: Int[Array, " H"]
    escape_time: Float[Array, " H"]
    escape_angle: Float[Array, " H"]
    outcome: Outcome
    followed: int


def is_balanced(
    weights: Float[Array, "H p"], kind: NeuronKind, within: float = BALANCED
) -> Bool[Array, " H"]:
    """Neurons with |v| = ‖u‖, whose direction flow is that of u alone; all that have no v."""
    if kind is NeuronKind.SQUARED_RELU:
        return np.ones(len(weights), dtype=bool)
    size = np.sum(weights**2, axis=1)
    return np.abs(2 * weights[:, 0] ** 2 - size) <= within * size


def time_left(
    left: Float[Array, "*k"], rate: Float[Array, "*k"], least: float
) -> Float[Array, "*k"]:
    """(log r − log‖w‖)/rate where log‖w‖ grows faster than `least`; ∞ where it does not."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(rate > least, left / rate, np.inf)


def nearest_member(point: KktPoint, w: Float[Array, " p"]) -> Float[Array, " p"]:
    """The member of a point or flat arc that is nearest to a direction; of other flat sets the listed one."""
    extent = point.extent
    if extent is None or extent.shape != "arc" or extent.angles is None:
        return point.direction
    start, end = extent.angles
    offset = np.mod(np.arctan2(w[1], w[0]) - start, 2 * np.pi)
    if offset > end - start:
        offset = 0.0 if 2 * np.pi - offset < offset - (end - start) else end - start
    return np.array([np.cos(start + offset), np.sin(start + offset)])


def within_angles(angles: tuple[float, float], angle: float) -> bool:
    """Whether an angle lies in a flat set's (start, end), up to 1e−6."""
    start, end = angles
    return bool(np.mod(angle - start + 1e-6, 2 * np.pi) <= end - start + 2e-6)


def point_at(found: KktSet, kind: NeuronKind, angle: float, sign: float) -> int:
    """The listed point at an angle of u (for two-layer neurons with that sign of v); −1: none."""
    if np.isnan(angle):
        return -1
    for index, point in enumerate(found.points):
        extent = point.extent
        if extent is not None and extent.angles is not None:
            if within_angles(extent.angles, angle):
                return index
            continue
        u = point.direction[-2:]
        if np.hypot(*u) < 1e-9:
            continue
        same = kind is NeuronKind.SQUARED_RELU or point.direction[0] * sign > 0
        same = same or (extent is not None and point.direction[0] == 0)
        if same and abs(np.angle(np.exp(1j * (np.arctan2(u[1], u[0]) - angle)))) < 1e-6:
            return index
    return -1
