"""How far (θ, g) is from a pair with g ∈ ∂½‖θ‖²: the stationarity of (P) in any norm.

g ∈ ∂½‖θ‖² says ‖g‖_* = ‖θ‖ and ⟨g, θ⟩ = ‖θ‖². Two measures, both 0 exactly there:

- the divergence D = ½‖θ‖² + ½‖g‖_*² − ⟨g, θ⟩ ≥ 0 (Fenchel, Young; Tsilivis et al. 2025 call it a
  generalized Bregman divergence), ½‖θ − g‖² in ℓ2;
- the distance ‖θ' − θ‖ + ‖g' − g‖_* to a pair (θ', g') that fits exactly, ‖θ − g‖ in ℓ2. The subdifferential
  of ℓ∞ and ℓ1 jumps where coordinates tie or vanish, so that θ has to give way as well as g. No pair is
  further than 2√D (Brøndsted, Rockafellar 1965).
"""

from __future__ import annotations

from math import inf, prod, sqrt

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm
from workbench.norms.spectral import Spectral

MOST_TIES = 24
"""Most numbers of singular values of θ that are tried as its largest."""


def divergence(theta: Float[Array, " P"], g: Float[Array, " P"], norm: Norm) -> float:
    """D of θ (P) and g (P), to rounding of ‖θ‖²."""
    size, dual = float(norm.norm(theta)), float(norm.dual(g))
    if isinstance(norm, L2):
        return 0.5 * float(np.sum((theta - g) ** 2))
    return max(0.0, 0.5 * (size - dual) ** 2 + size * dual - float(g @ theta))


def pair_distance(theta: Float[Array, " P"], g: Float[Array, " P"], norm: Norm) -> float:
    """The distance of θ ≠ 0 and g from the nearest fitting pair that is found: an upper bound."""
    if isinstance(norm, L2):
        return float(np.linalg.norm(theta - g))
    found = 2.0 * sqrt(divergence(theta, g, norm))
    if isinstance(norm, LInf):
        return min(found, _cube(theta, g))
    if isinstance(norm, L1):
        return min(found, _cross(theta, g))
    return min(found, _spectral(theta, g, norm)) if isinstance(norm, Spectral) else found


def _cube(theta: Float[Array, " P"], g: Float[Array, " P"]) -> float:
    """ℓ∞: the k largest coordinates of θ are raised to the largest; g' is g's part of their signs, scaled."""
    size = np.abs(theta)
    order = np.argsort(-size, kind="stable")
    top = size[order[0]]
    right = np.maximum(np.where(theta == 0.0, np.abs(g), np.sign(theta) * g), 0.0)[order]
    mass = np.cumsum(right)
    # What is wrong is summed from the end, so that little is not lost under much.
    lost = np.abs(g)[order]
    beyond = np.append(np.cumsum(lost[::-1])[::-1][1:], 0.0) + np.cumsum(lost - right)
    return float(np.min(top - size[order] + beyond + np.abs(top - mass)))


def _cross(theta: Float[Array, " P"], g: Float[Array, " P"]) -> float:
    """ℓ1: the k smallest coordinates of θ are set to 0; g' has the others' signs at full size."""
    size = np.abs(theta)
    order = np.argsort(size, kind="stable")
    along = (np.sign(theta) * g)[order]
    gone = np.append(0.0, np.cumsum(size[order])[:-1])
    left = np.cumsum(size[order][::-1])[::-1]
    highest = np.maximum.accumulate(along[::-1])[::-1]
    lowest = np.minimum.accumulate(along[::-1])[::-1]
    idle = np.append(0.0, np.maximum.accumulate(np.abs(g)[order])[:-1])
    off = np.maximum.reduce([highest - left, left - lowest, idle - left])
    # At least one coordinate that is not 0 is kept.
    return float(np.min((gone + off)[left > 0.0]))


def _spectral(theta: Float[Array, " P"], g: Float[Array, " P"], norm: Spectral) -> float:
    """The k largest singular values of θ's matrices are raised to the largest; g' is the positive part of g
    between their vectors, scaled."""
    starts = np.cumsum([0, *(prod(shape) for shape in norm.shapes)])
    found = []
    for shape, start, stop in zip(norm.shapes, starts[:-1], starts[1:], strict=True):
        rows = shape[0] if shape else 1
        left, size, right = np.linalg.svd(theta[start:stop].reshape(rows, -1), full_matrices=False)
        found.append((left, size, right, g[start:stop].reshape(rows, -1)))
    every = np.sort(np.concatenate([size for _, size, _, _ in found]))[::-1]
    best = inf
    for lowest in every[:MOST_TIES]:
        mass = off = 0.0
        for left, size, right, part in found:
            k = int(np.sum(size >= lowest))
            inner = left[:, :k].T @ part @ right[:k].T
            values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
            values = np.maximum(values, 0.0)
            kept = left[:, :k] @ (vectors * values) @ vectors.T @ right[:k]
            mass += float(values.sum())
            off += float(np.linalg.svd(part - kept, compute_uv=False).sum())
        best = min(best, float(every[0] - lowest) + off + abs(float(every[0]) - mass))
    return best
