"""All KKT points of the constrained NCF of one neuron by cell enumeration, for small d.

The data hyperplanes cut the sphere into at most 2 Σ_{i<d} C(n−1, i) cells; in each the NCF has one
formula. Exact up to rounding: positions to 1e-8, memberships to 1e-9.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.arrangement import cell_bound, rank_of
from workbench.theory.cells_squared import squared_points
from workbench.theory.cells_two_layer import two_layer_points
from workbench.theory.draft import certified
from workbench.theory.lines import Lines, merge_lines
from workbench.theory.ncf import NeuronKind
from workbench.theory.result import KktSet, by_value

CAP = 100_000
"""Most cells that are enumerated unless asked otherwise."""


WORK = 50
"""Most faces that are built while enumerating, in units of the cap."""


def refusal(lines: Lines, kind: NeuronKind, cap: int) -> str | None:
    """Why merged lines are too many to enumerate under the cap, or None."""
    axis = lines.axis[lines.kinked]
    rank = rank_of(axis)
    cells = cell_bound(len(axis), rank)
    if cells > cap:
        return f"up to {cells:,} cells, above the cap of {cap:,}"
    squared = kind is NeuronKind.SQUARED_RELU
    faces = 2 * comb(len(axis), max(rank - 1, 0)) * (2 if squared else 3) ** max(rank - 1, 0)
    if faces > WORK * cap:
        return f"up to {faces:,} faces to build, above {WORK} times the cap of {cap:,}"
    if squared and cells * lines.dimension**2 > WORK * cap:
        return f"{cells:,} eigenvalue problems of size {lines.dimension}, too many for the cap"
    return None


def kkt_cells(
    x: Float[Array, "n d"],
    z: Float[Array, " n"],
    kind: NeuronKind,
    leak: float = 0.0,
    *,
    cap: int = CAP,
    cancel: Callable[[], bool] | None = None,
) -> KktSet:
    """Every KKT point of max N_{z,H}(w), ‖w‖ = 1, if there can be no more than `cap` cells.

    Basins are not computed (nan). Flat sets are reported with one member each.

    Above the cap, and when `cancel()` turns true, the set says that it is not complete and why; it
    is then empty, or holds what was found.

    Raises:
        ValueError: the data or the leak is unusable.
    """
    lines = merge_lines(x, z, kind, leak)
    axis = lines.axis[lines.kinked]
    bound = cell_bound(len(axis), rank_of(axis))
    statistics = {"lines": float(len(lines.axis)), "cell_bound": float(bound)}
    d = lines.dimension
    reason = refusal(lines, kind, cap)
    if reason is not None:
        return KktSet((), "exact", False, reason, kind, leak, d, statistics=statistics)
    search = squared_points if kind is NeuronKind.SQUARED_RELU else two_layer_points
    drafts, finished = search(lines, cancel)
    points = certified(drafts, lines, kind)
    statistics["max_residual"] = max((point.residual for point in points), default=0.0)
    reason = "every cell was examined" if finished else "cancelled"
    return KktSet(
        by_value(points), "exact", finished, reason, kind, leak, d, not finished, statistics
    )
