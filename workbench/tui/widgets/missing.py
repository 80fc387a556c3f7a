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
    """The values y (K,) or (K, H) over x (K,) that cannot be drawn, and where in the plot they belong.

    A value whose x is no number is counted as NaN and marked nowhere. Values outside the x view
    are not counted.
    """
    size = min(x.size, y.shape[0])
    x, y = x[:size], y[:size] if y.ndim == 2 else y[:size, None]
    kind = plot.y.kind
    strays = np.isnan(x) | (x == np.inf)
    if y.size == 0 or not (
        strays.any() or not np.isfinite(y).all() or (kind is Kind.LOG and float(y.min()) <= 0)
    ):
        return Missing()
    column = plot.columns_of(x)
    with np.errstate(invalid="ignore"):
        seen = (column >= plot.left) & (column < plot.origin + plot.width)
        # On an axis of logarithms −∞ is that of 0.
        low = plot.y.below(y) & ((kind is Kind.POWER) | (y > -np.inf))
        cases = (np.isnan(y), y == np.inf, (y == -np.inf) & ~low, low)
    nan, above, under, low = (np.asarray(case & seen[:, None]).sum(axis=1) for case in cases)

    def columns(count: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.unique(column[count > 0]).astype(np.int64) if count.any() else _NOWHERE

    return Missing(
        int(nan.sum()) + int(strays.sum()) * y.shape[1],
        int(above.sum()),
        int(under.sum()),
        int(low.sum()),
        columns(above),
        columns(under + low),
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
