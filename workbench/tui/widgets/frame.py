"""Where the parts of a chart go, and the axes, tick labels, title and legend around the plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Axis, Floats, Kind, below
from workbench.tui.widgets.ticks import Tick, Ticks, ticks

LANE = 3
"""Cells at the left edge of a log x axis kept for x ≤ 0: a column and a gap as wide as a label needs."""


@dataclass(frozen=True)
class PlotArea:
    """The plot area of a chart in cells, and its axes.

    `lane` is what the column for x ≤ 0 at the left edge of a log axis is called, empty where there is none.
    `gutter` is the width that the y labels need; `left` may be more.
    """

    x: Axis
    y: Axis
    left: int
    top: int
    columns: int
    rows: int
    lane: str
    x_labels: bool
    y_ticks: Ticks
    gutter: int = 0

    @property
    def origin(self) -> int:
        """The cell column at which the x axis proper begins, right of the lane for x ≤ 0."""
        return self.left + (LANE if self.lane else 0)

    @property
    def width(self) -> int:
        """Cell columns of the x axis proper."""
        return max(0, self.left + self.columns - self.origin)

    def places(self, x: Floats) -> Floats:
        """Where every x is, in cells from the left edge of the widget, in view or not; NaN for NaN."""
        place = self.origin + self.x.fraction(x) * self.width
        return np.where(self.x.below(x), self.left if self.lane else -1e6, place)

    def columns_of(self, x: Floats) -> Floats:
        """The cell column of every x; out of view, where it would be."""
        place = self.places(x)
        end = self.origin + self.width
        rounding = 1e-9 * self.width
        place = np.where(np.abs(place - self.origin) <= rounding, self.origin, place)
        return np.where(np.abs(place - end) <= rounding, end - 1, np.floor(place))

    def column(self, x: float) -> int | None:
        """The cell column of an x, or None when it is outside the view."""
        column = float(self.columns_of(np.array([x], dtype=np.float64))[0])
        if not self.left <= column < self.origin + self.width:
            return None
        return int(column)

    def row(self, y: float) -> int | None:
        """The cell row of a y, or None when it is outside the view."""
        place = float(self.y.fraction(np.array([y], dtype=np.float64))[0])
        if not (math.isfinite(place) and -1e-9 <= place <= 1 + 1e-9) or self.rows < 1:
            return None
        return self.top + _label_row(place, self.rows)

    def x_at(self, column: int) -> float | None:
        """The x under a cell column of the widget, or None outside the plot."""
        if self.lane and self.left <= column < self.origin:
            return 0.0 if self.x.kind is Kind.LOG else -math.inf
        if not self.origin <= column < self.origin + self.width:
            return None
        return self.x.at((column - self.origin + 0.5) / self.width)


def lane_of(kind: Kind, xs: Iterable[Floats]) -> str:
    """What the lane beside a log x axis is called: `0`, `≤0` where there are negative x, empty for none."""
    found = [x[below(kind, x)] for x in xs]
    if not any(x.size for x in found):
        return ""
    negative = kind is Kind.LOG and any(bool((x < 0).any()) for x in found)
    return "≤0" if negative else "0"


def gutter_limit(width: int) -> int:
    """The widest gutter for y labels that leaves the plot most of the width."""
    return max(0, min(14, width * 2 // 5))


def lay_out(
    width: int,
    height: int,
    x: Axis,
    y: Axis,
    palette: Palette,
    *,
    gutter: int = 0,
    title: bool = True,
    lane: str = "",
) -> PlotArea:
    """Divide a widget: title row, y gutter with axis line, plot, x labels; the least needed last.

    Below 4 rows there is no title, below 5 no x labels, below 10 columns no gutter.
    """
    top = 1 if title and height >= 4 else 0
    x_labels = height - top >= 4 and width >= 10
    rows = max(0, height - top - int(x_labels))
    limit = gutter_limit(width) if width >= 10 and rows >= 2 else 0
    y_ticks = Ticks()
    if limit >= 4:
        apart = 2 if rows >= 3 else 1

        def keep(found: Ticks) -> list[Tick]:
            places = _label_rows(y, found, rows)
            room = all(b <= a - apart for a, b in pairwise(places)) and (top or not found.base)
            narrow = all(text_width(palette.say(t.label)) <= limit - 2 for t in found.ticks)
            return list(found.ticks) if room and narrow else []

        most = rows // 2 if y.kind is Kind.ANGLE else rows // 3
        y_ticks = ticks(y, most + 1, keep, plain=palette.ascii)
    widest = max((text_width(palette.say(tick.label)) for tick in y_ticks.ticks), default=-2)
    left = max(min(gutter, limit), widest + 2) if limit >= 4 else 0
    columns = max(0, width - left)
    lane = lane if columns > 4 * LANE else ""
    return PlotArea(x, y, left, top, columns, rows, lane, x_labels, y_ticks, widest + 2)


def _label_row(at: float, rows: int) -> int:
    """The plot row of a place on the y axis; the same rounding as the dots use."""
    dot = round((1 - at) * (rows * 4 - 1))
    return min(max(0, dot), rows * 4 - 1) // 4


def _label_rows(y: Axis, found: Ticks, rows: int) -> list[int]:
    """The plot rows of ticks."""
    places = y.fraction(np.array([tick.value for tick in found.ticks], dtype=np.float64))
    return [_label_row(float(place), rows) for place in places]


def draw_axes(grid: Grid, plot: PlotArea, x_name: str = "") -> None:
    """The axis line with its ticks and labels, and the x labels below."""
    if plot.left:
        line = plot.left - 1
        for row in range(plot.rows):
            grid.text(plot.top + row, line, "│", "faint")
        rows = _label_rows(plot.y, plot.y_ticks, plot.rows)
        for tick, row in zip(plot.y_ticks.ticks, rows, strict=True):
            grid.right(plot.top + row, line, tick.label, "dim")
            grid.text(plot.top + row, line, "┤", "dim")
    if plot.x_labels:
        row, shown = plot.top + plot.rows, x_labels(plot, x_name, grid.palette)
        if plot.lane:
            grid.right(row, plot.left + 1, plot.lane, "dim")
        grid.text(row, shown.name_column, shown.name, "dim")
        for column, tick in shown.labels:
            grid.text(row, column, tick.label, "dim")


@dataclass(frozen=True)
class XLabels:
    """The row below a plot: every label with the cell column it begins at, the axis' name and its column."""

    labels: tuple[tuple[int, Tick], ...] = ()
    name: str = ""
    name_column: int = 0


def x_labels(plot: PlotArea, x_name: str, palette: Palette) -> XLabels:
    """Labels centred on the columns of their values; one without room there is left out.

    The name is below the y labels where it fits, else at the right end; it goes first where there is no
    room for two labels and it.
    """
    first, end = plot.left + 2 if plot.lane else 0, plot.left + plot.columns
    for name in dict.fromkeys((x_name if plot.columns >= 24 else "", "")):

        def named(base: str, name: str = name) -> tuple[str, int, int, int]:
            """The name's text and column, and the columns that labels may begin at and end before."""
            text = palette.say(f"{name or 'x'} = {base} +" if base else name)
            size = text_width(text)
            column = plot.left - size - max(2, text_width(palette.say(plot.lane)))
            if column > 0:
                return text, column, max(first, plot.left - 1), end
            return text, end - size, first, end - size - 2 if size else end

        def keep(found: Ticks, named: Callable[..., Any] = named) -> list[Tick]:
            _, column, begin, stop = named(found.base)
            starts = _centred(found.ticks, plot, palette)
            placed = [(a, a + text_width(palette.say(t.label)), t) for a, t in starts]
            placed = [p for p in placed if begin <= p[0] and p[1] <= stop]
            apart = all(b[0] >= a[1] + 2 for a, b in pairwise(placed))
            return [tick for _, _, tick in placed] if apart and column >= 0 else []

        found = ticks(plot.x, plot.width // 9, keep, plain=palette.ascii, counts=True)
        if found.ticks or not name:
            starts = tuple(_centred(found.ticks, plot, palette))
            return XLabels(starts, *named(found.base)[:2])
    raise AssertionError("the last name is empty")


def _centred(found: Sequence[Tick], plot: PlotArea, palette: Palette) -> list[tuple[int, Tick]]:
    """Where labels begin whose middles are the columns of their values, or the nearer half beside them."""
    x = np.array([tick.value for tick in found], dtype=np.float64)
    starts = []
    for tick, place, cell in zip(found, plot.places(x), plot.columns_of(x), strict=True):
        size = text_width(palette.say(tick.label))
        # Of an even number of characters, the middle falls between two: on the side the value is on.
        shift = (size - 1) // 2 if size % 2 or place - cell >= 0.5 else size // 2
        starts.append((int(cell) - shift, tick))
    return starts


def draw_title(
    grid: Grid,
    plot: PlotArea,
    title: str,
    note: str = "",
    legend: tuple[tuple[str, str, str], ...] = (),
    readout: str = "",
) -> None:
    """The title row: title and readout at the left, a warning note and the legend at the right.

    Over the y labels, what they are counted from. Legend entries are (glyph, label, colour). They are
    dropped from the end when there is no room, then the readout; the title is cut last.
    """
    if plot.top == 0:
        return
    say = grid.palette.say
    left, end = plot.left, plot.left + plot.columns
    if plot.y_ticks.base:
        base = f"{plot.y_ticks.base} "
        left = max(left, grid.text(0, max(0, left - 1 - len(base)), f"{base}+", "dim") + 1)
    if note and left + text_width(say(note)) <= end:
        # What is missing from the picture is said before what the picture is called.
        end = grid.right(0, end, note, "warn") - 2
    title = clip(say(title), end - left)
    used = left + text_width(title)
    grid.text(0, left, title, "text")
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
