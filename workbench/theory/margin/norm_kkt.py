"""(ε, δ)-KKT certificates of (P_‖·‖): min ½‖θ‖² s.t. q_i(θ) ≥ 1, in a norm that is not ℓ2.

KKT: g = Σλ_i h_i ∈ ∂½‖θ‖² with λ_i ≥ 0, λ_i (q_i − 1) = 0. The best multipliers for a δ maximize ⟨g, θ~⟩
over ‖g‖_* ≤ ‖θ~‖ and λ_i ≤ δ/(q~_i − 1), which is a linear program: exact in ℓ1 and ℓ∞. In the spectral
norm the dual norm is replaced by cuts ⟨g, d⟩, ‖d‖ = 1, one more after every program (Kelley 1960).

With x_i = λ_i L q~_i/‖θ~‖² and k_i = ‖θ~‖ h~_i/(L q~_i) it reads max Σx_i s.t. ‖Σx_i k_i‖_* ≤ 1. Certificate:
for every v, D ≥ ‖θ~‖² (½ − ½‖v‖² − Σ_i min(1, cap_i) max(0, 1 − ⟨k_i, v⟩)): where D is least, Σx_i ≤ 1.
"""

from __future__ import annotations

from collections.abc import Sequence
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

MOST_CUTS = 200
"""Programs solved where the dual norm is made of cuts."""
CLOSE = 1e-9
"""How far ‖g‖_* may be above 1 for the cuts to count as all."""
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


def norm_certificate(point: MarginPoint, norm: Norm, delta: float) -> NormCertificate:
    """The best multipliers for δ (inf: no cap).

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
    cap = np.minimum(cap, 1.0)
    if isinstance(norm, L1 | LInf) and rows.size <= MOST_NUMBERS:
        x, v = _whole(rows, norm, cap)
    else:
        x, v = _by_cuts(rows, norm, cap, point.theta / size)
    shorter = np.maximum(1.0 - rows @ v, 0.0)
    low = 0.5 - 0.5 * float(norm.norm(v)) ** 2 - float(cap @ shorter)
    return _certified(point, norm, x / share, size**2 * max(0.0, low))


def weighted_certificate(
    point: MarginPoint, norm: Norm, log_weights: Float[Array, " M"]
) -> NormCertificate:
    """LL20 Lemma C.8's multipliers in the norm: λ_i = ‖θ~‖ w_i/‖Σ w_j h~_j‖_*, w of the risk's own gradient.

    Raises:
        ValueError: the gradient vanishes.
    """
    weights = np.exp(log_weights - log_weights.max())
    dual = float(norm.dual(weights @ point.rows))
    if not dual > 0:
        raise ValueError("the risk's gradient vanishes, so that Lemma C.8 has no multipliers")
    return _certified(point, norm, weights * float(norm.norm(point.theta)) / dual, 0.0, False)


def _certified(
    point: MarginPoint,
    norm: Norm,
    multipliers: Float[Array, " M"],
    low: float,
    shrink: bool = True,
) -> NormCertificate:
    """What multipliers prove; with `shrink` scaled down where D falls so."""
    theta, size = point.theta, float(norm.norm(point.theta))
    g = multipliers @ point.rows
    dual = float(norm.dual(g))
    if shrink and dual > 0:
        scale = min(1.0, max(0.0, float(g @ theta)) / dual**2)
        multipliers, g, dual = scale * multipliers, scale * g, scale * dual
    return NormCertificate(
        multipliers,
        float((multipliers * np.maximum(point.q - 1.0, 0.0)).max()),
        pair_distance(theta, g, norm),
        divergence(theta, g, norm),
        low,
        float(g @ theta) / (dual * size) if dual > 0 else 0.0,
    )


def _whole(
    rows: Float[Array, "M P"], norm: Norm, cap: Float[Array, " M"]
) -> tuple[Float[Array, " M"], Float[Array, " P"]]:
    """x and the dual v by one linear program."""
    m, p = rows.shape
    cost, bounds = -np.ones(m), [(0.0, float(c)) for c in cap]
    if isinstance(norm, L1):
        marginals, x = _solved(cost, np.vstack([rows.T, -rows.T]), np.ones(2 * p), bounds)
    else:
        # |Σx k| ≤ u coordinate by coordinate, Σu ≤ 1.
        room = sparse.eye_array(p)
        every = sparse.csr_array(rows.T)
        total = sparse.csr_array(np.ones((1, p)))
        a = sparse.block_array([[every, -room], [-every, -room], [None, total]], format="csr")
        levels = np.append(np.zeros(2 * p), 1.0)
        wider = [*bounds, *([(0.0, None)] * p)]
        marginals, x = _solved(np.append(cost, np.zeros(p)), a, levels, wider)
    return x[:m], marginals[:p] - marginals[p : 2 * p]


def _by_cuts(
    rows: Float[Array, "M P"],
    norm: Norm,
    cap: Float[Array, " M"],
    unit: Float[Array, " P"],
) -> tuple[Float[Array, " M"], Float[Array, " P"]]:
    """The best x that was met, scaled into the ball, and v of the best bound."""
    cost, bounds = -np.ones(len(rows)), [(0.0, float(c)) for c in cap]
    directions = [unit]
    cuts = [rows @ unit]
    best_x, best, best_v, above = np.zeros(len(rows)), 0.0, unit, np.inf
    for _ in range(MOST_CUTS):
        marginals, x = _solved(cost, np.array(cuts), np.ones(len(cuts)), bounds)
        g = x @ rows
        dual = max(float(norm.dual(g)), 1.0)
        if x.sum() / dual > best:
            best_x, best = x / dual, float(x.sum()) / dual
        v = marginals @ np.array(directions)
        bound = float(norm.norm(v)) + float(cap @ np.maximum(1.0 - rows @ v, 0.0))
        if bound < above:
            best_v, above = v, bound
        if dual <= 1.0 + CLOSE or above - best <= CLOSE:
            break
        directions.append(-norm.direction(g))
        cuts.append(rows @ directions[-1])
    return best_x, best_v


def _solved(
    cost: Float[Array, " k"],
    a: Any,
    levels: Float[Array, " r"],
    bounds: Sequence[tuple[float, float | None]],
) -> tuple[Float[Array, " r"], Float[Array, " k"]]:
    """Multipliers ≥ 0 of the rows of a (r, k), sparse or not, and the solution of min cost·x s.t.
    a x ≤ levels."""
    found = linprog(
        cost,
        A_ub=a,
        b_ub=levels,
        bounds=bounds,
        method="highs",
        options={"primal_feasibility_tolerance": TIGHT, "dual_feasibility_tolerance": TIGHT},
    )
    if found.x is None:
        raise ValueError(f"HiGHS did not solve the program of the multipliers: {found.message}")
    low = np.array([b[0] for b in bounds])
    return np.maximum(-np.asarray(found.ineqlin.marginals), 0.0), np.maximum(found.x, low)
