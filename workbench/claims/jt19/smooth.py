"""JT19 Lemma 3.2, and Lemma 3.4 with (C.6): a smooth risk in every ball, and descent that leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.jt19.identities import samples
from workbench.claims.jt19.losses import layer_slopes

SMOOTH, LIPSCHITZ = 0.25, 1.0
"""β and G of the logistic loss."""
DEPTHS, RADII = (1, 2, 3, 4), (1.0, 1.5, 3.0)
PAIRS: dict[Size, int] = {"quick": 10, "full": 500}
TURNS = 8
"""Steps of the power method that turns a pair along the steepest change of the slope."""
NEAR = 1e-4
"""Distance of such a pair."""
WIDTH = 3
DESCENTS: dict[Size, tuple[tuple[int, float], ...]] = {
    "quick": ((2, 1.2), (3, 1.1)),
    "full": ((2, 1.2), (2, 1.5), (2, 2.0), (3, 1.1), (3, 1.3), (4, 1.1)),
}
"""(L, R) of descents with the step 1/β(R)."""
MOST_STEPS = 200_000


def smoothness(depth: int, radius: float) -> float:
    """β(R) = 2L²R^{2L−2}(β + G)."""
    return float(2.0 * depth**2 * radius ** (2 * depth - 2) * (SMOOTH + LIPSCHITZ))


def slopes(w: list[Array], z: Float[np.ndarray, "n d"]) -> list[Array]:
    """∂𝓡/∂W_k of the averaged logistic risk."""
    q = z @ reduce(lambda below, a: a @ below, w)[0]
    pull = -0.5 * (1.0 - np.tanh(0.5 * q))
    return layer_slopes(w, pull @ z / len(z))


def risk(w: list[Array], z: Float[np.ndarray, "n d"]) -> float:
    """The averaged logistic risk."""
    return float(np.mean(np.logaddexp(0.0, -(z @ reduce(lambda below, a: a @ below, w)[0]))))


def _sizes(d: int, depth: int) -> list[tuple[int, int]]:
    sizes = [d, *[WIDTH] * (depth - 1), 1]
    return [(r, c) for c, r in pairwise(sizes)]


def _within(layers: list[Array], radius: float) -> list[Array]:
    """Layers longer than the radius, cut to it."""
    return [a * min(1.0, radius / max(float(np.linalg.norm(a)), 1e-300)) for a in layers]


def _distance(a: Sequence[Array], b: Sequence[Array]) -> float:
    return float(np.sqrt(sum(float(np.sum((x - y) ** 2)) for x, y in zip(a, b, strict=True))))


# --- Lemma 3.2 -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ball:
    """‖∇𝓡(W) − ∇𝓡(V)‖/(β(R)‖W − V‖) over pairs in B(R), the largest of far ones and of `near` ones."""

    far: float
    near: float


def l32_evidence(size: Size, share: float = 1.0) -> list[Ball]:
    """Random pairs, aligned ones at the boundary, and near ones along the steepest change of the slope;
    `share` of β(R) is what they are held against."""
    found = []
    for depth in DEPTHS:
        for radius in RADII:
            rng = np.random.default_rng([depth, round(10 * radius)])
            z, _ = samples(rng)
            bound = share * smoothness(depth, radius)
            far, near = [], []
            for _ in range(PAIRS[size]):
                w, v = (_drawn(rng, z.shape[1], depth, radius) for _ in range(2))
                far.append(_distance(slopes(w, z), slopes(v, z)) / (bound * _distance(w, v)))
                near.append(_steepest(rng, w, z, radius) / bound)
            found.append(Ball(max(far), max(near)))
    return found


def _drawn(rng: np.random.Generator, d: int, depth: int, radius: float) -> list[Array]:
    """Random layers of norm R, half of the time of rank one and aligned."""
    if rng.uniform() < 0.5:
        layers = [rng.standard_normal(s) for s in _sizes(d, depth)]
    else:
        ends = [rng.standard_normal(k) for k in (d, *[WIDTH] * (depth - 1), 1)]
        layers = [np.outer(b, a) for a, b in pairwise(ends)]
    return [radius * rng.uniform(0.5, 1.0) ** 0.5 * a / np.linalg.norm(a) for a in layers]


def _steepest(rng: np.random.Generator, w: list[Array], z: Array, radius: float) -> float:
    """The largest ‖∇𝓡(W + e) − ∇𝓡(W)‖/‖e‖ that turning e along the change of the slope finds."""
    here, best = slopes(w, z), 0.0
    turn = [rng.standard_normal(a.shape) for a in w]
    for _ in range(TURNS):
        length = NEAR / _distance(turn, [np.zeros_like(a) for a in turn])
        there = _within([a + length * e for a, e in zip(w, turn, strict=True)], radius)
        moved = _distance(there, w)
        if moved < 0.01 * NEAR:
            break
        change = [(b - a) / moved for a, b in zip(here, slopes(there, z), strict=True)]
        best = max(best, float(np.sqrt(sum(float(np.sum(c**2)) for c in change))))
        turn = change
    return best


FAR = "‖∇𝓡(W) − ∇𝓡(V)‖ over β(R)‖W − V‖ of far pairs in B(R), largest"
STEEP = "the same of near pairs along the steepest change, largest"


def l32_measure(found: Sequence[Ball]) -> Measured:
    """The largest of all balls."""
    return Measured(
        {FAR: most(b.far for b in found), STEEP: most(b.near for b in found)},
        {"balls": float(len(found))},
    )


def l32_criterion(measured: Measured) -> tuple[Check, ...]:
    """β(R) bounds both."""
    return judged(measured, [(FAR, "≤", 1.0, ""), (STEEP, "≤", 1.0, "")])


# --- Lemma 3.4 -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Descent:
    """Steps of 1/β(R) until B(R) is left; `left`: whether it is. `promised`: the least fall of 𝓡 in a step
    inside over ½η‖∇𝓡‖² (3.3); `longest`: the largest rise of a ‖W_k‖_F in a step (C.6); `spent`: steps
    inside after the first times ½η min‖∂𝓡/∂W_1‖² over 𝓡(W(0))."""

    left: bool
    steps: int
    promised: float
    longest: float
    spent: float


def l34_evidence(size: Size, rate: float = 1.0) -> list[Descent]:
    """From W_1 = 0, with `rate` times the lemma's step."""
    return [_descent(depth, radius, rate) for depth, radius in DESCENTS[size]]


def _descent(depth: int, radius: float, rate: float) -> Descent:
    rng = np.random.default_rng([depth, 34])
    z, _ = samples(rng)
    w = [rng.standard_normal(s) for s in _sizes(z.shape[1], depth)]
    w = [a / np.linalg.norm(a) for a in w]
    w[0] = np.zeros_like(w[0])
    eta = rate / smoothness(depth, radius)
    first = now = risk(w, z)
    promised, longest, slope, steps = [], [], [], 0
    while steps < MOST_STEPS:
        g = slopes(w, z)
        moved = [a - eta * s for a, s in zip(w, g, strict=True)]
        norms = [
            (float(np.linalg.norm(a)), float(np.linalg.norm(b)))
            for a, b in zip(w, moved, strict=True)
        ]
        longest.append(max(b - a for a, b in norms))
        steps += 1
        w = moved
        if max(b for _, b in norms) > radius:
            break
        then = risk(w, z)
        squared = sum(float(np.sum(s**2)) for s in g)
        promised.append((now - then) / (0.5 * eta * squared))
        slope.append(float(np.sum(g[0] ** 2)))
        now = then
    left = steps < MOST_STEPS
    inside = slope[1:]
    spent = 0.5 * eta * len(inside) * min(inside) / first if inside else 0.0
    return Descent(left, steps, least(promised), most(longest), spent)


LEFT = "descents that stay in B(R)"
PROMISED = "(3.3): fall of 𝓡 in a step inside over ½η‖∇𝓡‖², least"
LONGEST = "(C.6): rise of ‖W_k‖_F in a step, largest"
SPENT = "steps inside times ½η min‖∂𝓡/∂W_1‖_F² over 𝓡(W(0)), largest"


def l34_measure(found: Sequence[Descent]) -> Measured:
    """Whether and when each leaves."""
    return Measured(
        {
            LEFT: float(sum(not d.left for d in found)),
            PROMISED: least(d.promised for d in found),
            LONGEST: most(d.longest for d in found),
            SPENT: most(d.spent for d in found),
        },
        {"steps inside, most": float(max(d.steps for d in found))},
    )


def l34_criterion(measured: Measured) -> tuple[Check, ...]:
    """All leave; until then the risk falls as promised, in no more steps than it has room for."""
    bounds: list[Bound] = [
        (LEFT, "=", 0.0, ""),
        (PROMISED, "≥", 1.0, ""),
        (LONGEST, "≤", 1.0, ""),
        (SPENT, "≤", 1.0, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-L3.2",
        paper="JT19",
        place="Lemma 3.2, Assumption 3.1",
        statement="On B(R), R ≥ 1, the logistic risk of L layers has a gradient with the Lipschitz constant "
        "β(R) = 2L²R^{2L−2}(β + G).",
        method="One to four layers, R = 1, 1.5, 3: random and aligned pairs of weights, and near ones "
        "turned along the steepest change of the slope.",
        experiment=untrained(l32_evidence),
        measure=l32_measure,
        criterion=l32_criterion,
    ),
    Claim(
        id="JT19-L3.4",
        paper="JT19",
        place="Lemma 3.4, eqs. (3.3), (C.4), (C.6)",
        statement="Gradient descent with the constant step 1/β(R) leaves B(R); inside, 𝓡 falls by ½η‖∇𝓡‖² a "
        "step at least, and no ‖W_k‖_F rises by more than 1.",
        method="Logistic risk on separable samples in three dimensions from W_1 = 0, two to four layers.",
        experiment=untrained(l34_evidence),
        measure=l34_measure,
        criterion=l34_criterion,
    ),
)
