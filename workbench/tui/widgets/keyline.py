"""The keys that do something here, in one line at the bottom; a click on one presses it."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events

from workbench.tui.widgets.cells import Grid, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette


@dataclass(frozen=True)
class KeyHint:
    """A key as shown and what it does; hints with the highest rank go first when it is narrow."""

    key: str
    text: str
    rank: int = 0


_PRESSED = {
    "←": "left",
    "→": "right",
    "↑": "up",
    "↓": "down",
    "esc": "escape",
    "/": "slash",
    "?": "question_mark",
    "F1": "f1",
}


def fitting(
    hints: tuple[KeyHint, ...] | None, width: int, palette: Palette
) -> list[tuple[int, KeyHint]]:
    """The hints that fit, each with the column where it begins; none is cut."""

    def size(hint: KeyHint) -> int:
        return text_width(palette.say(hint.key)) + 1 + text_width(palette.say(hint.text)) + 2

    kept = list(hints or ())
    while kept and sum(map(size, kept)) > width + 1:
        # Of equal rank, the last one goes first.
        worst = max(range(len(kept)), key=lambda i: (kept[i].rank, i))
        kept.pop(worst)
    column, placed = 1, []
    for hint in kept:
        placed.append((column, hint))
        column += size(hint)
    return placed


def draw_keys(hints: tuple[KeyHint, ...] | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of the line on the first row."""
    grid = Grid(width, height, palette, back=palette.ink("bar"))
    if height < 1:
        return grid
    for column, hint in fitting(hints, width, palette):
        after = grid.text(0, column, hint.key, "text", bold=True) + 1
        grid.text(0, after, hint.text, "bar_text")
    return grid


def key_at(
    hints: tuple[KeyHint, ...] | None, width: int, palette: Palette, column: int
) -> str | None:
    """The key, as Textual calls it, that a click in this column presses; None beside all of them.

    Of several arrows it is the one clicked; on the words behind them, the last.
    """
    for begins, hint in fitting(hints, width, palette):
        front = text_width(palette.say(hint.key))
        ends = begins + front + 1 + text_width(palette.say(hint.text))
        if not hint.key or not begins <= column < ends:
            continue
        shifted = "shift+" if hint.key.startswith("⇧") else ""
        arrows = hint.key.removeprefix("⇧")
        if not set(arrows) <= set("←→↑↓"):
            return _PRESSED.get(hint.key, hint.key)
        place = column - begins - (len(hint.key) - len(arrows))
        return shifted + _PRESSED[arrows[min(max(0, place), len(arrows) - 1)]]
    return None


class KeyLine(Painted[tuple[KeyHint, ...]]):
    """The bottom line."""

    DEFAULT_CSS = "KeyLine { height: 1; }"

    def draw(self, model: tuple[KeyHint, ...] | None, width: int, height: int) -> Grid:
        return draw_keys(model, width, height, self.palette)

    def on_click(self, event: events.Click) -> None:
        """Press the key under the pointer."""
        event.stop()
        key = key_at(self.model, self.size.width, self.palette, event.x)
        if key is not None:
            self.app.simulate_key(key)
