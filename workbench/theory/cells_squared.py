"""KKT points of one squared-ReLU neuron by enumeration of the cells of {x_i·u = 0}."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.draft import Draft
from workbench.theory.flat_sets import contains, distinct, hull_basis, joined
from workbench.theory.lines import Lines
from workbench.theory.piecewise_quadratic import (
    IN_CELL,
    PiecewiseQuadratic,
    critical_directions,
    extreme_values,
)
from workbench.theory.result import FlatExtent, PointKind

SAME = 1e-8
"""KKT points closer than this are one."""

CURVED = 1e-11
"""Second-order changes below this share of the scale count as zero."""


def quadratic(lines: Lines) -> PiecewiseQuadratic:
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


def squared_points(
    lines: Lines, cancel: Callable[[], bool] | None = None
) -> tuple[list[Draft], bool]:
    """All KKT points (KH24 eq. (6) for one neuron), and whether the search was finished."""
    q = quadratic(lines)
    if lines.dimension == 1:
        return _on_two_points(q), True
    found = critical_directions(q, cancel)
    drafts: list[Draft] = []
    isolated = found.points[distinct(found.points, SAME)]
    for group in joined(found.pieces, q):
        extent = FlatExtent("face", None, hull_basis(group))
        drafts.append(Draft(group[0].point, "flat", extent))
        for piece in group:
            isolated = isolated[~contains(piece, isolated, q.axis)]
    drafts += [Draft(u, kind_of(u, q)) for u in isolated]
    return drafts, found.finished


def kind_of(u: Float[Array, " d"], q: PiecewiseQuadratic) -> PointKind:
    """Kind of an isolated critical direction by the second-order change over all tangents.

    N is piecewise quadratic and C¹, so along every great circle from u it is N + sin²t·Q(h) with Q
    the change of `PiecewiseQuadratic.around`: the signs of its extreme values decide.
    """
    least, largest = extreme_values(q.around(u))
    if largest < -CURVED * q.scale:
        return "max"
    return "min" if least > CURVED * q.scale else "saddle"


def _on_two_points(q: PiecewiseQuadratic) -> list[Draft]:
    """d = 1: the sphere is {1, −1} and both are critical."""
    ends = np.array([[1.0], [-1.0]])
    first, second = q.value(ends)
    if abs(first - second) <= IN_CELL * q.scale:
        return [Draft(end, "max") for end in ends]
    kinds: tuple[PointKind, PointKind] = ("max", "min") if first > second else ("min", "max")
    return [Draft(end, kind) for end, kind in zip(ends, kinds, strict=True)]
