"""Where the parts of a chart go, and the axes, tick labels, title and legend around the plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Axis, Kind, Tick, ticks

LANE = 2
"""Cells at the left edge of a log x axis kept for x = 0: its column and a gap."""


@dataclass(frozen=True)
class PlotArea:
    """The plot area of a chart in cells, and its axes."""

    x: Axis
    y: Axis
    left: int
    top: int
    columns: int
    rows: int
    lane: int
    x_labels: bool
    y_ticks: tuple[Tick, ...]

    @property
    def origin(self) -> int:
        """The cell column at which the x axis proper begins, right of the lane for x = 0."""
        return self.left + self.lane

    @property
    def width(self) -> int:
        """Cell columns of the x axis proper."""
        return max(0, self.columns - self.lane)

    def column(self, x: float) -> int | None:
        """The cell column of an x, or None when it is outside the view."""
        if self.lane and x <= 0:
            return self.left
        place = float(self.x.fraction(np.array([x], dtype=np.float64))[0])
        if not (math.isfinite(place) and -1e-9 <= place <= 1 + 1e-9) or self.width < 1:
            return None
        dot = min(int(place * self.width * 2), self.width * 2 - 1)
        return self.origin + max(0, dot) // 2

    def row(self, y: float) -> int | None:
        """The cell row of a y, or None when it is outside the view."""
        place = float(self.y.fraction(np.array([y], dtype=np.float64))[0])
        if not (math.isfinite(place) and -1e-9 <= place <= 1 + 1e-9) or self.rows < 1:
            return None
        dot = round((1 - place) * (self.rows * 4 - 1))
        return self.top + min(max(0, dot), self.rows * 4 - 1) // 4

    def x_at(self, column: int) -> float | None:
        """The x under a cell column of the widget, or None outside the plot."""
        if self.lane and self.left <= column < self.origin:
            return 0.0
        if not self.origin <= column < self.origin + self.width:
            return None
        return self.x.at((column - self.origin + 0.5) / self.width)


def gutter_limit(width: int) -> int:
    """The widest gutter for y labels that leaves the plot most of the width."""
    return max(0, min(12, width * 2 // 5))


def lay_out(
    width: int,
    height: int,
    x: Axis,
    y: Axis,
    palette: Palette,
    *,
    gutter: int = 0,
    title: bool = True,
    lane: bool = False,
) -> PlotArea:
    """Divide a widget: title row, y gutter with axis line, plot, x labels; the least needed last.

    Below 4 rows there is no title, below 5 no x labels, below 10 columns no gutter.
    """
    top = 1 if title and height >= 4 else 0
    x_labels = height - top >= 4 and width >= 10
    rows = max(0, height - top - int(x_labels))
    limit = gutter_limit(width) if width >= 10 and rows >= 1 else 0
    y_ticks: list[Tick] = []
    if limit >= 4:

        def fits(found: list[Tick]) -> bool:
            places = [_label_row(tick.at, rows) for tick in found]
            apart = all(b <= a - 2 for a, b in pairwise(places))
            return apart and all(text_width(palette.say(t.label)) <= limit - 2 for t in found)

        most = rows // 2 if y.kind is Kind.ANGLE else rows // 3
        y_ticks = ticks(y, max(1, most + 1), fits, palette.ascii)
    widest = max((text_width(palette.say(tick.label)) for tick in y_ticks), default=0)
    left = max(min(gutter, limit), widest + 2) if limit >= 4 else 0
    columns = max(0, width - left)
    used = LANE if lane and columns > 4 * LANE else 0
    return PlotArea(x, y, left, top, columns, rows, used, x_labels, tuple(y_ticks))


def _label_row(at: float, rows: int) -> int:
    """The plot row of a place on the y axis; the same rounding as the dots use."""
    dot = round((1 - at) * (rows * 4 - 1))
    return min(max(0, dot), rows * 4 - 1) // 4


def draw_axes(grid: Grid, plot: PlotArea, x_name: str = "") -> None:
    """The axis line with its ticks and labels, and the x labels below."""
    if plot.left:
        line = plot.left - 1
        for row in range(plot.rows):
            grid.text(plot.top + row, line, "│", "faint")
        for tick in plot.y_ticks:
            row = plot.top + _label_row(tick.at, plot.rows)
            grid.right(row, line, tick.label, "dim")
            grid.text(row, line, "┤", "dim")
    if plot.x_labels:
        _draw_x_labels(grid, plot, x_name)


def _draw_x_labels(grid: Grid, plot: PlotArea, x_name: str) -> None:
    row, say = plot.top + plot.rows, grid.palette.say
    end = plot.left + plot.columns
    if x_name and plot.columns >= 24:
        end = grid.right(row, end, x_name, "dim") - 2
    first = plot.left
    if plot.lane:
        first = grid.text(row, plot.left, "0", "dim") + 1

    def start(tick: Tick) -> int:
        size = text_width(say(tick.label))
        column = plot.origin + min(round(tick.at * plot.width), plot.width - 1)
        # Powers begin under their place, as superscripts hang to the right; others are centred.
        column -= (size - 1) // 2 if plot.x.kind not in (Kind.LOG, Kind.POWER) else 0
        return min(max(first, column), max(first, end - size))

    def fits(found: list[Tick]) -> bool:
        begin = [start(tick) for tick in found]
        stop = [b + text_width(say(t.label)) for b, t in zip(begin, found, strict=True)]
        room = all(b >= s + 2 for s, b in zip(stop, begin[1:], strict=False))
        return room and all(s <= end for s in stop)

    for tick in ticks(plot.x, max(2, plot.width // 9), fits, grid.palette.ascii):
        grid.text(row, start(tick), tick.label, "dim")


def draw_title(
    grid: Grid,
    plot: PlotArea,
    title: str,
    note: str = "",
    legend: tuple[tuple[str, str, str], ...] = (),
    readout: str = "",
) -> None:
    """The title row: title and readout at the left, a warning note and the legend at the right.

    Legend entries are (glyph, label, colour). They are dropped from the end when there is no room,
    then the readout; the title is cut last.
    """
    if plot.top == 0:
        return
    say = grid.palette.say
    left, end = plot.left, plot.left + plot.columns
    title = clip(say(title), end - left)
    used = left + text_width(title)
    grid.text(0, left, title, "text")
    if note and used + 2 + text_width(say(note)) <= end:
        end = grid.right(0, end, note, "warn") - 2
    sizes = [text_width(say(label)) + 2 for _, label, _ in legend]
    shown = len(legend)
    while shown and used + 3 + sum(sizes[:shown]) + 2 * (shown - 1) > end:
        shown -= 1
    if legend and 0 < shown < len(legend):
        more = f"+{len(legend) - shown}"
        if used + 5 + len(more) + sum(sizes[:shown]) + 2 * (shown - 1) <= end:
            end = grid.right(0, end, more, "dim") - 2
    column = end - (sum(sizes[:shown]) + 2 * (shown - 1)) if shown else end
    stop = column
    for glyph, label, ink in legend[:shown]:
        column = grid.text(0, column, glyph, ink)
        column = grid.text(0, column + 1, label, ink) + 2
    if readout:
        room = stop - 2 - (used + 2)
        if text_width(say(readout)) <= room:
            grid.text(0, used + 2, readout, "bright")
