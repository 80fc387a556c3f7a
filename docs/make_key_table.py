"""The table of `docs/keys.md`, from the bindings of the screens: `make docs`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual.dom import DOMNode

from workbench.tui.app import WorkbenchApp
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.browse.table import RunsTable
from workbench.tui.help import key_name
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.launch.screen import LaunchScreen
from workbench.tui.layers.screen import LayersScreen
from workbench.tui.pursue.screen import PursueScreen
from workbench.tui.run.attached import AttachedScreen
from workbench.tui.run.panel import Panel
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.run.screen import RunScreen
from workbench.tui.study.screen import StudyScreen
from workbench.tui.verdict.screen import VerdictScreen
from workbench.tui.widgets.listing import Listing

PAGE = Path(__file__).parent / "keys.md"
BEGIN, END = "<!-- keys -->\n", "<!-- end of keys -->"

PLACES: dict[str, tuple[type[DOMNode], ...]] = {
    "Browse": (BrowseScreen, RunsTable),
    "new run": (LaunchScreen,),
    "run": (RunScreen, Panel),
    "attached": (AttachedScreen, Panel),
    "replay": (ReplayScreen, Panel),
    "inspector": (InspectorScreen, Listing),
    "layers": (LayersScreen,),
    "optimality": (VerdictScreen, Listing),
    "study": (StudyScreen, Listing),
    "pursuit": (PursueScreen, Listing),
}
"""Screens, each with those whose keys work on it too; what stands first is asked first."""
OF_TEXTUAL = {"screen.copy_text", "app.focus_previous"}


def found(kind: type[DOMNode]) -> dict[str, str]:
    """Key and what it does, of one class; without Textual's own."""
    return {
        key: binding.description
        for key, bindings in kind._merge_bindings().key_to_bindings.items()
        for binding in bindings
        if binding.description and binding.action not in OF_TEXTUAL
    }


def keys_of(place: str) -> dict[str, str]:
    """Of a screen; what works everywhere is left out."""
    everywhere, keys = found(WorkbenchApp), dict[str, str]()
    for kind in PLACES[place]:
        for key, text in found(kind).items():
            if key not in everywhere and text != "Focus Next":
                keys.setdefault(key, text)
    return keys


def table() -> list[str]:
    """A line a key, a column a screen."""
    columns = [keys_of(place) for place in PLACES]
    keys = sorted({key for column in columns for key in column}, key=_place)
    rows = ((f"`{key_name(key)}`", *(column.get(key, "") for column in columns)) for key in keys)
    everywhere = found(WorkbenchApp)
    first = [
        f"Everywhere: {', '.join(f'`{key_name(key)}` {text}' for key, text in everywhere.items())}.",
        "",
    ]
    rule = _line("---" for _ in range(len(PLACES) + 1))
    return [*first, _line(("key", *PLACES)), rule, *map(_line, rows)]


def _place(key: str) -> tuple[int, str]:
    """Letters, then signs, then keys with names."""
    name = key_name(key)
    if len(name) == 1 and name.isalpha() and name.isascii():
        return 0, name.lower() + str(name.isupper())
    return (1 if len(name) == 1 else 2), name


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def page(text: str) -> str:
    """The page with the table anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}" + "\n".join(table()) + f"\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
