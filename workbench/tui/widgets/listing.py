"""A table of short cells whose columns fit the width: what matters least goes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable

from workbench.tui.widgets.cells import clip, text_width
from workbench.tui.widgets.palette import Palette

Cell = tuple[str, str]
"""Text and colour name."""

GAP = 2


@dataclass(frozen=True)
class ListColumn:
    """A column: its title, and when it goes as room gets short (the highest rank first, 0 stays)."""

    title: str
    rank: int = 0
    right: bool = True


@dataclass(frozen=True)
class Listed:
    """Columns and rows; every row has a cell a column."""

    columns: tuple[ListColumn, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()


def fitted(listed: Listed, width: int, palette: Palette) -> list[tuple[int, int]]:
    """(index, width in cells) of the columns that fit, each as wide as its widest cell."""
    say = palette.say
    sizes = [
        max([text_width(say(c.title)), *(text_width(say(row[i][0])) for row in listed.rows)])
        for i, c in enumerate(listed.columns)
    ]
    kept = list(range(len(sizes)))
    while len(kept) > 1 and sum(sizes[i] + GAP for i in kept) - GAP > width - 1:
        worst = max(kept, key=lambda i: (listed.columns[i].rank, i))
        if listed.columns[worst].rank == 0:
            break
        kept.remove(worst)
    return [(i, sizes[i] + GAP) for i in kept]


class Listing(DataTable[Text], inherit_bindings=False):
    """Rows to choose from by ↑↓ or j k; ←→ are left to the screen."""

    DEFAULT_CSS = """
    Listing, Listing:focus {
        height: 1fr;
        background: #0d1117;
        background-tint: transparent;
        scrollbar-size-vertical: 1;
        scrollbar-color: #3d444d;
        scrollbar-color-hover: #6b737d;
        scrollbar-color-active: #6b737d;
        scrollbar-background: #161b22;
        scrollbar-background-hover: #161b22;
        scrollbar-background-active: #161b22;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;
        & > .datatable--header {
            background: #161b22; background-tint: transparent; color: #9aa3ad; text-style: none;
        }
        & > .datatable--odd-row { background: #0d1117; }
        & > .datatable--even-row { background: #11161d; }
        & > .datatable--cursor { background: #21262d; text-style: none; }
    }
    Listing:focus > .datatable--cursor { background: #1f3a5f; text-style: bold; }
    """
    HELP_NAME: ClassVar[str] = "in a table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", "row above", show=False),
        Binding("down,j", "cursor_down", "row below", show=False),
        Binding("pageup", "page_up", "page up", show=False),
        Binding("pagedown", "page_down", "page down", show=False),
        Binding("home,g", "scroll_top", "first row", show=False),
        Binding("end,G", "scroll_bottom", "last row", show=False),
    ]

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:
        super().__init__(
            show_row_labels=False,
            zebra_stripes=True,
            cursor_type="row",
            cursor_foreground_priority="renderable",
            cell_padding=0,
            id=id,
        )
        self.palette = palette
        self._listed = Listed()
        self._width = 0

    def on_resize(self) -> None:
        """Other columns may fit now."""
        if self.size.width != self._width:
            self.show(self._listed)

    def show(self, listed: Listed) -> None:
        """Show these rows, the cursor where it was."""
        row = self.cursor_row
        self._listed, self._width = listed, self.size.width
        self.clear(columns=True)
        columns = fitted(listed, self._width or 80, self.palette)
        for index, size in columns:
            column = listed.columns[index]
            self.add_column(self._text(column.title, "bar_text", size, column.right), width=size)
        for cells in listed.rows:
            self.add_row(
                *(self._text(*cells[i], size, listed.columns[i].right) for i, size in columns)
            )
        if listed.rows:
            self.move_cursor(row=min(max(0, row), len(listed.rows) - 1), animate=False)

    def _text(self, text: str, ink: str, size: int, right: bool) -> Text:
        said = self.palette.say(text)
        said = said[: size - GAP] if self.palette.ascii else clip(said, size - GAP)
        space = " " * (size - GAP - text_width(said))
        said = (space + said if right else said + space) + " " * GAP
        return Text(said, style=f"#{self.palette.ink(ink):06x}", end="", no_wrap=True)

    @property
    def chosen(self) -> int | None:
        """The row under the cursor."""
        count: int = self.row_count
        return self.cursor_row if 0 <= self.cursor_row < count else None


def lines(sentences: Sequence[Cell], palette: Palette, between: str = "\n") -> Text:
    """Sentences each in its colour, under each other unless `between` says else; whoever shows them wraps."""
    text = Text()
    for place, (sentence, ink) in enumerate(sentences):
        text.append(
            (between if place else "") + palette.say(sentence), style=f"#{palette.ink(ink):06x}"
        )
    return text
