"""Networks of order L > 2 near the origin (Kumar, Haupt, arXiv 2403.08121): w(s/δ^{L−2})/δ follows the NCF's
flow.

With w = δv and t = s/δ^{L−2}: v' = Σ (y_i − δ^L H(x_i; v)) ∂H(x_i; v), which is the flow of N_{y,H} but for
δ^L. On a KKT direction d‖u‖/dt = L N(û) ‖u‖^{L−1}, infinite after 1/(L(L−2)N(û)‖u_0‖^{L−2}).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most, orders, worst_ratio
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.data.synthetic import circle

ORDER = 3.0
NEURONS = 6
DELTAS = (0.1, 0.05, 0.025, 0.0125)
SEEDS: dict[Size, range] = {"quick": range(2), "full": range(50)}
PART = 0.8
"""Share of the time to the NCF's blow-up that is followed."""
RTOL = 1e-10
FAR = 1e4
"""‖u‖ by which a flow has blown up: what is left is `FAR`^{2−L} of the time."""
SHARE = 0.9
"""Share of an order that a fit must show."""
TIMED = 1e-3
"""Relative error that `FAR` and the integrator leave of a time."""
POLISH = 500
"""Steps of an ascent from the direction that a flow ends with to its KKT point."""
LATEST = 20.0
"""Flows that have not blown up by then are left out."""


def outputs(w: Float[np.ndarray, " P"], x: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " n"]:
    """Σ_k v_k σ(u_k·x)², whose gradient is Lipschitz near every w: its flow has one solution, and no
    kinks."""
    v, u = w[:NEURONS], w[NEURONS:].reshape(NEURONS, -1)
    return np.asarray(v @ np.maximum(u @ x.T, 0.0) ** 2)


def gradient_of(
    w: Float[np.ndarray, " P"], x: Float[np.ndarray, "n 2"], z: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " P"]:
    """∇N of N(w) = Σ_i z_i H(x_i; w)."""
    v, u = w[:NEURONS], w[NEURONS:].reshape(NEURONS, -1)
    s = np.maximum(u @ x.T, 0.0)
    return np.concatenate([s**2 @ z, (2.0 * v[:, None] * ((s * z) @ x)).ravel()])


@dataclass(frozen=True, eq=False)
class Near:
    """One start. `apart` (D): sup ‖w/δ − u‖ by δ up to `PART` of the blow-up; `grown`: ‖u‖ at the end of
    that; `time`: of blow-up from the KKT point that u goes to, over 1/(L(L−2)N); `scaled`: that from u_0/10
    over 10^{L−2} times that from u_0. NaN where u does not blow up."""

    apart: Float[np.ndarray, " D"]
    grown: float
    time: float
    scaled: float


Bend = Callable[[Array, float], Array]
"""(slope of v, δ) to another slope."""


def evidence(size: Size, bend: Bend | None = None) -> list[Near]:
    """On KH24's circle, from random starts of norm 1 whose NCF blows up."""
    data = circle(20, 0.1)

    def gradient(w: Array) -> Array:
        return gradient_of(w, data.x, data.y)

    found: list[Near] = []
    seed = 0
    while len(found) < len(SEEDS[size]):
        rng = np.random.default_rng([seed, 24])
        seed += 1
        start = rng.standard_normal(3 * NEURONS)
        start /= np.linalg.norm(start)
        expected, u = _blow_up(gradient, start)
        if np.isfinite(expected):
            found.append(_near(data.x, data.y, start, expected, u, bend))
    return found


def _near(x: Array, y: Array, start: Array, expected: float, end: Array, bend: Bend | None) -> Near:
    times = np.linspace(0.0, PART * expected, 101)

    def gradient(w: Array) -> Array:
        return gradient_of(w, x, y)

    def flow(delta: float) -> Array:
        def slope(_: float, v: Array) -> Array:
            z = y - delta**ORDER * outputs(v, x)
            moved = gradient_of(v, x, z)
            return moved if bend is None or not delta else bend(moved, delta)

        with np.errstate(all="ignore"):
            found = solve_ivp(slope, (0.0, times[-1]), start, "DOP853", times, rtol=RTOL, atol=RTOL)
        return found.y.T if found.success else np.full((len(times), len(start)), np.nan)

    plain = flow(0.0)
    apart = [float(np.max(np.linalg.norm(flow(d) - plain, axis=1))) for d in DELTAS]
    u = end
    for _ in range(POLISH):
        g = gradient(u)
        u = u + g / np.linalg.norm(g)
        u = u / np.linalg.norm(u)
    height = float(u @ gradient(u)) / ORDER
    return Near(
        np.array(apart),
        float(np.linalg.norm(plain[-1])),
        _blow_up(gradient, u)[0] * ORDER * (ORDER - 2.0) * height,
        _blow_up(gradient, 0.1 * start)[0] / (10.0 ** (ORDER - 2.0) * expected),
    )


def _blow_up(gradient: Callable[[Array], Array], start: Array) -> tuple[float, Array]:
    """The time until ‖u‖ is `FAR` of its start, by plain integration, plus what its direction then leaves;
    and the last direction. ∞ if that is not by `LATEST` over ‖u_0‖^{L−2}."""
    size = float(np.linalg.norm(start))

    def slope(_: float, u: Array) -> Array:
        return gradient(u)

    def away(_: float, u: Array) -> float:
        return float(np.linalg.norm(u)) - FAR * size

    away.terminal = True  # type: ignore[attr-defined]
    latest = LATEST * size ** (2.0 - ORDER)
    with np.errstate(all="ignore"):
        found = solve_ivp(
            slope, (0.0, latest), start, "DOP853", rtol=1e-8, atol=1e-8 * size, events=[away]
        )
    u = found.y[:, -1]
    end = float(np.linalg.norm(u))
    if found.status != 1:
        return float("inf"), u / end
    growth = float(u @ gradient(u)) / end**ORDER
    return float(found.t[-1]) + end ** (2.0 - ORDER) / ((ORDER - 2.0) * growth), u / end


NEAR_ORDER = "order of sup ‖w/δ − u‖ in δ over L at the smallest δ, least"
FALLS = "sup ‖w/δ − u‖ over the one before, as δ falls, largest"
GROWN = "‖u‖ at the end of what is followed, least"
TIME = "time of blow-up from a KKT point over 1/(L(L−2)N), off 1, largest"
SCALED = "time of blow-up from u_0/10 over 10^{L−2} times that from u_0, off 1, largest"


def measure(found: Sequence[Near]) -> Measured:
    """How near, and when u is infinite."""
    return Measured(
        {
            NEAR_ORDER: least(orders(DELTAS, list(c.apart))[-1] / ORDER for c in found),
            FALLS: most(worst_ratio(list(c.apart)) for c in found),
            GROWN: least(c.grown for c in found),
            TIME: most(abs(c.time - 1.0) for c in found),
            SCALED: most(abs(c.scaled - 1.0) for c in found),
        },
        {f"sup ‖w/δ − u‖ at δ={DELTAS[-1]:g}": most(c.apart[-1] for c in found)},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Of order L, while u grows; and the times that the growth on a KKT direction has."""
    bounds: list[Bound] = [
        (NEAR_ORDER, "≥", SHARE, ""),
        (FALLS, "<", 1.0, ""),
        (GROWN, "≥", 1.0, ""),
        (TIME, "≤", TIMED, ""),
        (SCALED, "≤", TIMED, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24b-NEAR",
        paper="KH24b",
        place="near the origin, order above 2",
        statement="From δu_0 the weights of a network of order L > 2 over δ follow the flow of its NCF from "
        "u_0 in the time s = δ^{L−2}t: sup ‖w/δ − u‖ → 0 with order L for the square loss; u is infinite "
        "after a time that goes like ‖u_0‖^{−(L−2)}.",
        method="Σ_k v_k σ(u_k·x)², of order 3, on KH24's circle from random starts, δ from 0.1 to 0.0125, "
        "up to 0.8 of the time in which the NCF's flow blows up; that time from its KKT point, too.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
