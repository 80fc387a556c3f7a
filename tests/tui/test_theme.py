"""Colours come from the palette: style sheets name its colours, and nothing else writes one."""

from __future__ import annotations

import re
from pathlib import Path

import workbench.tui
from workbench.tui.theme import WORKBENCH_THEMES
from workbench.tui.widgets.inks import ThemeName
from workbench.tui.widgets.palette import Depth, Palette, theme_colours

TUI = Path(workbench.tui.__path__[0])
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")


def test_style_sheets_name_colours_that_there_are() -> None:
    sheets = list(TUI.rglob("*.tcss"))
    named = {name for sheet in sheets for name in re.findall(r"\$([\w-]+)", sheet.read_text())}
    assert named
    assert all(named <= set(theme.variables) for theme in WORKBENCH_THEMES.values())


def test_no_colour_is_written_outside_the_palette() -> None:
    files = [*TUI.rglob("*.tcss"), *TUI.rglob("*.py")]
    assert {f.name for f in files if COLOUR.search(f.read_text())} == set()


def test_the_theme_has_the_colours_that_pictures_are_drawn_in() -> None:
    for theme in (ThemeName.DARK, ThemeName.LIGHT, ThemeName.COLOUR_BLIND, ThemeName.TERMINAL):
        full = Palette(Depth.TRUECOLOR).themed(theme)
        inks = {name: f"#{full.ink(name):06x}" for name in theme_colours(theme)}
        assert theme_colours(theme) == inks
