"""A table of short cells to choose a row from; columns fit the width, what matters least goes first.

Drawn by ourselves, only the rows in sight: Textual's DataTable measures every cell, which for 300 rows of
8 cells kept the screen's thread away for 0.6 s where this takes 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Depth, Palette

Cell = tuple[str, str]
"""Text and colour name."""

GAP = 2
MEASURED = 100
"""Rows around the cursor by which columns get their widths."""


@dataclass(frozen=True)
class ListColumn:
    """A column: its title, and when it goes as room gets short (the highest rank first, 0 stays)."""

    title: str
    rank: int = 0
    right: bool = True


@dataclass(frozen=True)
class Listed:
    """Columns and rows, which may be made as they are asked for; every row has a cell a column.

    `cursor`: the chosen row. `top`: the first in sight. `focused`: whether keys go there."""

    columns: tuple[ListColumn, ...] = ()
    rows: Sequence[tuple[Cell, ...]] = ()
    cursor: int = 0
    top: int = 0
    focused: bool = False


def fitted(listed: Listed, width: int, palette: Palette) -> list[tuple[int, int]]:
    """(index, width in cells) of the columns that fit, each as wide as its widest cell near the cursor."""
    say = palette.say
    near = listed.rows[max(0, listed.top - MEASURED // 2) : listed.top + MEASURED]
    sizes = [
        max([text_width(say(c.title)), *(text_width(say(row[i][0])) for row in near)])
        for i, c in enumerate(listed.columns)
    ]
    kept = list(range(len(sizes)))
    while len(kept) > 1 and sum(sizes[i] + GAP for i in kept) - GAP > width - 1:
        worst = max(kept, key=lambda i: (listed.columns[i].rank, i))
        if listed.columns[worst].rank == 0:
            break
        kept.remove(worst)
    return [(i, sizes[i]) for i in kept]


def draw_listing(listed: Listed | None, width: int, height: int, palette: Palette) -> Grid:
    """The header and the rows in sight, the chosen one on another ground; a bar where there are more."""
    grid = Grid(width, height, palette)
    if listed is None or not listed.columns or height < 1:
        return grid
    columns = fitted(listed, width, palette)
    grid.back(0, 0, width, palette.ink("bar"))
    _draw_row(
        grid, 0, columns, [(c.title, "bar_text") for c in listed.columns], listed.columns, False
    )
    room = height - 1
    for line, row in enumerate(listed.rows[listed.top : listed.top + room], 1):
        chosen = listed.top + line - 1 == listed.cursor
        if chosen:
            grid.back(line, 0, width, palette.ink("select" if listed.focused else "bar"))
            if listed.focused and palette.depth is Depth.NONE:
                grid.text(line, width - 1, "<", "bright")
        _draw_row(grid, line, columns, row, listed.columns, chosen and listed.focused)
    count = len(listed.rows)
    if 0 < room < count and width > 1:
        size = max(1, room * room // count)
        start = round((room - size) * listed.top / (count - room))
        for line in range(room):
            inside = start <= line < start + size
            grid.text(1 + line, width - 1, "█" if inside else "│", "dim" if inside else "faint")
    return grid


def _draw_row(
    grid: Grid,
    line: int,
    columns: Sequence[tuple[int, int]],
    cells: Sequence[Cell],
    specs: Sequence[ListColumn],
    bold: bool,
) -> None:
    say, column = grid.palette.say, 0
    for index, size in columns:
        text, ink = cells[index]
        text = clip(say(text), size) if not grid.palette.ascii else say(text)[:size]
        if specs[index].right:
            grid.right(line, column + size, text, ink, bold)
        else:
            grid.text(line, column, text, ink, bold)
        column += size + GAP


class Listing(Painted[Listed], can_focus=True):
    """Rows to choose from by ↑↓ or j k and the mouse; ←→ are left to the screen."""

    DEFAULT_CSS = "Listing { height: 1fr; }"
    HELP_NAME: ClassVar[str] = "in a table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "row above", show=False),
        Binding("down,j", "move(1)", "row below", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home,g", "move(-1000000000)", "first row", show=False),
        Binding("end,G", "move(1000000000)", "last row", show=False),
    ]

    class Chosen(Message):
        """Another row is chosen."""

    def draw(self, model: Listed | None, width: int, height: int) -> Grid:
        return draw_listing(model, width, height, self.palette)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The header and all rows, for `height: auto`."""
        return 0 if not self.listed.columns else 1 + len(self.listed.rows)

    @property
    def listed(self) -> Listed:
        """What is shown."""
        return self.model or Listed()

    @property
    def chosen(self) -> int | None:
        """The row under the cursor."""
        return self.listed.cursor if self.listed.rows else None

    def show_rows(self, listed: Listed) -> None:
        """Show other rows, the cursor where it was."""
        before = self.listed
        last = max(0, len(listed.rows) - 1)
        tall = len(before.rows) != len(listed.rows)
        self._put(replace(listed, cursor=min(before.cursor, last), top=before.top))
        if tall:
            self.refresh(layout=True)

    def _put(self, listed: Listed, focused: bool | None = None) -> None:
        """Show, with the cursor in sight; `focused` None: as it is."""
        room = max(1, self.size.height - 1)
        top = min(max(listed.top, listed.cursor - room + 1), listed.cursor)
        top = max(0, min(top, len(listed.rows) - room))
        here = self.has_focus if focused is None else focused
        self.show(replace(listed, top=top, focused=here))

    def choose(self, row: int) -> None:
        """Move the cursor to a row, or the nearest there is."""
        row = max(0, min(row, len(self.listed.rows) - 1))
        if row != self.listed.cursor:
            self._put(replace(self.listed, cursor=row))
            self.post_message(self.Chosen())

    def on_resize(self) -> None:
        """The cursor stays in sight."""
        self._put(self.listed)

    def on_focus(self) -> None:
        """Keys come here now; `has_focus` says so only after this handler."""
        self._put(self.listed, focused=True)

    def on_blur(self) -> None:
        """Keys go elsewhere."""
        self._put(self.listed, focused=False)

    def action_move(self, by: int) -> None:
        """The row by so many below."""
        self.choose(self.listed.cursor + by)

    def action_page(self, by: int) -> None:
        """The row a page below or above."""
        self.choose(self.listed.cursor + by * max(1, self.size.height - 2))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Choose the row under the mouse."""
        if event.y > 0:
            self.choose(self.listed.top + event.y - 1)

    def on_mouse_scroll_down(self) -> None:
        """Three rows on."""
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        """Three rows back."""
        self.action_move(-3)


def lines(sentences: Sequence[Cell], palette: Palette, between: str = "\n") -> Text:
    """Sentences each in its colour, under each other unless `between` says else; whoever shows them wraps."""
    text = Text()
    for place, (sentence, ink) in enumerate(sentences):
        text.append(
            (between if place else "") + palette.say(sentence), style=f"#{palette.ink(ink):06x}"
        )
    return text
