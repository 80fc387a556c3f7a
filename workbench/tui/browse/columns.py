"""The columns of the table of runs: its own, and those of any key, series, tag or note a person asks for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from workbench.errors import clean_text
from workbench.protocol.status import RunStatus
from workbench.record.columns import in_order, key_of, order_of, value_of
from workbench.record.summary import RunSummary
from workbench.tui.run.x_axis import LN10
from workbench.tui.widgets.cells import clip, text_width
from workbench.tui.widgets.numbers import short, thousands
from workbench.tui.widgets.palette import SERIES, Depth, Palette
from workbench.tui.widgets.sparkrows import LEAST_DECADES, spark
from workbench.tui.widgets.statusline import log_risk_text, number_text


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
    order: Callable[[RunSummary], Any] | None = None
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
ALWAYS = ("mark", "run", "state")
"""Columns that no choice leaves out."""
_NAME_LEAST, _NAME_MOST = 14, 40
_TREND_MOST = 34
STUDY_GLYPH = "▦"
TAGS_RANK = 3
_WIDE = {"tags": 16, "note": 32, "id": 36, "created": 20, "preset": 16}
"""Cells of fields that are texts."""


def free_column(key: str, rank: int = 0) -> Column:
    """A column of any field, key of the configuration or series; raises BadInput for what is none."""
    value, text = value_of(key), key_of(key) in _WIDE
    width = _WIDE.get(key_of(key)) or min(18, max(9, len(key) + 3))

    def cell(run: RunSummary, style: RowStyle, width: int) -> tuple[str, str]:
        del style
        found = value(run)
        if found is None or found == "":
            return ("" if text else "–"), "dim"
        ink = "teal" if key == "tags" else "bar_text" if text else "bright"
        return clip(setting_text(found), width), ink

    return Column(key, key, width, rank, cell, order_of(key), not text)


TAGS = free_column("tags", TAGS_RANK)


def column_of(key: str) -> Column:
    """A column of the table, or one of a key or a series; raises BadInput for what is none."""
    return _BY_KEY.get(key) or free_column(key)


def setting_text(value: Any) -> str:
    """A value of a configuration, or of a series, in few characters."""
    if isinstance(value, float):
        return number_text(value, ".6g")
    return clean_text(str(value).lower() if isinstance(value, bool) else str(value), 80)


def columns_for(chosen: Sequence[str] | None, sort_key: str, *, tags: bool) -> list[Column]:
    """The columns to fit in: those chosen, None for the table's own, with `tags` where there are any; that
    which is sorted by is among them."""
    if chosen is None:
        found = [*COLUMNS[:2], *([TAGS] if tags else []), *COLUMNS[2:]]
    else:
        named = [key for key in chosen if key not in ALWAYS]
        # As room gets short the table's own go first, then what was chosen last.
        own = len(named)
        free = [
            replace(column_of(key), rank=own + _BY_KEY[key].rank if key in _BY_KEY else place)
            for place, key in enumerate(named, 1)
        ]
        found = [*COLUMNS[: len(ALWAYS)], *free]
    if sort_key not in {column.key for column in found}:
        found.insert(2, replace(column_of(sort_key), rank=0))
    return found


def fitted(width: int, columns: Sequence[Column] = COLUMNS) -> list[tuple[Column, int]]:
    """The columns for a width in cells, each with its width, the gap included."""
    state = 13 if width >= 60 else 2
    kept = list(columns)
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


def draw_cell(column: Column, width: int, run: RunSummary, style: RowStyle) -> tuple[str, str]:
    """One cell, exactly `width` cells wide, and its colour; plain text, never markup."""
    gap = min(column.gap, max(0, width - 1))
    inner = width - gap
    text, ink = column.cell(run, style, inner)
    text = style.palette.say(text)
    text = clip(text, inner) if not style.palette.ascii else text[:inner]
    space = " " * (inner - text_width(text))
    return (space + text if column.right else text + space) + " " * gap, ink


def sorted_runs(runs: Iterable[RunSummary], key: str, reverse: bool) -> list[RunSummary]:
    """Studies, then runs, in the order of a column, ties newest first; what is not known comes last either
    way."""
    order = column_of(key).order
    found = in_order(runs, order or (lambda run: None), reverse)
    return sorted(found, key=lambda run: run.members is None)


def sort_note(key: str, reverse: bool) -> str:
    """The sort as the header says it: `updated ▼`."""
    return f"{key} {'▼' if reverse else '▲'}"
