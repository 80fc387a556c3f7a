"""JT20 Lemmas C.5 and C.8: the smoothed margin α and what θ pulls of it, β = ⟨∂α, W⟩/L, are close.

α = ℓ⁻¹(𝓛) and β = Σ_i ℓ'(p_i) p_i/ℓ'(α) depend on the margins p alone, so random ones will do; those with
𝓛 < ℓ(0). σ(z) = ℓ'(ℓ⁻¹(z)) ℓ⁻¹(z) is super-additive on (0, ℓ(0)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.losses.binary import BinaryLoss
from workbench.losses.registry import loss_of

COUNT: dict[Size, int] = {"quick": 400, "full": 20_000}
LOSSES = ("exponential", "logistic")
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Sums:
    """α, β and the n of random margins under one loss, and σ(z_1 + z_2) − σ(z_1) − σ(z_2) over |σ|; `bends`:
    π(½(p + p')) − ½(π(p) + π(p')) for pairs of them, over |π|, π(p) = α."""

    alpha: Float[np.ndarray, " k"]
    beta: Float[np.ndarray, " k"]
    samples: Float[np.ndarray, " k"]
    sigma: Float[np.ndarray, " k"]
    bends: Float[np.ndarray, " k"]


def alpha_beta(loss: BinaryLoss, p: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """ℓ⁻¹(Σℓ(p_i)) and Σ ℓ'(p_i) p_i/ℓ'(α)."""
    alpha = float(loss.inverse(loss.log_risk(p[None], np.ones(len(p)), "sum"))[0])
    weights = np.exp(loss.log_slope(p) - loss.log_slope(np.array(alpha)))
    return alpha, float(weights @ p)


def sigma(loss: BinaryLoss, z: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """ℓ'(ℓ⁻¹(z)) ℓ⁻¹(z)."""
    q = loss.inverse(np.log(z))
    return -loss.slope(q) * q


def sums(
    size: Size, beta: Callable[[BinaryLoss, np.ndarray], tuple[float, float]] = alpha_beta
) -> list[Sums]:
    """Random margins of 1 to 60 samples, from just separated to far, under both losses."""
    rng = np.random.default_rng(3)
    found = []
    for name in LOSSES:
        loss = loss_of(name)
        assert isinstance(loss, BinaryLoss)
        rows, bends = [], []
        for _ in range(COUNT[size]):
            n = int(rng.integers(1, 61))
            far = np.log(n) - np.log(np.exp(loss.log_separating)) + 10.0 ** rng.uniform(-3, 3)
            p, other = (far * rng.uniform(1.0, 3.0, n) + 1e-3 for _ in range(2))
            rows.append((*beta(loss, p), n))
            ends = [alpha_beta(loss, q)[0] for q in (p, other, 0.5 * (p + other))]
            bends.append((ends[2] - 0.5 * (ends[0] + ends[1])) / abs(ends[2]))
        whole = rng.uniform(1e-6, 1.0, COUNT[size]) * np.exp(loss.log_separating)
        share = rng.uniform(0.0, 1.0, COUNT[size]) * whole
        gap = sigma(loss, whole) - sigma(loss, share) - sigma(loss, whole - share)
        alpha, betas, samples = np.array(rows, dtype=float).T
        super_additive = gap / np.abs(sigma(loss, whole) + sigma(loss, share))
        found.append(Sums(alpha, betas, samples, super_additive, np.array(bends)))
    return found


POSITIVE = "α, least"
BELOW = "β − α over α, least"
ABOVE = "(β − α) over 2 ln n + 1, most"
SUPER = "σ(z_1 + z_2) − σ(z_1) − σ(z_2) over |σ|, least"
CONCAVE = "π at the middle less the mean of its ends, over |π|, least"


def measure(found: Sequence[Sums]) -> Measured:
    """0 < α ≤ β ≤ α + 2 ln n + 1, σ super-additive, π concave."""
    return Measured(
        {
            POSITIVE: least(s.alpha.min() for s in found),
            BELOW: least(((s.beta - s.alpha) / s.alpha).min() for s in found),
            ABOVE: most(
                ((s.beta - s.alpha) / (2.0 * np.log(s.samples) + 1.0)).max() for s in found
            ),
            SUPER: least(s.sigma.min() for s in found),
            CONCAVE: least(s.bends.min() for s in found),
        }
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Lemmas C.5 and C.8 up to rounding."""
    bounds: list[Bound] = [
        (POSITIVE, "≥", 1e-300, ""),
        (BELOW, "≥", -ROUNDING, ""),
        (ABOVE, "≤", 1.0, ""),
        (SUPER, "≥", -ROUNDING, ""),
        (CONCAVE, "≥", -ROUNDING, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="JT20-C5",
        paper="JT20",
        place="Lemmas C.2, C.5 and C.8",
        statement="Where 𝓛 < ℓ(0), 0 < α ≤ β ≤ α + 2 ln n + 1 for the smoothed margin α = ℓ⁻¹(𝓛) and "
        "β = ⟨∂α, W⟩/L, as σ is super-additive and π concave.",
        method="Random margins of 1 to 60 samples, exponential and logistic loss.",
        experiment=untrained(sums),
        measure=measure,
        criterion=criterion,
    ),
)
