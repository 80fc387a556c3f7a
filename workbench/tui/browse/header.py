"""The lines around the table of runs: the header, the keys, and what to do when there is no run."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.keyline import KeyHint
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

BAR = 10
"""Cells of the bar that says how many runs are read."""


@dataclass(frozen=True)
class HeaderModel:
    """Counts of runs, the sort, the filter, what is wrong with it, and a job that is going on."""

    shown: int = 0
    stored: int = 0
    read: int = 0
    marked: int = 0
    sort: str = ""
    filter: str = ""
    mistake: str = ""
    job: str = ""


def header_parts(model: HeaderModel) -> list[tuple[int, str, str]]:
    """(rank, text, colour) in the order shown; the highest rank goes first when it is narrow."""
    stored = f"{model.stored:,} stored"
    if model.read < model.stored:
        done = BAR * model.read // model.stored
        stored = f"reading {'█' * done}{'░' * (BAR - done)} {model.read:,} of {model.stored:,}"
    elif model.filter:
        stored = f"{model.shown:,} of {model.stored:,} stored"
    parts = [(0, stored, "text")]
    if model.marked:
        parts.append((2, f"{model.marked:,} marked", "bright"))
    if model.job:
        parts.append((1, model.job, "warn"))
    if model.sort:
        parts.append((4, f"sort: {model.sort}", "bar_text"))
    if model.filter:
        parts.append((3, f"filter: {model.filter}", "warn"))
    return parts


def draw_header(model: HeaderModel | None, width: int, height: int, palette: Palette) -> Grid:
    """The line as a picture; a mistake takes the place of all but the title."""
    grid = Grid(width, height, palette, back=palette.ink("bar"))
    if model is None:
        return grid
    column = grid.text(0, 1, "runs", "bright", bold=True) + 2
    if model.mistake:
        grid.text(0, column, clip(palette.say(model.mistake), width - column - 1), "min")
        return grid
    kept = header_parts(model)

    def size() -> int:
        return sum(text_width(palette.say(text)) + 3 for _, text, _ in kept) - 3

    while len(kept) > 1 and column + size() > width:
        kept.remove(max(kept))
    for place, (_, text, ink) in enumerate(kept):
        if place:
            column = grid.text(0, column, " · ", "dim")
        column = grid.text(0, column, clip(palette.say(text), max(0, width - column)), ink)
    return grid


class BrowseHeader(Painted[HeaderModel]):
    """The top line."""

    DEFAULT_CSS = "BrowseHeader { height: 1; }"

    def draw(self, model: HeaderModel | None, width: int, height: int) -> Grid:
        return draw_header(model, width, height, self.palette)


def key_hints(*, filtering: bool = False, empty: bool = False) -> tuple[KeyHint, ...]:
    """The keys shown at the bottom."""
    if filtering:
        return (
            KeyHint("enter", "keep", 0),
            KeyHint("esc", "undo", 0),
            KeyHint("", "preset=kh24* H>=20 train.lr>=1e-3 tag:good rho<2 name~a.*3$ words", 1),
        )
    if empty:
        return (KeyHint("n", "new run"), KeyHint("?", "help"), KeyHint("q", "quit"))
    return (
        KeyHint("↑↓", "select", 7),
        KeyHint("space", "mark", 1),
        KeyHint("enter", "open", 0),
        KeyHint("n", "new", 2),
        KeyHint("/", "filter", 2),
        KeyHint("←→", "scrub", 4),
        KeyHint("t", "sort", 5),
        KeyHint("K", "sort by", 6),
        KeyHint("O", "columns", 5),
        KeyHint("C", "series", 4),
        KeyHint("#", "tags", 5),
        KeyHint("v", "settings", 6),
        KeyHint("a", "bands", 5),
        KeyHint("r", "resume", 6),
        KeyHint("f", "fork", 6),
        KeyHint("E", "export", 6),
        KeyHint("X", "delete", 6),
        KeyHint("D", "diff", 5),
        KeyHint("?", "help", 0),
        KeyHint("q", "quit", 1),
    )


def empty_text(place: str, mistake: str, palette: Palette) -> Text:
    """What to say and to do when there is no run."""
    say = palette.say
    bright, dim, wrong = (f"#{palette.ink(n):06x}" for n in ("bright", "dim", "min"))
    text = Text(justify="center")
    if mistake:
        return text.append(say(mistake), style=wrong)
    text.append(say("no runs yet\n"), style=f"bold {bright}")
    text.append(say(f"in {place}\n\n"), style=dim)
    text.append("press ", style=dim).append("n", style=f"bold {bright}")
    text.append(say(" to start one from a preset\n"), style=dim)
    text.append("or type ", style=dim).append("workbench run", style=bright)
    text.append(say(" in a shell"), style=dim)
    return text
