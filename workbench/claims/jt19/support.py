"""JT19 Lemmas 2.10 and 2.11: what pulls w towards ū once it is far off to the side.

α = min over unit ξ ⊥ ū of max_{i ∈ S} ⟨ξ, z_i⟩ is the distance from 0 to the boundary of the hull of the
support vectors' parts across ū, by its facets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import ConvexHull

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.theory.margin.svm import HardMargin, hard_margin_svm

SETS: dict[Size, int] = {"quick": 2, "full": 100}
DIMENSIONS = (2, 3, 4)
SAMPLES = 12
TRIED = 200
"""Directions by which α is seen from above, and starts of w."""
SEARCHES = 5
"""The worst of these starts that a search goes on from."""
BEYOND = (1.0, 1.5, 4.0)
"""‖Π_⊥w‖ over the lemma's threshold."""
HIGHEST = 10.0
"""⟨w, ū⟩ over ‖Π_⊥w‖, at most: further on all but support vectors have no weight left."""
ROUNDING = 1e-9

Pull = Callable[[Array], Array]


def exponential(q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """−ℓ' of e^{−q}, over its largest: only signs are asked for."""
    return np.asarray(np.exp(-(q - q.min(axis=-1, keepdims=True))))


def logistic(q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """−ℓ' of ln(1 + e^{−q}), over its largest."""
    log = -np.logaddexp(0.0, q)
    return np.asarray(np.exp(log - log.max(axis=-1, keepdims=True)))


PULLS: Mapping[str, Pull] = {"exponential": exponential, "logistic": logistic}


@dataclass(frozen=True, eq=False)
class Case:
    """One data set whose d support vectors span R^d. `alpha`; `seen`: least max ⟨ξ, z_i⟩ over tried ξ, over
    α; `worst` by loss: least ⟨Π_⊥w, ∇𝓡⟩ over ‖Π_⊥w‖ Σ|ℓ'| for w at and beyond the threshold, `inside`: the
    same for a small ‖Π_⊥w‖; `flat`: α of one support vector fewer."""

    alpha: float
    seen: float
    worst: Mapping[str, float]
    inside: Mapping[str, float]
    flat: float


def evidence(size: Size, share: float = 1.0) -> list[Case]:
    """Gaussian samples; w at `share` of the threshold and beyond."""
    return [_case(d, seed, share) for d in DIMENSIONS for seed in range(SETS[size])]


def _samples(d: int, rng: np.random.Generator) -> tuple[Array, HardMargin]:
    """The first of random separable sets with d support vectors, so that they span (Assumption 2.7)."""
    while True:
        z = rng.standard_normal((SAMPLES, d))
        z *= np.sign(z[:, :1])
        z /= np.linalg.norm(z, axis=1).max()
        svm = hard_margin_svm(z)
        if isinstance(svm, HardMargin) and len(svm.support) == d:
            return z, svm


def _across(u: Float[np.ndarray, " d"]) -> Float[np.ndarray, "d e"]:
    """An orthonormal basis of ū's complement."""
    return np.asarray(np.linalg.svd(u[None])[2][1:].T)


def inner_radius(points: Float[np.ndarray, "k e"]) -> float:
    """The distance from 0 to the boundary of their hull, 0 where 0 is not inside."""
    if points.shape[1] == 1:
        return max(0.0, min(float(points.max()), float(-points.min())))
    # A facet is n·p + c = 0 with n outwards: 0 lies |c| inside it.
    offsets = ConvexHull(points).equations[:, -1]
    return max(0.0, float(np.min(-offsets)))


def _case(d: int, seed: int, share: float) -> Case:
    rng = np.random.default_rng([seed, d, 210])
    z, svm = _samples(d, rng)
    basis = _across(svm.direction)
    aside = z @ basis
    alpha = inner_radius(aside[svm.support])
    turns = rng.standard_normal((TRIED, d - 1))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    seen = float(np.min(np.max(turns @ aside[svm.support].T, axis=1))) / alpha
    thresholds = {
        "exponential": 1.0 + np.log(SAMPLES) / alpha,
        "logistic": 2.0 * SAMPLES / (np.e * alpha),
    }
    worst, inside = {}, {}
    for name, pull in PULLS.items():
        radii = share * thresholds[name] * np.array(BEYOND)
        worst[name] = min(_least(z, svm.direction, basis, pull, r, turns) for r in radii)
        inside[name] = _least(z, svm.direction, basis, pull, 0.01 * thresholds[name], turns)
    few = aside[svm.support[:-1]]
    # Without one support vector some ξ has all others on its far side: nothing pulls back there.
    away = np.linalg.solve(few, -np.ones(d - 1))
    flat = float(np.max(few @ away)) / float(np.linalg.norm(away)) / alpha
    return Case(alpha, seen, worst, inside, flat)


def _least(z: Array, u: Array, basis: Array, pull: Pull, radius: float, turns: Array) -> float:
    """The least ⟨Π_⊥w, ∇𝓡(w)⟩/(‖Π_⊥w‖ Σ|ℓ'|) over w with ‖Π_⊥w‖ = radius and ⟨w, ū⟩ ≥ 0: over tried ones, and
    searches from the worst of them."""
    aside, ahead = z @ basis, z @ u

    def value(parameters: Array) -> Array:
        xi, square = parameters[..., :-1], parameters[..., -1:] ** 2
        # Bounded, so that q keeps the digits that tell support vectors apart.
        height = HIGHEST * radius * square / (1.0 + square)
        xi = xi / np.linalg.norm(xi, axis=-1, keepdims=True)
        q = radius * (xi @ aside.T) + height * ahead
        weight = pull(q)
        return np.asarray(-np.sum(weight * (xi @ aside.T), axis=-1) / np.sum(weight, axis=-1))

    heights = np.linspace(0.0, 3.0, len(turns))
    starts = np.column_stack([turns, heights])
    found = value(starts)
    best = [float(found.min())]
    for k in np.argsort(found)[:SEARCHES]:
        searched = minimize(value, starts[k], method="Nelder-Mead", options={"maxiter": 200})
        best.append(float(searched.fun))
    return min(best)


SEEN = "least max_{i ∈ S} ⟨ξ, z_i⟩ over tried ξ over α, least"
ALPHA = "α, least"
FLAT = "one support vector fewer: max ⟨ξ, z_i⟩ over α for the ξ away from all others, largest"
WORST = "{}: ⟨Π_⊥w, ∇𝓡⟩ over ‖Π_⊥w‖Σ|ℓ'| from the threshold on, least"
INSIDE = "{}: the same at 1/100 of the threshold, least"


def measure(cases: Sequence[Case]) -> Measured:
    """α, and the pull beyond the thresholds and far below."""
    return Measured(
        {
            ALPHA: least(c.alpha for c in cases),
            SEEN: least(c.seen for c in cases),
            FLAT: most(c.flat for c in cases),
            **{WORST.format(name): least(c.worst[name] for c in cases) for name in PULLS},
            **{INSIDE.format(name): least(c.inside[name] for c in cases) for name in PULLS},
        },
        {"data sets": float(len(cases)), "α, largest": most(c.alpha for c in cases)},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """α > 0 by the spanning support vectors, nothing below it; back towards ū from the threshold on, which is
    needed: near ū some w go away from it."""
    bounds: list[Bound] = [
        (ALPHA, "≥", ROUNDING, ""),
        (SEEN, "≥", 1.0 - ROUNDING, ""),
        (FLAT, "<", 0.0, ""),
        *((WORST.format(name), "≥", 0.0, "") for name in PULLS),
        *((INSIDE.format(name), "<", 0.0, "") for name in PULLS),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-L2.11",
        paper="JT19",
        place="Lemmas 2.10 and 2.11, Assumption 2.7",
        statement="Where the support vectors span the space, α = min_ξ max_{i ∈ S} ⟨ξ, z_i⟩ over unit ξ ⊥ ū "
        "is above 0, and ⟨Π_⊥w, ∇𝓡(w)⟩ ≥ 0 for every w with ⟨w, ū⟩ ≥ 0 and ‖Π_⊥w‖ from (1 + ln n)/α "
        "(exponential) or 2n/(eα) (logistic) on.",
        method="Gaussian samples in two to four dimensions; α by the facets of a hull; the least pull over "
        "tried w and by searches from the worst of them.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
