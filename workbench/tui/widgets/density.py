"""Where many neurons are over time: a density for each column, one log colour scale for all.

A column shows the neurons at a few records that fall into it. How many is bounded by a budget of
samples, so that 10,000 neurons over 10,000 records cost no more than a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets import numbers
from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.chart import VLine, draw_empty, draw_vline
from workbench.tui.widgets.frame import PlotArea, draw_axes, draw_title, lane_of, lay_out
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.scale import Axis, Floats, Kind, axis, finite_range, snapped, y_range

BUDGET = 250_000
"""At most this many samples are counted for one picture."""


@dataclass(frozen=True, eq=False)
class DensityModel:
    """Values of many neurons over x: `x` (T,) ascending, `values` (T, H); `lane` as of `ChartModel`."""

    title: str = ""
    x: Floats | None = None
    values: NDArray[np.floating] | None = None
    x_kind: Kind = Kind.LINEAR
    y_kind: Kind = Kind.ANGLE
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_name: str = ""
    readout: str = ""
    lines: tuple[VLine, ...] = ()
    cursor: float | None = None
    gutter: int = 7
    empty: str = "no record yet"
    lane: str | None = None


def sample_rows(x: Floats, shown: Axis, columns: int, per_column: int) -> NDArray[np.int64]:
    """Record indices for each column, shape (columns, per_column); −1 where there are no records.

    The last record of a column is always one of them. Columns without records between the first and
    the last one repeat the record before.
    """
    edges = shown.edges(columns)
    bounds = np.searchsorted(x, edges, side="left")
    bounds[-1] = np.searchsorted(x, edges[-1], side="right")
    start, stop = bounds[:-1], bounds[1:]
    t = np.arange(per_column) / per_column
    rows = (stop - 1)[:, None] - ((stop - start)[:, None] * t).astype(np.int64)
    # An empty column repeats the record before, as long as records go on after it.
    held = np.where((stop > 0) & (stop < x.size), stop - 1, -1)
    return np.where((stop > start)[:, None], rows, held[:, None])


def density(
    values: NDArray[np.floating], rows: NDArray[np.int64], y: Axis, bins: int, stride: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean number of neurons in each (bin, column), bin 0 on top, and how many values of each column are
    NaN or ±∞.

    `rows` (columns, k) are the records to count for each column, −1 for none; every `stride`-th
    neuron is taken and stands for `stride` of them.
    """
    columns = rows.shape[0]
    column, seen = np.nonzero(rows >= 0)
    taken = values[rows[column, seen], ::stride].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        place = (1 - y.fraction(taken)) * bins
        inside = (place >= 0) & (place <= bins)
    bin_ = np.minimum(np.where(inside, place, 0).astype(np.int64), bins - 1)
    cell = bin_ * columns + column[:, None]
    counts = np.bincount(cell[inside], minlength=bins * columns).reshape(bins, columns)
    records = np.maximum(1, np.bincount(column, minlength=columns))
    lost = np.bincount(column, weights=(~np.isfinite(taken)).sum(axis=1), minlength=columns)
    return counts * (stride / records), lost.astype(np.int64)


def scale_ends(neurons: int, bins: int, most: float) -> tuple[float, float]:
    """The counts of the darkest and the brightest colour.

    A quarter of an even spread, and a third of all neurons in one bin. They depend on the size of
    the problem only, so that colours mean the same from frame to frame, unless more gather.
    """
    low = max(neurons / max(1, bins) / 4, 0.25)
    return low, max(neurons / 3, most, low * 4)


def levels(counts: NDArray[np.float64], steps: int, low: float, high: float) -> NDArray[np.intp]:
    """Colour steps of counts on a log scale: 0 only for empty, the last one from `high` on."""
    first = 1 if steps < 12 else 2
    with np.errstate(divide="ignore"):
        log = np.clip(np.log(counts / low) / np.log(high / low), 0.0, 1.0)
    found = first + np.rint(log * (steps - 1 - first)).astype(np.intp)
    return np.where(counts > 0, found, 0)


def draw_density(
    model: DensityModel | None, width: int, height: int, palette: Palette
) -> tuple[Grid, PlotArea | None]:
    """The picture of a density, and where its parts are (None when there is nothing to show)."""
    grid = Grid(width, height, palette)
    if model is None or model.x is None or model.values is None or model.values.size == 0:
        draw_empty(grid, model.title if model else "", model.empty if model else "no record yet")
        return grid, None
    if model.x.size > 1 and not (model.x[1:] >= model.x[:-1]).all():
        order = np.argsort(model.x, kind="stable")
        model = replace(model, x=model.x[order], values=model.values[order])
    x, values = model.x, model.values
    assert x is not None
    assert values is not None
    if model.x_range is None:
        made = axis(
            model.x_kind, *(finite_range([x], positive=model.x_kind is Kind.LOG) or (1.0, 10.0))
        )
        high = snapped(model.x_kind, made.low, made.high, parts=48)[1]
        x_axis = axis(model.x_kind, made.low, max(high, made.high))
    else:
        x_axis = axis(model.x_kind, *model.x_range)
    found = model.y_range
    if found is None:
        found = y_range(model.y_kind, finite_range([np.asarray(values[-1], dtype=np.float64)]))
    plot = lay_out(
        width,
        height,
        x_axis,
        axis(model.y_kind, *found),
        palette,
        gutter=model.gutter,
        title=bool(model.title or model.readout),
        lane=lane_of(model.x_kind, [x]) if model.lane is None else model.lane,
    )
    draw_axes(grid, plot, model.x_name)
    if plot.width < 1 or plot.rows < 1:
        return grid, plot
    bins, steps = plot.rows * 2, len(palette.density()[0])
    size, neurons = min(x.size, values.shape[0]), values.shape[1]
    stride = max(1, -(-neurons * plot.width // BUDGET))
    per_column = int(np.clip(BUDGET * stride // (plot.width * neurons), 1, 4))
    rows = sample_rows(x[:size], plot.x, plot.width, per_column)
    counts, lost = density(values, rows, plot.y, bins, stride)
    low, high = scale_ends(neurons, bins, float(counts.max()))
    grid.pixels(plot.top, plot.origin, levels(counts, steps, low, high))
    if plot.lane:
        first, lost_there = density(values, lane_rows(x[:size], plot.x), plot.y, bins, stride)
        grid.pixels(plot.top, plot.left, levels(first, steps, low, high))
        mark_lost(grid, plot, plot.left, lost_there)
        lost = np.append(lost, lost_there)
    mark_lost(grid, plot, plot.origin, lost[: plot.width])
    cursor = (VLine(model.cursor),) if model.cursor is not None else ()
    for line in (*model.lines, *cursor):
        draw_vline(grid, plot, line, over=True)
    draw_title(grid, plot, model.title, lost_note(lost), (), model.readout)
    _draw_scale(grid, plot, palette, low, high)
    return grid, plot


def lane_rows(x: Floats, shown: Axis) -> NDArray[np.int64]:
    """The last record at x ≤ 0, for the lane of a log axis: (1, 1), −1 for none."""
    return np.array([[int(shown.below(x).sum()) - 1]])


def mark_lost(grid: Grid, plot: PlotArea, start: int, lost: NDArray[np.int64]) -> None:
    """A cross under every column, from `start` on, in which values have no place."""
    for column in np.flatnonzero(lost).tolist():
        grid.text(plot.top + plot.rows - 1, start + column, "×", "warn")


def lost_note(lost: NDArray[np.int64]) -> str:
    """How many of the values drawn are NaN or ±∞, for the title row."""
    return f"not finite×{int(lost.sum()):,}" if lost.any() else ""


def _draw_scale(grid: Grid, plot: PlotArea, palette: Palette, low: float, high: float) -> None:
    """The colour scale at the right of the title row, when there is room."""
    inks, ramp = palette.density()
    before, after = f"{low:.2g} ", f" {numbers.short(round(high))}"
    picks = np.linspace(2 if len(inks) >= 12 else 1, len(inks) - 1, 8).round().astype(int).tolist()
    end = plot.left + plot.columns
    start = end - len(before) - len(picks) - len(after)
    if plot.top == 0 or not grid.free(0, start - 2, end - start + 2):
        return
    column = grid.text(0, start, before, "dim")
    for pick in picks:
        glyph = ramp[pick] if not palette.fine else "█"
        column = grid.text(0, column, glyph, f"#{int(inks[pick]):06x}")
    grid.text(0, column, after, "dim")


class DensityChart(Pointed[DensityModel]):
    """Density over time with axes and the shared cursor."""

    def draw(self, model: DensityModel | None, width: int, height: int) -> Grid:
        grid, self.plot = draw_density(model, width, height, self.palette)
        return grid
