"""Data merged into distinct hyperplanes: the canonical form of one neuron's NCF.

Inputs on one line through 0 share the hyperplane {x·u = 0}. With a unit vector a_j per line and
s = a_j·u,

    squared ReLU:    N(u) = Σ_j w_j s²        two-layer ReLU:    g(u) = Σ_j w_j s,  N(v, u) = v g(u),

where w_j = plus_j for s > 0 and minus_j for s < 0. For x_i = c a_j with c > 0 the input adds
z_i c^k to plus and α^k z_i c^k to minus; for x_i = −c a_j it adds α^k and 1 in that order for
k = 2, and −α, −1 for k = 1. A line with plus = minus has no kink: N has one formula across it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from workbench.arrays import Array
from workbench.theory.ncf import NeuronKind, check_leak

PARALLEL = 1e-12
"""Inputs whose lines differ by less than this angle (radians) count as parallel."""

CANCELLED = 1e-14
"""A line's weights count as zero, or as equal, below this share of what was summed into them."""


@dataclass(frozen=True, eq=False)
class Lines:
    """m distinct lines with their two weights.

    `axis` (m, d): unit vectors. `plus`, `minus` (m,): the weight on either side. `kinked` (m,):
    where the weights differ. `degree`: k, the power of s. `scale`: Σ_i |z_i| ‖x_i‖^k, which bounds
    |N|, or |g|, on the unit sphere.
    """

    axis: Float[Array, "m d"]
    plus: Float[Array, " m"]
    minus: Float[Array, " m"]
    kinked: Bool[Array, " m"]
    degree: int
    scale: float

    @property
    def dimension(self) -> int:
        """d, the dimension of the inputs."""
        return int(self.axis.shape[1])


def check_data(x: Float[Array, "n d"], z: Float[Array, " n"]) -> None:
    """Refuse data that no NCF is defined on.

    Raises:
        ValueError: shapes do not agree, d < 1, or an entry is not finite.
    """
    if x.ndim != 2 or z.ndim != 1 or x.shape[0] != z.shape[0] or x.shape[1] < 1:
        raise ValueError(f"x must be (n, d) and z (n,), got {x.shape} and {z.shape}")
    if not (np.isfinite(x).all() and np.isfinite(z).all()):
        raise ValueError("x and z must be finite")


def merge_lines(
    x: Float[Array, "n d"], z: Float[Array, " n"], kind: NeuronKind, leak: float
) -> Lines:
    """Merge parallel and antipodal inputs and drop those without effect (zero x, zero z, cancelled).

    Raises:
        ValueError: see `check_data` and `check_leak`.
    """
    check_data(x, z)
    check_leak(leak)
    degree = 2 if kind is NeuronKind.SQUARED_RELU else 1
    size = np.linalg.norm(x, axis=1)
    used = (size > 0) & (z != 0)
    axis = x[used] / size[used, None]
    mass = z[used] * size[used] ** degree
    label, sign, first = _group(axis)
    on, off = 1.0, leak**degree
    turn = 1.0 if degree == 2 else -1.0
    to_plus = np.where(sign > 0, on, turn * off) * mass
    to_minus = np.where(sign > 0, off, turn * on) * mass
    m = len(first)
    plus = np.bincount(label, to_plus, m)
    minus = np.bincount(label, to_minus, m)
    summed = np.bincount(label, np.abs(mass), m)
    plus = np.where(np.abs(plus) <= CANCELLED * summed, 0.0, plus)
    minus = np.where(np.abs(minus) <= CANCELLED * summed, 0.0, minus)
    kinked = np.abs(plus - minus) > CANCELLED * summed
    minus = np.where(kinked, minus, plus)
    kept = (plus != 0) | (minus != 0)
    return Lines(
        axis[first][kept], plus[kept], minus[kept], kinked[kept], degree, float(np.abs(mass).sum())
    )


def _group(
    axis: Float[Array, "n d"],
) -> tuple[Int[Array, " n"], Float[Array, " n"], Int[Array, " m"]]:
    """Label unit vectors by line: label, sign against the line's first member, first members."""
    n = len(axis)
    if n == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=np.int64)
    probe = np.cos(np.arange(1, axis.shape[1] + 1) ** 2)
    upright = np.where(axis @ probe >= 0, 1.0, -1.0)[:, None] * axis
    _, some, near = np.unique(upright.round(13), axis=0, return_index=True, return_inverse=True)
    m = len(some)
    tree = cKDTree(np.vstack([axis[some], -axis[some]]))
    pairs = tree.query_pairs(PARALLEL, output_type="ndarray") % m
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(m, m))
    component = connected_components(graph, directed=False)[1][near.ravel()]
    _, first, label = np.unique(component, return_index=True, return_inverse=True)
    sign = np.where(np.sum(axis * axis[first][label], axis=1) > 0, 1.0, -1.0)
    return label.astype(np.int64), sign, first.astype(np.int64)
