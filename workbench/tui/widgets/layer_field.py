"""How far layers have aligned, over a run: a strip a layer, as bright as its ratio is near 1.

The colour counts digits: −log₁₀(1 − value), so that 0.9, 0.99 and 0.999 are equally far apart (JT19's ratios
tend to 1, and how fast is what one looks for). All strips share the scale below them and the x axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.chart import VLine, draw_empty, draw_vline
from workbench.tui.widgets.density import lane_rows, sample_rows
from workbench.tui.widgets.frame import LANE, PlotArea, draw_axes, draw_title, lane_of
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.scale import Floats, Kind, axis, finite_range
from workbench.tui.widgets.ticks import Ticks

MOST_DIGITS = 16
"""1 − value below the rounding of a float counts as this."""
ROUNDING = 13
"""From here on a ratio counts as 1."""
SCALES = (1, 2, 3, 4, 6, 8, 12, MOST_DIGITS)
"""Digits at which the colours can end: few, so that the scale rests while digits grow."""
TALLEST = 6
"""Cell rows of a strip at most."""
READOUT = 8
"""Columns at the right for the values at the cursor."""


@dataclass(frozen=True, eq=False)
class Strips:
    """Ratios that belong together: `values` (K, s) in [0, 1], NaN where there is none, and their names."""

    title: str
    names: tuple[str, ...]
    values: NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class LayerFieldModel:
    """Groups of strips over `x` (K,); `at` is the record (of the K) whose values are written; `lane` as of
    `ChartModel`."""

    title: str = ""
    x: Floats | None = None
    groups: tuple[Strips, ...] = ()
    at: int = -1
    x_kind: Kind = Kind.LINEAR
    x_range: tuple[float, float] | None = None
    x_name: str = ""
    lines: tuple[VLine, ...] = ()
    cursor: float | None = None
    empty: str = "no record yet"
    lane: str | None = None


@dataclass(frozen=True)
class Row:
    """What a stretch of cell rows shows: a group's title, or the strips (by place) under each other."""

    top: int
    height: int
    title: str = ""
    strips: tuple[tuple[int, ...], ...] = ()


def digits(values: NDArray[np.floating]) -> Floats:
    """−log₁₀(1 − value), between 0 and `MOST_DIGITS`; NaN stays NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -np.log10(np.maximum(1.0 - np.asarray(values, dtype=np.float64), 0.0))
    return np.clip(found, 0.0, MOST_DIGITS)


def full_scale(found: Floats) -> int:
    """The least of `SCALES` that holds the digits found, but for ratios that are 1 up to rounding: a row
    vector is of rank 1 from the start, and would make everything else dark."""
    known = found[np.isfinite(found) & (found < ROUNDING)]
    most = float(known.max()) if known.size else 0.0
    return next((scale for scale in SCALES if scale >= most), MOST_DIGITS)


def ratio_text(value: float) -> str:
    """A ratio in up to seven characters: `0.9731`, or `1−3e−7` where only the distance to 1 tells."""
    if np.isnan(value):
        return "–"
    left = 1.0 - value
    if left <= 0.0:
        return "1"
    if left >= 5e-4:
        return f"{value:.4f}"
    front, exponent = f"{left:.0e}".split("e")
    return f"1−{front}e−{abs(int(exponent))}"


def rows_of(groups: tuple[Strips, ...], height: int) -> list[Row]:
    """Divide `height` cell rows: titles while there is room, strips of equal height, else half rows, else
    neighbours share one, of which the least is shown."""
    sizes = [len(group.names) for group in groups]
    count = sum(sizes)
    if height < 1 or count < 1:
        return []
    titled = height >= count + len(groups)
    tall = min(TALLEST, (height - len(groups) * titled) // count) if height >= count else 0
    rows, top, place = [], 0, 0
    for group, size in zip(groups, sizes, strict=True):
        if titled:
            rows.append(Row(top, 1, group.title))
            top += 1
        if tall:
            for k in range(size):
                rows.append(Row(top, tall, strips=((place + k,),)))
                top += tall
        place += size
    if not tall:
        parts = np.array_split(np.arange(count), min(count, 2 * height))
        halves = [tuple(part.tolist()) for part in parts]
        rows += [Row(k // 2, 1, strips=tuple(halves[k : k + 2])) for k in range(0, len(halves), 2)]
    return rows


def draw_layer_field(
    model: LayerFieldModel | None, width: int, height: int, palette: Palette
) -> tuple[Grid, PlotArea | None]:
    """The picture, and where its parts are (None when there is nothing to show)."""
    grid = Grid(width, height, palette)
    if model is None or model.x is None or not model.x.size or not model.groups:
        draw_empty(grid, model.title if model else "", model.empty if model else "no record yet")
        return grid, None
    x = model.x
    values = np.concatenate([group.values for group in model.groups], axis=1).astype(np.float64)
    at = values[model.at]
    if x.size > 1 and not (x[1:] >= x[:-1]).all():
        order = np.argsort(x, kind="stable")
        x, values = x[order], values[order]
    plot = _plot(model, x, width, height, palette)
    if plot.width < 1 or plot.rows < 1:
        return grid, plot
    names = tuple(name for group in model.groups for name in group.names)
    found = digits(values)
    scale = full_scale(found)
    column = sample_rows(x, plot.x, plot.width, 1)[:, 0]
    if plot.lane:
        gap = np.full(plot.origin - plot.left - 1, -1)
        column = np.concatenate([lane_rows(x, plot.x)[0], gap, column])
    shown = np.where((column >= 0)[:, None], found[np.maximum(column, 0)], np.nan)
    for row in rows_of(model.groups, plot.rows):
        _draw_row(grid, plot, row, names, shown, scale, at)
    draw_axes(grid, plot, model.x_name)
    cursor = (VLine(model.cursor),) if model.cursor is not None else ()
    for line in (*model.lines, *cursor):
        draw_vline(grid, plot, line, over=True)
    draw_title(grid, plot, model.title)
    if height >= 8:
        _draw_scale(grid, height - 1, plot, scale)
    return grid, plot


def _plot(model: LayerFieldModel, x: Floats, width: int, height: int, palette: Palette) -> PlotArea:
    """Names at the left, values at the right, title above, x labels and scale below; the least goes first."""
    found = model.x_range or finite_range([x], positive=model.x_kind is Kind.LOG) or (1.0, 10.0)
    widest = max(text_width(palette.say(n)) for group in model.groups for n in group.names)
    left = min(widest + 2, 12) if width >= 20 else 0
    right = READOUT if width >= 32 else 0
    top, below = int(height >= 4), int(height >= 8)
    labels = height - top - below >= 4 and width >= 20
    rows = max(0, height - top - below - int(labels))
    columns = max(0, width - left - right)
    lane = lane_of(model.x_kind, [x]) if model.lane is None else model.lane
    return PlotArea(
        axis(model.x_kind, *found),
        axis(Kind.LINEAR, 0.0, 1.0),
        left,
        top,
        columns,
        rows,
        lane if columns > 4 * LANE else "",
        labels,
        Ticks(),
    )


def _draw_row(
    grid: Grid,
    plot: PlotArea,
    row: Row,
    names: tuple[str, ...],
    shown: Floats,
    scale: int,
    at: Floats,
) -> None:
    """A title; or strips with the name before and the value behind."""
    top, end = plot.top + row.top, plot.left + plot.columns
    if row.title:
        grid.text(top, plot.left, clip(grid.palette.say(row.title), plot.columns), "dim")
        return
    halves = [_levels(shown[:, list(part)], scale, grid) for part in row.strips]
    if len(halves) == 1:
        halves *= 2
    # A dark line between tall strips tells them apart.
    gap = 1 if row.height > 1 and grid.palette.fine else 0
    block = np.repeat(np.stack(halves), row.height, axis=0)
    if gap:
        block[-1] = 0
    grid.pixels(top, plot.left, block)
    first = row.strips[0]
    middle = top + (row.height - 1) // 2
    name = names[first[0]] if len(first) == 1 else f"{names[first[0]]}…"
    if plot.left:
        grid.right(middle, plot.left - 1, clip(grid.palette.say(name), plot.left - 1), "text")
    if end < grid.width:
        worst = at[list(first)]
        value = float(np.nanmin(worst)) if np.isfinite(worst).any() else float("nan")
        grid.text(middle, end + 1, ratio_text(value), "bright")


def _levels(part: Floats, scale: int, grid: Grid) -> NDArray[np.intp]:
    """Density levels of the least of some strips, 0 where there is no value."""
    known = np.isfinite(part).any(axis=1)
    least = np.where(known, np.min(np.where(np.isnan(part), np.inf, part), axis=1), 0.0)
    last = len(grid.palette.density()[0]) - 1
    level = 1 + np.floor(np.clip(least / scale, 0.0, 1.0) * (last - 1) + 0.5)
    return np.where(known, level, 0).astype(np.intp)


def _draw_scale(grid: Grid, row: int, plot: PlotArea, scale: int) -> None:
    """What the colours mean, in one line."""
    inks, ramp = grid.palette.density()
    ends = ("0 ", f" 1−1e−{scale}" if scale > 3 else f" {1 - 10.0**-scale:g}")
    column = grid.text(row, plot.left, ends[0], "dim")
    for level in range(1, len(inks)):
        glyph = "█" if grid.palette.fine else ramp[level]
        column = grid.text(row, column, glyph, f"#{int(inks[level]):06x}")
    column = grid.text(row, column, ends[1], "dim")
    note = "bright: aligned"
    if column + 2 + len(note) <= grid.width:
        grid.right(row, grid.width, note, "dim")


class LayerField(Pointed[LayerFieldModel]):
    """Alignment of layers over the run, with the cursor shared with other charts."""

    def draw(self, model: LayerFieldModel | None, width: int, height: int) -> Grid:
        grid, self.plot = draw_layer_field(model, width, height, self.palette)
        return grid
