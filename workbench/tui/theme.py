"""The palette as a Textual theme: style sheets name its colours, `$ink-bar`, `$ink-dim`, as pictures do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.app import App
from textual.theme import BUILTIN_THEMES

from workbench.tui.widgets.palette import theme_colours

WORKBENCH_THEME = replace(
    BUILTIN_THEMES["textual-dark"],
    name="workbench",
    variables={f"ink-{name.replace('_', '-')}": ink for name, ink in theme_colours().items()},
)
"""Dark. A terminal with fewer colours shows the nearest it has, without colour greys: Textual sees to it."""


def use_theme(app: App[Any]) -> None:
    """Draw an app's screens in the workbench's colours."""
    app.register_theme(WORKBENCH_THEME)
    app.theme = WORKBENCH_THEME.name
