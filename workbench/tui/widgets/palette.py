"""Colours and glyphs, decided once from the environment.

Models name their colours (`"cyan"`, `"min"`, `"dim"`); the palette turns a name into what this
terminal can show. Inks are 24-bit integers 0xRRGGBB. On 16 colours they are exactly the terminal
colours' nominal values, so that the nearest-colour conversion further down hits the colour meant.
Without colour they are greys, and series are told apart by `mark` and `dash` as well.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.tui.widgets.inks import THEMES, ThemeName
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

_DEPTHS = (Depth.TRUECOLOR, Depth.C256, Depth.C16, Depth.NONE)

_SHADE = {"outer": "░", "inner": "▒", "alert": "░"}
"""The glyph of a band where backgrounds are too coarse."""

# Marks stand for a curve in ASCII; dashes are on/off runs in dots, the first one solid.
_MARKS = dict(zip(SERIES, "*o+x#%@=", strict=True)) | {"min": "m", "bright": "-", "text": "-"}
_DASHES: tuple[tuple[int, int] | None, ...] = (None, (1, 1), (8, 2), (3, 2), (2, 4), (5, 5))

_SHADES, _SHADES_PLAIN = " ░░▒▓▒▓█", " .:-=+*#"


def theme_colours(theme: ThemeName = ThemeName.DARK) -> dict[str, str]:
    """Every colour name with its full colour, `#rrggbb`, for style sheets."""
    return {name: f"#{inks[0]:06x}" for name, inks in THEMES[theme].inks.items()}


@dataclass(frozen=True)
class Palette:
    """What this terminal shows for each name."""

    depth: Depth = Depth.TRUECOLOR
    glyphs: Glyphs = Glyphs.UNICODE
    theme: ThemeName = ThemeName.DARK

    def themed(self, theme: ThemeName) -> Palette:
        """The same terminal in another theme; the one of its own has sixteen colours, or none."""
        own = theme is ThemeName.TERMINAL and self.depth is not Depth.NONE
        return replace(self, depth=Depth.C16 if own else self.depth, theme=theme)

    @property
    def ascii(self) -> bool:
        """Whether only ASCII may be written."""
        return self.glyphs is Glyphs.ASCII

    @property
    def fine(self) -> bool:
        """Whether backgrounds can be shaded finely: half-block pixels and tints."""
        return self.depth in (Depth.TRUECOLOR, Depth.C256) and not self.ascii

    @property
    def grounded(self) -> bool:
        """Whether pictures paint their background. Dark ones stand on the terminal's, which is dark: a
        background for every cell would be a third more to send."""
        return THEMES[self.theme].light

    def ink(self, name: str) -> int:
        """The ink of a colour name, or of `#rrggbb`; unknown names are plain text."""
        return _ink(self.depth, self.theme, name)

    def tint(self, name: str) -> int:
        """The background of a band, or of the band of a series' colour; `NO_INK` where `shade` is to be
        used instead."""
        if not self.fine:
            return NO_INK
        if name in SERIES:
            return _veil(self.ink(name), self.ink("bg"))
        tints = THEMES[self.theme].tints
        rich, coarse = tints.get(name, tints["outer"])
        return rich if self.depth is Depth.TRUECOLOR else coarse

    def shade(self, name: str) -> str:
        """The glyph of a band where backgrounds are too coarse."""
        return self.say(_SHADE.get(name, _SHADE["outer"]))

    def mark(self, name: str) -> str:
        """The character of a series where neither dots nor colours tell curves apart."""
        return _MARKS.get(name, "*")

    def dash(self, order: int) -> tuple[int, int] | None:
        """The on/off dot runs of the n-th colour of a chart without colours; None is solid."""
        return _DASHES[order % len(_DASHES)] if self.depth is Depth.NONE else None

    def density(self) -> tuple[NDArray[np.int64], str]:
        """Colours from empty to full, and one glyph for each where half blocks are not used."""
        return _density(self.depth, self.theme, self.ascii)

    def ranks(self, count: int) -> list[str]:
        """Colour names from the least to the largest of `count` ordered things."""
        return [f"#{ink:06x}" for ink in _blend(THEMES[self.theme].ranks, count).tolist()]

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
def _ink(depth: Depth, theme: ThemeName, name: str) -> int:
    inks = THEMES[theme].inks
    if name.startswith("#") and len(name) == 7:
        try:
            value = int(name[1:], 16)
        except ValueError:
            value = inks["text"][0]
        return _reduced(depth, theme, value)
    return inks.get(name, inks["text"])[_DEPTHS.index(depth)]


def _reduced(depth: Depth, theme: ThemeName, value: int) -> int:
    """An arbitrary colour on a terminal with fewer: the nearest of 16, or its grey."""
    red, green, blue = value >> 16, value >> 8 & 255, value & 255
    if depth is Depth.NONE:
        grey = (299 * red + 587 * green + 114 * blue) // 1000
        return grey << 16 | grey << 8 | grey
    if depth is not Depth.C16:
        return value

    def distance(ink: int) -> int:
        return sum(((ink >> s & 255) - (value >> s & 255)) ** 2 for s in (16, 8, 0))

    return min((inks[2] for inks in THEMES[theme].inks.values()), key=distance)


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


@lru_cache(maxsize=16)
def _density(depth: Depth, theme: ThemeName, ascii_only: bool) -> tuple[NDArray[np.int64], str]:
    of = THEMES[theme]
    if depth is Depth.TRUECOLOR:
        anchors, levels = of.density, 19
    elif depth is Depth.C256:
        anchors, levels = of.density_256, len(of.density_256)
    else:
        anchors = of.density_16 if depth is Depth.C16 else of.density_none
        levels = len(anchors)
    inks = _blend(anchors, levels)
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


_chosen = ThemeName.DARK


def choose_theme(theme: ThemeName) -> None:
    """The theme of what is drawn from now on by widgets that are given no palette."""
    global _chosen
    _chosen = theme


def default_palette() -> Palette:
    """The palette of this process's terminal, in the theme that was chosen."""
    return detect(os.environ, asked_encoding(os.environ)).themed(_chosen)
