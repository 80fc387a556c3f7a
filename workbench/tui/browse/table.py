"""The table of runs, ten thousand as well as ten: only the rows in sight are drawn, and only those repainted
that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from workbench.record.summary import RunSummary
from workbench.tui.browse.columns import Column, RowStyle, draw_cell, fitted
from workbench.tui.widgets.cells import Grid, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Depth, Palette

WHEEL = 3
"""Rows of a turn of the wheel."""


def _plain(palette: Palette) -> Callable[[RunSummary], RowStyle]:
    style = RowStyle(palette)
    return lambda run: style


@dataclass(frozen=True, eq=False)
class Rows:
    """What the table shows: columns as far as there is room, runs from top to bottom, and how each is drawn.

    `cursor`: the chosen row. `top`: the first in sight.
    """

    columns: tuple[Column, ...]
    runs: Sequence[RunSummary]
    style: Callable[[RunSummary], RowStyle]
    cursor: int = 0
    top: int = 0
    header: bool = True
    focused: bool = True


def draw_rows(rows: Rows | None, width: int, height: int, palette: Palette) -> Grid:
    """The header and the rows in sight, the chosen one on another ground; a bar where there are more."""
    grid = Grid(width, height, palette)
    if rows is None or height < 1 or width < 1:
        return grid
    columns = _fitted(rows, width)
    first = int(rows.header)
    if rows.header:
        grid.back(0, 0, width, palette.ink("bar"))
        column = 0
        for of, size in columns:
            title = palette.say("margin" if of.key == "margin" and palette.ascii else of.title)
            room = size - of.gap
            title = title if text_width(title) <= room else ""
            grid.text(0, column + (room - text_width(title) if of.right else 0), title, "bar_text")
            column += size
    shown = rows.runs[rows.top : rows.top + height - first]
    for line, run in enumerate(shown, first):
        chosen = rows.top + line - first == rows.cursor
        odd = (rows.top + line - first) % 2 == 0
        back = (
            "select" if chosen and rows.focused else "bar" if chosen else "stripe" if odd else "bg"
        )
        grid.back(line, 0, width, palette.ink(back))
        column = 0
        for of, size in columns:
            text, ink = draw_cell(of, size, run, rows.style(run))
            grid.text(line, column, text, ink, chosen)
            column += size
        if chosen and palette.depth is Depth.NONE:
            grid.text(line, width - 1, "<", "bright")
    _draw_bar(grid, rows, height - first, first, width)
    return grid


def _fitted(rows: Rows, width: int) -> list[tuple[Column, int]]:
    """The columns for a width, of which the last cell is the bar's."""
    return fitted(max(1, width - 1), rows.columns)


def _draw_bar(grid: Grid, rows: Rows, room: int, first: int, width: int) -> None:
    """Where the rows in sight lie among all."""
    count = len(rows.runs)
    if not 0 < room < count or width < 2:
        return
    size = max(1, room * room // count)
    start = round((room - size) * rows.top / (count - room))
    for line in range(room):
        inside = start <= line < start + size
        grid.text(first + line, width - 1, "█" if inside else "│", "dim" if inside else "faint")


class RunsTable(Painted[Rows], can_focus=True):
    """Runs as rows, with a cursor; ←/→ are left to the screen. A second click on a row opens it."""

    DEFAULT_CSS = "RunsTable { height: 1fr; }"
    HELP_NAME: ClassVar[str] = "in the table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "run above", show=False),
        Binding("down,j", "move(1)", "run below", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "move(-1000000000)", "first run", show=False),
        Binding("end,G", "move(1000000000)", "last run", show=False),
    ]

    class Moved(Message):
        """The cursor is on another run."""

    class Opened(Message):
        """The run under the cursor was clicked again."""

    class Titled(Message):
        """The title of a column was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:
        super().__init__(Rows((), (), _plain(palette)), palette=palette, id=id)

    def draw(self, model: Rows | None, width: int, height: int) -> Grid:
        return draw_rows(model, width, height, self.palette)

    @property
    def rows(self) -> Rows:
        """What is shown."""
        return self.model or Rows((), (), _plain(self.palette))

    @property
    def row_count(self) -> int:
        """Runs in the table."""
        return len(self.rows.runs)

    @property
    def run_ids(self) -> list[str]:
        """The runs shown, top to bottom."""
        return [run.run_id for run in self.rows.runs]

    @property
    def columns_shown(self) -> list[str]:
        """The keys of the columns there is room for."""
        return [column.key for column, _ in _fitted(self.rows, self.size.width)]

    @property
    def cursor_row(self) -> int:
        """The row of the cursor."""
        return self.rows.cursor

    @property
    def current(self) -> str | None:
        """The run under the cursor."""
        rows = self.rows
        return rows.runs[rows.cursor].run_id if rows.cursor < len(rows.runs) else None

    def show_columns(self, columns: Sequence[Column], *, header: bool = True) -> None:
        """Show these columns as far as there is room."""
        if (tuple(columns), header) != (self.rows.columns, self.rows.header):
            self._put(replace(self.rows, columns=tuple(columns), header=header))

    def show_runs(
        self, runs: Sequence[RunSummary], style: Callable[[RunSummary], RowStyle] | None = None
    ) -> None:
        """Show runs in this order, the cursor on the run it was on, or near it; `style` None: plain."""
        rows, here = self.rows, self.current
        cursor = min(rows.cursor, max(0, len(runs) - 1))
        if here is not None and not (cursor < len(runs) and runs[cursor].run_id == here):
            cursor = next((k for k, run in enumerate(runs) if run.run_id == here), cursor)
        top = rows.top + cursor - rows.cursor if here is not None else 0
        drawn = style or _plain(self.palette)
        self._put(replace(rows, runs=runs, style=drawn, cursor=cursor, top=max(0, top)))

    def _put(self, rows: Rows, focused: bool | None = None) -> None:
        """Show, with the cursor in sight; `focused` None: as it is."""
        room = max(1, self.size.height - int(rows.header))
        top = min(max(rows.top, rows.cursor - room + 1), rows.cursor)
        top = max(0, min(top, len(rows.runs) - room))
        here = self.has_focus if focused is None else focused
        self.show(replace(rows, top=top, focused=here))

    def move_cursor(self, row: int) -> None:
        """Move the cursor to a row, or the nearest there is."""
        row = max(0, min(row, self.row_count - 1))
        if row != self.rows.cursor:
            self._put(replace(self.rows, cursor=row))
            self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        """The run by so many below."""
        self.move_cursor(self.rows.cursor + by)

    def action_page(self, by: int) -> None:
        """The run a page below or above."""
        self.move_cursor(self.rows.cursor + by * max(1, self.size.height - 2))

    def on_resize(self) -> None:
        """The cursor stays in sight."""
        self._put(self.rows)

    def on_focus(self) -> None:
        """Keys come here now; `has_focus` says so only after this handler."""
        self._put(self.rows, focused=True)

    def on_blur(self) -> None:
        """Keys go elsewhere."""
        self._put(self.rows, focused=False)

    def on_click(self, event: events.Click) -> None:
        """Choose the row, open it where it was chosen already; or sort by the title's column."""
        first = int(self.rows.header)
        row = self.rows.top + event.y - first
        if event.y < first:
            ends = 0
            for column, size in _fitted(self.rows, self.size.width):
                ends += size
                if event.x < ends:
                    self.post_message(self.Titled(column.key))
                    return
        elif row == self.rows.cursor and row < self.row_count:
            self.post_message(self.Opened())
        elif row < self.row_count:
            self.move_cursor(row)

    def on_mouse_scroll_down(self) -> None:
        """Some rows on."""
        self.action_move(WHEEL)

    def on_mouse_scroll_up(self) -> None:
        """Some rows back."""
        self.action_move(-WHEEL)
