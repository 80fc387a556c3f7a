"""Charts one can point at: a click becomes an x, a drag with the right button a box, the wheel a zoom."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from textual import events
from textual.message import Message
from textual.widget import Widget

from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.frame import PlotArea
from workbench.tui.widgets.painted import Painted


class CursorMoved(Message):
    """The mouse put the cursor at an x (in data units) of a chart."""

    def __init__(self, chart: Widget, x: float) -> None:
        super().__init__()
        self.chart = chart
        self.x = x

    @property
    def control(self) -> Widget:
        """The chart, for `@on(CursorMoved, "#id")`."""
        return self.chart


@dataclass(frozen=True)
class Box:
    """A rectangle on a chart, as parts (0 to 1) of its axes from the low end: x from `left` to `right`, y
    from `low` to `high`."""

    left: float
    right: float
    low: float
    high: float


class Looked(Message):
    """The mouse asks to see another part of a chart: `x` and `y` are the parts of its axes that are wanted,
    None for an axis that stays."""

    def __init__(
        self,
        chart: Widget,
        x: tuple[float, float] | None = None,
        y: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.chart = chart
        self.x = x
        self.y = y

    @property
    def control(self) -> Widget:
        """The chart, for `@on(Looked, "#id")`."""
        return self.chart


WHEEL = 1.5
"""How much nearer a turn of the wheel brings what is under the pointer."""
RIGHT = 3
LEAST_BOX = 2
"""Cells that a box is wide or high at least: less is a click that shook."""


class WithCursor(Protocol):
    """What such a widget draws: a frozen dataclass with the shared cursor's x."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def cursor(self) -> float | None:
        """The x, None for nowhere."""
        ...


CursorT = TypeVar("CursorT", bound=WithCursor)


class Pointed(Painted[CursorT]):
    """A drawn widget with an x axis under the mouse. `draw` keeps its `plot` up to date."""

    plot: PlotArea | None = None
    zooms: bool = False
    """Whether the wheel and boxes are answered; else the wheel scrolls what is around."""
    box: Box | None = None
    _pressed: tuple[int, int] | None = None

    def x_at(self, column: int) -> float | None:
        """The x under a column of the widget, or None outside the plot."""
        return self.plot.x_at(column) if self.plot is not None else None

    def step_cursor(self, x: float | None, cells: int) -> float | None:
        """The x some columns left or right of one; from nowhere, the last column."""
        if self.plot is None or self.plot.width < 1:
            return None
        last = self.plot.origin + self.plot.width - 1
        column = float(last) if x is None else float(self.plot.columns_of(np.array([x]))[0])
        if x is None or not math.isfinite(column):
            return self.plot.x_at(last)
        return self.plot.x_at(int(min(max(self.plot.left, column + cells), last)))

    def move_cursor(self, x: float | None) -> int:
        """Show the shared cursor at an x (None: nowhere); returns the rows to repaint."""
        if self.model is None or self.model.cursor == x:
            return 0
        return self.show(replace(self.model, cursor=x))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A press, or a drag, inside the plot moves the cursor; with the right button it begins a box."""
        if event.button == RIGHT and self.zooms and self.plot is not None:
            self._pressed = (event.x, event.y)
            self.capture_mouse()
        elif event.button == 1:
            self._point(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Dragging with the first button, with ctrl along the axes, or with the right one, a box."""
        if self._pressed is not None:
            self.box = self._box_to(event.x, event.y)
            self.repaint()
        elif event.button == 1 and event.ctrl and self.zooms:
            self._pan(event.delta_x, event.delta_y)
        elif event.button == 1:
            self._point(event)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """The end of a box: it is what is wanted."""
        if self._pressed is None:
            return
        self.release_mouse()
        box, self._pressed, self.box = self._box_to(event.x, event.y), None, None
        self.repaint()
        if box is not None:
            self.post_message(Looked(self, (box.left, box.right), (box.low, box.high)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Nearer: x, with ctrl or shift y."""
        self._turn(event, WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Farther."""
        self._turn(event, 1 / WHEEL)

    def _turn(self, event: events.MouseEvent, factor: float) -> None:
        at = self._part_at(event.x, event.y)
        if not self.zooms or at is None:
            return
        event.stop()
        which = at[1] if event.ctrl or event.shift else at[0]
        wanted = (which - which / factor, which + (1.0 - which) / factor)
        if event.ctrl or event.shift:
            self.post_message(Looked(self, y=wanted))
        else:
            self.post_message(Looked(self, x=wanted))

    def _pan(self, columns: int, rows: int) -> None:
        plot = self.plot
        if plot is None or plot.width < 1 or plot.rows < 1:
            return
        x, y = -columns / plot.width, rows / plot.rows
        self.post_message(Looked(self, (x, 1.0 + x) if x else None, (y, 1.0 + y) if y else None))

    def _part_at(self, column: int, row: int) -> tuple[float, float] | None:
        """The parts of x and y, from the low ends, in the middle of a cell; kept within the plot."""
        plot = self.plot
        if plot is None or plot.width < 1 or plot.rows < 1:
            return None
        x = (column - plot.origin + 0.5) / plot.width
        y = 1.0 - (row - plot.top + 0.5) / plot.rows
        return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)

    def _box_to(self, column: int, row: int) -> Box | None:
        """The box from where the right button was pressed; None where it is only a click."""
        if self._pressed is None or self.plot is None:
            return None
        first, last = self._part_at(*self._pressed), self._part_at(column, row)
        wide = abs(column - self._pressed[0]) >= LEAST_BOX
        high = abs(row - self._pressed[1]) >= LEAST_BOX
        if first is None or last is None or not (wide or high):
            return None
        left, right = sorted((first[0], last[0])) if wide else (0.0, 1.0)
        low, top = sorted((first[1], last[1])) if high else (0.0, 1.0)
        return Box(left, right, low, top)

    def _point(self, event: events.MouseEvent) -> None:
        x = self.x_at(event.x)
        if x is not None:
            self.post_message(CursorMoved(self, x))

    def draw_box(self, grid: Grid) -> None:
        """Tint the box that is being drawn."""
        plot, box = self.plot, self.box
        if plot is None or box is None:
            return
        columns = (np.arange(plot.width) + 0.5) / plot.width
        rows = 1.0 - (np.arange(plot.rows * 2) + 0.5) / (plot.rows * 2)
        inside = (columns >= box.left) & (columns <= box.right)
        level = (rows >= box.low) & (rows <= box.high)
        grid.tint(plot.top, plot.origin, level[:, None] & inside[None, :], "inner")
