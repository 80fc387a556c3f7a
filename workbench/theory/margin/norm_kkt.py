"""(ε, δ)-KKT certificates of (P_‖·‖): min ½‖θ‖² s.t. q_i(θ) ≥ 1, in a norm that is not ℓ2.

KKT: g = Σλ_i h_i ∈ ∂½‖θ‖² with λ_i ≥ 0, λ_i (q_i − 1) = 0. The best multipliers for a δ,
λ_i ≤ δ/(q~_i − 1), have the least D = ½‖θ~‖² + ½‖g‖_*² − ⟨g, θ~⟩. With x_i = λ_i L q~_i/‖θ~‖² and
k_i = ‖θ~‖ h~_i/(L q~_i) that is min ½t² − Σx_i s.t. ‖Σx_i k_i‖_* ≤ t: a linear program in ℓ1 and ℓ∞ once
½t² is made of tangents, which are drawn closer in a second one. In the spectral norm, and in large
programs, the dual norm is made of cuts ⟨g, d⟩, ‖d‖ = 1, one more after every program (Kelley 1960).

Certificate: for every v, D ≥ ‖θ~‖² (½ − ½‖v‖² − Σ_i min(1, cap_i) max(0, 1 − ⟨k_i, v⟩)), as Σx_i ≤ 1 where
D is least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.optimize import linprog

from workbench.arrays import Array
from workbench.norms.l1 import L1
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm
from workbench.theory.margin.front import TIES
from workbench.theory.margin.linear_program import TIGHT
from workbench.theory.margin.norm_pairs import divergence, pair_distance
from workbench.theory.margin.problem import MarginPoint
from workbench.theory.numerics.work import Work

MOST_CUTS = 200
"""Programs solved where the dual norm is made of cuts."""
CLOSE = 1e-8
"""Distance of D/‖θ~‖² from its bound, or relative one of ‖g‖_* from t, at which no cut is missing."""
TANGENTS = 200
"""Of ½t² over [0, 1]."""
MOST_NUMBERS = 50_000
"""Most numbers in the rows of a program that holds all of the dual norm; above it, cuts."""


@dataclass(frozen=True, eq=False)
class NormCertificate:
    """`multipliers` λ (M) ≥ 0 with `delta` = max_i λ_i (q~_i − 1). `epsilon`: how far (θ~, g) is from a pair
    that is stationary, `divergence`: D, both as in `norm_pairs`; no multipliers of this δ have D below
    `divergence_low`. `alignment` = ⟨g, θ~⟩/(‖g‖_* ‖θ~‖), at most 1."""

    multipliers: Float[Array, " M"]
    delta: float
    epsilon: float
    divergence: float
    divergence_low: float
    alignment: float

    @property
    def active(self) -> Bool[Array, " M"]:
        """Constraints with a multiplier above 1e−12 of the largest."""
        return self.multipliers > 1e-12 * self.multipliers.max(initial=0.0)


def norm_certificate(
    point: MarginPoint, norm: Norm, delta: float, *, work: Work | None = None
) -> NormCertificate:
    """The best multipliers for δ (inf: no cap); in `work` the numbers of every cut are counted.

    Raises:
        ValueError: δ is negative or not a number, or HiGHS gave up (its words).
    """
    if not delta >= 0:
        raise ValueError(f"δ must be at least 0, got {delta}")
    size = float(norm.norm(point.theta))
    share = point.order * point.q / size**2
    rows = point.rows / (size * share)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        cap = np.where(point.q - 1.0 > TIES, delta / (point.q - 1.0), np.inf) * share
    within = np.minimum(cap, 1.0)
    if isinstance(norm, L1 | LInf) and rows.size <= MOST_NUMBERS:
        x, v = _whole(rows, norm, within)
    else:
        x, v = _by_cuts(rows, norm, within, point.theta / size, work or Work())
    multipliers = x / share
    g = multipliers @ point.rows
    dual = float(norm.dual(g))
    if dual > 0:
        # D is least where ⟨g, θ~⟩ = ‖g‖_*²; the caps may be nearer.
        room = float(np.min(cap[x > 0] / x[x > 0]))
        scale = min(room, max(0.0, float(g @ point.theta)) / dual**2)
        multipliers, g = scale * multipliers, scale * g
    low = size**2 * max(0.0, _bound(rows, norm, within, v))
    return _certified(point.theta, point.q, norm, multipliers, g, low)


def weighted_certificate(
    theta: Float[Array, " P"],
    q: Float[Array, " M"],
    norm: Norm,
    log_weights: Float[Array, " M"],
    pull: Float[Array, " P"],
) -> NormCertificate:
    """LL20 Lemma C.8's multipliers in the norm, λ_i = ‖θ~‖ w_i/‖Σ w_j h~_j‖_*, at the rescaled θ~ with q~;
    `pull` (P) is Σ_i w_i h~_i, w_i = e^{log w_i − max}.

    Raises:
        ValueError: the gradient vanishes.
    """
    dual = float(norm.dual(pull))
    if not dual > 0:
        raise ValueError("the risk's gradient vanishes, so that Lemma C.8 has no multipliers")
    scale = float(norm.norm(theta)) / dual
    weights = np.exp(log_weights - log_weights.max())
    return _certified(theta, q, norm, scale * weights, scale * pull, 0.0)


def _certified(
    theta: Float[Array, " P"],
    q: Float[Array, " M"],
    norm: Norm,
    multipliers: Float[Array, " M"],
    g: Float[Array, " P"],
    low: float,
) -> NormCertificate:
    """What multipliers with g = Σλ_i h~_i prove."""
    size, dual = float(norm.norm(theta)), float(norm.dual(g))
    return NormCertificate(
        multipliers,
        float((multipliers * np.maximum(q - 1.0, 0.0)).max()),
        pair_distance(theta, g, norm),
        divergence(theta, g, norm),
        low,
        min(1.0, float(g @ theta) / (dual * size)) if dual > 0 else 0.0,
    )


def _bound(
    rows: Float[Array, "M P"], norm: Norm, cap: Float[Array, " M"], v: Float[Array, " P"]
) -> float:
    """What v proves D/‖θ~‖² to be at least."""
    short = np.maximum(1.0 - rows @ v, 0.0)
    return 0.5 - 0.5 * float(norm.norm(v)) ** 2 - float(cap @ short)


def _whole(
    rows: Float[Array, "M P"], norm: Norm, cap: Float[Array, " M"]
) -> tuple[Float[Array, " M"], Float[Array, " P"]]:
    """x and the dual v by a linear program, and by one more whose tangents are near its t."""
    p = rows.shape[1]
    every, below = sparse.csr_array(rows.T), sparse.csr_array(-np.ones((p, 1)))
    if isinstance(norm, L1):
        a = sparse.block_array([[every, below], [-every, below]], format="csr")
    else:
        # |Σx k| ≤ u coordinate by coordinate, Σu ≤ t.
        room, total = sparse.eye_array(p), sparse.csr_array(np.ones((1, p)))
        last = sparse.csr_array([[-1.0]])
        a = sparse.block_array(
            [[every, -room, None], [-every, -room, None], [None, total, last]], format="csr"
        )
    x, t, _ = _solved(a, cap, np.linspace(0.0, 1.0, TANGENTS))
    near = np.linspace(t - 1.0 / TANGENTS, t + 1.0 / TANGENTS, TANGENTS)
    x, _, pulls = _solved(a, cap, near)
    return x, pulls[:p] - pulls[p : 2 * p]


def _by_cuts(
    rows: Float[Array, "M P"],
    norm: Norm,
    cap: Float[Array, " M"],
    unit: Float[Array, " P"],
    work: Work,
) -> tuple[Float[Array, " M"], Float[Array, " P"]]:
    """The best x that was met, and v of the best bound."""
    directions, cuts = [unit], [rows @ unit]
    best_x, least, best_v, above = np.zeros(len(rows)), np.inf, unit, -np.inf
    tangents = np.linspace(0.0, 1.0, TANGENTS)
    for _ in range(MOST_CUTS):
        a = np.column_stack([np.array(cuts), -np.ones(len(cuts))])
        x, t, pulls = _solved(sparse.csr_array(a), cap, tangents)
        g = x @ rows
        dual, total = float(norm.dual(g)), float(x.sum())
        # Along this ray D is least at a share of at most 1.
        share = min(1.0, total / dual**2) if dual > 0 else 1.0
        value = 0.5 + 0.5 * (share * dual) ** 2 - share * total
        if value < least:
            best_x, least = share * x, value
        v = pulls @ np.array(directions)
        bound = _bound(rows, norm, cap, v)
        if bound > above:
            best_v, above = v, bound
        work.add(float(3 * rows.size + len(rows) * len(cuts)))
        if least - above <= CLOSE or dual <= t * (1.0 + CLOSE) or work():
            break
        near = np.linspace(t - 1.0 / TANGENTS, t + 1.0 / TANGENTS, TANGENTS)
        tangents = np.union1d(np.linspace(0.0, 1.0, TANGENTS), near)
        directions.append(-norm.direction(g))
        cuts.append(rows @ directions[-1])
    return best_x, best_v


def _solved(
    a: Any, cap: Float[Array, " M"], tangents: Float[Array, " j"]
) -> tuple[Float[Array, " M"], float, Float[Array, " r"]]:
    """min s − Σx over (x, …, t, s) with 0 ≤ x ≤ cap, a (x, …, t) ≤ 0 and s ≥ τt − ½τ² for τ in `tangents`:
    x, t and the multipliers ≥ 0 of the rows of a (r, k), sparse."""
    count, width = a.shape
    below = sparse.csr_array(np.column_stack([tangents, -np.ones(len(tangents))]))
    left = sparse.csr_array((len(tangents), width - 1))
    matrix = sparse.vstack(
        [
            sparse.hstack([a, sparse.csr_array((count, 1))]),
            sparse.hstack([left, below]),
        ],
        format="csr",
    )
    cost = np.zeros(width + 1)
    cost[: len(cap)], cost[-1] = -1.0, 1.0
    free = [(0.0, None)] * (width - len(cap))
    found = linprog(
        cost,
        A_ub=matrix,
        b_ub=np.append(np.zeros(count), 0.5 * tangents**2),
        bounds=[*((0.0, float(c)) for c in cap), *free, (None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": TIGHT, "dual_feasibility_tolerance": TIGHT},
    )
    if found.x is None:
        raise ValueError(f"HiGHS did not solve the program of the multipliers: {found.message}")
    x = np.clip(found.x[: len(cap)], 0.0, cap)
    pulls = np.maximum(-np.asarray(found.ineqlin.marginals[:count]), 0.0)
    return x, float(found.x[-2]), pulls
