"""Critical directions of a piecewise quadratic form on the sphere.

Q(u) = uᵀBu + Σ_j w_j (a_j·u)², w_j = plus_j for a_j·u > 0 and minus_j else, is C¹, so the critical
points on the sphere are the eigenvectors of M_S = B + Σ_j w_j a_j a_jᵀ that lie in the closure of
their cell S (KH24 App. G.1 cell by cell). A repeated eigenvalue gives a flat set: the part of its
eigenspace in the closed cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linprog

from workbench.arrays import Array
from workbench.theory.ncf.merged_lines import MergedLines
from workbench.theory.ncf.result import PointKind
from workbench.theory.numerics.arrangement import enumerate_faces

REPEATED = 1e-10
"""Eigenvalues closer than this share of the scale count as one."""

IN_CELL = 1e-9
"""A unit vector outside a cell by less than this counts as in its closure."""

CURVED = 1e-11
"""Second-order changes below this share of the scale count as zero."""

CHUNK = 4096
"""Cells worked on at once."""


@dataclass(frozen=True, eq=False)
class PiecewiseQuadratic:
    """`base` (d, d) symmetric, `axis` (m, d) distinct lines, `plus`, `minus` (m,), `scale` > 0."""

    base: Float[Array, "d d"]
    axis: Float[Array, "m d"]
    plus: Float[Array, " m"]
    minus: Float[Array, " m"]
    scale: float

    def matrices(self, signs: Int[Array, "C m"]) -> Float[Array, "C d d"]:
        """M_S for rows of signs."""
        d = len(self.base)
        outer = (self.axis[:, :, None] * self.axis[:, None, :]).reshape(len(self.axis), d * d)
        weight = np.where(signs > 0, self.plus, self.minus)
        return self.base + (weight @ outer).reshape(-1, d, d)

    def value(self, u: Float[Array, "B d"]) -> Float[Array, " B"]:
        """Q at vectors."""
        s = u @ self.axis.T
        return np.sum((u @ self.base) * u, axis=1) + np.sum(
            np.where(s > 0, self.plus, self.minus) * s**2, axis=1
        )

    def around(self, u: Float[Array, " d"]) -> PiecewiseQuadratic:
        """The second-order change h ↦ Q(u + h) − Q(u)‖u + h‖², on tangents h of a critical unit u.

        In coordinates of the tangent space; exact within the cells that touch u.
        """
        height = self.axis @ u
        on = np.abs(height) <= IN_CELL
        rest = PiecewiseQuadratic(
            self.base, self.axis[~on], self.plus[~on], self.minus[~on], self.scale
        )
        matrix = rest.matrices(np.sign(height[~on]).astype(np.int8)[None])[0]
        tangent = np.linalg.svd(u[None])[2][1:].T
        axis = self.axis[on] @ tangent
        return PiecewiseQuadratic(
            tangent.T @ (matrix - float(self.value(u[None])[0]) * np.eye(len(u))) @ tangent,
            axis / np.linalg.norm(axis, axis=1, keepdims=True),
            self.plus[on],
            self.minus[on],
            self.scale,
        )


def quadratic(lines: MergedLines) -> PiecewiseQuadratic:
    """N of a squared-ReLU neuron; lines without a kink go into the base."""
    smooth, kinked = ~lines.kinked, lines.kinked
    base = (lines.axis[smooth] * lines.plus[smooth, None]).T @ lines.axis[smooth]
    return PiecewiseQuadratic(
        base,
        lines.axis[kinked],
        lines.plus[kinked],
        lines.minus[kinked],
        lines.scale if lines.scale > 0 else 1.0,
    )


@dataclass(frozen=True, eq=False)
class FlatPiece:
    """Unit vectors of span(`basis`) (k ≥ 2 rows) in the closure of the cell `signs`; Q = `value`."""

    point: Float[Array, " d"]
    basis: Float[Array, "k d"]
    signs: Int[Array, " m"]
    value: float


@dataclass(frozen=True, eq=False)
class Critical:
    """`points` (K, d) isolated candidates, possibly several times, and the flat pieces by cell."""

    points: Float[Array, "K d"]
    pieces: tuple[FlatPiece, ...]
    cells: int
    finished: bool


def critical_directions(
    q: PiecewiseQuadratic, cancel: Callable[[], bool] | None = None
) -> Critical:
    """Eigenvectors in their closed cells over all cells; stops between chunks when cancelled."""
    signs = enumerate_faces(q.axis, cells_only=True).signs
    points: list[Float[Array, "k d"]] = [np.zeros((0, len(q.base)))]
    pieces: list[FlatPiece] = []
    for begin in range(0, len(signs), CHUNK):
        if cancel is not None and cancel():
            return Critical(np.vstack(points), tuple(pieces), len(signs), False)
        block = signs[begin : begin + CHUNK]
        values, vectors = np.linalg.eigh(q.matrices(block))
        apart = np.diff(values, axis=1) > REPEATED * q.scale
        edge = np.ones((len(block), 1), dtype=bool)
        simple = np.hstack([edge, apart]) & np.hstack([apart, edge])
        for j in range(values.shape[1]):
            vector = vectors[:, :, j]
            height = (vector @ q.axis.T) * block
            inside = simple[:, j] & (height.min(axis=1, initial=0.0) >= -IN_CELL)
            mirror = simple[:, j] & (height.max(axis=1, initial=0.0) <= IN_CELL)
            points += [vector[inside], -vector[mirror]]
        for c in np.flatnonzero(~simple.all(axis=1)):
            more, flat = _repeated(q, block[c], values[c], vectors[c], apart[c])
            points += more
            pieces += flat
    return Critical(np.vstack(points), tuple(pieces), len(signs), True)


def _repeated(
    q: PiecewiseQuadratic,
    signs: Int[Array, " m"],
    values: Float[Array, " d"],
    vectors: Float[Array, "d d"],
    apart: Array,
) -> tuple[list[Float[Array, "k d"]], list[FlatPiece]]:
    """The eigenspaces of a cell with more than one dimension, cut with the closed cell."""
    points: list[Float[Array, "k d"]] = []
    pieces: list[FlatPiece] = []
    for group in np.split(np.arange(len(values)), np.flatnonzero(apart) + 1):
        if len(group) == 1:
            continue
        space = vectors[:, group].T
        point, basis = cone_face(space, signs[:, None] * q.axis)
        if len(basis) > 1:
            pieces.append(FlatPiece(point, basis, signs, float(values[group].mean())))
        elif len(basis) == 1:
            height = (q.axis @ basis[0]) * signs
            points += [s * basis for s in (1.0, -1.0) if (s * height).min(initial=0.0) >= -IN_CELL]
    return points, pieces


def cone_face(
    space: Float[Array, "k d"], inward: Float[Array, "m d"]
) -> tuple[Float[Array, " d"], Float[Array, "j d"]]:
    """The cone {u ∈ span(space) : inward·u ≥ 0}: a unit vector of its relative interior, and a basis.

    No rows of basis mean that the cone is {0}. One small linear program (HiGHS).
    """
    k = len(space)
    rows = inward @ space.T
    rows = rows[np.linalg.norm(rows, axis=1) > IN_CELL]
    if len(rows) == 0:
        return space[0], space
    m = len(rows)
    fit = linprog(
        np.append(np.zeros(k), -np.ones(m)),
        A_ub=np.hstack([-rows, np.eye(m)]),
        b_ub=np.zeros(m),
        bounds=[(-1e4, 1e4)] * k + [(0.0, 1.0)] * m,
        method="highs",
    )
    best = np.asarray(fit.x)
    tight = rows[best[k:] < 0.5]
    null = np.eye(k)
    if len(tight):
        _, size, turn = np.linalg.svd(tight)
        null = turn[(size > IN_CELL * size[0]).sum() :]
    basis = null @ space
    if len(basis) == 0:
        return np.zeros(space.shape[1]), basis
    point = null.T @ (null @ best[:k])
    point = point if np.linalg.norm(point) > 0.5e-3 else null[0]
    point = point @ space
    return point / np.linalg.norm(point), basis


def extreme_values(q: PiecewiseQuadratic) -> tuple[float, float]:
    """(least, largest) value of Q on the unit sphere, by enumeration."""
    if len(q.base) == 1:
        ends = q.value(np.array([[1.0], [-1.0]]))
        return float(ends.min()), float(ends.max())
    found = critical_directions(q)
    values = np.append(q.value(found.points), [piece.value for piece in found.pieces])
    return float(values.min()), float(values.max())


def kind_of(u: Float[Array, " d"], q: PiecewiseQuadratic) -> PointKind:
    """Kind of an isolated critical direction by the second-order change over all tangents.

    Q is piecewise quadratic and C¹, so along every great circle from u it is Q + sin²t·Q'(h) with Q'
    the change of `PiecewiseQuadratic.around`: the signs of its extreme values decide.
    """
    least, largest = extreme_values(q.around(u))
    if largest < -CURVED * q.scale:
        return "max"
    return "min" if least > CURVED * q.scale else "saddle"
