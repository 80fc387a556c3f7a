"""Help is what the keys really do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from tui.fake_app import SIZES, FakeApp, screen_lines
from workbench.tui.help import LEGEND, HelpScreen, key_name
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.marks import KKT_GLYPHS

OWN = Binding.Group("reading")


class Beneath(Screen[None]):
    """A screen with keys of all sorts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space,s", "go", "go on"),
        Binding("S", "go", "go on"),
        Binding("ctrl+s", "save", "keep it"),
        Binding("f", "forbidden", "not now"),
        Binding("w", "wordless"),
        Binding("r", "read", "read [b]it[/b]", group=OWN),
    ]

    def compose(self) -> ComposeResult:
        yield Input()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "forbidden"


def test_key_names() -> None:
    names = {
        "left": "←",
        "shift+left": "shift+←",
        "question_mark": "?",
        "S": "S",
        "ctrl+p": "ctrl+p",
    }
    assert {key: key_name(key) for key in names} == names
    assert key_name("x", "any") == "any"


def test_the_legend_has_every_mark_of_a_kkt_point() -> None:
    marks = " ".join(glyphs for glyphs, _ in LEGEND)
    assert all(glyph in marks for glyph in KKT_GLYPHS.values())


@pytest.mark.parametrize("size", SIZES)
async def test_shows_the_live_bindings(size: tuple[int, int]) -> None:
    app = FakeApp(Beneath(), Path("."))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.first.set_focus(None)
        await pilot.press("question_mark")
        await pilot.pause(0.2)
        help_screen = app.screen
        assert isinstance(help_screen, HelpScreen)
        found = {group.title: group.rows for group in help_screen.groups}
        here = {row.text: row.keys for row in found["here"]}
        assert here == {"go on": ("space", "s", "S"), "keep it": ("ctrl+s",)}
        assert [row.text for row in found["reading"]] == ["read [b]it[/b]"]
        assert "help" in {row.text for row in found["everywhere"]}
        text = "\n".join(screen_lines(app))
        assert "go on" in text
        assert "not now" not in text
        assert size[1] < 24 or "KKT points" in text
        assert ("↑↓ more" in text) == (help_screen.box.max_scroll_y > 0)
        assert "esc close" in text
        for key in ("escape", "question_mark", "q"):
            if app.screen is not help_screen:
                await pilot.press("question_mark")
                await pilot.pause()
            help_screen = app.screen
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.first


async def test_a_click_on_the_line_of_keys_is_that_key() -> None:
    class Lined(Beneath):
        """With a line of keys."""

        def compose(self) -> ComposeResult:
            yield KeyLine((KeyHint("f", "not now"), KeyHint("?", "help")), id="keys")

    app = FakeApp(Lined(), Path("."))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        # " f not now  ? help"
        await pilot.click("#keys", offset=(14, 0))
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)


async def test_the_focused_widget_has_its_own_group() -> None:
    app = FakeApp(Beneath(), Path("."))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.first.query_one(Input).focus()
        await pilot.pause()
        app.action_help()
        await pilot.pause(0.1)
        help_screen = app.screen
        assert isinstance(help_screen, HelpScreen)
        titles = [group.title for group in help_screen.groups]
        assert "where the focus is" in titles
        assert titles[0] == "here"
        assert titles[-1] == "everywhere"
        texts = {row.text for group in help_screen.groups for row in group.rows}
        assert "Focus Next" not in texts
