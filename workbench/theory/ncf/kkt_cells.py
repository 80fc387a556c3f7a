"""All KKT points of the constrained NCF of one neuron by cell enumeration, for small d.

The data hyperplanes cut the sphere into at most 2 Σ_{i<d} C(n−1, i) cells; in each the NCF has one
formula. Which faces there are, which point lies in which, and of what kind it is are decided exactly about
the inputs and labels as the floats they are, but for the tolerances of `merged_lines.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb

from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.ncf.candidates import certified
from workbench.theory.ncf.cells_squared import squared_points
from workbench.theory.ncf.cells_two_layer import two_layer_points
from workbench.theory.ncf.merged_lines import examined
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind
from workbench.theory.ncf.result import KktSet, by_value, largest_residual
from workbench.theory.numerics.arrangement import cell_bound
from workbench.theory.numerics.exact_linear import independent
from workbench.theory.numerics.integers import integers
from workbench.theory.numerics.outcome import End, Outcome

CAP = 100_000
"""Most cells that are enumerated unless asked otherwise."""


WORK = 50
"""Most faces that are built while enumerating, in units of the cap."""

NUMBERS = 10_000
"""Most signs of faces that are held at once, in units of the cap."""


def rank_of(axis: Float[Array, "m d"], enough: int) -> int:
    """Exact rank of rows, or at least `enough`."""
    goal, rank = min(enough, axis.shape[1]), 0
    for some in (axis[: 4 * goal], axis):
        if rank < goal:
            rank = len(independent(integers(some, by_row=True)[0], goal)[0])
    return rank


def _rank_under(axis: Float[Array, "m d"], cap: int) -> int:
    """The rank of the lines, or the first rank that has more cells than the cap."""
    m, d = axis.shape
    most = next((r for r in range(1, min(m, d) + 1) if cell_bound(m, r) > cap), min(m, d))
    return rank_of(axis, most)


def refusal(ncf: Ncf, cap: int) -> str | None:
    """Why the merged lines are too many to enumerate under the cap, or None."""
    lines = ncf.merged_lines
    rows = lines.source.x[lines.kinked]
    m, rank = len(rows), _rank_under(rows, cap)
    cells = cell_bound(m, rank)
    if cells > cap:
        return f"up to {cells:,} cells, above the cap of {cap:,}"
    squared = ncf.kind is NeuronKind.SQUARED_RELU
    faces = 2 * comb(m, max(rank - 1, 0)) * (2 if squared else 3) ** max(rank - 1, 0)
    if faces > WORK * cap or faces * m > NUMBERS * cap:
        return f"up to {faces:,} faces of {m:,} signs to build, too many for the cap of {cap:,}"
    if squared and cells * lines.dimension**2 > WORK * cap:
        return f"{cells:,} eigenvalue problems of size {lines.dimension}, too many for the cap"
    return None


def kkt_cells(ncf: Ncf, *, cap: int = CAP, cancel: Callable[[], bool] | None = None) -> KktSet:
    """Every KKT point of max N_{z,H}(w), ‖w‖ = 1, if there can be no more than `cap` cells.

    Basins are not computed (nan). Flat sets are reported with one member each.

    Above the cap, when `cancel()` turns true, and where something could not be decided, the set says that
    it is not complete and why; it is then empty, or holds what was found.

    Raises:
        ValueError: the data or the leak is unusable.
    """
    lines, kind, d = ncf.merged_lines, ncf.kind, ncf.dimension
    statistics = {"lines": float(len(lines.axis))}
    reason = refusal(ncf, cap)
    if reason is not None:
        outcome = Outcome(End.OUT_OF_STEPS, 0, reason=reason)
        return KktSet((), "exact", False, reason, kind, d, outcome, statistics)
    rows = lines.source.x[lines.kinked]
    statistics["cell_bound"] = float(cell_bound(len(rows), rank_of(rows, d)))
    search = squared_points if kind is NeuronKind.SQUARED_RELU else two_layer_points
    candidates = search(ncf, cancel)
    points = certified(candidates.found, ncf)
    outcome = replace(candidates.outcome, residual=largest_residual(points))
    reason = outcome.why_not or examined("cell", lines)
    return KktSet(
        by_value(points), "exact", outcome.converged, reason, kind, d, outcome, statistics
    )
