"""The margin that fixed directions can give: JT20 Prop. 4.6, a linear program over the simplex.

max_{s in simplex} min_i Σ_j s_j φ_ij, φ_ij = y_i (−1)^j max(0, θ̄_j·x_i)². It is a matrix game: any s
bounds its value from below by min_i (φ s)_i, any p in the simplex over samples from above by
max_j (pᵀφ)_j. HiGHS finds both; the equations of its vertex give them to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from workbench.arrays import Array

TIGHT = 1e-10
"""HiGHS's least tolerances: what it is off by stays where a vertex's equations give nothing better."""


@dataclass(frozen=True, eq=False)
class MarginProgram:
    """`shares` (H): s; `weights` (n): p; the value lies in [`value`, `value_above`]."""

    shares: Float[Array, " H"]
    weights: Float[Array, " n"]
    value: float
    value_above: float

    @property
    def gap(self) -> float:
        """value_above − value."""
        return self.value_above - self.value


def squared_relu_features(
    directions: Float[Array, "H d"],
    signs: Float[Array, " H"],
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
) -> Float[Array, "n H"]:
    """φ_ij = y_i signs_j max(0, θ̄_j·x_i)² (JT20 eq. 4.5), rows of `directions` as they are."""
    return y[:, None] * np.maximum(x @ directions.T, 0.0) ** 2 * signs[None, :]


def margin_program(features: Float[Array, "n H"]) -> MarginProgram:
    """max over s of min_i (φ s)_i with both certificates.

    Raises:
        ValueError: no rows or columns, numbers that are not finite, or HiGHS gave up (its words).
    """
    n, h = features.shape
    if n == 0 or h == 0 or not np.isfinite(features).all():
        raise ValueError("the margin program needs one or more samples and directions, all finite")
    scale = float(np.abs(features).max()) or 1.0
    phi = features / scale
    # Variables s_1..s_H, t; maximize t with t − (φ s)_i ≤ 0.
    found = linprog(
        np.append(np.zeros(h), -1.0),
        A_ub=np.column_stack([-phi, np.ones(n)]),
        b_ub=np.zeros(n),
        A_eq=np.append(np.ones(h), 0.0)[None, :],
        b_eq=[1.0],
        bounds=[(0.0, None)] * h + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": TIGHT, "dual_feasibility_tolerance": TIGHT},
    )
    if found.x is None:
        raise ValueError(f"HiGHS did not solve the margin program: {found.message}")
    shares = _simplex(found.x[:h])
    weights = _simplex(-np.asarray(found.ineqlin.marginals))
    best = _bounds(phi, shares, weights)
    sharp = _vertex(phi, shares, weights)
    if sharp is not None:
        better = _bounds(phi, *sharp)
        if better[1] - better[0] < best[1] - best[0]:
            (shares, weights), best = sharp, better
    return MarginProgram(shares, weights, scale * best[0], scale * best[1])


def _simplex(raw: Float[Array, " k"]) -> Float[Array, " k"]:
    """Clipped at 0 and scaled to sum 1; even where nothing is left."""
    kept = np.maximum(raw, 0.0)
    total = kept.sum()
    return kept / total if total > 0 else np.full(len(raw), 1.0 / len(raw))


def _bounds(
    phi: Float[Array, "n H"], shares: Float[Array, " H"], weights: Float[Array, " n"]
) -> tuple[float, float]:
    return float((phi @ shares).min()), float((weights @ phi).max())


def _vertex(
    phi: Float[Array, "n H"], shares: Float[Array, " H"], weights: Float[Array, " n"]
) -> tuple[Float[Array, " H"], Float[Array, " n"]] | None:
    """s and p that equalize the rows and columns in use; None where that leaves the simplex."""
    columns = np.flatnonzero(shares > 1e-9)
    rows = np.flatnonzero(weights > 1e-9)
    block = phi[np.ix_(rows, columns)]
    s = _equalizer(block)
    p = _equalizer(block.T)
    if s.min() < 0 or p.min() < 0:
        return None
    sharp_shares, sharp_weights = np.zeros_like(shares), np.zeros_like(weights)
    sharp_shares[columns], sharp_weights[rows] = s, p
    return _simplex(sharp_shares), _simplex(sharp_weights)


def _equalizer(block: Float[Array, "a b"]) -> Float[Array, " b"]:
    """s (b) with block s = t 1 and Σ s = 1, by least squares."""
    a, b = block.shape
    system = np.zeros((a + 1, b + 1))
    system[:a, :b], system[:a, b], system[a, :b] = block, -1.0, 1.0
    return np.linalg.lstsq(system, np.append(np.zeros(a), 1.0))[0][:b]
