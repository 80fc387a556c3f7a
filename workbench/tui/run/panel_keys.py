"""What the keys of a run's screen change: the shared x axis, its cursor, which parts are in sight."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench.arrays import Float
from workbench.tui.inspect.examined import subject_of
from workbench.tui.run.layout import PICTURES, Arrangement, Parts, Picture
from workbench.tui.run.source import Source
from workbench.tui.run.x_axis import QUANTITIES, Quantity, XAxis
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.pointed import CursorMoved, Pointed
from workbench.tui.widgets.scale import Kind

SHARE_X = ("risk", "middle", "lower", "density", "margins", "course", "layers")
MOST_SCALE = 20


def moved_by_columns(columns: Float[np.ndarray, " T"], row: int, by: int) -> int:
    """The next record after `row` (before it for by < 0) that is at least |by| cell columns away, else the
    last one on that side. A column may hold many records, or a record stand columns away from the next."""
    beyond = columns[row + 1 :] if by > 0 else columns[:row][::-1]
    if not len(beyond):
        return row
    if not np.isfinite(columns[row]):
        return row + int(np.sign(by))
    far = np.flatnonzero(np.abs(beyond - columns[row]) >= abs(by))
    return row + int(np.sign(by)) * (int(far[0]) + 1 if len(far) else len(beyond))


class PanelKeys(Unbroken, Screen[None]):
    """The choices of the user; a subclass draws them (`touch`, `_arrange`)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_chart", "next chart", priority=True),
        Binding("shift+tab", "next_chart(-1)", "previous chart", show=False, priority=True),
        Binding("z", "zoom", "one chart / all"),
        Binding("v", "other_column", "other column"),
        Binding("d", "picture", "next picture at the right"),
        Binding("w", "layers", "layers: weights and data"),
        Binding("e", "events", "all events"),
        Binding("y", "log_x", "log / linear x"),
        Binding("x", "x_axis", "x: step, time, ln(n/L)"),
        Binding("left,h", "cursor(-1)", "cursor left", show=False),
        Binding("right,l", "cursor(1)", "cursor right", show=False),
        Binding("shift+left,H", "cursor(-10)", "cursor 10 left", show=False),
        Binding("shift+right,L", "cursor(10)", "cursor 10 right", show=False),
        Binding("home", "cursor_end(-1)", "first record", show=False),
        Binding("end", "cursor_end(1)", "last record", show=False),
        Binding("plus,equals_sign", "scale(1)", "zoom x in", key_display="+"),
        Binding("minus", "scale(-1)", "zoom x out", key_display="-"),
        Binding("0", "scale(0)", "whole x"),
        Binding("escape", "out", "out one level"),
        Binding("q", "leave", "quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.source: Source | None = None
        self.x_axis = XAxis()
        self.scale = 0
        self.arrangement = Arrangement()
        # What the user chose over what suits the run; None: nothing yet.
        self.chosen_axis: Quantity | None = None
        self.chosen_log: bool | None = None
        self.chosen_picture: Picture | None = None
        self._x: Float[np.ndarray, " T"] = np.zeros(0)

    # --- what subclasses do ---

    def touch(self) -> None:
        """Draw soon."""
        raise NotImplementedError

    def _arrange(self) -> None:
        """Show what fits."""
        raise NotImplementedError

    def left_parts(self) -> tuple[str, ...]:
        """The charts on the left: a density takes the place of lines where they are too many."""
        raise NotImplementedError

    def pictures(self) -> tuple[Picture, ...]:
        """What the upper place on the right can show of this run, most telling first."""
        raise NotImplementedError

    def empty_parts(self) -> frozenset[str]:
        """Widgets that have nothing to show of this run."""
        return frozenset()

    def leave(self) -> None:
        """How this screen is left."""
        self.app.pop_screen()

    @property
    def picture(self) -> Picture:
        """What the upper place on the right shows."""
        there = self.pictures()
        chosen = self.chosen_picture
        return chosen if chosen is not None and chosen in there else there[0]

    @property
    def parts(self) -> Parts:
        """The parts that there are of this run."""
        return Parts(self.left_parts(), self.picture, self.empty_parts())

    # --- keys ---

    def action_next_chart(self, by: int = 1) -> None:
        """Select the next chart that there is."""
        self.arrangement = self.arrangement.moved(by, self.parts)
        self._arrange()

    def action_zoom(self) -> None:
        """The selected chart alone, or all again."""
        self.arrangement = self.arrangement.toggled()
        self._arrange()

    def action_other_column(self) -> None:
        """Where one column fits: the other one."""
        self.arrangement = replace(self.arrangement, right=not self.arrangement.right)
        self._arrange()

    def action_picture(self) -> None:
        """The next picture on the right; first of all it is brought into sight."""
        there, now = self.pictures(), self.picture
        if any(self.query_one(f"#{part}").display for part in PICTURES[now]):
            now = there[(there.index(now) + 1) % len(there)]
        self.chosen_picture = now
        self.arrangement = self.arrangement.turned_to(now)
        self._arrange()

    def action_layers(self) -> None:
        """Singular values of the layers, and the data mapped through them, at the cursor or now."""
        from workbench.tui.layers.screen import LayersScreen

        subject = None if self.source is None else subject_of(self.source, self.x_axis.cursor)
        if subject is None:
            self.notify("no record yet")
            return
        self.app.push_screen(LayersScreen(subject))

    def action_events(self) -> None:
        """Everything that happened, whole."""
        from workbench.tui.run.events import EventsScreen

        if self.source is None:
            self.notify("still starting")
            return
        self.app.push_screen(EventsScreen(self.source.events))

    def action_log_x(self) -> None:
        """Logarithmic or linear x axis."""
        self.chosen_log = self.x_axis.kind is Kind.LINEAR
        self.touch()

    def action_x_axis(self) -> None:
        """Step, time, ln(n/𝓛) in turn."""
        self.chosen_axis = QUANTITIES[
            (QUANTITIES.index(self.x_axis.quantity) + 1) % len(QUANTITIES)
        ]
        self.chosen_log = None
        self.x_axis = replace(self.x_axis, quantity=self.chosen_axis)
        self.touch()

    def action_scale(self, by: int) -> None:
        """Twice or half of the x axis, or all of it."""
        self.scale = 0 if by == 0 else int(np.clip(self.scale + by, 0, MOST_SCALE))
        self.touch()

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns of the widest visible chart, at least one record."""
        count = len(self._x)
        if not count:
            return
        row = count - 1 if self.x_axis.cursor is None else min(self.x_axis.cursor, count - 1)
        plot = next((c.plot for c in self.query(Pointed) if c.display and c.id in SHARE_X), None)
        columns = np.zeros(count) if plot is None else plot.columns_of(self._x)
        self.move_cursor(moved_by_columns(columns, row, by))

    def action_cursor_end(self, side: int) -> None:
        """To the first or the last record."""
        if len(self._x):
            self.move_cursor(0 if side < 0 else len(self._x) - 1)

    @on(CursorMoved)
    def point(self, message: CursorMoved) -> None:
        """The mouse put the cursor somewhere."""
        chart = message.chart
        if isinstance(chart, Pointed) and chart.id in SHARE_X and chart.plot is not None:
            distance = np.abs(chart.plot.places(self._x) - chart.plot.places(np.array([message.x])))
            if np.isfinite(distance).any():
                self.move_cursor(int(np.nanargmin(distance)))

    def move_cursor(self, row: int | None) -> None:
        """Put the cursor on a record, or away."""
        self.x_axis = replace(self.x_axis, cursor=row)
        self.touch()

    def action_out(self) -> None:
        """Cursor away, then zoom away, then what the subclass does to leave."""
        if self.x_axis.cursor is not None:
            self.move_cursor(None)
        elif self.arrangement.one:
            self.action_zoom()
        elif self.scale:
            self.action_scale(0)
        else:
            self.leave()

    def action_leave(self) -> None:
        """Leave this screen."""
        self.leave()
