"""The tour goes on by what is done, is kept, and ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from tui.run.test_run_screen import app_for, until
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.run.panel import Panel
from workbench.tui.run.screen import RunScreen
from workbench.tui.tour import STEPS, Tour, tour_path


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_every_step_names_actions_that_there_are() -> None:
    there = set(dir(RunScreen)) | set(dir(Panel)) | {"action_help"}
    for actions, _ in STEPS:
        assert {f"action_{name}" for name in actions} <= there


def test_it_is_kept_and_ends() -> None:
    tour = Tour.kept()
    assert tour.text.startswith("Tour 1/6")
    assert not tour.did("inspect")
    assert tour.did("pause")
    assert Tour.kept().text == tour.text != ""
    for actions, _ in STEPS[1:]:
        assert tour.did(min(actions - {"help"}))
    assert (tour.text, Tour.kept().text, tour.did("pause")) == ("", "", False)
    tour.begin()
    assert Tour.kept().text.startswith("Tour 1/6")
    assert tour.did("help")
    assert Tour.kept().text == ""


@pytest.mark.parametrize("text", ["", "no number", "-3", "10" * 20, "\xff"])
def test_a_file_that_says_nothing_does_no_harm(text: str) -> None:
    tour_path().parent.mkdir(parents=True)
    tour_path().write_text(text, encoding="latin-1")
    assert 0 <= Tour.kept().place <= len(STEPS)


async def test_the_caption_leads_through_the_first_minutes(tmp_path: Path) -> None:
    app = app_for(tmp_path, "pause.at=[300]")
    app.tour = Tour.kept()

    def said() -> str:
        return str(app.screen.query_one("#caption", Static).render())

    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: isinstance(app.screen, RunScreen) and "Tour 1/6" in said())
        assert "space pauses" in " ".join(said().split())
        await until(lambda: app.session is not None and app.session.engine.status == "paused")
        await pilot.press("space", "i")
        await until(lambda: isinstance(app.screen, InspectorScreen))
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, RunScreen) and "Tour 3/6" in said())
        await pilot.press("question_mark", "escape")
        await until(lambda: isinstance(app.screen, RunScreen) and "Tour" not in said())
        await pilot.press("ctrl+q")
    assert Tour.kept().text == ""
