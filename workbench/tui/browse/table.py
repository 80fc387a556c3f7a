"""The table of runs: what its columns are, and how it is kept up to date.

`RunsTable` shows what it is given and touches only the rows that changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

import numpy as np
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.widgets.data_table import RowKey

from workbench.errors import clean_text
from workbench.protocol.status import RunStatus
from workbench.record.summary import RunSummary
from workbench.tui.run.x_axis import LN10
from workbench.tui.widgets.cells import clip, text_width
from workbench.tui.widgets.numbers import short, thousands
from workbench.tui.widgets.palette import SERIES, Depth, Palette
from workbench.tui.widgets.sparkrows import LEAST_DECADES, spark
from workbench.tui.widgets.statusline import log_risk_text, number_text

# --- columns ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowStyle:
    """What a row's drawing depends on besides its summary."""

    palette: Palette
    mark: int | None = None
    """Place among the marked runs, from 0."""
    twin: bool = False
    """Whether another run has the same name."""

    @property
    def color(self) -> str:
        """The colour of the run's curves."""
        return series_color(self.mark) if self.mark is not None else "cyan"


def series_color(mark: int) -> str:
    """The curve colour of the n-th marked run; marks beyond the colours have no curve."""
    return SERIES[mark] if mark < len(SERIES) else "dim"


@dataclass(frozen=True)
class Column:
    """A column: title, width with the gap behind it, and when it goes as room gets short.

    The highest rank goes first; rank 0 stays. `order` gives the sort value, None sorts last.
    """

    key: str
    title: str
    width: int
    rank: int
    cell: Callable[[RunSummary, RowStyle, int], tuple[str, str]]
    order: Callable[[RunSummary], float | str | None] | None = None
    right: bool = False
    gap: int = 2


def run_title(run: RunSummary) -> str:
    """The run's name, its id where it has none."""
    return clean_text(run.name, 80) or run.run_id


def twin_tail(run: RunSummary) -> str:
    """What tells runs of one name apart: the end of the id."""
    return run.run_id.rsplit("-", 1)[-1][-6:]


def _mark(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    del run, width
    if style.mark is None:
        return "", "dim"
    bare = style.palette.depth is Depth.NONE and style.mark < len(SERIES)
    return (str(style.mark + 1) if bare else "●"), series_color(style.mark)


def _name(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    title, ink = run_title(run), "bright" if style.mark is not None else "text"
    title = title if run.members is None else f"{STUDY_GLYPH} {title}"
    if not style.twin:
        return clip(title, width), ink
    tail = " " + twin_tail(run)
    return clip(title, max(1, width - text_width(tail))) + tail, ink


def _state(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    del style
    glyph, ink = run.status.glyph, run.status.ink
    return (f"{glyph:2} {clip(run.status.value, width - 3)}" if width > 4 else glyph), ink


def _count(value: int | None, width: int) -> str:
    if value is None:
        return "–"
    text = thousands(value)
    return text if len(text) <= width else short(value)


def _step(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    """The last step; of a study, how many of its members have ended."""
    del style
    if run.members is None:
        return _count(run.step, width), "text"
    done = f"{thousands(run.ended or 0)}/{thousands(run.members)}"
    return done if len(done) <= width else f"{short(run.ended or 0)}/{short(run.members)}", "bright"


def _risk(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    del style, width
    value = run.log10_risk
    if value is None:
        return "–", "dim"
    return log_risk_text(value), "text" if math.isfinite(value) else "min"


def _margin(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    del style, width
    value = run.margin_normalized
    if value is None:
        return "–", "dim"
    return number_text(value, "+.4f"), "text" if math.isfinite(value) else "min"


def _trend(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    values = np.asarray(run.trend, dtype=np.float64) / LN10
    return spark(values, width, style.palette, LEAST_DECADES), style.color


def _modified(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
    del style, width
    if run.modified <= 0:
        return "–", "dim"
    moment, now = datetime.fromtimestamp(run.modified), datetime.now()
    form = "%m-%d %H:%M" if moment.year == now.year else "%Y-%m-%d"
    return moment.strftime(form), "bar_text"


_STATE_ORDER = {state: place for place, state in enumerate(RunStatus)}

COLUMNS: tuple[Column, ...] = (
    Column("mark", "", 2, 0, _mark, gap=1),
    Column("run", "run", 0, 0, _name, lambda r: run_title(r).casefold()),
    Column("state", "state", 13, 0, _state, lambda r: _STATE_ORDER[r.status]),
    Column("n", "n", 6, 8, lambda r, _, w: (_count(r.n, w), "text"), lambda r: r.n, True, 1),
    Column("H", "H", 7, 6, lambda r, _, w: (_count(r.H, w), "text"), lambda r: r.H, True),
    Column("loss", "loss", 11, 7, lambda r, _, w: (clip(r.loss, w), "text"), lambda r: r.loss),
    Column("step", "step", 11, 3, _step, lambda r: r.step, True),
    Column("risk", "log₁₀L", 9, 1, _risk, lambda r: r.log10_risk, True),
    Column("margin", "γ̄", 9, 2, _margin, lambda r: r.margin_normalized, True),
    Column("trend", "trend", 14, 4, _trend),
    Column("updated", "updated", 12, 5, _modified, lambda r: r.modified or None, gap=1),
)
SORTS = tuple(column.key for column in COLUMNS if column.order is not None)
_BY_KEY = {column.key: column for column in COLUMNS}
_NAME_LEAST, _NAME_MOST = 14, 40
_TREND_MOST = 34
STUDY_GLYPH = "▦"


def setting_column(key: str) -> Column:
    """A column of any key of the configuration."""
    width = min(18, max(9, len(key) + 3))

    def cell(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
        del style
        value = run.settings.get(key)
        return ("–", "dim") if value is None else (clip(setting_text(value), width), "bright")

    def order(run: RunSummary) -> Any:
        value = run.settings.get(key)
        if value is None:
            return None
        # Numbers before words.
        return (1, value.casefold()) if isinstance(value, str) else (0, float(value))

    return Column(key, key, width, 0, cell, order, True)


def column_of(key: str) -> Column:
    """A column of the table, or of a key of the configuration."""
    return _BY_KEY.get(key) or setting_column(key)


def setting_text(value: Any) -> str:
    """A value of a configuration in few characters."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def fitted(width: int, extra: Column | None = None) -> list[tuple[Column, int]]:
    """The columns for a width in cells, each with its width, the gap included; `extra` behind the name."""
    state = 13 if width >= 60 else 2
    kept = list(COLUMNS)
    if extra is not None:
        kept.insert(2, extra)
    widths = {c.key: c.width for c in kept} | {"state": state}
    least = max(_NAME_LEAST, min(22, width // 4))
    while sum(widths[c.key] for c in kept) + least > width:
        worst = max(kept, key=lambda column: column.rank)
        if worst.rank == 0:
            break
        kept.remove(worst)
    room = max(1, width - sum(widths[c.key] for c in kept))
    widths["run"] = min(room, _NAME_MOST)
    if "trend" in {c.key for c in kept}:
        widths["trend"] = min(_TREND_MOST, widths["trend"] + room - widths["run"])
    return [(column, widths[column.key]) for column in kept]


def draw_cell(column: Column, width: int, run: RunSummary, style: RowStyle) -> Text:
    """One cell, exactly `width` cells wide; plain text, never markup."""
    gap = min(column.gap, max(0, width - 1))
    inner = width - gap
    text, ink = column.cell(run, style, inner)
    text = style.palette.say(text)
    text = clip(text, inner) if not style.palette.ascii else text[:inner]
    space = " " * (inner - text_width(text))
    text = space + text if column.right else text + space
    return Text(text + " " * gap, style=f"#{style.palette.ink(ink):06x}", end="", no_wrap=True)


class Cell:
    """A cell of a run's row, drawn when it comes into sight."""

    __slots__ = ("column", "run", "style", "width")

    def __init__(self, column: Column, width: int, run: RunSummary, style: RowStyle) -> None:
        self.column, self.width, self.run, self.style = column, width, run, style

    def __rich__(self) -> Text:
        return draw_cell(self.column, self.width, self.run, self.style)


def sorted_runs(runs: Iterable[RunSummary], key: str, reverse: bool) -> list[RunSummary]:
    """Studies, then runs, in the order of a column or of a key of the configuration, ties newest first; what
    is not known comes last either way."""
    order = column_of(key).order
    newest = sorted(runs, key=lambda run: (run.made, run.run_id), reverse=True)
    if order is None:
        return sorted(newest, key=lambda run: run.members is None)

    def known(run: RunSummary) -> bool:
        value = order(run)
        return value is not None and value == value and value != ""

    def value(run: RunSummary) -> Any:
        return order(run)

    some = sorted((run for run in newest if known(run)), key=value, reverse=reverse)
    found = some + [run for run in newest if not known(run)]
    return sorted(found, key=lambda run: run.members is None)


def sort_note(key: str, reverse: bool) -> str:
    """The sort as the header says it: `updated ▼`."""
    return f"{key} {'▼' if reverse else '▲'}"


# --- the widget ---------------------------------------------------------------------------------


class RunsTable(DataTable[Cell], inherit_bindings=False):
    """Runs as rows, ten thousand as well as ten: only those in sight are drawn.

    ←/→ are left to the screen; a second click on a row opens it.
    """

    HELP_NAME: ClassVar[str] = "in the table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "cursor_up", "run above", show=False),
        Binding("down,j", "cursor_down", "run below", show=False),
        Binding("pageup", "page_up", "page up", show=False),
        Binding("pagedown", "page_down", "page down", show=False),
        Binding("home,g", "scroll_top", "first run", show=False),
        Binding("end,G", "scroll_bottom", "last run", show=False),
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
        self._fitted: list[tuple[Column, int]] = []
        self._drawn: dict[str, list[Cell]] = {}
        self._from: dict[str, tuple[RunSummary, RowStyle]] = {}

    @property
    def run_ids(self) -> list[str]:
        """The runs shown, top to bottom."""
        return [str(row.key.value) for row in self.ordered_rows]

    @property
    def columns_shown(self) -> list[str]:
        """The keys of the columns there is room for."""
        return [column.key for column, _ in self._fitted]

    @property
    def current(self) -> str | None:
        """The run under the cursor."""
        rows = self.ordered_rows
        inside = 0 <= self.cursor_row < len(rows)
        return str(rows[self.cursor_row].key.value) if inside else None

    def fit(self, width: int, extra: str | None = None) -> bool:
        """Choose the columns for a width, `extra` a key of the configuration beside them; whether they
        changed (then the rows are gone)."""
        before = next((c for c, _ in self._fitted if c.key == extra), None)
        wanted = fitted(width, None if extra is None else before or setting_column(extra))
        if wanted == self._fitted:
            return False
        self._fitted = wanted
        self.clear(columns=True)
        self._drawn.clear()
        self._from.clear()
        for column, size in wanted:
            title = self.palette.say(
                "margin" if column.key == "margin" and self.palette.ascii else column.title
            )
            title = title if text_width(title) <= size - column.gap else ""
            space = " " * max(0, size - column.gap - text_width(title))
            label = space + title if column.right else title
            self.add_column(Text(label, end=""), width=size, key=column.key)
        return True

    def draw_row(self, run: RunSummary, style: RowStyle) -> list[Cell]:
        """The cells of a run, those drawn before if nothing has changed."""
        before = self._from.get(run.run_id)
        if before is not None and before[0] is run and before[1] == style:
            return self._drawn[run.run_id]
        return [Cell(column, size, run, style) for column, size in self._fitted]

    def show_runs(self, runs: Sequence[tuple[RunSummary, RowStyle]]) -> Literal["cells", "rows"]:
        """Show runs in this order; only what differs from before is touched.

        Returns:
            `rows` if the rows had to be laid out anew, `cells` if at most cells changed.
        """
        cells = {run.run_id: self.draw_row(run, style) for run, style in runs}
        wanted, present = list(cells), self.run_ids
        if wanted[: len(present)] != present:
            self._lay_out(cells, present)
        else:
            self._fill(cells, present)
        self._drawn = cells
        self._from = {run.run_id: (run, style) for run, style in runs}
        return "cells" if wanted == present else "rows"

    def _fill(self, cells: dict[str, list[Cell]], present: list[str]) -> None:
        """Change the rows that are there and add the others behind them."""
        for run_id in present:
            if self._drawn.get(run_id) is not cells[run_id]:
                for cell in cells[run_id]:
                    self.update_cell(run_id, cell.column.key, cell)
        here = set(present)
        for run_id, row in cells.items():
            if run_id not in here:
                self.add_row(*row, key=run_id)

    def _lay_out(self, cells: dict[str, list[Cell]], present: list[str]) -> None:
        """Put the rows in another order and the cursor back on its run, or near it."""
        current, place, top = self.current, self.cursor_row, self.scroll_offset.y
        before = list(present)
        if not cells.keys() >= set(present):
            self.clear()
            present = []
        self._fill(cells, present)
        rank = {run_id: row for row, run_id in enumerate(cells)}
        if present:
            self.sort(key=lambda row: rank[row[0].run.run_id])
        if current in cells:
            place = rank[current]
        if cells:
            moved = current not in cells or not before or before.index(current) != place
            self.move_cursor(row=min(place, len(cells) - 1), animate=False, scroll=moved)
            self.scroll_to(y=top, animate=False, force=True)

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        """Nothing is measured: columns have the widths given to them, and rows one line."""
        super()._update_dimensions(())
