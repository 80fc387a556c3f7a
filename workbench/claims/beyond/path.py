"""Beyond the origin (Kumar, Haupt, arXiv 2502.15952): from δu_0 the escape follows the path that leaves 0
along a KKT point u*, to the first saddle.

The flow of the constrained NCF from u_0 goes to u*. The path is the gradient flow from a far smaller δu*,
which in the limit is the one that leaves 0 along u*; it comes to rest at the first saddle. What is 0 in u*
is 0 on all of it, for squared-ReLU neurons of weight 0 have no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most, worst_ratio
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.data.synthetic import circle

SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
"""Output signs of the neurons."""
DELTAS: dict[Size, tuple[float, ...]] = {
    "quick": (1e-1, 1e-2, 1e-3),
    "full": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
}
SEEDS: dict[Size, range] = {"quick": range(2), "full": range(40)}
ORIGIN = 1e-7
"""‖θ‖ at which the path begins: as good as 0, for all that is followed is larger."""
SETTLED = 1e-9
"""‖∇N − 2N û‖ over ‖∇N‖ at which a direction is a KKT point."""
PERIODS = 60
"""Most units of time until then; a start that is not there is left out."""
AT_SADDLE = 1e-3
"""‖∇𝓛‖ over its highest on the path at which the path has come to the saddle."""
BEYOND = 1.5
"""Flow time over 1/N for which a run is followed after the path's is over."""
BETWEEN, LOOKS = 8, 400
"""Points of the path between two steps of its integrator, and points of a run."""
ABSENT = 1e-3
"""Norm in u* below which a neuron counts as 0 there."""
RTOL, ATOL = 1e-10, 1e-14


@dataclass(frozen=True, eq=False)
class Escape:
    """One start. By δ (D): `apart`, the largest distance of the run from the path until it is nearest to the
    first saddle; `saddle`, that nearest distance; `absent`, the largest norm until then of neurons that are
    0 in u*, NaN where there are none. `reach`: ‖θ‖ of the saddle."""

    apart: Float[np.ndarray, " D"]
    saddle: Float[np.ndarray, " D"]
    absent: Float[np.ndarray, " D"]
    reach: float


Choose = Callable[[Array], Array]
"""(u*) to the direction along which the path leaves instead."""


def evidence(size: Size, choose: Choose | None = None) -> list[Escape]:
    """On KH24's circle, from random directions of norm 1 with a KKT point that they go to."""
    data = circle(20, 0.1)
    found: list[Escape] = []
    seed = 0
    while len(found) < len(SEEDS[size]):
        start = np.random.default_rng([seed, 15]).standard_normal(2 * len(SIGNS))
        start /= np.linalg.norm(start)
        seed += 1
        limit, height = _limit(data.x, data.y, start)
        if np.isfinite(height):
            along = limit if choose is None else choose(limit)
            found.append(_escape(data.x, data.y, start, along, height, DELTAS[size]))
    return found


def _outputs(w: Array, x: Array) -> Array:
    return np.asarray(SIGNS @ np.maximum(w.reshape(len(SIGNS), -1) @ x.T, 0.0) ** 2)


def _climb(w: Array, x: Array, z: Array) -> Array:
    """∇N of N(w) = Σ_i z_i Φ(w; x_i)."""
    active = np.maximum(w.reshape(len(SIGNS), -1) @ x.T, 0.0)
    return np.asarray((2.0 * SIGNS[:, None] * ((active * z) @ x)).ravel())


def _limit(x: Array, y: Array, start: Array) -> tuple[Array, float]:
    """The KKT point u* that the NCF's flow goes to from a direction, and N(u*); NaN where it is not there."""

    def turn(_: float, u: Array) -> Array:
        g = _climb(u, x, y)
        return g - (g @ u) * u

    u = start
    for _ in range(PERIODS):
        u = solve_ivp(turn, (0.0, 1.0), u, "DOP853", rtol=RTOL, atol=1e-12).y[:, -1]
        u = u / np.linalg.norm(u)
        g = _climb(u, x, y)
        if np.linalg.norm(g - (g @ u) * u) <= SETTLED * np.linalg.norm(g):
            return u, float(g @ u) / 2.0
    return u, float("nan")


def _escape(
    x: Array, y: Array, start: Array, limit: Array, height: float, deltas: Sequence[float]
) -> Escape:
    def flow(w: Array, time: float) -> Callable[[Array], Array]:
        def down(_: float, v: Array) -> Array:
            return _climb(v, x, y - _outputs(v, x))

        found = solve_ivp(down, (0.0, time), w, "DOP853", rtol=RTOL, atol=ATOL, dense_output=True)
        times.append(found.t)
        sol: Callable[[Array], Array] = found.sol  # type: ignore[assignment]
        return lambda t: np.asarray(sol(t).T)

    times: list[Array] = []
    waited = np.log(1.0 / ORIGIN) / (2.0 * height)
    along = flow(ORIGIN * limit, waited + 6.0 / height)
    part = np.linspace(0.0, 1.0, BETWEEN, endpoint=False)
    at = (times[-1][:-1, None] + part * np.diff(times[-1])[:, None]).ravel()
    path = along(at)
    speed = np.linalg.norm([_climb(w, x, y - _outputs(w, x)) for w in path], axis=1)
    last = int(speed.argmax()) + int(np.argmax(speed[speed.argmax() :] < AT_SADDLE * speed.max()))
    saddle, path = path[-1], path[: last + 1]
    gone = np.linalg.norm(limit.reshape(len(SIGNS), -1), axis=1) < ABSENT
    apart, nearest, absent = [], [], []
    for delta in deltas:
        time = np.log(1.0 / delta) / (2.0 * height) + at[last] - waited + BEYOND / height
        run = flow(delta * start, time)(np.linspace(0.0, time, LOOKS))
        far = np.linalg.norm(run - saddle, axis=1)
        until = int(far.argmin()) + 1
        norms = np.linalg.norm(run[:until].reshape(until, len(SIGNS), -1), axis=2)
        apart.append(float(_from_path(run[:until], path).max()))
        nearest.append(float(far.min()))
        absent.append(float(norms[:, gone].max()) if gone.any() else float("nan"))
    return Escape(
        np.array(apart), np.array(nearest), np.array(absent), float(np.linalg.norm(saddle))
    )


def _from_path(points: Array, path: Array) -> Array:
    """(T) distances of points (T, P) from a polygon through the points of a path (K, P)."""
    begin, step = path[:-1], np.diff(path, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-300)
    found = np.empty(len(points))
    for k, point in enumerate(points):
        part = np.clip(((point - begin) * step).sum(axis=1) / length, 0.0, 1.0)
        found[k] = np.linalg.norm(point - begin - part[:, None] * step, axis=1).min()
    return found


APART = "sup of the distance from the path over that for the δ before, as δ falls, largest"
SADDLE = "distance at which the first saddle is passed over that for the δ before, largest"
ABSENT_NORM = "norm of neurons that are 0 in u* over that for the δ before, largest"
NEAR = "sup of the distance from the path at the smallest δ over ‖θ‖ of the saddle, median"
REACH = "‖θ‖ of the first saddle, least"


def measure(found: Sequence[Escape]) -> Measured:
    """How the distances fall with δ."""
    smallest = [c.apart[-1] / c.reach for c in found]
    return Measured(
        {
            APART: most(worst_ratio(list(c.apart)) for c in found),
            SADDLE: most(worst_ratio(list(c.saddle)) for c in found),
            ABSENT_NORM: most(
                worst_ratio(list(c.absent)) for c in found if np.isfinite(c.absent).all()
            ),
            NEAR: float(np.median(smallest)),
            REACH: least(c.reach for c in found),
        },
        {"the same, largest": most(smallest), "starts": float(len(found))},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """All of them fall."""
    bounds: list[Bound] = [
        (APART, "<", 1.0, ""),
        (SADDLE, "<", 1.0, ""),
        (ABSENT_NORM, "<", 1.0, ""),
        (NEAR, "≤", 0.5, ""),
        (REACH, "≥", 0.1, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH25-PATH",
        paper="KH25",
        place="beyond the origin",
        statement="From δu_0 with δ → 0 gradient flow escapes the origin along the path that leaves 0 in the "
        "direction of the KKT point u* that the NCF's flow from u_0 goes to, to the same first saddle; "
        "weights that are 0 in u* stay small until there.",
        method="Squared-ReLU networks on KH24's circle from random directions: the largest distance from "
        "that path until the run is nearest to the path's saddle, that nearest distance, and the norm of "
        "neurons absent from u*, for falling δ.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
