"""Colours and glyphs, decided once from the environment.

Models name their colours (`"cyan"`, `"min"`, `"dim"`); the palette turns a name into what this
terminal can show. Inks are 24-bit integers 0xRRGGBB. On 16 colours they are exactly the terminal
colours' nominal values, so that the nearest-colour conversion further down hits the colour meant.
Without colour they are greys, and series are told apart by `mark` and `dash` as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.plain import asked_encoding, plain

NO_INK = -1
"""An ink or background that is not set: the widget's own shows."""


class Depth(StrEnum):
    """How many colours the terminal has."""

    TRUECOLOR = "truecolor"
    C256 = "256"
    C16 = "16"
    NONE = "none"


class Glyphs(StrEnum):
    """Which characters the terminal has."""

    UNICODE = "unicode"
    ASCII = "ascii"


SERIES = ("cyan", "orange", "purple", "yellow", "green", "blue", "pink", "teal")
"""Categorical colours in the order to use them. Red is not one: it means minimum or failure."""

# name: (truecolor, 256 colours, 16 colours, grey without colour)
_INKS: dict[str, tuple[int, int, int, int]] = {
    "bg": (0x0D1117, 0x121212, 0x000000, 0x000000),
    "bar": (0x161B22, 0x262626, 0x000000, 0x262626),
    "bar_text": (0x9AA3AD, 0xA8A8A8, 0xAAAAAA, 0xAAAAAA),
    "stripe": (0x11161D, 0x121212, 0x000000, 0x000000),
    "select": (0x1F3A5F, 0x005F87, 0x0000AA, 0x555555),
    "text": (0xD6DBE1, 0xDADADA, 0xAAAAAA, 0xAAAAAA),
    "bright": (0xF4F6F8, 0xFFFFFF, 0xFFFFFF, 0xFFFFFF),
    "dim": (0x6B737D, 0x767676, 0x555555, 0x555555),
    "faint": (0x3D444D, 0x444444, 0x555555, 0x555555),
    "cursor": (0xB8BFC7, 0xBCBCBC, 0xFFFFFF, 0xFFFFFF),
    "min": (0xFF4545, 0xFF5F5F, 0xFF5555, 0xFFFFFF),
    "warn": (0xFFC94D, 0xFFD75F, 0xFFFF55, 0xFFFFFF),
    "good": (0x8FBF6A, 0x87AF5F, 0x55FF55, 0xAAAAAA),
    "cyan": (0x4CC9F0, 0x5FD7FF, 0x55FFFF, 0xFFFFFF),
    "orange": (0xFF9A2E, 0xFF8700, 0xAA5500, 0xAAAAAA),
    "purple": (0xC77DFF, 0xAF87FF, 0xFF55FF, 0x6C6C6C),
    "yellow": (0xFFD166, 0xFFD75F, 0xFFFF55, 0xFFFFFF),
    "green": (0x8FBF6A, 0x87AF5F, 0x55FF55, 0xAAAAAA),
    "blue": (0x5B8DEF, 0x5F87FF, 0x5555FF, 0x6C6C6C),
    "pink": (0xF29BC1, 0xFFAFD7, 0xAA00AA, 0xFFFFFF),
    "teal": (0x43AA8B, 0x5FAF87, 0x00AAAA, 0xAAAAAA),
    "sample_above": (0xFFD9B0, 0xFFD9B0, 0xFFFFFF, 0xDFDFDF),
    "sample_below": (0xC9F0FF, 0xC9F0FF, 0xFFFFFF, 0xE6E6E6),
}
_DEPTHS = (Depth.TRUECOLOR, Depth.C256, Depth.C16, Depth.NONE)

# name: (truecolor, 256 colours, shade glyph where backgrounds are too coarse)
_TINTS: dict[str, tuple[int, int, str]] = {
    "outer": (0x172736, 0x262626, "░"),
    "inner": (0x214259, 0x3A3A3A, "▒"),
    "alert": (0x3A1A1E, 0x5F0000, "░"),
}

# From the least to the largest of many, all equally bright: what stands out is decided by position.
_RANKS = (0xFF7A45, 0xF2668B, 0xC77DFF, 0x7C8CF8, 0x4CC9F0, 0x5FD6B4)

# Marks stand for a curve in ASCII; dashes are on/off runs in dots, the first one solid.
_MARKS = dict(zip(SERIES, "*o+x#%@=", strict=True)) | {"min": "m", "bright": "-", "text": "-"}
_DASHES: tuple[tuple[int, int] | None, ...] = (None, (1, 1), (8, 2), (3, 2), (2, 4), (5, 5))

_INFERNO: tuple[int, ...] = (
    0x0D1117,
    0x1B0C41,
    0x4A0C6B,
    0x781C6D,
    0xA52C60,
    0xCF4446,
    0xED6925,
    0xFB9B06,
)
_DENSITY = (*_INFERNO, 0xF7D13D, 0xFCFFA4)
_DENSITY_256: tuple[int, ...] = (
    0x121212,
    0x1C1C1C,
    0x00005F,
    0x5F005F,
    0x5F0087,
    0x87005F,
    0xAF005F,
)
_DENSITY_256 += (0xD75F5F, 0xFF8700, 0xFFAF00, 0xFFD75F, 0xFFFFAF)
# Where backgrounds are too coarse: one ink and one shade glyph a step.
_DENSITY_16 = (0x000000, 0x0000AA, 0x5555FF, 0xAA00AA, 0xAA00AA, 0xFF55FF, 0xFFFF55, 0xFFFFFF)
_DENSITY_NONE = (0x303030, 0x555555, 0x6C6C6C, 0x6C6C6C, 0xAAAAAA, 0xAAAAAA, 0xFFFFFF, 0xFFFFFF)
_SHADES, _SHADES_PLAIN = " ░░▒▓▒▓█", " .:-=+*#"


def theme_colours() -> dict[str, str]:
    """Every colour name with its full colour, `#rrggbb`, for style sheets."""
    return {name: f"#{inks[0]:06x}" for name, inks in _INKS.items()}


@dataclass(frozen=True)
class Palette:
    """What this terminal shows for each name."""

    depth: Depth = Depth.TRUECOLOR
    glyphs: Glyphs = Glyphs.UNICODE

    @property
    def ascii(self) -> bool:
        """Whether only ASCII may be written."""
        return self.glyphs is Glyphs.ASCII

    @property
    def fine(self) -> bool:
        """Whether backgrounds can be shaded finely: half-block pixels and tints."""
        return self.depth in (Depth.TRUECOLOR, Depth.C256) and not self.ascii

    def ink(self, name: str) -> int:
        """The ink of a colour name, or of `#rrggbb`; unknown names are plain text."""
        return _ink(self.depth, name)

    def tint(self, name: str) -> int:
        """The background of a band, or of the band of a series' colour; `NO_INK` where `shade` is to be
        used instead."""
        if not self.fine:
            return NO_INK
        if name in SERIES:
            return _veil(self.ink(name), self.ink("bg"))
        rich, coarse, _ = _TINTS.get(name, _TINTS["outer"])
        return rich if self.depth is Depth.TRUECOLOR else coarse

    def shade(self, name: str) -> str:
        """The glyph of a band where backgrounds are too coarse."""
        glyph = _TINTS.get(name, _TINTS["outer"])[2]
        return self.say(glyph)

    def mark(self, name: str) -> str:
        """The character of a series where neither dots nor colours tell curves apart."""
        return _MARKS.get(name, "*")

    def dash(self, order: int) -> tuple[int, int] | None:
        """The on/off dot runs of the n-th colour of a chart without colours; None is solid."""
        return _DASHES[order % len(_DASHES)] if self.depth is Depth.NONE else None

    def density(self) -> tuple[NDArray[np.int64], str]:
        """Colours from empty to full, and one glyph for each where half blocks are not used."""
        return _density(self.depth, self.ascii)

    def ranks(self, count: int) -> list[str]:
        """Colour names from the least to the largest of `count` ordered things."""
        return [f"#{ink:06x}" for ink in _blend(_RANKS, count).tolist()]

    def say(self, text: str) -> str:
        """Text in characters this terminal has."""
        if not self.ascii or text.isascii():
            return text
        return plain(text)


def _veil(ink: int, ground: int) -> int:
    """A quarter of a colour over another."""
    parts = [((ink >> s & 255) + 3 * (ground >> s & 255)) // 4 << s for s in (16, 8, 0)]
    return sum(parts)


@lru_cache(maxsize=512)
def _ink(depth: Depth, name: str) -> int:
    if name.startswith("#") and len(name) == 7:
        try:
            value = int(name[1:], 16)
        except ValueError:
            value = _INKS["text"][0]
        return _reduced(depth, value)
    return _INKS.get(name, _INKS["text"])[_DEPTHS.index(depth)]


def _reduced(depth: Depth, value: int) -> int:
    """An arbitrary colour on a terminal with fewer: the nearest of 16, or its grey."""
    red, green, blue = value >> 16, value >> 8 & 255, value & 255
    if depth is Depth.NONE:
        grey = (299 * red + 587 * green + 114 * blue) // 1000
        return grey << 16 | grey << 8 | grey
    if depth is not Depth.C16:
        return value

    def distance(ink: int) -> int:
        return sum(((ink >> s & 255) - (value >> s & 255)) ** 2 for s in (16, 8, 0))

    return min((inks[2] for inks in _INKS.values()), key=distance)


@lru_cache(maxsize=16)
def _blend(anchors: tuple[int, ...], levels: int) -> NDArray[np.int64]:
    """Inks evenly spaced along a line of colours, (levels,)."""
    stops = np.array([[a >> 16, a >> 8 & 255, a & 255] for a in anchors], dtype=np.float64)
    at = np.linspace(0, len(anchors) - 1, levels)
    rgb = np.stack([np.interp(at, np.arange(len(anchors)), stops[:, c]) for c in range(3)], axis=1)
    parts = np.rint(rgb).astype(np.int64)
    inks = np.asarray(parts[:, 0] << 16 | parts[:, 1] << 8 | parts[:, 2])
    inks.setflags(write=False)
    return inks


@lru_cache(maxsize=8)
def _density(depth: Depth, ascii_only: bool) -> tuple[NDArray[np.int64], str]:
    if depth is Depth.TRUECOLOR:
        anchors, levels = _DENSITY, 19
    elif depth is Depth.C256:
        anchors, levels = _DENSITY_256, len(_DENSITY_256)
    else:
        anchors = _DENSITY_16 if depth is Depth.C16 else _DENSITY_NONE
        levels = len(anchors)
    inks = _blend(tuple(anchors), levels)
    ramp = _SHADES_PLAIN if ascii_only else _SHADES
    picks = np.linspace(0, len(ramp) - 1, levels).round().astype(int)
    return inks, "".join(ramp[i] for i in picks)


def detect(environ: Mapping[str, str], encoding: str) -> Palette:
    """The palette for an environment and an output encoding.

    `WORKBENCH_COLOR` (truecolor, 256, 16, none) and `WORKBENCH_GLYPHS` (unicode, ascii) win over
    what is guessed from NO_COLOR, COLORTERM, TERM and the encoding. A Linux console has 16 colours
    and no braille in its font. Values that are none of the allowed ones are ignored.
    """
    term = environ.get("TERM", "").lower()
    if environ.get("NO_COLOR"):
        depth = Depth.NONE
    elif environ.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "direct" in term:
        depth = Depth.TRUECOLOR
    elif "256" in term:
        depth = Depth.C256
    elif term in ("dumb", "vt100", "vt220"):
        depth = Depth.NONE
    else:
        depth = Depth.C16
    unicode_ok = encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf16", "utf32")
    glyphs = Glyphs.UNICODE if unicode_ok and term not in ("linux", "dumb") else Glyphs.ASCII
    colour, shapes = environ.get("WORKBENCH_COLOR", ""), environ.get("WORKBENCH_GLYPHS", "")
    if colour in tuple(Depth):
        depth = Depth(colour)
    if shapes in tuple(Glyphs):
        glyphs = Glyphs(shapes)
    return Palette(depth, glyphs)


def default_palette() -> Palette:
    """The palette of this process's terminal."""
    return detect(os.environ, asked_encoding(os.environ))
