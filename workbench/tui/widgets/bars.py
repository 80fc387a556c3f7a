"""How many of all: a line for each kind, with its bar, its share, and its count."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.chart import draw_empty
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

LEAST_BAR = 6
_PARTS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class Bar:
    """One kind: a glyph and words before its bar, a colour, and how many there are."""

    glyph: str
    label: str
    color: str
    count: int


@dataclass(frozen=True)
class BarsModel:
    """Kinds, most frequent first, of `total`. `note` stands in the title's line, at the right."""

    title: str = ""
    bars: tuple[Bar, ...] = ()
    total: int = 0
    note: str = ""
    empty: str = "nothing to count yet"


def draw_bars(model: BarsModel | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture; kinds without room are summed up in the last line."""
    grid = Grid(width, height, palette)
    if model is None or not model.bars or height < 1:
        draw_empty(grid, model.title if model else "", model.empty if model else "")
        return grid
    say, top = palette.say, int(bool(model.title) and height >= 3)
    if top:
        after = grid.text(0, 0, clip(say(model.title), width), "text")
        if after + 2 + text_width(say(model.note)) <= width:
            grid.right(0, width, model.note, "dim")
    room = height - top
    shown = list(model.bars) if len(model.bars) <= room else list(model.bars[: room - 1])
    rest = model.bars[len(shown) :]
    if rest:
        shown.append(Bar(" ", f"{len(rest)} others", "dim", sum(bar.count for bar in rest)))
    most = max(bar.count for bar in shown) or 1
    counts = [f"{bar.count / max(1, model.total):4.0%} {bar.count:,}" for bar in shown]
    tail = max(map(len, counts))
    label = max(text_width(say(bar.label)) for bar in shown)
    label = max(0, min(label, width - 4 - tail - LEAST_BAR))
    space = width - 4 - label - tail
    for line, (bar, count) in enumerate(zip(shown, counts, strict=True), top):
        grid.text(line, 0, bar.glyph, bar.color)
        grid.text(line, 2, clip(say(bar.label), label), "text")
        if space >= LEAST_BAR:
            grid.text(line, 3 + label, bar_text(bar.count / most, space - 1, palette), bar.color)
        grid.right(line, width, count.rjust(tail), "bar_text")
    return grid


def bar_text(part: float, width: int, palette: Palette) -> str:
    """A bar that fills a part of a width; whatever is more than nothing shows."""
    if palette.ascii:
        return "#" * max(int(part > 0), round(part * width))
    eighths = max(int(part > 0), round(part * width * 8))
    whole, left = divmod(eighths, 8)
    return "█" * whole + (_PARTS[left] if left else "")


class Bars(Painted[BarsModel]):
    """Kinds and how many there are of each."""

    def draw(self, model: BarsModel | None, width: int, height: int) -> Grid:
        return draw_bars(model, width, height, self.palette)
