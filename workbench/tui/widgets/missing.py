"""Values that have no place on a chart: counted, and marked at its edge."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.frame import PlotArea
from workbench.tui.widgets.scale import Floats, Kind

_NOWHERE: NDArray[np.int64] = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Missing:
    """How many values are NaN, +∞, −∞ or ≤ 0 on a log axis, and the cell columns they are in."""

    nan: int = 0
    above: int = 0
    below: int = 0
    low: int = 0
    top_columns: NDArray[np.int64] = field(default_factory=lambda: _NOWHERE)
    low_columns: NDArray[np.int64] = field(default_factory=lambda: _NOWHERE)
    nan_columns: NDArray[np.int64] = field(default_factory=lambda: _NOWHERE)

    def __add__(self, other: Missing) -> Missing:
        return Missing(
            self.nan + other.nan,
            self.above + other.above,
            self.below + other.below,
            self.low + other.low,
        )

    def note(self) -> str:
        """What is missing, for the title row: `NaN×3 +∞×1`."""
        parts = (("NaN", self.nan), ("+∞", self.above), ("−∞", self.below), ("≤0", self.low))
        return " ".join(f"{name}×{count}" for name, count in parts if count)


def count_missing(x: Floats, y: Floats, plot: PlotArea) -> Missing:
    """The values of a curve that cannot be drawn, and where in the plot they belong.

    A value whose x is not finite is counted as NaN and marked nowhere. Values outside the x view
    are not counted.
    """
    size = min(x.size, y.size)
    x, y = x[:size], y[:size]
    log = plot.y.kind is Kind.LOG
    if size == 0 or (np.isfinite(y).all() and np.isfinite(x).all() and not (log and y.min() <= 0)):
        return Missing()
    place = plot.x.fraction(x)
    if plot.lane:
        place = np.where(x <= 0, 0.0, place)
    with np.errstate(invalid="ignore"):
        seen = (place >= 0) & (place <= 1)
        nan, above = seen & np.isnan(y), seen & (y == np.inf)
        below, low = seen & (y == -np.inf), seen & log & (y <= 0) & (y > -np.inf)
    stray = int((~np.isfinite(x)).sum())

    def columns(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        if not mask.any():
            return _NOWHERE
        inside = np.minimum(place[mask] * plot.width, plot.width - 1).astype(np.int64)
        at = np.where(x[mask] <= 0, plot.left, plot.origin + inside) if plot.lane else None
        return np.unique(plot.origin + inside if at is None else at)

    return Missing(
        int(nan.sum()) + stray,
        int(above.sum()),
        int(below.sum()),
        int(low.sum()),
        columns(above),
        columns(below | low),
        columns(nan),
    )


def draw_missing(grid: Grid, plot: PlotArea, ink: str, missing: Missing) -> None:
    """Mark the columns: × for NaN and ▼ for too low on the last row, ▲ for +∞ on the first."""
    bottom = plot.top + plot.rows - 1
    marked = (
        (missing.nan_columns, bottom, "×"),
        (missing.low_columns, bottom, "▼"),
        (missing.top_columns, plot.top, "▲"),
    )
    for columns, row, glyph in marked:
        for column in columns.tolist():
            grid.text(row, column, glyph, ink)
