"""The line that says what one sees and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.run.test_run_screen import until
from workbench.protocol.status import RunStatus
from workbench.tui.app import WorkbenchApp
from workbench.tui.run.caption import AT_SADDLE, PAUSED, caption, fitted


def test_what_is_said_follows_the_state() -> None:
    assert caption(RunStatus.RUNNING, "look for the drop", "") == "look for the drop"
    assert caption(RunStatus.PAUSED, "look for the drop", "saddle") == AT_SADDLE
    assert caption(RunStatus.PAUSED, "look for the drop", "asked") == PAUSED
    assert "i looks inside" in caption(RunStatus.FINISHED, "look for the drop", "")


def test_a_long_caption_is_cut_at_a_word() -> None:
    text = fitted("one two three four five", 12, 1)
    assert text == "one two …"
    assert fitted("one two three four five", 12, 2) == "one two\nthree four …"


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_the_first_run_learns_and_says_what_to_press(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    """The run that a new user gets: it stops at a saddle in seconds and says how to look inside."""
    app = WorkbenchApp.to_run("first-look", [], tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(lambda: app.session is not None and app.session.engine.status == "paused", 60)
        await pilot.pause(0.6)
        said = str(app.screen.query_one("#caption").render())
        assert "i looks inside" in said.replace("\n", " ")
        await pilot.press("space")
        await until(lambda: app.session.engine.state.step > 300, 60)
        app.close_session()


async def test_all_events_are_shown_whole(tmp_path: Path) -> None:
    app = WorkbenchApp.to_run("first-look", [], tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: app.session is not None and app.session.engine.status == "paused", 60)
        await pilot.pause(0.5)
        await pilot.press("e")
        await pilot.pause(0.3)
        shown = "\n".join(
            "".join(segment.text for segment in strip)
            for strip in app.screen._compositor.render_strips()
        )
        forecast = next(text for _, kind, text in app.session.events if kind == "forecast")
        for word in forecast.split():
            assert word in shown
        await pilot.press("e")
        await pilot.pause()
        assert app.screen.query("#caption")
        app.close_session()
