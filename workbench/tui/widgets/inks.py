"""The colours of the themes: a name's ink at every depth of colour, bands, densities and ranks.

`dark` and `light` keep series apart and off their background for whoever sees all colours; `colour-blind`
keeps them as far apart for protanopes and deuteranopes (found by exchange over Machado's simulations, in
OKLab). `terminal` knows only the sixteen colours of the terminal's own scheme. `tests/tui/test_themes.py`
holds them to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ThemeName(StrEnum):
    """What a person can choose."""

    DARK = "dark"
    LIGHT = "light"
    COLOUR_BLIND = "colour-blind"
    TERMINAL = "terminal"


Inks = dict[str, tuple[int, int, int, int]]
"""Of a name: in full colour, of 256, of 16, and its grey without colour."""


@dataclass(frozen=True, eq=False)
class Theme:
    """What a theme draws in.

    `tints`: bands by name, in full colour and of 256. `density`, `density_256`: from empty to full, blended
    between; `density_16`, `density_none`: an ink a shade glyph. `ranks`: from the least to the largest of
    many, all about as bright, so that position decides what stands out.
    """

    inks: Inks
    tints: dict[str, tuple[int, int]]
    density: tuple[int, ...]
    density_256: tuple[int, ...]
    density_16: tuple[int, ...]
    density_none: tuple[int, ...]
    ranks: tuple[int, ...]
    light: bool = False


_DARK: Inks = {
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

_COLOUR_BLIND: Inks = _DARK | {
    "min": (0xFF3300, 0xFF0000, 0xFF5555, 0xFFFFFF),
    "warn": (0xFFDD66, 0xFFD75F, 0xFFFF55, 0xFFFFFF),
    "good": (0x559977, 0x5FAF87, 0x00AAAA, 0xAAAAAA),
    "cyan": (0x9999FF, 0x8787FF, 0x55FFFF, 0xFFFFFF),
    "orange": (0xFFBB00, 0xFFAF00, 0xAA5500, 0xAAAAAA),
    "purple": (0xBB55BB, 0xAF5FAF, 0xFF55FF, 0x6C6C6C),
    "yellow": (0xFFFF99, 0xFFFF87, 0xFFFF55, 0xFFFFFF),
    "green": (0x559977, 0x5F8787, 0x55FF55, 0xAAAAAA),
    "blue": (0x007777, 0x008787, 0x5555FF, 0x6C6C6C),
    "pink": (0xDDBBFF, 0xD7AFFF, 0xAA00AA, 0xFFFFFF),
    "teal": (0x77BB99, 0x87D7AF, 0x00AAAA, 0xAAAAAA),
}

_LIGHT: Inks = {
    "bg": (0xFFFFFF, 0xFFFFFF, 0xFFFFFF, 0xFFFFFF),
    "bar": (0xEEF1F4, 0xEEEEEE, 0xFFFFFF, 0xE4E4E4),
    "bar_text": (0x57606A, 0x5F5F5F, 0x555555, 0x444444),
    "stripe": (0xF7F8FA, 0xFFFFFF, 0xFFFFFF, 0xFFFFFF),
    "select": (0xCFE3FA, 0xAFD7FF, 0xAAAAAA, 0xBCBCBC),
    "text": (0x24292F, 0x262626, 0x000000, 0x262626),
    "bright": (0x000000, 0x000000, 0x000000, 0x000000),
    "dim": (0x7A828B, 0x808080, 0x555555, 0x767676),
    "faint": (0xC3C9D0, 0xC6C6C6, 0xAAAAAA, 0xBCBCBC),
    "cursor": (0x57606A, 0x5F5F5F, 0x555555, 0x444444),
    "min": (0xD00000, 0xD70000, 0xAA0000, 0x000000),
    "warn": (0x9A6700, 0x875F00, 0xAA5500, 0x000000),
    "good": (0x3C7A1A, 0x008700, 0x00AA00, 0x444444),
    "cyan": (0x0092C7, 0x0087AF, 0x00AAAA, 0x000000),
    "orange": (0xD06000, 0xD75F00, 0xAA5500, 0x5F5F5F),
    "purple": (0x8A2BE2, 0x8700D7, 0xAA00AA, 0x949494),
    "yellow": (0xA08300, 0x878700, 0x5555FF, 0x000000),
    "green": (0x3C7A1A, 0x008700, 0x00AA00, 0x5F5F5F),
    "blue": (0x0B3FBF, 0x0000D7, 0x0000AA, 0x949494),
    "pink": (0xD6459A, 0xD75FAF, 0xFF55FF, 0x000000),
    "teal": (0x00907F, 0x008787, 0x555555, 0x5F5F5F),
    "sample_above": (0x7A3800, 0x875F00, 0x000000, 0x262626),
    "sample_below": (0x004A66, 0x005F87, 0x000000, 0x303030),
}

# In the terminal's sixteen colours only: text is its own foreground, and what no scheme promises to be
# legible on its background (bright white, bright yellow) is left out.
_TERMINAL_16 = {
    "bg": 0x000000,
    "bar": 0x000000,
    "bar_text": 0xAAAAAA,
    "stripe": 0x000000,
    "select": 0xFFFFFF,
    "text": 0xAAAAAA,
    "bright": 0xAAAAAA,
    "dim": 0x555555,
    "faint": 0x555555,
    "cursor": 0xAAAAAA,
    "min": 0xAA0000,
    "warn": 0xAA5500,
    "good": 0x00AA00,
    "cyan": 0x00AAAA,
    "orange": 0xAA5500,
    "purple": 0xAA00AA,
    "yellow": 0x5555FF,
    "green": 0x00AA00,
    "blue": 0x0000AA,
    "pink": 0xFF55FF,
    "teal": 0x55FFFF,
    "sample_above": 0xAAAAAA,
    "sample_below": 0xAAAAAA,
}
_TERMINAL: Inks = {name: (ink, ink, ink, _DARK[name][3]) for name, ink in _TERMINAL_16.items()}

_INFERNO = (0x1B0C41, 0x4A0C6B, 0x781C6D, 0xA52C60, 0xCF4446, 0xED6925, 0xFB9B06)

_DARK_THEME = Theme(
    inks=_DARK,
    tints={
        "outer": (0x172736, 0x262626),
        "inner": (0x214259, 0x3A3A3A),
        "alert": (0x3A1A1E, 0x5F0000),
    },
    density=(0x0D1117, *_INFERNO, 0xF7D13D, 0xFCFFA4),
    density_256=(
        *(0x121212, 0x1C1C1C, 0x00005F, 0x5F005F, 0x5F0087, 0x87005F),
        *(0xAF005F, 0xD75F5F, 0xFF8700, 0xFFAF00, 0xFFD75F, 0xFFFFAF),
    ),
    density_16=(
        *(0x000000, 0x0000AA, 0x5555FF, 0xAA00AA),
        *(0xAA00AA, 0xFF55FF, 0xFFFF55, 0xFFFFFF),
    ),
    density_none=(
        *(0x303030, 0x555555, 0x6C6C6C, 0x6C6C6C),
        *(0xAAAAAA, 0xAAAAAA, 0xFFFFFF, 0xFFFFFF),
    ),
    ranks=(0xFF7A45, 0xF2668B, 0xC77DFF, 0x7C8CF8, 0x4CC9F0, 0x5FD6B4),
)

_LIGHT_THEME = Theme(
    inks=_LIGHT,
    tints={
        "outer": (0xEAF1F7, 0xEEEEEE),
        "inner": (0xD3E3F0, 0xDADADA),
        "alert": (0xFBE0E1, 0xFFD7D7),
    },
    density=(0xFFFFFF, 0xFDE9A8, *reversed(_INFERNO)),
    density_256=(
        *(0xFFFFFF, 0xFFFFAF, 0xFFD75F, 0xFFAF00, 0xFF8700, 0xD75F5F),
        *(0xAF005F, 0x87005F, 0x5F0087, 0x5F005F, 0x00005F, 0x1C1C1C),
    ),
    density_16=(
        *(0xFFFFFF, 0xAAAAAA, 0xAA5500, 0xFF5555),
        *(0xAA00AA, 0xAA0000, 0x0000AA, 0x000000),
    ),
    density_none=(
        *(0xC6C6C6, 0xAAAAAA, 0x949494, 0x949494),
        *(0x555555, 0x555555, 0x000000, 0x000000),
    ),
    ranks=(0xC94A12, 0xC03060, 0x8A2BE2, 0x4456D6, 0x0080B0, 0x00857A),
    light=True,
)

THEMES: dict[ThemeName, Theme] = {
    ThemeName.DARK: _DARK_THEME,
    ThemeName.LIGHT: _LIGHT_THEME,
    ThemeName.COLOUR_BLIND: Theme(
        inks=_COLOUR_BLIND,
        tints=_DARK_THEME.tints,
        density=_DARK_THEME.density,
        density_256=_DARK_THEME.density_256,
        density_16=_DARK_THEME.density_16,
        density_none=_DARK_THEME.density_none,
        # From cividis, which is as ordered to every eye.
        ranks=(0x5C6FA8, 0x7C8596, 0x9A9A8C, 0xBCAF78, 0xDFC75E, 0xFFE945),
    ),
    ThemeName.TERMINAL: Theme(
        inks=_TERMINAL,
        tints=_DARK_THEME.tints,
        density=_DARK_THEME.density,
        density_256=_DARK_THEME.density_256,
        density_16=(
            *(0x555555, 0x0000AA, 0x5555FF, 0xAA00AA),
            *(0xAA00AA, 0xFF55FF, 0xAAAAAA, 0xAAAAAA),
        ),
        density_none=_DARK_THEME.density_none,
        ranks=_DARK_THEME.ranks,
    ),
}
