"""KH24 Lemma C.1 and (58) of Lemma D.1: flows under a small disturbance stay near some flow of the NCF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most, orders, worst_ratio
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.kh24.flow import INTEGRATED, STEPS, integrate
from workbench.claims.kh24.saddle import LARGE, Dynamics, saddles, true_flow
from workbench.data.synthetic import circle
from workbench.theory.ncf.landscapes import branching_path

DISTURBED = (1e-2, 1e-3, 1e-4, 1e-5)
"""δ of Lemma C.1: |f_i(t)| ≤ δ."""
FIRST = 0.9
"""Least order of a distance that falls like δ; one that stays has order 0."""
NEURONS, FREQUENCIES = 6, 20.0
SEEDS: dict[Size, range] = {"quick": range(1), "full": range(30)}
WAIT, LATE = 0.7, 3.0
"""When a flow of u_1|u_2| leaves (1, 0), and until when it is followed."""

# --- Lemma C.1 -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Disturbed:
    """sup_t of distances by δ: `smooth` (S, D) of squared-ReLU flows, `alike` (D) of a flow of u_1|u_2| from
    (1, 0) to the undisturbed one that leaves when it does, `resting` (D) to the one that never leaves."""

    smooth: Float[np.ndarray, "S D"]
    alike: Float[np.ndarray, " D"]
    resting: Float[np.ndarray, " D"]


Disturbance = Callable[[float, Array, float], Array]


def waves(t: float, phases: Array, delta: float) -> Array:
    """f_i(t) = δ sin(ωt + φ_i)."""
    return delta * np.sin(FREQUENCIES * t + phases)


def c1_evidence(size: Size, disturbance: Disturbance = waves) -> Disturbed:
    """Labels disturbed by waves of height δ."""
    smooth = [_smooth(seed, disturbance) for seed in SEEDS[size]]
    alike, resting = [], []
    t = np.linspace(0.0, LATE, 600)
    for delta in DISTURBED:
        # ∫(1 + f) since the flow left, by which the disturbed flow goes along the same curve.
        since = np.linspace(WAIT, LATE, 3_000)
        rate = np.array([1.0 + float(disturbance(s, np.zeros(1), delta)[0]) for s in since])
        passed = np.append(0.0, np.cumsum(0.5 * np.diff(since) * (rate[1:] + rate[:-1])))
        moved = branching_path(np.interp(t, since, passed, left=0.0), 0.0)
        alike.append(_sup(moved - branching_path(t, WAIT)))
        resting.append(_sup(moved - branching_path(t, np.inf)))
    return Disturbed(np.array(smooth), np.array(alike), np.array(resting))


def _sup(gap: Array) -> float:
    return float(np.max(np.linalg.norm(gap, axis=1)))


def _smooth(seed: int, disturbance: Disturbance) -> list[float]:
    """Fig. 1's NCF, from one start, for every δ."""
    data, rng = circle(50, 0.0), np.random.default_rng([seed, 31])
    start = rng.standard_normal((NEURONS, 2))
    start /= np.linalg.norm(start)
    phases = rng.uniform(0.0, 2.0 * np.pi, data.n)

    def path(delta: float) -> Array:
        def slope(t: float, u: Array) -> Array:
            z = data.y + (disturbance(t, phases, delta) if delta else 0.0)
            active = np.maximum(u.reshape(-1, 2) @ data.x.T, 0.0)
            return np.asarray(2.0 * (active * z) @ data.x).ravel()

        times = np.linspace(0.0, 0.05, 51)
        with np.errstate(all="ignore"):
            found = solve_ivp(
                slope, (0.0, 0.05), start.ravel(), "DOP853", times, rtol=1e-11, atol=1e-11
            )
        return found.y.T if found.success else np.full((51, start.size), np.nan)

    plain = path(0.0)
    return [_sup(path(delta) - plain) for delta in DISTURBED]


SMOOTH = "squared ReLU: order of sup ‖u − ũ‖ in δ, least"
FALLS = "squared ReLU: sup ‖u − ũ‖ over the one before, as δ falls, largest"
ALIKE = "u_1|u_2| from (1, 0): the same order to the flow that leaves when it does"
RESTING = "u_1|u_2| from (1, 0): sup distance to the flow that stays, least"


def c1_measure(found: Disturbed) -> Measured:
    """How distances fall with δ."""
    return Measured(
        {
            SMOOTH: least(orders(DISTURBED, list(row)).min() for row in found.smooth),
            FALLS: most(worst_ratio(list(row)) for row in found.smooth),
            ALIKE: float(orders(DISTURBED, list(found.alike)).min()),
            RESTING: float(np.min(found.resting)),
        },
        {f"squared ReLU: sup ‖u − ũ‖ at δ={DISTURBED[-1]:.0e}": most(found.smooth[:, -1])},
    )


def c1_criterion(measured: Measured) -> tuple[Check, ...]:
    """First order in δ to some flow; where flows branch, not to every one."""
    bounds: list[Bound] = [
        (SMOOTH, "≥", FIRST, ""),
        (FALLS, "<", 1.0, ""),
        (ALIKE, "≥", FIRST, ""),
        (RESTING, "≥", 1.0, ""),
    ]
    return judged(measured, bounds)


# --- Lemma D.1, (58) -----------------------------------------------------------------------------

C_FIXED = 1e4
D1_DELTAS = (3e-3, 1e-3, 3e-4, 1e-4)
"""δ² ≤ 1/(2C)."""


@dataclass(frozen=True, eq=False)
class Apart:
    """By δ, up to T = ln C/(2M_2): `distance`: sup ‖w_z/δ − u‖, `again` with half the step; `near`: sup
    distance² to the saddle over 2Cδ²."""

    distance: Float[np.ndarray, " D"]
    again: Float[np.ndarray, " D"]
    near: Float[np.ndarray, " D"]


def d1_evidence(size: Size, dynamics: Dynamics = true_flow) -> list[Apart]:
    """Fig. 4's saddle, the small weights' flow against the residual's NCF flow from the same ζ_z."""
    found = []
    for case in saddles(size):
        horizon = np.full(len(D1_DELTAS), np.log(C_FIXED) / (2.0 * case.speed))
        rows = []
        for steps in (STEPS, 2 * STEPS):
            v = integrate(dynamics(case, D1_DELTAS), case.start, horizon, steps)
            u = integrate(case.ncf, case.start[LARGE:], horizon[:1], steps)
            gap = (v[:, :, LARGE:] - u).reshape(*v.shape[:2], -1)
            rows.append(np.linalg.norm(gap, axis=2).max(axis=0))
        squared = np.sum(v.reshape(*v.shape[:2], -1) ** 2, axis=2).max(axis=0)
        found.append(Apart(rows[0], rows[1], squared / (2.0 * C_FIXED)))
    return found


D1_ORDER = "order of sup ‖w_z/δ − u‖ in δ, least"
D1_FALLS = "sup ‖w_z/δ − u‖ over the one before, as δ falls, largest"
D1_NEAR = "(56): distance² over 2Cδ², largest"
D1_SHARE = "share of sup ‖w_z/δ − u‖ that is the integrator's, largest"


def d1_measure(found: Sequence[Apart]) -> Measured:
    """The order, and (56)."""
    return Measured(
        {
            D1_ORDER: least(orders(D1_DELTAS, list(c.distance)).min() for c in found),
            D1_FALLS: most(worst_ratio(list(c.distance)) for c in found),
            D1_NEAR: most(np.max(c.near) for c in found),
            D1_SHARE: most(np.max(np.abs(c.again / c.distance - 1.0)) for c in found),
        },
        {f"sup ‖w_z/δ − u‖ at δ={D1_DELTAS[-1]:.0e}": most(c.distance[-1] for c in found)},
    )


def d1_criterion(measured: Measured) -> tuple[Check, ...]:
    """‖ξ‖ ≤ μ_1√C δ + βCδ² in the proof makes it of first order."""
    bounds: list[Bound] = [
        (D1_ORDER, "≥", FIRST, ""),
        (D1_FALLS, "<", 1.0, ""),
        (D1_NEAR, "≤", 1.0, ""),
        (D1_SHARE, "<", INTEGRATED, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-C1",
        paper="KH24",
        place="Lemma C.1, Appendix J",
        statement="A flow of the NCF whose labels are disturbed by at most δ stays near some flow of the "
        "NCF from the same start, the nearer the smaller δ; where flows branch that need not be every one.",
        method="Fig. 1's NCF with waves of height δ on every label, 1e−2 to 1e−5; u_1|u_2| from (1, 0), in "
        "closed form.",
        experiment=untrained(c1_evidence),
        measure=c1_measure,
        criterion=c1_criterion,
    ),
    Claim(
        id="KH24-D1",
        paper="KH24",
        place="Lemma D.1, (56) and (58)",
        statement="Beside a saddle (w̄_n, 0) sup_t ‖w_z/δ − u‖ up to T goes to 0 with δ, u the flow of the "
        "residual's NCF from ζ_z, and the distance² to the saddle stays below 2Cδ².",
        method="Fig. 4's saddle plus δ(ζ_n, ζ_z), C = 1e4, T = ln C/(2M_2), δ from 3e−3 to 1e−4; see "
        "KH24-T5.5 for the 2 in T.",
        experiment=untrained(d1_evidence),
        measure=d1_measure,
        criterion=d1_criterion,
        erratum="T = ln C/M_2 in the lemma needs the 2 of its own proof: ½ dZ/dt ≤ M_2 Z gives Z(0) e^{2M_2 "
        "t}.",
    ),
)
