"""A key means the same on every screen, and docs/keys.md has them all."""

from __future__ import annotations

from pathlib import Path

from textual.binding import Binding

from workbench.tui.app import WorkbenchApp
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.help import key_name
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.layers.screen import LayersScreen
from workbench.tui.pursue.screen import PursueScreen
from workbench.tui.run.attached import AttachedScreen
from workbench.tui.run.events import EventsScreen
from workbench.tui.run.panel import Panel
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.run.screen import RunScreen
from workbench.tui.study.screen import StudyScreen
from workbench.tui.verdict.screen import VerdictScreen

SCREENS = (
    WorkbenchApp,
    Panel,
    RunScreen,
    AttachedScreen,
    ReplayScreen,
    InspectorScreen,
    VerdictScreen,
    LayersScreen,
    BrowseScreen,
    StudyScreen,
    PursueScreen,
    EventsScreen,
)
ALIKE = (
    {"leave", "leave_now", "app.leave_now", "out", "close", "back"},
    {"cursor", "record", "scrub", "point", "pan_y"},
    {"pause", "play", "go_on", "mark"},
    {"other_column", "turn"},
    {"picture", "prediction"},
    {"next_chart", "next_table", "shift"},
    {"log_x", "toggle_x"},
    {"inspect", "open"},
    {"outcome", "columns"},
)
"""Actions that are one to the user: leaving, moving along records or an axis, the other half of the screen,
what a table shows …"""


def meaning(action: str) -> str:
    name = action.split("(")[0]
    return next((min(group) for group in ALIKE if name in group), name)


def test_a_key_has_one_meaning() -> None:
    meanings: dict[str, set[str]] = {}
    for screen in SCREENS:
        for binding in screen.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding)
            for key in binding.key.split(","):
                meanings.setdefault(key, set()).add(meaning(binding.action))
    closing = meaning("close")
    # The key that opened a page closes it, and enter accepts whatever is in front.
    clashes = {
        key: found
        for key, found in meanings.items()
        if len(found - {closing}) > 1 and key != "enter"
    }
    assert clashes == {}


def test_the_page_of_keys_has_every_binding_that_is_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8")
    head, *lines = (line for line in page.splitlines() if line.startswith("| "))
    places = [cell.strip() for cell in head.strip("|").split("|")][1:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    hint = "docs/keys.md is not what the screens have; python docs/make_key_table.py writes it"
    for place, screens in (
        ("Browse", (BrowseScreen,)),
        ("run", (RunScreen, Panel)),
        ("attached", (AttachedScreen, Panel)),
        ("replay", (ReplayScreen, Panel)),
        ("inspector", (InspectorScreen,)),
        ("layers", (LayersScreen,)),
        ("optimality", (VerdictScreen,)),
        ("study", (StudyScreen,)),
        ("pursuit", (PursueScreen,)),
    ):
        column = 1 + places.index(place)
        found = {(row[0].strip("`"), row[column]) for row in rows if row[column]}
        for screen in screens:
            for binding in screen.__dict__["BINDINGS"]:
                for key in binding.key.split(","):
                    shown = key_name(key)
                    texts = {text for name, text in found if name == shown}
                    assert texts, f"{place}: {shown}: {hint}"
                    if screen is screens[0]:
                        assert binding.description in texts, f"{place}: {shown}: {hint}"
