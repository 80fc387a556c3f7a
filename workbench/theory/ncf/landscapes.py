"""Two toy functions of KH24: where the NCF flow branches, and where a saddle is left at once.

    f(u) = u_1 |u_2|           (Fig. 2, App. E)          g(u) = (u_1 |u_2| − 1)²      (App. I)

Both are smooth off {u_2 = 0}; there the Clarke subdifferential is the segment between two vertices.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.numerics.min_norm import least_norm


class Landscape(StrEnum):
    """The two functions. `BRANCHING` is f, two-homogeneous; `LEAVING` is g, not homogeneous."""

    BRANCHING = "u1|u2|"
    LEAVING = "(u1|u2|-1)^2"


def landscape_gradient(u: Float[Array, "B 2"], which: Landscape) -> Float[Array, "B 2"]:
    """One Clarke selection: ∂f = (|u_2|, u_1 sign u_2) with sign 0 = 0; ∂g = 2(f − 1) ∂f."""
    f = np.column_stack([np.abs(u[:, 1]), u[:, 0] * np.sign(u[:, 1])])
    if which is Landscape.BRANCHING:
        return f
    return 2.0 * (u[:, 0] * np.abs(u[:, 1]) - 1.0)[:, None] * f


def clarke_vertices(u: Float[Array, "2"], which: Landscape) -> Float[Array, "k 2"]:
    """Vectors whose convex hull is the Clarke subdifferential at u: one off the kink, two on it."""
    signs = np.array([1.0, -1.0]) if u[1] == 0 else np.sign(u[1:])
    f = np.column_stack([np.full(len(signs), abs(u[1])), u[0] * signs])
    if which is Landscape.BRANCHING:
        return f
    return 2.0 * (u[0] * abs(u[1]) - 1.0) * f


def min_norm_subgradient(u: Float[Array, "2"], which: Landscape) -> Float[Array, "2"]:
    """∂̄ at u, the subgradient of least norm, which a gradient flow follows (KH24 Lemma A.3)."""
    return least_norm(clarke_vertices(u, which)).element


def branching_path(t: Float[Array, " T"], leave: float, side: float = 1.0) -> Float[Array, "T 2"]:
    """One of the flows u̇ ∈ ∂f(u) from (1, 0): stay until `leave`, then (cosh, ± sinh) (KH24 (79))."""
    s = np.maximum(t - leave, 0.0)
    return np.column_stack([np.cosh(s), np.sign(side) * np.sinh(s)])
