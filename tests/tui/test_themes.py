"""Themes: series are told apart on their background, the choice is kept, and a switch recolours all."""

from __future__ import annotations

import asyncio
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from cases import finished
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as TextualColor

from tui.fake_app import screen_lines
from workbench.config.screen import keep_theme, kept_theme, screen_file
from workbench.errors import BadInput
from workbench.tui.app import WorkbenchApp
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.theme import OwnColours, theme_at_start
from workbench.tui.widgets.inks import THEMES, ThemeName
from workbench.tui.widgets.palette import SERIES, Depth, Palette, choose_theme

FULL = (Depth.TRUECOLOR, Depth.C256)
DRAWN = [theme for theme in ThemeName if theme is not ThemeName.TERMINAL]
# Machado, Oliveira and Fernandes (2009), severity 1: what a protanope and a deuteranope see, in linear RGB.
PROTAN = [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
]
DEUTAN = [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.011820, 0.042940, 0.968881],
]
# Ottosson (2020): linear RGB to cones, and their cube roots to OKLab.
CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("WORKBENCH_COLOR", "truecolor")
    monkeypatch.delenv("WORKBENCH_THEME", raising=False)
    yield
    choose_theme(ThemeName.DARK)


def linear(ink: int) -> np.ndarray:
    value = np.array([ink >> 16, ink >> 8 & 255, ink & 255]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def contrast(one: int, other: int) -> float:
    low, high = sorted(float(linear(ink) @ [0.2126, 0.7152, 0.0722]) for ink in (one, other))
    return (high + 0.05) / (low + 0.05)


def seen(ink: int, eye: list[list[float]] | None) -> np.ndarray:
    found = linear(ink) if eye is None else np.clip(np.array(eye) @ linear(ink), 0, 1)
    return np.array(OKLAB) @ np.cbrt(np.array(CONES) @ found)


def nearest(inks: list[int], eye: list[list[float]] | None = None) -> float:
    """The least distance of two of them."""
    return min(float(np.linalg.norm(seen(a, eye) - seen(b, eye))) for a, b in combinations(inks, 2))


@pytest.mark.parametrize("theme", DRAWN)
@pytest.mark.parametrize("depth", FULL)
def test_series_and_texts_stand_off_their_background(theme, depth):
    palette = Palette(depth).themed(theme)
    ground = palette.ink("bg")
    for name in (*SERIES, "min", "warn", "good", "dim"):
        assert contrast(palette.ink(name), ground) > 3, name
    for text, back in (
        ("text", "bg"),
        ("bright", "select"),
        ("text", "select"),
        ("bar_text", "bar"),
    ):
        assert contrast(palette.ink(text), palette.ink(back)) > 4.5, (text, back)


@pytest.mark.parametrize("theme", DRAWN)
def test_series_are_told_apart(theme):
    for depth, least in ((Depth.TRUECOLOR, 0.1), (Depth.C256, 0.055)):
        palette = Palette(depth).themed(theme)
        assert nearest([palette.ink(name) for name in SERIES]) > least, depth


def test_the_theme_for_the_colour_blind_tells_them_apart_to_them_and_the_dark_one_does_not():
    def least(theme: ThemeName, eye: list[list[float]]) -> float:
        palette = Palette().themed(theme)
        return nearest([palette.ink(name) for name in (*SERIES, "min")], eye)

    for eye in (PROTAN, DEUTAN):
        assert least(ThemeName.COLOUR_BLIND, eye) > 0.1
    assert min(least(ThemeName.DARK, eye) for eye in (PROTAN, DEUTAN)) < 0.06


@pytest.mark.parametrize("theme", ThemeName)
def test_in_sixteen_colours_no_two_series_are_one(theme):
    palette = Palette(Depth.C16).themed(theme)
    inks = [palette.ink(name) for name in SERIES]
    assert len(set(inks)) == len(SERIES)
    assert not {palette.ink("bg"), palette.ink("min")} & set(inks)


@pytest.mark.parametrize("theme", ThemeName)
def test_every_theme_has_every_colour(theme):
    assert THEMES[theme].inks.keys() == THEMES[ThemeName.DARK].inks.keys()
    assert THEMES[theme].tints.keys() == THEMES[ThemeName.DARK].tints.keys()
    grey = Palette(Depth.NONE).themed(theme)
    for name in THEMES[theme].inks:
        ink = grey.ink(name)
        assert ink >> 16 == ink >> 8 & 255 == ink & 255


def test_the_terminal_s_own_colours_go_out_by_their_numbers():
    inks = Palette().themed(ThemeName.TERMINAL)

    def sent(front: str, back: str) -> Style:
        style = Style(color=f"#{inks.ink(front):06x}", bgcolor=f"#{inks.ink(back):06x}", bold=True)
        (segment,) = OwnColours().apply([Segment("x", style)], TextualColor(0, 0, 0))
        assert segment.style is not None
        assert segment.style.bold
        return segment.style

    assert sent("text", "bg").color is None
    assert sent("text", "bar").bgcolor is None
    assert (found := sent("cyan", "bg").color) is not None
    assert (found.type, found.number) == (ColorType.STANDARD, 6)
    assert sent("dim", "bg").dim
    assert sent("dim", "bg").color is None
    selected = sent("orange", "select")
    assert (selected.reverse, selected.color, selected.bgcolor) == (True, None, None)
    (bare,) = OwnColours().apply([Segment("x")], TextualColor(0, 0, 0))
    assert bare == Segment("x")


def test_the_choice_is_kept_and_the_environment_comes_first(monkeypatch):
    assert theme_at_start() == (ThemeName.DARK, "")
    keep_theme("light")
    assert kept_theme() == "light"
    assert theme_at_start() == (ThemeName.LIGHT, "")
    monkeypatch.setenv("WORKBENCH_THEME", "colour-blind")
    assert theme_at_start() == (ThemeName.COLOUR_BLIND, "")
    monkeypatch.setenv("WORKBENCH_THEME", "ligth")
    theme, said = theme_at_start()
    assert theme is ThemeName.DARK
    assert "unknown theme 'ligth'" in said
    assert "Did you mean 'light'?" in said


@pytest.mark.parametrize("text", [b"theme = ", b"\xff", b"theme = 3", b"theme = 'purple'"])
def test_settings_that_cannot_be_used_are_said_and_dark_is_taken(text):
    screen_file().parent.mkdir(parents=True)
    screen_file().write_bytes(text)
    theme, said = theme_at_start()
    assert theme is ThemeName.DARK
    assert said


def test_a_folder_in_the_settings_place_is_refused_in_a_sentence():
    screen_file().mkdir(parents=True)
    with pytest.raises(BadInput, match="cannot read"):
        kept_theme()


def colours(app: WorkbenchApp) -> set[str]:
    """Every colour on the screen."""
    strips = app.screen._compositor.render_strips()
    styles = {segment.style for strip in strips for segment in strip if segment.style}
    found = {part for style in styles for part in (style.color, style.bgcolor) if part}
    return {part.get_truecolor().hex for part in found}


async def test_a_switch_recolours_what_stands_and_is_kept(tmp_path):
    folder = finished(tmp_path / "runs", "train.steps=100").folder
    app = WorkbenchApp.to_browse(tmp_path / "runs")
    dark, light = (Palette().themed(theme) for theme in (ThemeName.DARK, ThemeName.LIGHT))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.go(OpenReplay(folder))
        for _ in range(1500):
            if isinstance(app.screen, ReplayScreen) and app.screen.stored is not None:
                break
            await asyncio.sleep(0.02)
        await pilot.pause(1.0)
        before = screen_lines(app)
        await pilot.press("ctrl+t")
        await pilot.pause(1.0)
        assert app.palette.theme is ThemeName.LIGHT
        app.clear_notifications()
        await pilot.pause(0.5)
        left = {f"#{dark.ink(name):06x}" for name in ("cyan", "text", "bg", "bar", "bright")}
        new = {f"#{light.ink(name):06x}" for name in ("cyan", "bg", "bar")}
        assert not colours(app) & left
        assert new <= colours(app)
        assert [line.split("╱")[0].rstrip() for line in screen_lines(app)[4:30]] == [
            line.split("╱")[0].rstrip() for line in before[4:30]
        ]
        await pilot.press("escape")
        await pilot.pause(0.5)
        assert f"#{light.ink('bg'):06x}" in colours(app)
        assert not colours(app) & left
    assert kept_theme() == "light"
