"""How gradient flow leaves 0: from δu_0 with δ → 0 on the path along a KKT point u* (arXiv 2502.15952).

u* is where the flow of the whole network's NCF, N(θ) = Σ_i y_i Φ(x_i; θ), takes the direction of u_0. The
path is the gradient flow from a far smaller multiple of u*, in the limit the one that leaves 0 along it; it
comes to rest at the first saddle. Said of networks of order 2 whose gradient is continuous: squared ReLU, and
two-layer networks without a kink.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, neuron_outputs

ORIGIN = 1e-7
"""‖θ‖ at which a path begins: as good as 0, for all that is followed is larger."""
SETTLED = 1e-9
"""‖∇N − 2N û‖ over ‖∇N‖ at which a direction is a KKT point."""
PERIODS = 60
"""Most units of time, 1/N where that is more, until then."""
AT_SADDLE = 1e-3
"""‖∇𝓛‖ over its highest on the path at which the path has come to the saddle."""
AFTER = 6.0
"""Time over 1/N that a path is followed by after its escape, and again until it is at the saddle."""
LONGEST = 20
"""Most times that it is followed on."""
BETWEEN = 8
"""Points of a path between two steps of its integrator."""
RTOL, ATOL = 1e-10, 1e-14


@dataclass(frozen=True, eq=False)
class EscapeProblem:
    """Whose flow: `problem`, and the neurons' output signs `signs` (H), 1 where they are trained. θ (P) are
    the neurons' weights (H, p) one after the other.

    Raises:
        ValueError: the gradient jumps at a kink.
    """

    problem: ActiveProblem
    signs: Float[Array, " H"]

    def __post_init__(self) -> None:
        if self.problem.kind is not NeuronKind.SQUARED_RELU and self.problem.leak != 1.0:
            raise ValueError("the gradient of this network jumps at a kink")

    def climb(self, theta: Float[Array, " P"], z: Float[Array, " n"]) -> Float[Array, " P"]:
        """∇N of N(θ) = Σ_i z_i Φ(x_i; θ)."""
        own = self.problem
        gradient = Ncf(own.x, z, own.kind, own.leak).gradient(self._neurons(theta))
        return np.asarray((self.signs[:, None] * gradient).ravel())

    def fall(self, theta: Float[Array, " P"]) -> Float[Array, " P"]:
        """−∇𝓛 of ½‖y − Φ‖²."""
        own = self.problem
        outputs = self.signs @ neuron_outputs(self._neurons(theta), own.x, own.kind, own.leak)
        return self.climb(theta, own.y - outputs)

    def flow(
        self, start: Float[Array, " P"], time: float
    ) -> tuple[Float[Array, " T"], Callable[[Array], Array]]:
        """Gradient flow of the summed risk: times of the integrator's steps, and θ (…, P) at any times."""
        found = solve_ivp(
            lambda _, w: self.fall(w),
            (0.0, time),
            start,
            "DOP853",
            rtol=RTOL,
            atol=ATOL,
            dense_output=True,
        )
        between: Callable[[Array], Array] = found.sol  # type: ignore[assignment]
        return found.t, lambda t: np.asarray(between(t).T)

    def limit(self, start: Float[Array, " P"]) -> tuple[Float[Array, " P"], float]:
        """The KKT point u* that the NCF's flow takes a direction to, and N(u*); NaN where it does not get
        there, or to one that does not climb."""
        y = self.problem.y

        def turn(_: float, u: Array) -> Array:
            g = self.climb(u, y)
            return np.asarray(g - (g @ u) * u)

        u, period = start / np.linalg.norm(start), 1.0
        for _ in range(PERIODS):
            u = solve_ivp(turn, (0.0, period), u, "DOP853", rtol=RTOL, atol=1e-12).y[:, -1]
            u = u / np.linalg.norm(u)
            g = self.climb(u, y)
            height = float(g @ u) / 2.0
            if np.linalg.norm(g - (g @ u) * u) <= SETTLED * np.linalg.norm(g):
                return (u, height) if height > 0.0 else (u, float("nan"))
            period = max(1.0, 1.0 / height) if height > 0.0 else 1.0
        return u, float("nan")

    def path(self, along: Float[Array, " P"], height: float) -> EscapePath | None:
        """The path that leaves 0 along a KKT point with N = `height`; None where it comes to no saddle."""
        waited = float(np.log(1.0 / ORIGIN)) / (2.0 * height)
        steps, between = self.flow(ORIGIN * along, waited + AFTER / height)
        part = np.linspace(0.0, 1.0, BETWEEN, endpoint=False)
        times, begun = [np.zeros(0)], 0.0
        points = [np.zeros((0, along.size))]
        for _ in range(LONGEST):
            at = (steps[:-1, None] + part * np.diff(steps)[:, None]).ravel()
            times.append(begun + at)
            points.append(between(at))
            theta = np.concatenate(points)
            speed = np.linalg.norm([self.fall(w) for w in theta], axis=1)
            fastest = int(speed.argmax())
            slow = np.flatnonzero(speed[fastest:] < AT_SADDLE * speed.max())
            if len(slow):
                last = fastest + int(slow[0])
                return EscapePath(np.concatenate(times)[: last + 1], theta[: last + 1], theta[-1])
            begun += float(steps[-1])
            steps, between = self.flow(between(steps[-1:])[0], AFTER / height)
        return None

    def _neurons(self, theta: Float[Array, " P"]) -> Float[Array, "H p"]:
        return theta.reshape(len(self.signs), -1)


@dataclass(frozen=True, eq=False)
class EscapePath:
    """`theta` (K, P) at flow times `time` (K) of the summed risk from ‖θ‖ = `ORIGIN` on, to where it is at
    the `saddle` (P), as good as that is known."""

    time: Float[Array, " K"]
    theta: Float[Array, "K P"]
    saddle: Float[Array, " P"]


def distances(points: Float[Array, "T P"], path: Float[Array, "K P"]) -> Float[Array, " T"]:
    """How far points are from the polygon through a path's."""
    begin, step = path[:-1], np.diff(path, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-300)
    found = np.empty(len(points))
    for k, point in enumerate(points):
        part = np.clip(((point - begin) * step).sum(axis=1) / length, 0.0, 1.0)
        found[k] = np.linalg.norm(point - begin - part[:, None] * step, axis=1).min()
    return found
