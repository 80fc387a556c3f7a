"""KH24 §5.2: diagonal linear networks go from saddle to saddle, each with few weights that are not 0.

H(x; u, v) = Σ_j u_j v_j x_j is two-homogeneous and separable. With p = (u + v)/√2 and m = (u − v)/√2 its
gradient flow for the square loss is ṗ_j = g_j p_j, ṁ_j = −g_j m_j, g = Xᵀ(y − Xβ), β_j = (p_j² − m_j²)/2:
all of it lies in Q_j = ∫g_j dt, which any δ leaves a float. The NCF of neuron j is g_j u_j v_j, its KKT
points (1, ±1)/√2 with N = ±g_j/2, so that a dormant neuron's logarithm grows with 2N = |g_j|: where ∫g_j
reaches ±ln(1/δ) the neuron leaves. From this alone the saddles and their times follow (the successive
saddles of the paper that KH24 names, Pesme and Flammarion 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import nnls

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, most, worst_ratio
from workbench.claims.claim import Check, Claim, Measured, Size, untrained

SAMPLES, FEATURES, SPARSE = 10, 4, 3
"""n, d, and how many coordinates of the vector behind y are not 0."""
SEEDS: dict[Size, range] = {"quick": range(1), "full": range(20)}
DELTAS = (1e-20, 1e-40, 1e-80, 1e-160)
"""Sizes of the start; times go like ln(1/δ), and what is left out is of order 1."""
BESIDE = (1e-2, 1e-4, 1e-8, 1e-16)
"""Sizes of the start beside a saddle, where what is left out is of order δ."""
RTOL = 1e-9
EMPTY = 1e-9
"""Gradients and weights of the exact saddles below this, over the largest, are rounding."""
MIDDLE = 0.5
"""A saddle is looked at where this share of its stay has passed."""
VISITED = 0.01
"""Share of the last β that a visited saddle may be off by at the smallest δ."""
FORETOLD = 0.05
"""Share of the time of leaving that may be off at the smallest δ, as for KH24-S2S."""

Pull = Callable[[Float[np.ndarray, "n d"], Float[np.ndarray, " n"], Array], Array]


def gradient(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], beta: Float[np.ndarray, " d"]
) -> Float[np.ndarray, " d"]:
    """g = Xᵀ(y − Xβ), minus the gradient of the summed ½-square risk."""
    return np.asarray(x.T @ (y - x @ beta))


# --- the saddles from the NCF alone ----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Saddles:
    """The points (K, d) of β that are visited, in order; `leave` (K − 1): when, over ln(1/δ)."""

    beta: Float[np.ndarray, "K d"]
    leave: Float[np.ndarray, " J"]


def successive_saddles(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Saddles:
    """s_j = ∫g_j dt/ln(1/δ) rises with g_j of the residual while β_j = 0; where it comes to ±1 the neuron
    leaves, and β goes to the least risk among those with β_j ≥ 0 where s_j = 1, ≤ 0 where −1, 0 elsewhere."""
    d = x.shape[1]
    s, beta = np.zeros(d), np.zeros(d)
    visited, leave, time = [beta], [], 0.0
    for _ in range(10 * d):
        g = gradient(x, y, beta)
        g[(beta != 0) | (np.abs(g) < EMPTY * np.abs(x.T @ y).max())] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.where(g != 0, (np.sign(g) - s) / g, np.inf)
        left[left < EMPTY] = np.inf
        first = int(np.argmin(left))
        if not np.isfinite(left[first]):
            break
        s = s + left[first] * g
        s[first] = np.sign(g[first])
        time += float(left[first])
        side = np.where(np.abs(s) > 1.0 - EMPTY, np.sign(s), 0.0)
        found = side * nnls(x * side, y)[0]
        beta = np.where(np.abs(found) > EMPTY * np.abs(found).max(), found, 0.0)
        visited.append(beta)
        leave.append(time)
    return Saddles(np.array(visited), np.array(leave))


# --- the flow ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Start:
    """ln|p_j| and ln|m_j| (d) at the start."""

    plus: Float[np.ndarray, " d"]
    minus: Float[np.ndarray, " d"]

    def beta(self, q: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "... d"]:
        """β where ∫g dt = q."""
        with np.errstate(over="ignore"):
            return np.asarray(0.5 * (np.exp(2 * (self.plus + q)) - np.exp(2 * (self.minus - q))))

    def stretch(self, q: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
        """dβ_j/dq_j = ‖(u_j, v_j)‖²."""
        return np.asarray(np.exp(2 * (self.plus + q)) + np.exp(2 * (self.minus - q)))


def follow(
    x: Array,
    y: Array,
    start: Start,
    times: Float[np.ndarray, " T"],
    pull: Pull = gradient,
    levels: Sequence[float] = (),
) -> tuple[Float[np.ndarray, "T d"], list[float]]:
    """∫g dt at `times`, and when the risk first falls below each of `levels`; NaN where it does not."""

    def slope(_: float, q: Array) -> Array:
        return pull(x, y, start.beta(q))

    def jacobian(_: float, q: Array) -> Array:
        return np.asarray(-(x.T @ x) * start.stretch(q))

    def above(level: float) -> Callable[[float, Array], float]:
        return lambda _, q: float(risk_of(x, y, start.beta(q)) - level)

    with np.errstate(all="ignore"):
        found = solve_ivp(
            slope,
            (0.0, float(times[-1])),
            np.zeros(x.shape[1]),
            "Radau",
            times,
            rtol=RTOL,
            atol=RTOL,
            jac=jacobian,
            events=[above(level) for level in levels] or None,
        )
    missing = np.full((len(times) - found.y.shape[1], x.shape[1]), np.nan)
    crossed = [float(t[0]) if len(t) else float("nan") for t in found.t_events or ()]
    return np.vstack([found.y.T, missing]), crossed


def risk_of(x: Array, y: Array, beta: Float[np.ndarray, "... d"]) -> Float[np.ndarray, "..."]:
    """The summed ½-square risk."""
    return np.asarray(0.5 * np.sum((beta @ x.T - y) ** 2, axis=-1))


@dataclass(frozen=True, eq=False)
class Visits:
    """One data set; D sizes of the start, K saddles, J = K − 1 of them left.

    `off` (D, K): ‖β − β_k‖ over ‖β_K‖ late in each stay; `count` (D, K) and `wanted` (K): neurons there that
    are not 0. `times` (D, J): when the risk is half way between plateaus, over ln(1/δ); `leave` (J) as
    predicted. `straight` (B, J): 1 − cos of the dormant neurons to the non-negative KKT points of the
    residual's NCF, the largest, when the fastest of them has come half of its way from a start δ beside the
    saddle; `astray` (B, J): the largest |∫g dt − g t| by then over ln(1/δ), g the gradient at the saddle.
    """

    off: Float[np.ndarray, "D K"]
    count: Float[np.ndarray, "D K"]
    wanted: Float[np.ndarray, " K"]
    times: Float[np.ndarray, "D J"]
    leave: Float[np.ndarray, " J"]
    straight: Float[np.ndarray, "B J"]
    astray: Float[np.ndarray, "B J"]


def samples(seed: int) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Gaussian inputs, labels of a sparse vector and a little noise, of norm 1."""
    rng = np.random.default_rng([seed, 52])
    x = rng.standard_normal((SAMPLES, FEATURES)) / np.sqrt(SAMPLES)
    behind = np.zeros(FEATURES)
    behind[rng.permutation(FEATURES)[:SPARSE]] = rng.choice([-1.0, 1.0], SPARSE) * [2.0, 1.3, 0.8]
    y = x @ behind + 0.1 * rng.standard_normal(SAMPLES)
    return x, y / np.linalg.norm(y)


def evidence(size: Size, pull: Pull = gradient) -> list[Visits]:
    """The flow from δ towards every saddle, and from δ beside every saddle."""
    return [_visits(*samples(seed), seed, pull) for seed in SEEDS[size]]


def _visits(x: Array, y: Array, seed: int, pull: Pull) -> Visits:
    found = successive_saddles(x, y)
    rng = np.random.default_rng([seed, 53])
    plus, minus = (np.log(rng.uniform(0.5, 1.5, FEATURES)) for _ in range(2))
    end = found.leave[-1] + 2.0 * found.leave[0]
    looks = np.array([a + MIDDLE * (b - a) for a, b in pairwise((0.0, *found.leave, end))])
    halfway = [0.5 * (a + b) for a, b in pairwise(risk_of(x, y, found.beta))]
    last = np.abs(found.beta[-1]).max()
    off, count, times = [], [], []
    for delta in DELTAS:
        log = np.log(1.0 / delta)
        start = Start(plus - log, minus - log)
        q, crossed = follow(x, y, start, looks * log, pull, halfway)
        beta = start.beta(q)
        off.append(np.linalg.norm(beta - found.beta, axis=1) / np.linalg.norm(found.beta[-1]))
        count.append(np.sum(~(np.abs(beta) < 1e-3 * last), axis=1).astype(float))
        times.append(np.array(crossed) / log)
    beside = [_beside(x, y, found, np.log(1.0 / delta), (plus, minus), pull) for delta in BESIDE]
    return Visits(
        np.array(off),
        np.array(count),
        np.sum(found.beta != 0, axis=1).astype(float),
        np.array(times),
        found.leave,
        *np.array(beside).transpose(1, 0, 2),
    )


def _beside(
    x: Array, y: Array, found: Saddles, log: float, noise: tuple[Array, Array], pull: Pull
) -> tuple[list[float], list[float]]:
    """Theorem 5.5 at every saddle that is left: dormant neurons start at δ, the others off by a factor 1 +
    δ."""
    straight, astray = [], []
    for beta in found.beta[:-1]:
        active = beta != 0
        g = np.where(active, 0.0, gradient(x, y, beta))
        # An active neuron has one of p and m at √(2|β|), the other at δ.
        size = 0.5 * np.log(2.0 * np.where(active, np.abs(beta), 1.0)) + np.exp(-log)
        plus = np.where(beta > 0, size, noise[0] - log)
        minus = np.where(beta < 0, size, noise[1] - log)
        horizon = 0.5 * log / np.abs(g).max()
        q = follow(x, y, Start(plus, minus), np.array([0.0, horizon]), pull)[0][-1]
        waiting = ~active & (np.abs(g) > EMPTY * np.abs(g).max())
        # tan of the angle to (1, sgn g)/√2 is |m|/|p|, or its inverse.
        tangent = np.exp(np.minimum(np.sign(g) * (minus - plus - 2.0 * q), 300.0))[waiting]
        straight.append(
            most(tangent**2 / (np.hypot(1.0, tangent) * (1.0 + np.hypot(1.0, tangent))))
        )
        astray.append(most(np.abs(q - g * horizon)[waiting]) / log)
    return straight, astray


# --- the claim ---------------------------------------------------------------------------------------

OFF = "half way through a stay: ‖β − β_k‖/‖β_K‖ over the one before, as δ falls"
LAST_OFF = f"the same at δ={DELTAS[-1]:.0e}"
COUNT = "neurons not 0 at a saddle, off those predicted, largest"
FEW = "neurons not 0 at the k-th saddle, less k, largest"
TIME = "|time of leaving over ln(1/δ), less predicted| over the one before"
LAST_TIME = f"the same time at δ={DELTAS[-1]:.0e}, share off"
STRAIGHT = "δ beside a saddle: 1 − cos to the KKT points over the one before"
ASTRAY = "δ beside a saddle: |ln growth of a dormant neuron − 2Nt|/ln(1/δ) over the one before"
LAST_ASTRAY = f"the same at δ={BESIDE[-1]:.0e}"
FLOOR = RTOL
"""What the integrator leaves of numbers that go to 0."""


def measure(cases: Sequence[Visits]) -> Measured:
    """Where the flow is, when it leaves, and where dormant neurons point."""
    late = [np.abs(case.times - case.leave) / case.leave for case in cases]
    return Measured(
        {
            OFF: most(_falls(case.off) for case in cases),
            LAST_OFF: most(np.max(case.off[-1]) for case in cases),
            COUNT: most(np.max(np.abs(case.count[-1] - case.wanted)) for case in cases),
            FEW: most(np.max(case.count[-1] - np.arange(len(case.wanted))) for case in cases),
            TIME: most(map(_falls, late)),
            LAST_TIME: most(np.max(gap[-1]) for gap in late),
            STRAIGHT: most(_falls(case.straight) for case in cases),
            ASTRAY: most(_falls(case.astray) for case in cases),
            LAST_ASTRAY: most(np.max(case.astray[-1]) for case in cases),
        },
        {
            "saddles visited, fewest": float(min(len(case.wanted) for case in cases)),
            "saddles visited, most": float(max(len(case.wanted) for case in cases)),
            "last time of leaving over the first, largest": most(
                c.leave[-1] / c.leave[0] for c in cases
            ),
            f"1 − cos beside a saddle at δ={BESIDE[-1]:.0e}": most(
                np.max(c.straight[-1]) for c in cases
            ),
        },
    )


def _falls(by_delta: Float[np.ndarray, "D K"]) -> float:
    """The largest number at each δ over that at the δ before, where it is above `FLOOR`."""
    worst = [float(v) for v in np.max(by_delta, axis=1)]
    low = [k for k, v in enumerate(worst) if v < FLOOR]
    kept = worst[: low[0] + 1] if low else worst
    return worst_ratio(kept) if len(kept) > 1 else 0.0


def criterion(measured: Measured) -> tuple[Check, ...]:
    """The saddles and times that the NCF foretells, in the limit δ → 0."""
    bounds: list[Bound] = [
        (OFF, "<", 1.0, ""),
        (LAST_OFF, "<", VISITED, ""),
        (COUNT, "=", 0.0, ""),
        (FEW, "≤", 0.0, ""),
        (TIME, "<", 1.0, ""),
        (LAST_TIME, "<", FORETOLD, ""),
        (STRAIGHT, "<", 1.0, ""),
        (ASTRAY, "<", 1.0, ""),
        (LAST_ASTRAY, "<", VISITED, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-DIAG",
        paper="KH24",
        place="§5.2, diagonal linear networks",
        statement="From weights of scale δ a two-homogeneous diagonal linear network goes from saddle to "
        "saddle, at the k-th of which at most k neurons are not 0; the NCF of the residual alone tells which "
        "neuron leaves each and when, in units of ln(1/δ), and beside each the dormant neurons turn to its "
        "non-negative KKT points.",
        method="The exact flow of the square risk in ∫g dt, which keeps its digits for every δ, from 1e−20 "
        "to 1e−160, on Gaussian samples; the saddles by summing the growth 2N of the dormant neurons and "
        "least squares with signs.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
