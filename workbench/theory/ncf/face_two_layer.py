"""Critical directions of g(u) = Σ z_i σ(x_i·u) on one face of {x_i·u = 0}, decided in integers.

On the face the part w of the slopes along it is the same for all cells around, so u ∥ ±w. It is
critical where ±w lies in the face and w is in ∂g(u), the hull of the slopes around (Clarke). With the
planes J that meet there independent, w = s + Σ_J c_j a_j and the condition is that each c_j lies between
minus_j and plus_j. Where w = 0 the whole face has g = 0, and is critical where 0 ∈ ∂g.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from jaxtyping import Int

from workbench.arrays import Array
from workbench.theory.ncf.certificate import Walls
from workbench.theory.ncf.exact_lines import ExactLines
from workbench.theory.numerics.arrangement import enumerate_faces, rays
from workbench.theory.numerics.exact_cone import combination, cone
from workbench.theory.numerics.exact_linear import independent, kernel, solve
from workbench.theory.numerics.integers import signs_of


@dataclass(frozen=True, eq=False)
class CriticalFace:
    """A face with a critical direction u of g, or with g = 0 and 0 ∈ ∂g.

    `signs` (m,): of the face. `along` (d,): integers along u; 0 where g = 0 on the whole face.
    `sign`: of g(u). `walls`: the planes J and their c_j. `rises`, `falls`: whether g grows, or shrinks, to
    first order in some direction across the face.
    """

    signs: Int[Array, " m"]
    along: Array
    sign: int
    walls: Walls
    rises: bool
    falls: bool


def critical_directions(lines: ExactLines, signs: Int[Array, " m"]) -> list[CriticalFace]:
    """The critical directions on a face: at most one, or ±w on a face that is a whole subspace."""
    here = np.flatnonzero(signs == 0)
    meet, slope = lines.axis[here], lines.slope(signs)
    kept, columns = independent(meet)
    if len(kept) == lines.dimension:
        return []
    weights = solve(meet[kept].dot(meet[kept].T), -meet[kept].dot(slope)) if kept else []
    unit = lcm(*(c.denominator for c in weights))
    along = unit * slope
    for c, row in zip(weights, meet[kept], strict=True):
        along = along + int(c * unit) * row
    sides = _sides(lines.axis.dot(along), signs) if along.any() else [0]
    if not sides:
        return []
    plus, minus = lines.plus[here], lines.minus[here]
    if len(kept) == len(here):
        inside = all(
            min(p, q) <= c <= max(p, q) for c, p, q in zip(weights, plus, minus, strict=True)
        )
        if not inside:
            return []
        walls = _walls(
            signs, [(c - q) / (p - q) for c, p, q in zip(weights, plus, minus, strict=True)]
        )
        rises = any(p > c or q < c for c, p, q in zip(weights, plus, minus, strict=True))
        falls = any(p < c or q > c for c, p, q in zip(weights, plus, minus, strict=True))
    else:
        local = enumerate_faces(meet, cells_only=True).signs
        around = unit * (slope + np.where(local > 0, plus, minus).dot(meet))
        mixed = combination(along, around)
        if mixed is None:
            return []
        walls = _walls(signs, shares(mixed, local))
        rises, falls = _change(meet, plus, minus, sorted(columns), slope * unit - along, unit)
    return [CriticalFace(signs, side * along, side, walls, rises, falls) for side in sides]


def _walls(signs: Int[Array, " m"], share: Sequence[Fraction]) -> Walls:
    """The planes through a face with the given shares."""
    every = np.zeros(len(signs))
    every[signs == 0] = [float(value) for value in share]
    return Walls(signs, every)


def shares(mixed: Mapping[int, Fraction], cells: Int[Array, "C k"]) -> list[Fraction]:
    """How much of a combination of cells is on the plus side of each plane."""
    return [
        sum((w for i, w in mixed.items() if cells[i, j] > 0), Fraction(0))
        for j in range(cells.shape[1])
    ]


def _sides(height: Array, signs: Int[Array, " m"]) -> list[int]:
    """1 where heights have the face's signs on the other planes, −1 where they have the opposite ones."""
    found = signs_of(height)
    other = signs != 0
    return [side for side in (1, -1) if (side * found[other] == signs[other]).all()]


def _change(
    meet: Array, plus: Array, minus: Array, columns: list[int], rest: Array, unit: int
) -> tuple[bool, bool]:
    """Whether the one-sided derivative of g at u is somewhere positive, or negative.

    Off the face g changes to first order by a function linear on each cell of the planes `meet`, so its
    extreme values have the signs of those on the rays of these cells. `rest`: slope less w.
    """
    ray = rays(meet[:, columns])
    ray = np.vstack([ray, -ray])
    height = ray.dot(meet[:, columns].T)
    change = ray.dot(rest[columns]) + unit * (np.where(height > 0, plus, minus) * height).sum(
        axis=1
    )
    return bool((change > 0).any()), bool((change < 0).any())


def inside(lines: ExactLines, signs: Int[Array, " m"]) -> Array:
    """(d,) integers along a direction of the relative interior of a face."""
    space = kernel(lines.axis[signs == 0])
    other = signs != 0
    rows = (lines.axis[other] * signs[other, None].astype(object)).dot(space.T)
    return np.asarray(cone(rows)[0].dot(space))
