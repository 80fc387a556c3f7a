"""Terminal screens as PNG pictures.

From a dump made with `tmux capture-pane -e -p`:  python docs/screenshot.py dump.ansi out.png
From a Textual app in a test or a script:         save(screen_text(app), "out.png")

Braille dots, block elements and lines are drawn, not taken from the font, so that they are crisp
and join from cell to cell.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from textual.app import App

CELL = (11, 22)
FONT_SIZE = 17
TEXT, BACK = (214, 219, 225), (13, 17, 23)
FONTS = Path("/usr/share/fonts/truetype/dejavu")

_BASE: tuple[tuple[int, int, int], ...] = (
    (0, 0, 0),
    (205, 49, 49),
    (13, 188, 121),
    (229, 229, 16),
    (36, 114, 200),
    (188, 63, 188),
)
_BASE += ((17, 168, 205), (229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139))
_BASE += ((245, 245, 67), (59, 142, 234), (214, 112, 214), (41, 184, 219), (255, 255, 255))

Rgb = tuple[int, int, int]
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
_OTHER = re.compile(r"\x1b(?:\[[0-9;?<>=:]*[A-Za-ln-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9])")


@dataclass(frozen=True)
class Pen:
    """The colours and weight that characters are written with."""

    fore: Rgb = TEXT
    back: Rgb = BACK
    bold: bool = False
    dim: bool = False
    reverse: bool = False


@dataclass(frozen=True)
class Cell:
    """One character on the screen."""

    character: str
    pen: Pen
    wide: bool = False


def indexed(number: int) -> Rgb:
    """A colour of the 256-colour palette."""
    if number < 16:
        return _BASE[number]
    if number < 232:
        number -= 16
        steps = (0, 95, 135, 175, 215, 255)
        return steps[number // 36], steps[number // 6 % 6], steps[number % 6]
    grey = 8 + 10 * (number - 232)
    return grey, grey, grey


def _extended(codes: list[int]) -> Rgb | None:
    """The colour after 38 or 48; takes its numbers from the list."""
    kind = codes.pop(0) if codes else -1
    if kind == 5 and codes:
        return indexed(codes.pop(0) & 255)
    if kind == 2 and len(codes) >= 3:
        return codes.pop(0), codes.pop(0), codes.pop(0)
    return None


def apply(pen: Pen, parameters: str) -> Pen:
    """A pen after one SGR sequence."""
    codes = [int(part or 0) for part in parameters.replace(":", ";").split(";")]
    while codes:
        code = codes.pop(0)
        if code == 0:
            pen = Pen()
        elif code in (1, 2):
            pen = replace(pen, bold=code == 1 or pen.bold, dim=code == 2 or pen.dim)
        elif code == 22:
            pen = replace(pen, bold=False, dim=False)
        elif code in (7, 27):
            pen = replace(pen, reverse=code == 7)
        elif 30 <= code <= 37 or 90 <= code <= 97:
            pen = replace(pen, fore=_BASE[code - 30 if code < 90 else code - 82])
        elif 40 <= code <= 47 or 100 <= code <= 107:
            pen = replace(pen, back=_BASE[code - 40 if code < 100 else code - 92])
        elif code in (38, 48):
            colour = _extended(codes)
            if colour is not None:
                pen = replace(pen, fore=colour) if code == 38 else replace(pen, back=colour)
        elif code == 39:
            pen = replace(pen, fore=TEXT)
        elif code == 49:
            pen = replace(pen, back=BACK)
    return pen


def parse(text: str) -> list[list[Cell]]:
    """The cells of a dump: lines of text with SGR sequences; other sequences are skipped."""
    pen, rows = Pen(), []
    for line in text.rstrip("\n").split("\n"):
        row: list[Cell] = []
        line = _OTHER.sub("", line.rstrip("\r"))
        at = 0
        while at < len(line):
            match = _SGR.match(line, at)
            if match:
                pen, at = apply(pen, match[1]), match.end()
                continue
            character = line[at]
            at += 1
            if unicodedata.combining(character) or character < " ":
                continue
            wide = unicodedata.east_asian_width(character) in "WF"
            row.append(Cell(character, pen, wide))
            if wide:
                row.append(Cell("", pen))
        rows.append(row)
    return rows


def _fonts() -> tuple[Any, Any]:
    try:
        return tuple(
            ImageFont.truetype(str(FONTS / name), FONT_SIZE)
            for name in ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
        )  # type: ignore[return-value]
    except OSError:
        sys.exit("screenshot: DejaVu Sans Mono is missing; install fonts-dejavu-core")


def _block(draw: ImageDraw.ImageDraw, code: int, x: int, y: int, fore: Rgb, back: Rgb) -> bool:
    """Draw a block element; false where the font has to do it."""
    width, height = CELL
    right, bottom = x + width - 1, y + height - 1
    if code == 0x2580:
        draw.rectangle((x, y, right, y + height // 2 - 1), fore)
    elif 0x2581 <= code <= 0x2588:
        top = bottom + 1 - round(height * (code - 0x2580) / 8)
        draw.rectangle((x, top, right, bottom), fore)
    elif 0x2589 <= code <= 0x258F:
        draw.rectangle((x, y, x + round(width * (0x2590 - code) / 8) - 1, bottom), fore)
    elif code == 0x2590:
        draw.rectangle((x + width // 2, y, right, bottom), fore)
    elif 0x2591 <= code <= 0x2593:
        part = (code - 0x2590) / 4
        mixed = tuple(round(f * part + b * (1 - part)) for f, b in zip(fore, back, strict=True))
        draw.rectangle((x, y, right, bottom), mixed)
    elif code == 0x2595:
        draw.rectangle((right, y, right, bottom), fore)
    else:
        return False
    return True


def _line(draw: ImageDraw.ImageDraw, code: int, x: int, y: int, fore: Rgb) -> bool:
    """Draw the box lines that have to join; false for others."""
    width, height = CELL
    middle_x, middle_y = x + width // 2, y + height // 2
    if code in (0x2500, 0x2501):
        draw.rectangle((x, middle_y, x + width - 1, middle_y + code - 0x2500), fore)
    elif code in (0x2502, 0x2524):
        draw.rectangle((middle_x, y, middle_x, y + height - 1), fore)
        if code == 0x2524:
            draw.rectangle((x, middle_y, middle_x, middle_y), fore)
    elif code in (0x250A, 0x2506):
        for top in range(y, y + height, 6):
            draw.rectangle((middle_x, top, middle_x, top + 2), fore)
    else:
        return False
    return True


def _braille(draw: ImageDraw.ImageDraw, code: int, x: int, y: int, fore: Rgb) -> None:
    """Draw braille dots as small discs, evenly spaced across cells."""
    width, height = CELL
    for bit, (row, column) in enumerate(
        ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1))
    ):
        if code & 1 << bit:
            left = x + round((column + 0.5) * width / 2) - 2
            top = y + round((row + 0.5) * height / 4) - 2
            draw.ellipse((left, top, left + 3, top + 3), fore)


def render(rows: list[list[Cell]]) -> Image.Image:
    """A picture of the cells."""
    width, height = CELL
    columns = max((1, *map(len, rows)))
    picture = Image.new("RGB", (columns * width, max(1, len(rows)) * height), BACK)
    draw = ImageDraw.Draw(picture)
    plain, bold = _fonts()
    for line, row in enumerate(rows):
        for column, cell in enumerate(row):
            pen, x, y = cell.pen, column * width, line * height
            fore, back = (pen.back, pen.fore) if pen.reverse else (pen.fore, pen.back)
            if pen.dim:
                fore = tuple((2 * f + b) // 3 for f, b in zip(fore, back, strict=True))  # type: ignore[assignment]
            draw.rectangle((x, y, x + width * (1 + cell.wide) - 1, y + height - 1), back)
            if not cell.character.strip():
                continue
            code = ord(cell.character)
            if 0x2800 <= code <= 0x28FF:
                _braille(draw, code & 255, x, y, fore)
            elif not _block(draw, code, x, y, fore, back) and not _line(draw, code, x, y, fore):
                draw.text((x, y + 1), cell.character, fore, font=bold if pen.bold else plain)
    return picture


def screen_text(app: App[Any]) -> str:
    """What an app shows now, as lines with SGR sequences in 24-bit colours."""
    from rich.console import Console

    console = Console(color_system="truecolor", force_terminal=True, legacy_windows=False)
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.render(console) for strip in strips) + "\n"


def save(text: str, path: str | Path) -> None:
    """Write a dump as a PNG."""
    render(parse(text)).save(path)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("dump", help="a file from tmux capture-pane -e -p, or - for stdin")
    parser.add_argument("out", help="the PNG to write")
    given = parser.parse_args()
    text = sys.stdin.read() if given.dump == "-" else Path(given.dump).read_text("utf-8")
    save(text, given.out)


if __name__ == "__main__":
    main()
