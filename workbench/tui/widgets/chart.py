"""Curves over a shared x axis: risk, margins, angles.

`draw_chart` is the picture as a pure function of the model and the size; `LineChart` is the widget.
Values that have no place (NaN, ±∞, ≤ 0 on a log axis) are counted in the title row and marked at
the edge of the plot in the column in which they occur.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Literal

import numpy as np

from workbench.tui.widgets.bundle import Bundle, bundle_dots
from workbench.tui.widgets.cells import Dots, Grid, text_width
from workbench.tui.widgets.decimate import decimate, spans
from workbench.tui.widgets.frame import PlotArea, draw_axes, draw_title, lane_of, lay_out
from workbench.tui.widgets.missing import Missing, count_missing, draw_missing
from workbench.tui.widgets.palette import Depth, Palette
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.scale import Axis, Floats, Kind, axis, finite_range, snapped, y_range

CurveStyle = Literal["line", "dots"]
Dash = tuple[int, int] | None


@dataclass(frozen=True, eq=False)
class Curve:
    """One series: x and y of equal length, a colour name of the palette, a legend label."""

    x: Floats
    y: Floats
    color: str = "cyan"
    label: str = ""
    style: CurveStyle = "line"


@dataclass(frozen=True, eq=False)
class Band:
    """A tinted region between two series, `tint` one of outer, inner, alert."""

    x: Floats
    low: Floats
    high: Floats
    tint: str = "outer"


@dataclass(frozen=True)
class Marker:
    """A character at a point."""

    x: float
    y: float
    glyph: str = "◆"
    color: str = "purple"


@dataclass(frozen=True)
class VLine:
    """A vertical line: the shared cursor, or a checkpoint or saddle with a faint colour."""

    x: float
    color: str = "cursor"
    glyph: str = "┊"


@dataclass(frozen=True, eq=False)
class ChartModel:
    """Everything a line chart shows. Never changed after it is made.

    `y_kind` POWER: the values are log10 already. Ranges left None are found from the data, and
    rounded outward so that they rest while data grow; y spans at least `least`. `lane`: what the column
    for x ≤ 0 beside a log axis is called, empty for none, None: as the data need. `gutter` is a smallest
    width of the y labels, to align stacked charts. `cursor` is an x.
    """

    title: str = ""
    curves: tuple[Curve, ...] = ()
    bands: tuple[Band, ...] = ()
    markers: tuple[Marker, ...] = ()
    lines: tuple[VLine, ...] = ()
    x_kind: Kind = Kind.LINEAR
    y_kind: Kind = Kind.LINEAR
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    x_name: str = ""
    readout: str = ""
    zero: bool = False
    cursor: float | None = None
    gutter: int = 7
    empty: str = "no record yet"
    bundles: tuple[Bundle, ...] = ()
    lane: str | None = None
    least: float = 0.0


def draw_chart(
    model: ChartModel | None, width: int, height: int, palette: Palette
) -> tuple[Grid, PlotArea | None]:
    """The picture of a chart, and where its parts are (None for an empty chart)."""
    grid = Grid(width, height, palette)
    if model is None or not (
        any(curve.x.size and curve.y.size for curve in model.curves)
        or any(bundle.x.size and bundle.values.size for bundle in model.bundles)
    ):
        draw_empty(grid, model.title if model else "", model.empty if model else "no record yet")
        return grid, None
    x_axis, lane = _x_axis(model), _lane(model)
    plot = lay_out(
        width,
        height,
        x_axis,
        axis(model.y_kind, *(model.y_range or _found_y(model, x_axis, bool(lane)))),
        palette,
        gutter=model.gutter,
        title=bool(model.title or model.readout),
        lane=lane,
    )
    draw_axes(grid, plot, model.x_name)
    if plot.width < 1 or plot.rows < 1:
        return grid, plot
    missing = _draw_all(grid, plot, model)
    if model.zero or (model.y_kind is Kind.ANGLE and plot.rows > 12):
        _draw_zero(grid, plot)
    for marker in model.markers:
        row, column = plot.row(marker.y), plot.column(marker.x)
        if row is not None and column is not None:
            grid.text(row, column, marker.glyph, marker.color)
    cursor = (VLine(model.cursor),) if model.cursor is not None else ()
    for line in (*model.lines, *cursor):
        draw_vline(grid, plot, line)
    legend = tuple(
        (_legend_glyph(palette, curve, _dashes(model, palette)), curve.label, curve.color)
        for curve in model.curves
        if curve.label
    )
    draw_title(grid, plot, model.title, missing.note(), legend, model.readout)
    return grid, plot


def _draw_all(grid: Grid, plot: PlotArea, model: ChartModel) -> Missing:
    """Bands, bundles and curves; returns what of them has no place, once it is marked."""
    drawn: list[tuple[str, Floats, Floats]] = []
    for band in model.bands:
        _draw_band(grid, plot, band)
        drawn += [("warn", band.x, band.low), ("warn", band.x, band.high)]
    for bundle in model.bundles:
        grid.dots(plot.top, plot.origin, bundle_dots(bundle, plot), bundle.color)
        _draw_lane(grid, plot, bundle.x, bundle.values, bundle.color)
        if not bundle.gaps:
            drawn.append((bundle.color, bundle.x, bundle.values))
    dashes = _dashes(model, grid.palette)
    for curve in model.curves:
        _draw_curve(grid, plot, curve, dashes[curve.color])
        drawn.append((curve.color, curve.x, curve.y))
    missing = Missing()
    for color, x, y in drawn:
        found = count_missing(x, y, plot)
        draw_missing(grid, plot, color, found)
        missing = missing + found
    return missing


def _dashes(model: ChartModel, palette: Palette) -> dict[str, Dash]:
    """The dash of each colour of a chart, by order of appearance; the minimum is always solid."""
    colors = dict.fromkeys(curve.color for curve in model.curves)
    others = [color for color in colors if color != "min"]
    return {"min": None} | {color: palette.dash(i) for i, color in enumerate(others)}


def _legend_glyph(palette: Palette, curve: Curve, dashes: dict[str, Dash]) -> str:
    """A short stroke, or where curves are told apart by marks or dashes, one of those."""
    if palette.ascii:
        return palette.mark(curve.color) if palette.depth is Depth.NONE else "-"
    return "┅" if dashes[curve.color] else "━"


def draw_empty(grid: Grid, title: str, reason: str) -> None:
    """The title, and in the middle why there is nothing to see."""
    if grid.height >= 3:
        grid.text(0, min(1, grid.width), title, "text")
    lines = wrap(grid.palette.say(reason), max(1, grid.width)) or [""]
    top = max(0, (grid.height - len(lines) + 1) // 2)
    for row, words in enumerate(lines, start=top):
        if row < grid.height:
            grid.text(row, max(0, (grid.width - text_width(words)) // 2), words, "dim")


def draw_vline(grid: Grid, plot: PlotArea, line: VLine, over: bool = False) -> None:
    """A vertical line through the free cells of the plot; `over`: through blank ones too."""
    column = plot.column(line.x)
    if column is not None:
        for row in range(plot.top, plot.top + plot.rows):
            grid.line_glyph(row, column, line.glyph, line.color, over)


def _lane(model: ChartModel) -> str:
    """What the lane for x ≤ 0 is called."""
    if model.lane is not None:
        return model.lane
    return lane_of(model.x_kind, _drawn_x(model)) if model.x_range is None else ""


def _drawn_x(model: ChartModel) -> list[Floats]:
    """The x of all that is drawn, each array once."""
    drawn = [curve.x for curve in model.curves] + [bundle.x for bundle in model.bundles]
    return list({id(x): x for x in drawn}.values())


def _x_axis(model: ChartModel) -> Axis:
    """The x axis."""
    if model.x_range is not None:
        return axis(model.x_kind, *model.x_range)
    found = finite_range(_drawn_x(model), positive=model.x_kind is Kind.LOG) or (1.0, 10.0)
    made = axis(model.x_kind, *found)
    if model.x_kind is Kind.ANGLE:
        return made
    high = snapped(model.x_kind, made.low, made.high, parts=48)[1]
    # The start is kept exact: rounding is for the growing end.
    return axis(model.x_kind, made.low, max(high, made.high))


def _found_y(model: ChartModel, x_axis: Axis, lane: bool) -> tuple[float, float]:
    """The y range of what is in view."""
    if model.y_kind is Kind.ANGLE:
        return y_range(model.y_kind, None)
    arrays = [_in_view(c.x, c.y, x_axis, lane) for c in model.curves]
    arrays += [_in_view(b.x, b.values, x_axis, lane) for b in model.bundles]
    for band in model.bands:
        arrays += [_in_view(band.x, side, x_axis, lane) for side in (band.low, band.high)]
    found = finite_range(arrays, positive=model.y_kind is Kind.LOG)
    if model.zero and found is not None and model.y_kind is Kind.LINEAR:
        found = min(found[0], 0.0), max(found[1], 0.0)
    return y_range(model.y_kind, found, model.least)


def _in_view(x: Floats, y: Floats, x_axis: Axis, lane: bool) -> Floats:
    """The values y (K,) or (K, H) over the x axis' range, with where their lines enter and leave it, and
    those in the lane; for x that do not ascend, all of them."""
    size = min(len(x), len(y))
    if size == 0 or not x[0] <= x[size - 1] or x_axis.low <= x[0] <= x[size - 1] <= x_axis.high:
        return y[:size]
    low = int(np.searchsorted(x[:size], x_axis.low, side="left"))
    high = int(np.searchsorted(x[:size], x_axis.high, side="right"))
    seen = [y[low:high]]
    for after, edge in ((low, 0.0), (high, 1.0)):
        if 0 < after < size:
            left, right = x_axis.fraction(x[after - 1 : after + 1])
            part = (edge - left) / (right - left) if right > left else 1.0
            with np.errstate(invalid="ignore"):
                seen.append((y[after - 1] * (1 - part) + y[after] * part)[None])
    if lane:
        seen.append(y[:size][x_axis.below(x[:size])])
    return np.concatenate(seen)


def _draw_zero(grid: Grid, plot: PlotArea) -> None:
    """A dotted line at y = 0, one dot every other cell, where nothing else is."""
    place = float(plot.y.fraction(np.zeros(1))[0])
    if 0 <= place <= 1:
        row, dot = divmod(round((1 - place) * (plot.rows * 4 - 1)), 4)
        glyph = "." if grid.palette.ascii else "⠁⠂⠄⡀"[dot]
        for column in range(plot.origin, plot.left + plot.columns, 2):
            grid.line_glyph(plot.top + row, column, glyph, "dim")


def _rows_of(values: Floats, y: Axis, rows: int) -> Floats:
    """Values turned into fractional dot rows, counted downwards."""
    placed = (1 - y.fraction(values)) * (rows * 4 - 1)
    # What a log axis has no place for is marked by the caller: here it leaves the picture.
    return np.where(np.isnan(placed), 1e6, placed) if y.kind is Kind.LOG else placed


def _raster(curve: Curve, plot: PlotArea, y: Floats) -> Dots:
    """The dots of one curve over the x axis proper."""
    width, height = plot.width * 2, plot.rows * 4
    columns = decimate(curve.x, y, plot.x, width)
    rows = _rows_of(columns.values, plot.y, plot.rows)
    index, top, low = spans(columns, rows, width, join=curve.style == "line")
    dots = np.zeros((height, width), dtype=np.bool_)
    level = np.arange(height)[:, None]
    dots[:, index] = (level >= top) & (level <= low)
    return dots


def _draw_curve(grid: Grid, plot: PlotArea, curve: Curve, dash: Dash) -> None:
    """A curve, and its values at x ≤ 0 in the lane of a log axis."""
    size = min(curve.x.size, curve.y.size)
    curve = replace(curve, x=curve.x[:size], y=curve.y[:size])
    y = curve.y
    if plot.y.kind is Kind.LOG and size and not float(y.min()) > 0:
        y = np.where(y > 0, y, np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        turns = np.abs(np.diff(y)) > np.pi if plot.y.kind is Kind.ANGLE and size > 1 else None
    if turns is not None and turns.any():
        # A step over ±π is no line across the chart: pieces between turns are drawn by twos, each
        # broken where the other one goes on.
        piece = np.concatenate([[0], np.cumsum(turns)]) % 2
        dots = _raster(curve, plot, np.where(piece == 0, y, np.nan))
        dots |= _raster(curve, plot, np.where(piece == 1, y, np.nan))
    else:
        dots = _raster(curve, plot, y)
    if dash is not None:
        dots[:, np.arange(dots.shape[1]) % (dash[0] + dash[1]) >= dash[0]] = False
    grid.dots(plot.top, plot.origin, dots, curve.color)
    _draw_lane(grid, plot, curve.x, y, curve.color)


def _draw_lane(grid: Grid, plot: PlotArea, x: Floats, y: Floats, ink: str) -> None:
    """The values y (K,) or (K, H) at x ≤ 0, in the lane of a log axis."""
    if not plot.lane:
        return
    values = y[plot.x.below(x[: len(y)])].ravel()
    with np.errstate(invalid="ignore"):
        places = (1 - plot.y.fraction(values)) * (plot.rows * 4 - 1)
        places = places[(places >= 0) & (places <= plot.rows * 4 - 1)]
    if places.size:
        lane = np.zeros((plot.rows * 4, 2), dtype=np.bool_)
        lane[np.rint(places).astype(int)] = True
        grid.dots(plot.top, plot.left, lane, ink)


def _draw_band(grid: Grid, plot: PlotArea, band: Band) -> None:
    """The tint between two series, in half cells."""
    columns, height = plot.width, plot.rows * 2
    mask = np.zeros((height, columns), dtype=np.bool_)
    sides = []
    for values in (band.high, band.low):
        found = decimate(band.x, values, plot.x, columns)
        if found.size == 0:
            return
        edge = found.high if values is band.high else found.low
        place = (1 - plot.y.fraction(edge)) * height
        sides.append(np.interp(np.arange(columns), found.index, place, left=np.nan, right=np.nan))
    level = np.arange(height)[:, None] + 0.5
    with np.errstate(invalid="ignore"):
        mask = (level >= sides[0]) & (level <= sides[1])
    grid.tint(plot.top, plot.origin, mask, band.tint)
    before = np.flatnonzero(plot.x.below(band.x)) if plot.lane else np.zeros(0, dtype=np.int64)
    if before.size:
        top, bottom = (
            (1 - plot.y.fraction(v[before[-1:]])) * height for v in (band.high, band.low)
        )
        grid.tint(plot.top, plot.left, (level >= top) & (level <= bottom), band.tint)


class LineChart(Pointed[ChartModel]):
    """Curves with axes, legend and a cursor shared with other charts."""

    def draw(self, model: ChartModel | None, width: int, height: int) -> Grid:
        grid, self.plot = draw_chart(model, width, height, self.palette)
        self.draw_box(grid)
        return grid
