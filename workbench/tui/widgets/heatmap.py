"""A value for every pair of two keys' choices: a tile a pair, where there is room with the number in it.

Numbers are colours of one scale, words a colour each. Where the choices are more than the cells, a cell
stands for several of them, and the caller is told how many fit (`room`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.message import Message

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.chart import draw_empty
from workbench.tui.widgets.numbers import short
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import NO_INK, Depth, Palette
from workbench.tui.widgets.scale import Floats

TILE = (24, 9)
"""The widest and the tallest tile, in cells."""
GUTTER = 12
"""The widest that labels at the left may be."""
Words = tuple[tuple[str, str], ...]
"""Words and their colour names."""


@dataclass(frozen=True, eq=False)
class HeatModel:
    """Everything a heat map shows. `values` (rows, columns), row 0 at the bottom, NaN: nothing to show.

    `words`: what the values count, if they are words' places and no numbers. `log`: colours go with the
    logarithm. `text` says a number in few characters. `cursor`: the chosen (row, column). `readout` is
    said below, `note` in the title behind what is shown.
    """

    title: str = ""
    note: str = ""
    values: Floats = field(default_factory=lambda: np.empty((0, 0)))
    x_name: str = ""
    y_name: str = ""
    x_labels: tuple[str, ...] = ()
    y_labels: tuple[str, ...] = ()
    words: Words = ()
    log: bool = False
    text: Callable[[float], str] = short
    cursor: tuple[int, int] | None = None
    focused: bool = False
    readout: str = ""
    empty: str = "nothing to show yet"


@dataclass(frozen=True)
class HeatPlot:
    """Where the tiles are: `left`, `top` and the size of a tile in cells, rows counted from the bottom."""

    left: int
    top: int
    wide: int
    tall: int
    columns: int
    rows: int

    def at(self, x: int, y: int) -> tuple[int, int] | None:
        """The (row, column) of the tile at a cell of the widget."""
        column, row = (x - self.left) // self.wide, (y - self.top) // self.tall
        if 0 <= column < self.columns and 0 <= row < self.rows:
            return self.rows - 1 - row, column
        return None

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """The cell (line, column) at the upper left of a tile."""
        return self.top + (self.rows - 1 - row) * self.tall, self.left + column * self.wide


def room(width: int, height: int) -> tuple[int, int]:
    """How many (rows, columns) of tiles fit a widget, with its title, labels and readout."""
    return max(1, height - _head(height) - _foot(height)), max(1, width - GUTTER - 1)


def _head(height: int) -> int:
    """Lines above the tiles: the title, and the names of the axes."""
    return 2 if height >= 7 else 1 if height >= 4 else 0


def _foot(height: int) -> int:
    """Lines below the tiles: labels, and what the chosen tile says."""
    return 2 if height >= 7 else 1 if height >= 5 else 0


def scale_of(values: Floats, log: bool) -> tuple[float, float]:
    """The values of the first and the last colour."""
    known = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    return (low, high) if high > low else (low, low)


def places(values: Floats, log: bool) -> Floats:
    """Where values lie between the first and the last colour, in [0, 1]; the middle where all are equal."""
    low, high = scale_of(values, log)
    with np.errstate(all="ignore"):
        if log:
            values, low, high = np.log10(values), np.log10(low), np.log10(high)
        if not high > low:
            return np.where(np.isnan(values), np.nan, 0.6)
        part = (np.clip(values, low, high) - low) / (high - low)
    return np.asarray(part)


def draw_heat(
    model: HeatModel | None, width: int, height: int, palette: Palette
) -> tuple[Grid, HeatPlot | None]:
    """The picture, and where its tiles are; None where there are none."""
    grid = Grid(width, height, palette)
    if model is None or not model.values.size:
        draw_empty(grid, model.title if model else "", model.empty if model else "")
        return grid, None
    plot = _plot(model, width, height, palette)
    if plot is None:
        draw_empty(grid, model.title, "too small for this picture")
        return grid, None
    inks, glyphs = _inks(model, palette)
    _draw_tiles(grid, plot, model, inks, glyphs)
    if _head(height):
        _draw_title(grid, model)
    if _head(height) > 1:
        _draw_names(grid, model)
    _draw_labels(grid, plot, model)
    if model.cursor is not None:
        _draw_cursor(grid, plot, model, inks)
    if _foot(height) > 1:
        grid.text(height - 1, 0, clip(palette.say(model.readout), width), "bright")
    return grid, plot


def _plot(model: HeatModel, width: int, height: int, palette: Palette) -> HeatPlot | None:
    rows, columns = model.values.shape
    widest = max((text_width(palette.say(label)) for label in model.y_labels), default=0)
    left = min(widest, GUTTER, max(0, width // 4)) + 2
    wide = min((width - left) // columns, TILE[0])
    tall = min((height - _head(height) - _foot(height)) // rows, TILE[1])
    if wide < 1 or tall < 1:
        return None
    return HeatPlot(left, _head(height), wide, tall, columns, rows)


def _inks(model: HeatModel, palette: Palette) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """The ink of every tile, `NO_INK` for nothing, and the glyph that fills it on a coarse terminal."""
    values = model.values
    known = np.isfinite(values)
    inks = np.full(values.shape, NO_INK, dtype=np.int64)
    glyphs = np.full(values.shape, " ", dtype="<U1")
    if model.words:
        order = np.where(known, values, 0).astype(np.int64).clip(0, len(model.words) - 1)
        ramp = np.array([palette.ink(color) for _, color in model.words], dtype=np.int64)
        signs = np.array(word_glyphs(model.words, palette))
    else:
        steps, shades = palette.density()
        first = 3 if palette.fine else 1
        part = places(values, model.log)
        known &= ~np.isnan(part)
        order = first + np.rint(np.where(known, part, 0) * (len(steps) - 1 - first)).astype(int)
        ramp, signs = steps, np.array(list(shades))
    inks[known], glyphs[known] = ramp[order][known], signs[order][known]
    return inks, glyphs


def word_glyphs(words: Words, palette: Palette) -> list[str]:
    """What fills the tiles of a word where colours do not tell: its first letter that no other has."""
    if palette.depth is not Depth.NONE and not palette.ascii:
        return ["█"] * len(words)
    taken: list[str] = []
    for word, _ in words:
        letters = [c for c in palette.say(word) if c.isascii() and c.isalnum()]
        taken.append(next((c for c in letters if c not in taken), "#"))
    return taken


def _draw_tiles(
    grid: Grid,
    plot: HeatPlot,
    model: HeatModel,
    inks: NDArray[np.int64],
    glyphs: NDArray[np.str_],
) -> None:
    """The tiles; wide ones leave a gap at their right, and say their value."""
    palette, gap = grid.palette, int(plot.wide >= 4)
    solid = plot.wide - gap
    low = int(plot.tall >= 3)
    for row, column in np.ndindex(*model.values.shape):
        top, left = plot.corner(row, column)
        ink = int(inks[row, column])
        if ink == NO_INK:
            grid.text(top + (plot.tall - 1) // 2, left + (solid - 1) // 2, "·", "faint")
            continue
        color = f"#{ink:06x}"
        if palette.fine:
            block = np.full((2 * plot.tall - low, solid), ink, dtype=np.int64)
            if low:
                block = np.vstack([block, np.full((1, solid), palette.ink("bg"))])
            grid.colors(top, left, block)
        else:
            for line in range(top, top + plot.tall - low):
                grid.text(line, left, str(glyphs[row, column]) * solid, color)
        value = float(model.values[row, column])
        said = palette.say(model.words[int(value)][0] if model.words else model.text(value))
        if model.words and text_width(said) > solid - 2:
            said = clip(said, solid - 1) if solid >= 6 and not palette.ascii else ""
        if said and solid >= 3 and text_width(said) < solid:
            start = left + (solid - text_width(said)) // 2
            dark = _bright(ink) and palette.fine
            ink_name = "bg" if dark else "bright"
            grid.text(top + (plot.tall - 1) // 2, start, said, ink_name, bold=dark)


def _bright(ink: int) -> bool:
    """Whether dark text reads better on an ink than bright text."""
    return 299 * (ink >> 16) + 587 * (ink >> 8 & 255) + 114 * (ink & 255) > 118_000


def _draw_title(grid: Grid, model: HeatModel) -> None:
    """What is shown at the left, how it is coloured at the right."""
    say, width = grid.palette.say, grid.width
    column = grid.text(0, 0, clip(say(model.title), width), "text", bold=True)
    legend = (
        _word_legend(model, grid.palette) if model.words else _scale_legend(model, grid.palette)
    )
    note = say(f"  {model.note}") if model.note else ""
    shown = len(legend)

    def size() -> int:
        return sum(text_width(say(text)) for text, _ in legend[:shown])

    while shown and column + text_width(note) + 2 + size() > width:
        if model.words and shown > 2:
            shown -= 2
        elif note:
            note = ""
        else:
            shown = 0
    column = grid.text(0, column, note, "dim")
    at = width - size()
    for text, ink in legend[:shown]:
        at = grid.text(0, at, text, ink)


def _word_legend(model: HeatModel, palette: Palette) -> list[tuple[str, str]]:
    """Pairs of a word's glyph and the word, of the words that are there."""
    there = np.unique(model.values[np.isfinite(model.values)]).astype(int)
    glyphs = word_glyphs(model.words, palette)
    legend: list[tuple[str, str]] = []
    for place in there[: len(model.words)]:
        word, color = model.words[place]
        legend += [(f"{'■' if glyphs[place] == '█' else glyphs[place]} ", color)]
        legend += [(f"{word}  ", "bar_text")]
    return legend


def _scale_legend(model: HeatModel, palette: Palette) -> list[tuple[str, str]]:
    """The ends of the scale around its colours."""
    low, high = scale_of(model.values, model.log)
    inks, ramp = palette.density()
    picks = np.linspace(3 if palette.fine else 1, len(inks) - 1, 8).round().astype(int).tolist()
    colors = [("█" if palette.fine else ramp[i], f"#{int(inks[i]):06x}") for i in picks]
    if not high > low:
        return [(f"all {model.text(low)}", "dim")]
    ends = model.text(low), model.text(high)
    return [(f"{ends[0]} ", "dim"), *colors, (f" {ends[1]}{' log' if model.log else ''}", "dim")]


def _draw_names(grid: Grid, model: HeatModel) -> None:
    """Which key goes up, and which goes to the right."""
    column = 0
    for arrow, name in (("↑", model.y_name), ("→", model.x_name)):
        if name:
            column = grid.text(1, column, f"{arrow} ", "dim")
            column = grid.text(1, column, name, "bar_text") + 3


def _draw_labels(grid: Grid, plot: HeatPlot, model: HeatModel) -> None:
    """Choices at the left and below, those without room left out; that of the chosen tile is there."""
    say = grid.palette.say
    chosen = model.cursor or (-1, -1)
    for row in range(plot.rows):
        top, _ = plot.corner(row, 0)
        line = top + (plot.tall - 1) // 2
        label, here = clip(say(model.y_labels[row]), plot.left - 2), row == chosen[0]
        grid.right(line, plot.left - 1, label, "bright" if here else "dim", bold=here)
    line = plot.top + plot.rows * plot.tall
    if _foot(grid.height):
        order = sorted(range(plot.columns), key=lambda column: column != chosen[1])
        for column in order:
            _x_label(grid, line, plot, column, say(model.x_labels[column]), column == chosen[1])


def _x_label(grid: Grid, line: int, plot: HeatPlot, column: int, label: str, here: bool) -> None:
    """One label below its tile, if nothing is there yet."""
    size = text_width(label)
    solid = plot.wide - int(plot.wide >= 4)
    start = plot.left + column * plot.wide + (solid - size) // 2
    start = min(max(0, start), grid.width - size)
    before = max(0, start - 1)
    if start >= 0 and grid.free(line, before, min(grid.width, start + size + 1) - before):
        grid.text(line, start, label, "bright" if here else "dim", bold=here)


def _draw_cursor(grid: Grid, plot: HeatPlot, model: HeatModel, inks: NDArray[np.int64]) -> None:
    """The chosen tile between two bars, or a cross on it where tiles are narrow."""
    assert model.cursor is not None
    row, column = model.cursor
    if not (0 <= row < plot.rows and 0 <= column < plot.columns):
        return
    top, left = plot.corner(row, column)
    ink = "bright" if model.focused else "dim"
    if plot.wide < 4:
        dark = grid.palette.fine and _bright(int(inks[row, column]))
        ink = "bg" if dark else ink
        grid.text(top + (plot.tall - 1) // 2, left + (plot.wide - 1) // 2, "╳", ink, bold=True)
        return
    tall = plot.tall - int(plot.tall >= 3)
    for line in range(top, top + max(1, tall)):
        grid.text(line, left - 1, "▐", ink)
        grid.text(line, left + plot.wide - 1, "▌", ink)


class HeatMap(Painted[HeatModel], can_focus=True):
    """Tiles, one of which the mouse can choose."""

    class Pointed(Message):
        """The mouse chose a tile: (row, column)."""

        def __init__(self, cell: tuple[int, int]) -> None:
            super().__init__()
            self.cell = cell

    class Resized(Message):
        """Another number of tiles may fit."""

    plot: HeatPlot | None = None

    def on_resize(self) -> None:
        """What chooses the tiles has to know."""
        self.post_message(self.Resized())

    def draw(self, model: HeatModel | None, width: int, height: int) -> Grid:
        grid, self.plot = draw_heat(model, width, height, self.palette)
        return grid

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Choose the tile under the mouse."""
        cell = self.plot.at(event.x, event.y) if self.plot is not None else None
        if cell is not None:
            self.post_message(self.Pointed(cell))
