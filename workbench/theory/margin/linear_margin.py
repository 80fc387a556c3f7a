"""The largest margin of a linear predictor in a norm: max_{‖w‖≤1} min_i z_i·w, with its dual certificate.

Any w of norm 1 bounds it from below by min_i z_i·w, any p in the simplex from above by ‖Σ p_i z_i‖_*. In ℓ2
both come from the SVM; in ℓ1 it is the matrix game of ±coordinates against samples, in ℓ∞ a linear program
over the cube. Steepest descent in the norm goes there on separable data (Gunasekar et al. 2018, Theorem 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from workbench.arrays import Array
from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm
from workbench.theory.margin.linear_program import TIGHT, margin_program
from workbench.theory.margin.svm import hard_margin_svm
from workbench.theory.numerics.separability import Inseparable, separability

USED = 1e-9
"""Part of the largest above which a number of a linear program's solution is not 0."""


@dataclass(frozen=True, eq=False)
class LinearMargin:
    """`w` (d) with ‖w‖ = 1 and `weights` p (n) ≥ 0 with Σp = 1; the largest margin, in the units of z, lies
    in [`margin`, `margin_above`]. In ℓ1 and ℓ∞ other w may have the same margin."""

    w: Float[Array, " d"]
    weights: Float[Array, " n"]
    margin: float
    margin_above: float

    @property
    def gap(self) -> float:
        """(above − below)/above of the margin's bounds; negative by rounding alone."""
        return (self.margin_above - self.margin) / self.margin_above


def linear_margin(z: Float[Array, "n d"], norm: Norm) -> LinearMargin | Inseparable:
    """The largest margin over rows z_i = y_i x_i, or the proof that nothing separates them.

    Raises:
        ValueError: a norm without an exact solution here, no rows, numbers that are not finite, or a solver
            that gave up.
    """
    if not isinstance(norm, L1 | L2 | LInf):
        raise ValueError(f"the largest margin is exact in ℓ1, ℓ2 and ℓ∞; given: {norm.symbol}")
    if not z.size or not np.isfinite(z).all():
        raise ValueError("the largest margin needs one or more samples, all finite")
    decided = separability(z)
    if isinstance(decided, Inseparable):
        return decided
    if isinstance(norm, L2):
        svm = hard_margin_svm(z)
        if isinstance(svm, Inseparable):
            return svm
        return LinearMargin(
            svm.direction, svm.multipliers / svm.multipliers.sum(), svm.margin, svm.margin_above
        )
    if isinstance(norm, L1):
        game = margin_program(np.hstack([z, -z]))
        d = z.shape[1]
        return _bounds(z, norm, game.shares[:d] - game.shares[d:], game.weights)
    return _cube(z)


def _cube(z: Float[Array, "n d"]) -> LinearMargin:
    """ℓ∞: HiGHS, and the equations of its vertex where they give more digits."""
    n, d = z.shape
    scale = float(np.abs(z).max())
    # Variables w_1..w_d, t; maximize t with t − z_i·w ≤ 0.
    found = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.column_stack([-z / scale, np.ones(n)]),
        b_ub=np.zeros(n),
        bounds=[(-1.0, 1.0)] * d + [(None, None)],
        method="highs",
        options={"primal_feasibility_tolerance": TIGHT, "dual_feasibility_tolerance": TIGHT},
    )
    if found.x is None:
        raise ValueError(f"HiGHS did not solve the program of the largest margin: {found.message}")
    w = np.clip(found.x[:d], -1.0, 1.0)
    p = np.maximum(-np.asarray(found.ineqlin.marginals), 0.0)
    best = _bounds(z, LInf(), w, p)
    sharp = _vertex(z, w, p)
    return sharp if sharp is not None and sharp.gap < best.gap else best


def _vertex(
    z: Float[Array, "n d"], w: Float[Array, " d"], p: Float[Array, " n"]
) -> LinearMargin | None:
    """w with equal margins on the rows in use, p with which its free coordinates are indifferent; None where
    that leaves the cube or the simplex."""
    rows = np.flatnonzero(p > USED * p.max())
    free = np.flatnonzero(np.abs(w) < 1.0 - USED)
    held = np.sign(w)
    held[free] = 0.0
    block = z[np.ix_(rows, free)]
    ones = np.ones((len(rows), 1))
    solved = np.linalg.lstsq(np.hstack([block, -ones]), -(z[rows] @ held))[0]
    sharp_w = held.copy()
    sharp_w[free] = solved[:-1]
    level = np.append(np.zeros(len(free)), 1.0)
    sharp_p = np.zeros(len(p))
    sharp_p[rows] = np.linalg.lstsq(np.vstack([block.T, ones.T]), level)[0]
    if np.abs(sharp_w).max() > 1.0 or sharp_p.min() < 0.0 or not sharp_p.sum() > 0.0:
        return None
    return _bounds(z, LInf(), sharp_w, sharp_p)


def _bounds(
    z: Float[Array, "n d"], norm: Norm, w: Float[Array, " d"], p: Float[Array, " n"]
) -> LinearMargin:
    """Both made of size 1, and what they prove."""
    w = w / float(norm.norm(w))
    p = p / p.sum()
    return LinearMargin(w, p, float((z @ w).min()), float(norm.dual(p @ z)))
