"""A grid of terminal cells drawn with numpy and turned into Textual strips.

Layers of a cell, later ones on top: background tint, shade glyph, braille dots, text. Braille dots
are OR-ed, so crossing curves do not erase each other; the cell takes the colour of the curve with
the most dots in it, the later one on a tie. `Frame` is the finished picture: comparing two of them
tells which rows have to be sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from workbench.tui.widgets.palette import NO_INK, Depth, Palette

Dots = NDArray[np.bool_]
"""A raster of braille dots, shape (4·rows, 2·columns), row 0 on top."""

_BLANK = ord(" ")
_BRAILLE = 0x2800
_TAIL = 0
_TAIL_INK = -2
"""The second cell of a wide character: nothing is written for it."""

# Bits of U+2800, by dot row and dot column.
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)
_COUNT = np.array([bin(i).count("1") for i in range(256)], dtype=np.uint8)


def _ascii_shape(bits: int) -> str:
    """The ASCII character nearest to a braille pattern, by the rows its dots are in."""
    rows = [bool(bits & int(_BITS[r, 0] | _BITS[r, 1])) for r in range(4)]
    if not any(rows):
        return " "
    top, low = rows[0] or rows[1], rows[2] or rows[3]
    if top and low:
        return "-" if rows == [False, True, True, False] else "|" if sum(rows) >= 3 else ":"
    return "'" if rows[0] and not rows[1] else "." if rows[3] and not rows[2] else "-"


_ASCII = np.array([ord(_ascii_shape(i)) for i in range(256)], dtype=np.uint32)


def pack(dots: Dots) -> NDArray[np.uint8]:
    """Braille bits of each cell of a dot raster."""
    raster = dots.view(np.uint8)
    bits = np.zeros((raster.shape[0] // 4, raster.shape[1] // 2), dtype=np.uint8)
    for row in range(4):
        for column in range(2):
            bits |= raster[row::4, column::2] * _BITS[row, column]
    return bits


def codes(text: str) -> list[tuple[int, int]]:
    """(code point, width) of each character a cell can hold: zero-width ones are dropped."""
    if text.isascii() and text.isprintable():
        return [(c, 1) for c in text.encode("ascii")]
    found = []
    for character in text:
        if not character.isprintable():
            found.append((ord("?"), 1))
        elif width := cell_len(character):
            found.append((ord(character), width))
    return found


def text_width(text: str) -> int:
    """How many cells a text takes in a grid."""
    return len(text) if text.isascii() else sum(width for _, width in codes(text))


def clip(text: str, width: int) -> str:
    """A text cut to `width` cells, with an ellipsis where something was cut."""
    if text_width(text) <= width:
        return text
    if width <= 0:
        return ""
    kept, used = "", 0
    for character in text:
        used += text_width(character)
        if used > width - 1:
            break
        kept += character
    return kept + "…"


@dataclass(frozen=True, eq=False)
class Frame:
    """A finished picture: one code point and one style key a cell."""

    characters: NDArray[np.uint32]
    keys: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.characters.shape[0], self.characters.shape[1]

    def strip(self, row: int) -> Strip:
        """One row as a Textual strip, one segment for each run of equal style."""
        keys = self.keys[row]
        width = len(keys)
        line = self.characters[row].tobytes().decode("utf-32-le")
        cuts = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), width]
        segments = [
            Segment(line[a:b].replace("\0", ""), _style(int(keys[a]))) for a, b in pairwise(cuts)
        ]
        return Strip(segments, width)


def changed_rows(old: Frame | None, new: Frame) -> list[int]:
    """The rows that differ; all of them when the size differs."""
    if old is None or old.shape != new.shape:
        return list(range(new.shape[0]))
    differs = (old.characters != new.characters) | (old.keys != new.keys)
    return [int(row) for row in np.flatnonzero(differs.any(axis=1))]


@lru_cache(maxsize=4096)
def _style(key: int) -> Style:
    """The style of a key: foreground + 1, background + 1 and bold, 25 bits each."""
    ink, back, bold = (key & 0x1FFFFFF) - 1, (key >> 25 & 0x1FFFFFF) - 1, bool(key >> 50)
    return Style(
        color=None if ink < 0 else _color(ink),
        bgcolor=None if back < 0 else _color(back),
        bold=bold or None,
    )


def _color(ink: int) -> Color:
    return Color.from_triplet(ColorTriplet(ink >> 16, ink >> 8 & 255, ink & 255))


class Grid:
    """A picture being drawn. All drawing clips at the edges; nothing raises on a tiny grid."""

    def __init__(self, width: int, height: int, palette: Palette, back: int = NO_INK) -> None:
        self.width, self.height, self.palette = max(0, width), max(0, height), palette
        shape = (self.height, self.width)
        self._bits = np.zeros(shape, dtype=np.uint8)
        self._most = np.zeros(shape, dtype=np.uint8)
        self._mark = np.zeros(shape, dtype=np.uint32)
        self._under = np.zeros(shape, dtype=np.uint32)
        self._over = np.zeros(shape, dtype=np.uint32)
        self._ink = np.full(shape, NO_INK, dtype=np.int64)
        self._under_ink = np.full(shape, NO_INK, dtype=np.int64)
        self._over_ink = np.full(shape, NO_INK, dtype=np.int64)
        self._back = np.full(shape, back, dtype=np.int64)
        self._bold = np.zeros(shape, dtype=np.bool_)

    def text(self, row: int, column: int, text: str, ink: str = "text", bold: bool = False) -> int:
        """Write a text; returns the column after it. What is left or right of the grid is cut."""
        value = self.palette.ink(ink)
        for code, width in codes(self.palette.say(text)):
            if 0 <= row < self.height and column >= 0 and column + width <= self.width:
                self._over[row, column] = code
                self._over_ink[row, column] = value
                self._bold[row, column] = bold
                if width == 2:
                    self._over[row, column + 1] = _TAIL
                    self._over_ink[row, column + 1] = _TAIL_INK
            column += width
        return column

    def right(self, row: int, column: int, text: str, ink: str = "text", bold: bool = False) -> int:
        """Write a text that ends before `column`; returns the column it begins at."""
        start = column - text_width(self.palette.say(text))
        self.text(row, start, text, ink, bold)
        return start

    def free(self, row: int, column: int, width: int = 1) -> bool:
        """Whether no text is in a stretch of a row that lies within the grid."""
        inside = 0 <= row < self.height and column >= 0 and column + width <= self.width
        return inside and bool((self._over_ink[row, column : column + width] == NO_INK).all())

    def back(self, row: int, column: int, width: int, ink: int) -> None:
        """Set the background of a stretch of a row."""
        if 0 <= row < self.height:
            self._back[row, max(0, column) : max(0, column + width)] = ink

    def tint(self, row: int, column: int, mask: Dots, name: str) -> None:
        """Tint half cells: `mask` has two rows for each cell row, one column a cell.

        A half-covered cell is drawn with a half block over the background it already has.
        """
        rows, columns = mask.shape[0] // 2, mask.shape[1]
        area = self._area(row, column, rows, columns)
        if area is None:
            return
        top, low = mask[0::2], mask[1::2]
        tint = self.palette.tint(name)
        if tint == NO_INK:
            full = top | low
            self._under[area][full] = ord(self.palette.shade(name))
            self._under_ink[area][full] = self.palette.ink("faint")
            return
        both, upper, lower = top & low, top & ~low, low & ~top
        self._back[area][both] = tint
        self._under[area][both] = 0
        for half, block in ((upper, "▀"), (lower, "▄")):
            self._under[area][half] = ord(block)
            self._under_ink[area][half] = tint

    def dots(self, row: int, column: int, dots: Dots, ink: str, mark: str = "") -> None:
        """OR a dot raster into the grid at a cell."""
        if dots.size == 0 or not dots.any():
            return
        bits = pack(dots)
        area = self._area(row, column, *bits.shape)
        if area is None:
            return
        count = _COUNT[bits]
        wins = (count > 0) & (count >= self._most[area])
        self._bits[area] |= bits
        self._most[area][wins] = count[wins]
        self._ink[area][wins] = self.palette.ink(ink)
        self._mark[area][wins] = ord(mark or self.palette.mark(ink))

    def line_glyph(self, row: int, column: int, glyph: str, ink: str, over: bool = False) -> None:
        """Put a character where there are neither dots nor text; `over`: in blank text too."""
        if not (0 <= row < self.height and 0 <= column < self.width) or self._bits[row, column]:
            return
        if self._over_ink[row, column] == NO_INK or (over and self._over[row, column] == _BLANK):
            self._over[row, column] = ord(self.palette.say(glyph)[0])
            self._over_ink[row, column] = self.palette.ink(ink)

    def pixels(self, row: int, column: int, levels: NDArray[np.intp]) -> None:
        """Draw density levels, two for each cell row (one above the other) in one cell column.

        Where the terminal cannot shade halves, the denser half decides and a shade glyph is used.
        """
        inks, ramp = self.palette.density()
        rows, columns = levels.shape[0] // 2, levels.shape[1]
        area = self._area(row, column, rows, columns)
        if area is None:
            return
        top, low = levels[0::2], levels[1::2]
        if not self.palette.fine:
            most = np.maximum(top, low)
            self._over[area] = np.array([ord(c) for c in ramp], dtype=np.uint32)[most]
            self._over_ink[area] = inks[most]
            return
        self._over[area] = np.where(top == low, _BLANK, ord("▀")).astype(np.uint32)
        self._over_ink[area] = inks[top]
        self._back[area] = inks[low]

    def colors(self, row: int, column: int, inks: NDArray[np.int64]) -> None:
        """Draw a picture of inks, two for each cell row (one above the other) in one cell column.

        Only where `palette.fine`: elsewhere backgrounds cannot be shaded, and nothing is drawn.
        """
        area = self._area(row, column, inks.shape[0] // 2, inks.shape[1])
        if area is None or not self.palette.fine:
            return
        top, low = inks[0::2], inks[1::2]
        self._over[area] = np.where(top == low, _BLANK, ord("▀")).astype(np.uint32)
        self._over_ink[area] = top
        self._back[area] = low

    def dots_over(self, row: int, column: int, dots: Dots, ink: str) -> None:
        """Put a dot raster over a picture made by `pixels` or `colors`: thin lines on its mean colour."""
        if dots.size == 0 or not dots.any():
            return
        bits = pack(dots)
        area = self._area(row, column, *bits.shape)
        if area is None:
            return
        some = bits > 0
        over, inks, back = self._over[area], self._over_ink[area], self._back[area]
        if self.palette.ascii:
            over[some] = _ASCII[bits[some]]
        else:
            drawn = (over >= _BRAILLE) & (over < _BRAILLE + 256)
            old = np.where(drawn, over - np.uint32(_BRAILLE), np.uint32(0))
            fresh = some & (old == 0) & self.palette.fine
            # Both halves of a cell share one background under the dots.
            upper, lower = inks & 0xFEFEFE, back & 0xFEFEFE
            back[fresh] = ((upper >> 1) + (lower >> 1))[fresh]
            over[some] = (_BRAILLE + (bits.astype(np.uint32) | old))[some]
        inks[some] = self.palette.ink(ink)

    def _area(self, row: int, column: int, rows: int, columns: int) -> tuple[slice, slice] | None:
        """The slices of a block, or None when it does not lie within the grid."""
        if rows <= 0 or columns <= 0 or row < 0 or column < 0:
            return None
        if row + rows > self.height or column + columns > self.width:
            return None
        return slice(row, row + rows), slice(column, column + columns)

    def frame(self) -> Frame:
        """Put the layers together.

        Blank cells take the ink of the cell before them, so that runs of equal style are long and
        fewer escape codes are sent.
        """
        palette = self.palette
        if not palette.ascii:
            dots = self._bits.astype(np.uint32) + np.uint32(0x2800)
        elif palette.depth is Depth.NONE:
            dots = self._mark
        else:
            dots = _ASCII[self._bits]
        has_text, has_dots = self._over_ink != NO_INK, self._bits > 0
        has_under = self._under > 0
        characters = np.where(has_under, self._under, np.uint32(_BLANK))
        ink = np.where(has_under, self._under_ink, NO_INK)
        characters = np.where(has_dots, dots, characters)
        ink = np.where(has_dots, self._ink, ink)
        characters = np.where(has_text, self._over, characters)
        ink = np.where(has_text, self._over_ink, ink)
        bold = self._bold & has_text
        blank = (characters == _BLANK) | (characters == _TAIL)
        if self.width:
            columns = np.arange(self.width)
            source = np.maximum.accumulate(np.where(blank, 0, columns[None, :]), axis=1)
            ink = np.take_along_axis(ink, source, axis=1)
            bold = np.take_along_axis(bold, source, axis=1)
        back = self._back
        if palette.grounded:
            back = np.where(back < 0, palette.ink("bg"), back)
        keys = (np.maximum(ink, NO_INK) + 1) | (back + 1) << 25 | bold.astype(np.int64) << 50
        return Frame(np.ascontiguousarray(characters.astype("<u4")), keys)
