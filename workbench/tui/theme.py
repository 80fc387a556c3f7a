"""The palette as Textual themes: style sheets name its colours, `$ink-bar`, `$ink-dim`, as pictures do."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from typing import Any

from rich.color import Color, ColorSystem, ColorType
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color as TextualColor
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES, Theme

from workbench.config.screen import keep_theme, kept_theme
from workbench.errors import WorkbenchError, unknown
from workbench.tui.widgets.inks import THEMES, ThemeName
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette, choose_theme, default_palette, theme_colours


def _textual(name: ThemeName) -> Theme:
    """Of a terminal with fewer colours the nearest it has, without colour greys: Textual sees to it."""
    light = THEMES[name].light
    return replace(
        BUILTIN_THEMES["textual-light" if light else "textual-dark"],
        name=f"workbench-{name}",
        variables={f"ink-{ink.replace('_', '-')}": hue for ink, hue in theme_colours(name).items()},
    )


WORKBENCH_THEMES = {name: _textual(name) for name in ThemeName}


def use_theme(app: App[Any], name: ThemeName = ThemeName.DARK) -> None:
    """Draw an app's screens in the workbench's colours."""
    for theme in WORKBENCH_THEMES.values():
        if app.get_theme(theme.name) is None:
            app.register_theme(theme)
    app.theme = WORKBENCH_THEMES[name].name


def theme_at_start() -> tuple[ThemeName, str]:
    """The theme that `$WORKBENCH_THEME` or else the user's settings name, and what is wrong with them."""
    try:
        name = os.environ.get("WORKBENCH_THEME") or kept_theme()
        if name and name not in tuple(ThemeName):
            raise unknown("theme", name, ThemeName)
    except WorkbenchError as error:
        return ThemeName.DARK, str(error)
    return ThemeName(name or ThemeName.DARK), ""


def following(name: ThemeName) -> ThemeName:
    """The theme after one."""
    names = list(ThemeName)
    return names[(names.index(name) + 1) % len(names)]


def take_theme(app: App[Any], name: ThemeName) -> None:
    """Draw an app in a theme from now on, and keep it in the user's settings."""
    choose_theme(name)
    app.palette_ = default_palette()  # type: ignore[attr-defined]
    use_theme(app, name)
    recolour(app, default_palette())
    try:
        keep_theme(name)
    except WorkbenchError as error:
        app.notify(str(error), severity="warning", markup=False)
    app.notify(f"theme: {name}", timeout=2)


def recolour(app: App[Any], palette: Palette) -> None:
    """Draw all that stands again in other colours."""
    for screen in app.screen_stack:
        for node in (screen, *screen.query("*")):
            if isinstance(node, Painted):
                node.recolour(palette)
            elif isinstance(getattr(node, "palette", None), Palette):
                node.palette = palette
        recoloured = getattr(screen, "recoloured", None)
        if recoloured is not None and screen.is_mounted:
            recoloured()


class OwnColours(LineFilter):
    """The theme `terminal`: its sixteen nominal colours as the terminal's own, by their numbers.

    Text and background become what the terminal has for them, what is selected stands in reverse, and what
    is dim is so by attribute: no scheme promises that its bright black can be seen.
    """

    def apply(self, segments: list[Segment], background: TextualColor) -> list[Segment]:
        """Every segment in the terminal's colours."""
        return [
            Segment(text, None if style is None else _own(style), control)
            for text, style, control in segments
        ]


_INKS = {name: inks[2] for name, inks in THEMES[ThemeName.TERMINAL].inks.items()}
_DIM, _SELECTED = _INKS["dim"], _INKS["select"]


@lru_cache(maxsize=4096)
def _own(style: Style) -> Style:
    front, back = _value(style.color), _value(style.bgcolor)
    kept = Style(
        bold=style.bold,
        dim=True if front == _DIM else style.dim,
        italic=style.italic,
        underline=style.underline,
        reverse=True if back == _SELECTED else style.reverse,
        strike=style.strike,
        link=style.link,
        meta=style.meta,
    )
    if back == _SELECTED:
        return kept
    plain = (None, _INKS["text"], _DIM)
    ground = (None, _INKS["bg"])
    return kept + Style(
        color=None if front in plain else _numbered(front),
        bgcolor=None if back in ground else _numbered(back),
    )


def _value(colour: Color | None) -> int | None:
    """0xRRGGBB of a colour, None where it is the terminal's."""
    if colour is None or colour.type is ColorType.DEFAULT:
        return None
    red, green, blue = colour.get_truecolor()
    return red << 16 | green << 8 | blue


def _numbered(value: int | None) -> Color | None:
    """The terminal's colour nearest to a value."""
    if value is None:
        return None
    return Color.from_rgb(value >> 16, value >> 8 & 255, value & 255).downgrade(
        ColorSystem.STANDARD
    )
