"""Where the constrained NCF alone would take a neuron's direction (KH24 Lemmas 5.2, 5.3, C.6).

Near the origin, and near a saddle for its small weights, every direction follows
û' = c (∇N(û) − 2N(û)û), with c = 1 for the summed risk and 1/n for the averaged one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.theory.ncf.kkt import kkt_points
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktSet

ON_POINT = 1e-9
"""A direction this close to a KKT point (radians) stays there."""


FLOW_TOLERANCE = 1e-7
"""Radians a step of the flow may be off: far below the degree that claims are about."""


@dataclass(frozen=True, eq=False)
class PlaneNcf:
    """The NCF of one squared-ReLU neuron on inputs in the plane, with all its KKT points.

    `scale` is c above.
    """

    ncf: Ncf
    scale: float
    kkt: KktSet

    @classmethod
    def of(cls, x: Array, z: Array, scale: float) -> PlaneNcf:
        """Enumerate the KKT points of N_{z,H}."""
        ncf = Ncf(x, z, NeuronKind.SQUARED_RELU)
        return cls(ncf, scale, kkt_points(ncf))

    @property
    def highest(self) -> float:
        """The largest N on the circle: weights grow at most like exp(2 c N t)."""
        return float(self.kkt.values.max())

    @property
    def arcs(self) -> list[tuple[float, float]]:
        """(start, end) in radians of every flat set of KKT points."""
        extents = [point.extent for point in self.kkt.points]
        return [e.angles for e in extents if e is not None and e.angles is not None]

    def flow(
        self,
        start: Float[np.ndarray, " H"],
        times: Float[np.ndarray, " T"],
        tolerance: float = FLOW_TOLERANCE,
    ) -> Float[np.ndarray, "T H"]:
        """Angles after `times` of the direction flow from the angles `start`; times rise from t_0.

        `tolerance`: radians a step may be off. NaN where the integrator gives up.
        """

        def slope(_: float, angle: Array) -> Array:
            u = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            return self.scale * self._turning(u)

        solution = solve_ivp(
            slope,
            (float(times[0]), float(times[-1])),
            start,
            t_eval=times,
            rtol=tolerance,
            atol=tolerance,
        )
        if not solution.success:
            return np.full((len(times), len(start)), np.nan)
        return np.asarray(solution.y.T)

    def _turning(self, u: Float[np.ndarray, "H 2"]) -> Float[np.ndarray, " H"]:
        """dθ/dt for c = 1: the tangent gradient along (−sin θ, cos θ)."""
        g = self.ncf.tangent_gradient(u)
        return np.asarray(u[:, 0] * g[:, 1] - u[:, 1] * g[:, 0])

    def closing_rates(self) -> Float[np.ndarray, " M"]:
        """−dθ'/dθ at every isolated maximum, for c = 1: differences at ±1e−6 radians."""
        maxima = self.kkt.of_kind("max")
        angle = np.array([np.arctan2(p.direction[1], p.direction[0]) for p in maxima])
        step = 1e-6
        sides = [np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angle - step, angle + step)]
        return (self._turning(sides[0]) - self._turning(sides[1])) / (2.0 * step)

    def targets(self, start: Float[np.ndarray, " H"]) -> Float[np.ndarray, " H"]:
        """The angle of the KKT point each direction flows to.

        On the circle the flow is monotone, so this is the next KKT point uphill; a start inside a
        flat set stays, and flat sets are reached at their edge.
        """
        stops = np.array(
            [a for arc in self.arcs for a in arc]
            + [
                np.arctan2(p.direction[1], p.direction[0])
                for p in self.kkt.points
                if p.extent is None
            ]
        )
        u = np.stack([np.cos(start), np.sin(start)], axis=1)
        uphill = np.sign(self._turning(u))
        ahead = np.mod((stops[None, :] - start[:, None]) * uphill[:, None], 2 * np.pi)
        reached = stops[np.argmin(ahead, axis=1)]
        stays = self.inside_flat(start) | (apart(start[:, None], stops[None, :]) < ON_POINT).any(1)
        return np.where(stays, start, reached)

    def inside_flat(self, angle: Float[np.ndarray, "..."]) -> np.ndarray:
        """Whether directions lie in a flat set of KKT points."""
        inside = np.zeros(np.shape(angle), dtype=bool)
        for start, end in self.arcs:
            inside |= np.mod(angle - start, 2 * np.pi) <= end - start
        return inside

    def remaining(
        self, angle: Float[np.ndarray, "... H"], target: Float[np.ndarray, " H"]
    ) -> Float[np.ndarray, "... H"]:
        """The angle still to turn, 0 inside a flat set that is the target."""
        left = apart(angle, target)
        return np.where(self.inside_flat(angle) & self.inside_flat(target), 0.0, left)


def apart(a: Array, b: Array) -> Array:
    """The angle between directions given by angles, in [0, π]."""
    return np.abs(np.mod(a - b + np.pi, 2 * np.pi) - np.pi)
