"""JT19 eqs. (C.8), (B.16) to (B.18), and Corollary 2.9's maximum: exact linear algebra at random weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.claims.jt19.losses import layer_slopes, losses
from workbench.theory.margin.svm import HardMargin, hard_margin_svm

DEPTHS = (2, 3, 4, 5)
DRAWS: dict[Size, int] = {"quick": 2, "full": 100}
WIDTH, INPUTS, SAMPLES = 4, 3, 15
STEP = 1e-6
ROUNDING = 1e-12
DIFFERENCED = 1e-6
"""Relative error of a difference quotient."""


@dataclass(frozen=True, eq=False)
class At:
    """One network at random weights, everything relative: `gradient`: ∂𝓡/∂W_k off difference quotients of 𝓡;
    `balance`: W_{k+1}ᵀ∂𝓡/∂W_{k+1} off ∂𝓡/∂W_k W_kᵀ (C.8); `size`: d‖W_1‖_F²/dt off −2⟨w_prod, ∇𝓡⟩, `printed`
    the ⟨W_1, dW_1/dt⟩ of (B.16) off the same; `across`: d‖Π_⊥W_1‖_F²/dt off −2⟨Π_⊥w_prod, ∇𝓡⟩ (B.17);
    `bound`: the slack of (B.18); `margin`: least margin of random layers of norm 1 over γ, `best`: that of
    the aligned ones."""

    gradient: float
    balance: float
    size: float
    printed: float
    across: float
    bound: float
    margin: float
    best: float


Slopes = Callable[[list[Array], Array], list[Array]]


def evidence(size: Size, slopes: Slopes = layer_slopes) -> list[At]:
    """Every loss and depth."""
    found = []
    for number, name in enumerate(losses()):
        for depth in DEPTHS:
            for draw in range(DRAWS[size]):
                rng = np.random.default_rng([number, depth, draw])
                found.append(_at(rng, name, depth, slopes))
    return found


def samples(rng: np.random.Generator) -> tuple[Float[np.ndarray, "n d"], HardMargin]:
    """z_i = y_i x_i with ‖z_i‖ ≤ 1, separable, and their SVM."""
    while True:
        z = rng.standard_normal((SAMPLES, INPUTS))
        z *= np.sign(z[:, :1] + 0.5 * z[:, 1:2])
        z /= np.linalg.norm(z, axis=1).max()
        svm = hard_margin_svm(z)
        if isinstance(svm, HardMargin):
            return z, svm


def _at(rng: np.random.Generator, name: str, depth: int, slopes: Slopes) -> At:
    loss = losses()[name]
    z, svm = samples(rng)
    sizes = [INPUTS, *[WIDTH] * (depth - 1), 1]
    w = [rng.standard_normal((r, c)) / np.sqrt(c) for c, r in pairwise(sizes)]
    ones = np.ones(len(z))

    def product(layers: list[Array]) -> Array:
        return np.asarray(reduce(lambda below, a: a @ below, layers))[0]

    def risk(layers: list[Array]) -> float:
        return float(np.exp(loss.log_risk((z @ product(layers))[None], ones, "mean")[0]))

    slope = -loss.residual(z @ product(w), ones) @ z / len(z)
    found = slopes(w, slope)
    turn = [rng.standard_normal(a.shape) for a in w]
    ahead = risk([a + STEP * e for a, e in zip(w, turn, strict=True)])
    back = risk([a - STEP * e for a, e in zip(w, turn, strict=True)])
    along = sum(float(np.sum(g * e)) for g, e in zip(found, turn, strict=True))
    lengths = [float(np.linalg.norm(g)) for g in found]
    whole = float(np.linalg.norm(lengths)) * float(
        np.linalg.norm(np.concatenate([e.ravel() for e in turn]))
    )
    balance = [
        float(np.linalg.norm(b.T @ gb - ga @ a.T))
        / float(np.linalg.norm(b) * lengths[k + 1] + np.linalg.norm(a) * lengths[k])
        for k, (a, b, ga, gb) in enumerate(zip(w, w[1:], found, found[1:], strict=False))
    ]
    moved = -found[0]
    wanted = -2.0 * float(product(w) @ slope)
    scale = 2.0 * float(np.linalg.norm(w[0])) * lengths[0]
    off = np.eye(INPUTS) - np.outer(svm.direction, svm.direction)
    across = 2.0 * float(np.sum((w[0] @ off) * moved)) + 2.0 * float(off @ product(w) @ slope)
    return At(
        abs((ahead - back) / (2.0 * STEP) - along) / whole,
        most(balance),
        abs(2.0 * float(np.sum(w[0] * moved)) - wanted) / scale,
        abs(float(np.sum(w[0] * moved)) - wanted) / scale,
        abs(across) / scale,
        _slack(w[0], off),
        *_margins(rng, sizes, z, svm),
    )


def _slack(first: Array, off: Array) -> float:
    """‖Π_⊥v_1‖ − (‖Π_⊥W_1‖_F − √(‖W_1‖_F² − ‖W_1‖_2²))/‖W_1‖_2, which (B.18) bounds by √(dD)."""
    s, right = np.linalg.svd(first)[1:]
    rest = float(np.sqrt(np.sum(s[1:] ** 2)))
    return float(np.linalg.norm(off @ right[0]) - (np.linalg.norm(first @ off) - rest) / s[0])


def _margins(
    rng: np.random.Generator, sizes: list[int], z: Array, svm: HardMargin
) -> tuple[float, float]:
    """The largest of random layers of norm 1, and that of u_k v_kᵀ aligned from ū on, over γ."""
    random = []
    for _ in range(20):
        layers = [rng.standard_normal((r, c)) for c, r in pairwise(sizes)]
        unit = [a / np.linalg.norm(a) for a in layers]
        random.append(float(np.min(z @ reduce(lambda below, a: a @ below, unit)[0])))
    ends = [svm.direction, *(rng.standard_normal(k) for k in sizes[1:-1]), np.ones(1)]
    ends = [a / np.linalg.norm(a) for a in ends]
    aligned = [np.outer(b, a) for a, b in pairwise(ends)]
    best = float(np.min(z @ reduce(lambda below, a: a @ below, aligned)[0]))
    return max(random) / svm.margin, best / svm.margin


GRADIENT = "∂𝓡/∂W_k off difference quotients, relative, largest"
BALANCE = "(C.8): W_{k+1}ᵀ∂𝓡/∂W_{k+1} off ∂𝓡/∂W_k W_kᵀ, relative, largest"
SIZE = "(B.16): d‖W_1‖_F²/dt off −2⟨w_prod, ∇𝓡⟩, relative, largest"
ACROSS = "(B.17): d‖Π_⊥W_1‖_F²/dt off −2⟨Π_⊥w_prod, ∇𝓡⟩, relative, largest"
BOUND = "(B.18): ‖Π_⊥v_1‖ less its bound, least"
RANDOM = "Corollary 2.9: margin of random layers of norm 1 over γ, largest"
BEST = "Corollary 2.9: margin of aligned layers over γ, off 1, largest"


def measure(cases: Sequence[At]) -> Measured:
    """The largest error of each."""
    return Measured(
        {
            GRADIENT: most(c.gradient for c in cases),
            BALANCE: most(c.balance for c in cases),
            SIZE: most(c.size for c in cases),
            ACROSS: most(c.across for c in cases),
            BOUND: least(c.bound for c in cases),
            RANDOM: most(c.margin for c in cases),
            BEST: most(abs(c.best - 1.0) for c in cases),
        },
        {
            "networks": float(len(cases)),
            "(B.16)'s middle term ⟨W_1, dW_1/dt⟩ off the same, relative, largest": most(
                c.printed for c in cases
            ),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Identities up to rounding, inequalities from their side."""
    bounds: list[Bound] = [
        (GRADIENT, "≤", DIFFERENCED, ""),
        (BALANCE, "≤", ROUNDING, ""),
        (SIZE, "≤", ROUNDING, ""),
        (ACROSS, "≤", ROUNDING, ""),
        (BOUND, "≥", -ROUNDING, ""),
        (RANDOM, "≤", 1.0, ""),
        (BEST, "≤", ROUNDING, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT19-C8",
        paper="JT19",
        place="eqs. (C.8), (B.16), (B.17), (B.18), Corollary 2.9",
        statement="W_{k+1}ᵀ∂𝓡/∂W_{k+1} = ∂𝓡/∂W_k W_kᵀ at all weights and for every loss, which is why flows "
        "conserve W_{k+1}ᵀW_{k+1} − W_kW_kᵀ; W_1's norm moves with −2⟨w_prod, ∇𝓡⟩, its part across ū with "
        "that of w_prod; and no layers of norm 1 have a larger margin than γ, which aligned ones have.",
        method="Random weights of two to five layers, eight losses, separable samples in three dimensions; "
        "the gradient against difference quotients.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
        erratum="(B.16) prints d‖W_1‖_F²/dt = ⟨W_1, dW_1/dt⟩; it is twice that, as its right-hand side has "
        "it.",
    ),
)
