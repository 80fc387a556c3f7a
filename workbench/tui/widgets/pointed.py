"""Charts one can point at: a click becomes an x."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from textual import events
from textual.message import Message
from textual.widget import Widget

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
        """A press, or a drag, inside the plot moves the cursor."""
        self._point(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Dragging with the first button."""
        if event.button == 1:
            self._point(event)

    def _point(self, event: events.MouseEvent) -> None:
        x = self.x_at(event.x)
        if x is not None:
            self.post_message(CursorMoved(self, x))
