"""The keys that do something here, in one line at the bottom."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.tui.widgets.cells import Grid, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette


@dataclass(frozen=True)
class KeyHint:
    """A key as shown and what it does; hints with the highest rank go first when it is narrow."""

    key: str
    text: str
    rank: int = 0


def draw_keys(hints: tuple[KeyHint, ...] | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of the line on the first row; no hint is cut."""
    grid = Grid(width, height, palette, back=palette.ink("bar"))
    if not hints or height < 1:
        return grid

    def size(hint: KeyHint) -> int:
        return text_width(palette.say(hint.key)) + 1 + text_width(palette.say(hint.text)) + 2

    kept = list(hints)
    while kept and sum(map(size, kept)) > width + 1:
        # Of equal rank, the last one goes first.
        worst = max(range(len(kept)), key=lambda i: (kept[i].rank, i))
        kept.pop(worst)
    column = 1
    for hint in kept:
        column = grid.text(0, column, hint.key, "text", bold=True) + 1
        column = grid.text(0, column, hint.text, "bar_text") + 2
    return grid


class KeyLine(Painted[tuple[KeyHint, ...]]):
    """The bottom line."""

    DEFAULT_CSS = "KeyLine { height: 1; }"

    def draw(self, model: tuple[KeyHint, ...] | None, width: int, height: int) -> Grid:
        return draw_keys(model, width, height, self.palette)
