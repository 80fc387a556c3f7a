"""KH24 Lemmas C.3, C.4, C.7 and A.4, eqs. (32) and (33): what holds at every time along a flow of the NCF.

Squared-ReLU neurons, whose NCF is C¹, so that u̇ = ∇N(u) has one solution; and f = u_1|u_2| in closed form
for flows that end at rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.kh24.landscapes import exact_flow
from workbench.claims.kh24.ncf import Turned, unturned
from workbench.theory.ncf.flow import ncf_flow
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind

SETS: dict[Size, tuple[int, ...]] = {"quick": (0, 1), "full": tuple(range(20))}
STARTS = 12
INPUTS = (2, 5)
"""d of the samples."""
TOLERANCE = 1e-6
"""Radians a step may be off."""
ROUNDS = 3_000
"""Most steps; flows that need more count for nothing."""
LONG, RECORDS = 40.0, 201
"""The flow's time over 1/β‖z‖, and its records."""
KEPT = 1e-6
"""What the tolerance of the steps leaves of inequalities that are equalities at the start."""
SEEN = (1e-9, 1e-3)
"""Ñ's gap to its limit over max |N|, between which exponents are fitted: below are the integrator's
errors."""


@dataclass(frozen=True, eq=False)
class Along:
    """B flows of one data set at T times: `ratio` (T, B): Ñ = N(u)/‖u‖²; `log_norm` (T, B): ln‖u‖; `turn`
    (T, B): ‖(I − ûûᵀ)∂N(û)‖; `moved` (T − 1, B): the length of û's way between records. `rate`: β‖z‖."""

    time: Float[np.ndarray, " T"]
    ratio: Float[np.ndarray, "T B"]
    log_norm: Float[np.ndarray, "T B"]
    turn: Float[np.ndarray, "T B"]
    moved: Float[np.ndarray, "S B"]
    rate: float

    @property
    def rising(self) -> Array:
        """(B): flows that have N ≥ 0 from the start."""
        return np.asarray(self.ratio[0] >= 0.0)


@dataclass(frozen=True, eq=False)
class Evidence:
    """`resting` (K, 2): the least and the last ‖u(t)‖ over η of flows of f that end at rest, N → 0 from
    below."""

    flows: Sequence[Along]
    resting: Float[np.ndarray, "K 2"]


def evidence(size: Size, turned: Turned = unturned) -> Evidence:
    """Gaussian samples with labels of both signs, in two and five dimensions."""
    flows = [_along(d, seed, turned) for d in INPUTS for seed in SETS[size]]
    heights, t = np.linspace(0.1, 0.9, 9), np.linspace(0.0, 40.0, 2_001)
    resting = []
    for h in heights:
        size_of = np.linalg.norm(exact_flow(np.array([-1.0, h]), t), axis=1)
        eta = np.sqrt(1.0 - h**2)
        resting.append([float(size_of.min() / eta), float(size_of[-1] / eta)])
    return Evidence(flows, np.array(resting))


def _along(d: int, seed: int, turned: Turned) -> Along:
    rng = np.random.default_rng([seed, d, 34])
    x, z = rng.standard_normal((4 * d, d)), rng.standard_normal(4 * d)
    ncf = Ncf(x, z, NeuronKind.SQUARED_RELU)
    start = rng.standard_normal((STARTS, d))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    # β = max_u ‖σ(Xu)²‖ ≤ λ_max(XᵀX) max_i ‖x_i‖, as Σ s_i⁴ ≤ max s_i² Σ s_i².
    gram = float(np.linalg.eigvalsh(x.T @ x)[-1])
    beta = float(np.sqrt(gram) * np.linalg.norm(x, axis=1).max())
    rate = beta * float(np.linalg.norm(z))
    time = np.linspace(0.0, LONG / float(np.abs(ncf.gradient(start)).max()), RECORDS)
    path = ncf_flow(start, turned(ncf.gradient), time, tolerance=TOLERANCE, rounds=ROUNDS)
    u = path.direction
    ratio = np.where(path.reached, [ncf.value(w) for w in u], np.nan)
    turn = np.array([np.linalg.norm(ncf.tangent_gradient(w), axis=1) for w in u])
    chord = np.linalg.norm(np.diff(u, axis=0), axis=2)
    moved = 2.0 * np.arcsin(np.clip(0.5 * chord, 0.0, 1.0))
    return Along(time, ratio, path.log_norm, turn, moved, rate)


LEAVES = "C.3: ln‖u(t)‖ + 2tβ‖z‖ − ln‖u(0)‖, least"
KEEPS = "C.4: N/‖u‖² over its largest size where N(u(0)) ≥ 0, least"
GROWS = "C.4: rise of ln‖u‖ between records where N(u(0)) ≥ 0, least"
AT_LEAST = "(32): ‖u‖² over ‖u(0)‖² + 4N(u(0))t where N(u(0)) > 0, least"
RISES = "(33): rise of N/‖u‖² between records over its largest size, least"
EXPONENT = "A.4: exponent of ‖∂(N/‖u‖²)‖ in its gap to the limit, largest"
LENGTH = "A.4: exponent of the way still to go in that gap, least"
AWAY = "C.7: ‖u(t)‖ over its limit where u comes to rest, least"
ENDS = "C.7: the same at the end, off 1"


def measure(found: Evidence) -> Measured:
    """The inequalities at every record, and the exponents that Łojasiewicz's has at the end."""
    flows = found.flows
    fits = [_exponents(case) for case in flows]
    return Measured(
        {
            LEAVES: least(np.min(c.log_norm + 2.0 * c.rate * c.time[:, None]) for c in flows),
            KEEPS: least(np.min(c.ratio[:, c.rising], initial=np.inf) / _top(c) for c in flows),
            GROWS: least(
                np.min(np.diff(c.log_norm[:, c.rising], axis=0), initial=np.inf) for c in flows
            ),
            AT_LEAST: least(map(_at_least, flows)),
            RISES: least(np.min(np.diff(c.ratio, axis=0)) / _top(c) for c in flows),
            EXPONENT: most(s for slopes, _ in fits for s in slopes),
            LENGTH: least(s for _, lengths in fits for s in lengths),
            AWAY: float(np.min(found.resting[:, 0])),
            ENDS: float(np.max(np.abs(found.resting[:, 1] - 1.0))),
        },
        {
            "flows": float(sum(c.ratio.shape[1] for c in flows)),
            "flows with N < 0 at the start": float(sum(np.sum(~c.rising) for c in flows)),
            "longest way of a direction": most(np.max(np.sum(c.moved, axis=0)) for c in flows),
        },
    )


def _top(case: Along) -> float:
    return float(np.max(np.abs(case.ratio)))


def _at_least(case: Along) -> float:
    """The least of ‖u‖²/(1 + 4N(u(0))t), ‖u(0)‖ = 1, over flows that start with N > 0."""
    kept = case.ratio[0] > 0
    floor = np.log1p(4.0 * case.ratio[0, kept] * case.time[:, None])
    return float(np.exp(np.min(2.0 * case.log_norm[:, kept] - floor, initial=np.inf)))


def _exponents(case: Along) -> tuple[list[float], list[float]]:
    """Of the slope and of the way still to go in f − Ñ, fitted where the gap is in `SEEN`, for every flow
    that has come so near to its limit."""
    top, slopes, lengths = _top(case), [], []
    left = np.cumsum(case.moved[::-1], axis=0)[::-1]
    for b in range(case.ratio.shape[1]):
        gap = (case.ratio[-1, b] - case.ratio[:-1, b]) / top
        if not np.isfinite(gap).all():
            return [float("nan")], [float("nan")]
        kept = np.flatnonzero((gap > SEEN[0]) & (gap < SEEN[1]))
        settled = case.turn[-1, b] < 1e-3 * np.sqrt(SEEN[0]) * top
        if len(kept) < 5 or not settled:
            continue
        height = np.log(gap[kept])
        slopes.append(float(np.polyfit(height, np.log(case.turn[kept, b]), 1)[0]))
        lengths.append(float(np.polyfit(height, np.log(left[kept, b]), 1)[0]))
    return slopes, lengths


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Inequalities up to the steps' tolerance. An exponent θ < 1 of the slope makes Ψ' = s^{−θ} integrable,
    which is what a desingularizing function is, and the way still to go a power of the gap."""
    bounds: list[Bound] = [
        (LEAVES, "≥", -KEPT, ""),
        (KEEPS, "≥", -KEPT, ""),
        (GROWS, "≥", -KEPT, ""),
        (AT_LEAST, "≥", 1.0 - KEPT, ""),
        (RISES, "≥", -KEPT, ""),
        (EXPONENT, "<", 1.0, ""),
        (LENGTH, "≥", 0.1, ""),
        (AWAY, "≥", 1.0 - KEPT, ""),
        (ENDS, "<", KEPT, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH24-C3",
        paper="KH24",
        place="Lemmas C.3, C.4, C.7 and A.4, eqs. (32), (33)",
        statement="Along a flow of the NCF ‖u‖² never falls faster than e^{−4tβ‖z‖}; N/‖u‖² never falls; "
        "once N ≥ 0 it stays so and ‖u‖² grows by 4N t at least; Łojasiewicz's inequality holds with an "
        "exponent below 1, so that û's way is finite; and a flow that does not end in 0 keeps away from it.",
        method="The flow of squared-ReLU neurons from 12 starts a data set, Gaussian samples in two and five "
        "dimensions; flows of u_1|u_2| that come to rest, in closed form.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
