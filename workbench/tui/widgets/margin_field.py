"""The margins of very many samples over the run: where they are dense, and which samples those are.

A cell's lightness says how many samples are there. With an order given its colour says which: the mean
place, by the margin in the end, of the samples in it (JT20 Fig. 2 orders them so). Lines lie on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.chart import VLine, draw_empty, draw_vline
from workbench.tui.widgets.decimate import decimate, spans
from workbench.tui.widgets.density import (
    lane_rows,
    levels,
    lost_note,
    mark_lost,
    sample_rows,
    scale_ends,
)
from workbench.tui.widgets.frame import PlotArea, draw_axes, draw_title, lane_of, lay_out
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.scale import Axis, Floats, Kind, axis, finite_range, y_range

BUDGET = 250_000
"""At most this many margins are counted for one picture."""
RECORDS = 128
"""Records that are looked at for the range of the axis."""
STEPS = 64
"""Colours from the least place to the largest."""
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True, eq=False)
class FieldLine:
    """A series on top of the field: x and y of equal length, a colour name, a legend label."""

    x: Floats
    y: Floats
    color: str
    label: str = ""


@dataclass(frozen=True, eq=False)
class MarginFieldModel:
    """Margins over x: `x` (K,), `values` (K, n); `place` (n,) in 0..1 orders the samples, None: no order;
    `lane` as of `ChartModel`.

    `quantiles`: x (Q,) and `QUANTILES` (Q, 3) of all samples, where `values` holds only some of them.
    """

    title: str = ""
    x: Floats | None = None
    values: NDArray[np.floating] | None = None
    place: Floats | None = None
    quantiles: tuple[Floats, Floats] | None = None
    over: tuple[FieldLine, ...] = ()
    x_kind: Kind = Kind.LINEAR
    x_range: tuple[float, float] | None = None
    x_name: str = ""
    readout: str = ""
    lines: tuple[VLine, ...] = ()
    cursor: float | None = None
    gutter: int = 7
    empty: str = "no record yet"
    lane: str | None = None


def counts_and_places(
    taken: Floats, column: NDArray[np.int64], columns: int, y: Axis, bins: int, place: Floats
) -> tuple[Floats, Floats]:
    """Samples a record in each (bin, column), bin 0 on top, and their mean place (0 where none is).

    `taken` (r, m): margins at r records, which lie in the columns `column` (r,); `place` (m,).
    """
    with np.errstate(invalid="ignore", over="ignore"):
        at = (1 - y.fraction(taken)) * bins
        inside = (at >= 0) & (at <= bins)
    row = np.minimum(np.where(inside, at, 0).astype(np.int64), bins - 1)
    cell = (row * columns + column[:, None])[inside]
    count = np.bincount(cell, minlength=bins * columns).astype(np.float64)
    weight = np.broadcast_to(place, taken.shape)[inside]
    summed = np.bincount(cell, weights=weight, minlength=bins * columns)
    records = np.maximum(1, np.bincount(column, minlength=columns))
    mean = summed / np.maximum(count, 1)
    return count.reshape(bins, columns) / records, mean.reshape(bins, columns)


def field_inks(
    count: Floats, mean: Floats, low: float, high: float, palette: Palette
) -> NDArray[np.int64]:
    """An ink a half cell: the colour of its mean place, the lighter the more samples there are."""
    ramp = np.array([int(name[1:], 16) for name in palette.ranks(STEPS)])
    color = ramp[np.rint(np.clip(mean, 0, 1) * (STEPS - 1)).astype(np.intp)]
    with np.errstate(divide="ignore"):
        light = 0.3 + 0.7 * np.clip(np.log(count / low) / np.log(high / low), 0.0, 1.0)
    light = np.where(count > 0, light, 0.0)
    ground, inks = palette.ink("bg"), np.zeros(count.shape, dtype=np.int64)
    for shift in (16, 8, 0):
        back = ground >> shift & 255
        part = back + ((color >> shift & 255) - back) * light
        inks |= np.rint(part).astype(np.int64) << shift
    return inks


def draw_margin_field(
    model: MarginFieldModel | None, width: int, height: int, palette: Palette
) -> tuple[Grid, PlotArea | None]:
    """The picture, and where its parts are (None when there is nothing to show)."""
    grid = Grid(width, height, palette)
    if model is None or model.x is None or model.values is None or model.values.size == 0:
        draw_empty(grid, model.title if model else "", model.empty if model else "no record yet")
        return grid, None
    x, values = model.x, model.values
    if x.size > 1 and not (x[1:] >= x[:-1]).all():
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    found = model.x_range or finite_range([x], positive=model.x_kind is Kind.LOG) or (1.0, 10.0)
    x_axis = axis(model.x_kind, *found)
    plot = lay_out(
        width,
        height,
        x_axis,
        _y_axis(model, x, values, x_axis),
        palette,
        gutter=model.gutter,
        lane=lane_of(model.x_kind, [x]) if model.lane is None else model.lane,
    )
    draw_axes(grid, plot, model.x_name)
    if plot.width < 1 or plot.rows < 1:
        return grid, plot
    found_lines, lost = _draw_field(grid, plot, model, x, values)
    lines = [*found_lines, *model.over]
    for line in lines:
        _draw_line(grid, plot, line)
    cursor = (VLine(model.cursor),) if model.cursor is not None else ()
    for mark in (*model.lines, *cursor):
        draw_vline(grid, plot, mark, over=True)
    legend = tuple(("━", line.label, line.color) for line in reversed(lines) if line.label)
    draw_title(grid, plot, model.title, lost_note(lost), legend, model.readout)
    return grid, plot


def _y_axis(model: MarginFieldModel, x: Floats, values: NDArray[np.floating], x_axis: Axis) -> Axis:
    """The range of what is in view, 0 included; of many records, an even choice."""
    first = int(np.searchsorted(x, x_axis.low, side="left"))
    last = int(np.searchsorted(x, x_axis.high, side="right"))
    rows = np.unique(np.linspace(first, max(first, last - 1), RECORDS).astype(np.int64))
    seen = [np.asarray(values[np.clip(rows, 0, len(values) - 1)], dtype=np.float64)]
    seen += [line.y[(line.x >= x_axis.low) & (line.x <= x_axis.high)] for line in model.over]
    low, high = finite_range(seen) or (0.0, 1.0)
    return axis(Kind.LINEAR, *y_range(Kind.LINEAR, (min(low, 0.0), max(high, 0.0))))


def _draw_field(
    grid: Grid, plot: PlotArea, model: MarginFieldModel, x: Floats, values: NDArray[np.floating]
) -> tuple[list[FieldLine], NDArray[np.int64]]:
    """Lightness, and colours where an order is given and the terminal has them.

    Returns the quantiles' lines, and how many values of each column are no numbers.
    """
    bins, columns, samples = plot.rows * 2, plot.width, values.shape[1]
    stride = max(1, -(-samples * columns // BUDGET))
    per_column = int(np.clip(BUDGET * stride // (columns * samples), 1, 4))
    rows = sample_rows(x, plot.x, columns, per_column)
    column, which = np.nonzero(rows >= 0)
    if not column.size:
        return [], np.zeros(0, dtype=np.int64)
    taken = values[rows[column, which], ::stride].astype(np.float64)
    place = np.full(samples, 0.5) if model.place is None else model.place
    count, mean = counts_and_places(taken, column, columns, plot.y, bins, place[::stride])
    count *= stride
    low, high = scale_ends(samples, bins, float(count.max()))
    lost = np.bincount(column, (~np.isfinite(taken)).sum(axis=1), columns).astype(np.int64)
    _paint(grid, plot, plot.origin, model, (count, mean, low, high))
    mark_lost(grid, plot, plot.origin, lost)
    if plot.lane:
        row = int(lane_rows(x, plot.x)[0, 0])
        if row >= 0:
            there = values[[row], ::stride].astype(np.float64)
            found = counts_and_places(there, np.zeros(1, int), 1, plot.y, bins, place[::stride])
            _paint(grid, plot, plot.left, model, (found[0] * stride, found[1], low, high))
    return _quantile_lines(model, x, rows[column, 0], taken[which == 0], which == 0), lost


def _paint(
    grid: Grid,
    plot: PlotArea,
    start: int,
    model: MarginFieldModel,
    found: tuple[Floats, Floats, float, float],
) -> None:
    """Counts and mean places (bins, columns) from a cell column on; low and high end the scale of counts."""
    count, mean, low, high = found
    if model.place is None or not grid.palette.fine:
        steps = len(grid.palette.density()[0])
        grid.pixels(plot.top, start, levels(count, steps, low, high))
    else:
        grid.colors(plot.top, start, field_inks(count, mean, low, high, grid.palette))


def _quantile_lines(
    model: MarginFieldModel,
    x: Floats,
    newest: NDArray[np.int64],
    taken: Floats,
    chosen: NDArray[np.bool_],
) -> list[FieldLine]:
    """The recorded quantiles, else those of the newest record of every column."""
    if model.quantiles is not None:
        at, q = model.quantiles
        found = [np.asarray(line) for line in q.T]
    else:
        at = x[newest[chosen]]
        found = list(np.quantile(taken, QUANTILES, axis=1))
    label = ("", "10, 50, 90 %", "")
    return [
        FieldLine(at, line, color, text)
        for line, color, text in zip(found, ("text", "bright", "text"), label, strict=True)
    ]


def _draw_line(grid: Grid, plot: PlotArea, line: FieldLine) -> None:
    """A series in dots over the field, one piece from column to column."""
    height, width = plot.rows * 4, plot.width * 2
    found = decimate(line.x, line.y, plot.x, width)
    index, top, low = spans(found, (1 - plot.y.fraction(found.values)) * (height - 1), width)
    level = np.arange(height)[:, None]
    dots = np.zeros((height, width), dtype=np.bool_)
    dots[:, index] = (level >= top) & (level <= low)
    grid.dots_over(plot.top, plot.origin, dots, line.color)


class MarginField(Pointed[MarginFieldModel]):
    """Margins of many samples with axes and the shared cursor."""

    def draw(self, model: MarginFieldModel | None, width: int, height: int) -> Grid:
        grid, self.plot = draw_margin_field(model, width, height, self.palette)
        return grid
