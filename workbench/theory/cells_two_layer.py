"""KKT points of one two-layer ReLU neuron by enumeration of the faces of {x_i·u = 0}.

g(u) = Σ z_i σ(x_i·u) is linear on every cell with slope s_S. On a face where the planes J meet,

    λu ∈ ∂g(u) = conv{s_S : cells S at the face}

has u ∥ ± the part of s_S along the face. With J independent this reads λu = s + Σ_J c_j a_j, s the
slope without J, c = −(A Aᵀ)⁻¹A s, and c_j between minus_j and plus_j. Each such u with g(u) ≠ 0
gives two KKT points (±1, u)/√2 of N(v, u) = v g(u) (KH24 Lemma H.1); KKT points with N = 0 are
{v = 0, g(u) = 0}, {g = 0 on the face, 0 ∈ ∂g(u)} with any v, and (±1, 0) when 0 ∈ ∂g(0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.arrangement import Faces, enumerate_faces, rays
from workbench.theory.cells_squared import SAME
from workbench.theory.draft import Draft
from workbench.theory.flat_sets import distinct
from workbench.theory.lines import Lines
from workbench.theory.min_norm import min_norm_element
from workbench.theory.piecewise_quadratic import IN_CELL, cone_face
from workbench.theory.result import FlatExtent, PointKind

SMALL = 1e-11
"""A slope below this share of the scale counts as zero; likewise a distance to ∂g."""

CHUNK = 65_536
"""Faces worked on at once."""


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """g(u) = b·u + Σ_j w_j a_j·u: `base` (d,), `axis` (m, d), `plus`, `minus` (m,), `scale` > 0."""

    base: Float[Array, " d"]
    axis: Float[Array, "m d"]
    plus: Float[Array, " m"]
    minus: Float[Array, " m"]
    scale: float

    def slopes(self, signs: Int[Array, "F m"]) -> Float[Array, "F d"]:
        """s_S for rows of signs; lines with sign 0 are left out."""
        weight = np.where(signs > 0, self.plus, np.where(signs < 0, self.minus, 0.0))
        return self.base + weight @ self.axis

    def value(self, u: Float[Array, "B d"]) -> Float[Array, " B"]:
        """g at vectors."""
        s = u @ self.axis.T
        return u @ self.base + np.sum(np.where(s > 0, self.plus, self.minus) * s, axis=1)


@dataclass(frozen=True, eq=False)
class _Found:
    """A face with a critical direction u of g, or with g = 0 and 0 ∈ ∂g."""

    signs: Int[Array, " m"]
    direction: Float[Array, " d"]
    value: float


def linear(lines: Lines) -> PiecewiseLinear:
    """g of a two-layer neuron; lines without a kink go into the base."""
    smooth, kinked = ~lines.kinked, lines.kinked
    return PiecewiseLinear(
        lines.plus[smooth] @ lines.axis[smooth],
        lines.axis[kinked],
        lines.plus[kinked],
        lines.minus[kinked],
        lines.scale if lines.scale > 0 else 1.0,
    )


def two_layer_points(
    lines: Lines, cancel: Callable[[], bool] | None = None
) -> tuple[list[Draft], bool]:
    """All KKT points, and whether the search was finished."""
    g = linear(lines)
    faces = enumerate_faces(g.axis)
    found, finished = _critical_faces(g, faces, cancel)
    dead = [one for one in found if abs(one.value) <= SMALL * g.scale]
    live = [one for one in found if abs(one.value) > SMALL * g.scale]
    if live:
        live = [live[i] for i in distinct(np.stack([one.direction for one in live]), SAME)]
    drafts = [draft for one in live for draft in _lifted(g, one)]
    if finished:
        drafts += _dead_sets(g, dead)
        drafts += _zero_set(g, live)
        if not dead:
            drafts += _poles(g, faces, live)
    return drafts, finished


def _critical_faces(
    g: PiecewiseLinear, faces: Faces, cancel: Callable[[], bool] | None
) -> tuple[list[_Found], bool]:
    """Every face's critical direction, and whether all faces were looked at."""
    d = g.axis.shape[1]
    found: list[_Found] = []
    zeros = (faces.signs == 0).sum(axis=1)
    for count in np.unique(zeros):
        block = faces.signs[zeros == count]
        if count == len(g.axis) and faces.rank == d:
            continue
        if count < d and (count == 0 or _independent(g, block, int(count))):
            for begin in range(0, len(block), CHUNK):
                if cancel is not None and cancel():
                    return found, False
                found += _on_simple_faces(g, block[begin : begin + CHUNK], int(count))
            continue
        for row in block:
            if cancel is not None and cancel():
                return found, False
            found += _on_crowded_face(g, row)
    return found, True


def _independent(g: PiecewiseLinear, block: Int[Array, "F m"], count: int) -> bool:
    """Whether on each of these faces the `count` planes that meet are independent."""
    planes = np.nonzero(block == 0)[1].reshape(len(block), count)
    size = np.linalg.svd(g.axis[planes], compute_uv=False)
    return bool((size[:, -1] > 1e-9).all())


def _on_simple_faces(g: PiecewiseLinear, signs: Int[Array, "F m"], count: int) -> list[_Found]:
    """Faces where `count` independent planes meet, all at once."""
    slope = g.slopes(signs)
    fits = np.ones(len(signs), dtype=bool)
    if count:
        planes = np.nonzero(signs == 0)[1].reshape(len(signs), count)
        meet = g.axis[planes]
        gram = meet @ meet.transpose(0, 2, 1)
        weight = -np.linalg.solve(gram, meet @ slope[:, :, None])[:, :, 0]
        slope = slope + np.einsum("fk,fkd->fd", weight, meet)
        low = np.minimum(g.plus, g.minus)[planes] - SMALL * g.scale
        high = np.maximum(g.plus, g.minus)[planes] + SMALL * g.scale
        fits = ((weight >= low) & (weight <= high)).all(axis=1)
    size = np.linalg.norm(slope, axis=1)
    null = fits & (size <= SMALL * g.scale)
    found: list[_Found] = [_Found(row, _inside(g, row), 0.0) for row in signs[null]]
    live = fits & ~null
    signs, direction, size = signs[live], slope[live] / size[live, None], size[live]
    height = np.where(signs == 0, np.inf, (direction @ g.axis.T) * signs)
    depth = np.where(signs == 0, -np.inf, (direction @ g.axis.T) * signs)
    for sign, here in (
        (1.0, height.min(axis=1, initial=np.inf) > IN_CELL),
        (-1.0, depth.max(axis=1, initial=-np.inf) < -IN_CELL),
    ):
        found += [
            _Found(row, sign * u, sign * float(value))
            for row, u, value in zip(signs[here], direction[here], size[here], strict=True)
        ]
    return found


def _on_crowded_face(g: PiecewiseLinear, row: Int[Array, " m"]) -> list[_Found]:
    """A face where dependent planes meet: ∂g is the hull of the slopes of the cells around it."""
    here = np.flatnonzero(row == 0)
    _, size, turn = np.linalg.svd(g.axis[here])
    along = turn[(size > 1e-9 * size[0]).sum() :]
    if len(along) == 0:
        return []
    part = g.slopes(row[None])[0] @ along.T
    length = float(np.linalg.norm(part))
    null = length <= SMALL * g.scale
    choices = [_inside(g, row)] if null else [s * (part / length) @ along for s in (1.0, -1.0)]
    vertices = _cells_around(g, row)
    found: list[_Found] = []
    for u in choices:
        height = np.where(row == 0, np.inf, (g.axis @ u) * row)
        if height.min() <= IN_CELL:
            continue
        value = 0.0 if null else float(g.value(u[None])[0])
        if np.linalg.norm(min_norm_element(vertices - value * u)) <= SMALL * g.scale:
            found.append(_Found(row, u, value))
    return found


def _cells_around(g: PiecewiseLinear, row: Int[Array, " m"]) -> Float[Array, "k d"]:
    """Slopes of all cells whose closure holds the face."""
    here = np.flatnonzero(row == 0)
    local = enumerate_faces(g.axis[here], cells_only=True).signs
    signs = np.repeat(row[None], len(local), axis=0)
    signs[:, here] = local
    return g.slopes(signs)


def _inside(g: PiecewiseLinear, row: Int[Array, " m"]) -> Float[Array, " d"]:
    """A unit vector of the relative interior of a face, the middle of its rays where it has any."""
    here = row == 0
    space = np.eye(g.axis.shape[1])
    if here.any():
        _, size, turn = np.linalg.svd(g.axis[here])
        space = turn[(size > 1e-9 * size[0]).sum() :]
    return cone_face(space, row[~here, None] * g.axis[~here])[0]


def _lifted(g: PiecewiseLinear, found: _Found) -> list[Draft]:
    """(±1, u)/√2 with their kinds: a maximum needs N > 0 and no first-order ascent off the face."""
    least, largest = _transverse(g, found)
    drafts: list[Draft] = []
    for v in (1.0, -1.0):
        kind: PointKind = "saddle"
        if v * found.value > 0:
            kind = "max" if max(v * least, v * largest) <= SMALL * g.scale else "saddle"
        elif min(v * least, v * largest) >= -SMALL * g.scale:
            kind = "min"
        drafts.append(Draft(np.append(v, found.direction) / np.sqrt(2.0), kind))
    return drafts


def _transverse(g: PiecewiseLinear, found: _Found) -> tuple[float, float]:
    """(least, largest) one-sided derivative of g at u along the rays of the planes that meet there.

    Off the face g changes to first order by a function linear on each local cell, so its extreme
    values over directions across the face have the signs of those on the local rays.
    """
    here = found.signs == 0
    if not here.any():
        return 0.0, 0.0
    axis = g.axis[here]
    _, size, turn = np.linalg.svd(axis)
    across = turn[: (size > 1e-9 * size[0]).sum()]
    local = PiecewiseLinear(
        across @ g.slopes(found.signs[None])[0],
        axis @ across.T,
        g.plus[here],
        g.minus[here],
        g.scale,
    )
    ray = np.ones((1, 1)) if len(across) == 1 else rays(local.axis)[0]
    change = local.value(np.vstack([ray, -ray]))
    return float(change.min()), float(change.max())


def _dead_sets(g: PiecewiseLinear, dead: list[_Found]) -> list[Draft]:
    """Faces with g = 0 and 0 ∈ ∂g, joined where one lies in the closure of another; any v."""
    label = np.arange(len(dead))
    signs = np.array([found.signs for found in dead])
    for a in range(len(dead)):
        inside = ((signs == signs[a]) | (signs == 0)).all(axis=1)
        for b in np.flatnonzero(inside):
            label[label == label[b]] = label[a]
    drafts: list[Draft] = []
    for key in np.unique(label):
        group = sorted(
            (dead[i] for i in np.flatnonzero(label == key)), key=lambda f: int((f.signs == 0).sum())
        )
        rows = np.vstack([_span(g, found.signs) for found in group])
        _, size, turn = np.linalg.svd(rows, full_matrices=False)
        hull = turn[size > IN_CELL]
        basis = np.zeros((len(hull) + 1, hull.shape[1] + 1))
        basis[0, 0] = 1.0
        basis[1:, 1:] = hull
        extent = FlatExtent("meridian" if len(hull) == 1 else "face", None, basis)
        members = [np.append(0.0, group[0].direction)]
        if len(hull) == 1 and not group[0].signs.any():
            members.append(-members[0])
        drafts += [Draft(member, "flat", extent) for member in members]
    return drafts


def _span(g: PiecewiseLinear, signs: Int[Array, " m"]) -> Float[Array, "k d"]:
    """Orthonormal rows that span a face."""
    here = signs == 0
    if not here.any():
        return np.eye(g.axis.shape[1])
    _, size, turn = np.linalg.svd(g.axis[here])
    return turn[(size > 1e-9 * size[0]).sum() :]


def _zero_set(g: PiecewiseLinear, live: list[_Found]) -> list[Draft]:
    """{v = 0, g(u) = 0} where g changes sign, as one set (KH24 G.2: u ⊥ q)."""
    d = g.axis.shape[1]
    high = max(live, key=lambda one: one.value, default=None)
    low = min(live, key=lambda one: one.value, default=None)
    if high is None or low is None or d < 2 or not high.value > 0 > low.value:
        return []
    up, down = high.direction, low.direction
    if up @ down < -0.9:
        aside = np.linalg.svd(up[None])[2][1]
        up, down = (aside, down) if g.value(aside[None])[0] > 0 else (up, aside)
    for _ in range(200):
        middle = up + down
        middle /= np.linalg.norm(middle)
        up, down = (middle, down) if g.value(middle[None])[0] > 0 else (up, middle)
    basis = None
    if len(g.axis) == 0:
        across = np.linalg.svd(g.base[None])[2][1:]
        basis = np.column_stack([np.zeros(len(across)), across])
    return [Draft(np.append(0.0, down), "flat", FlatExtent("zero-set", None, basis))]


def _poles(g: PiecewiseLinear, faces: Faces, live: list[_Found]) -> list[Draft]:
    """(±1, 0) where 0 ∈ ∂g(0), the hull of all slopes; extrema of N where g ≠ 0 has one sign."""
    slopes = np.unique(g.slopes(faces.cells), axis=0)
    if np.linalg.norm(min_norm_element(slopes)) > SMALL * g.scale:
        return []
    values = np.array([one.value for one in live])
    drafts: list[Draft] = []
    for v in (1.0, -1.0):
        kind: PointKind = "min" if (v * values > 0).all() else "saddle"
        kind = "max" if (v * values < 0).all() else kind
        drafts.append(Draft(np.append(v, np.zeros(g.axis.shape[1])), kind))
    return drafts
