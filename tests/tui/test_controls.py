"""Forks from every screen: settings are checked before anything is stopped; routes while a run trains."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cases import finished, small
from textual.widgets import Input

from workbench.config.toml import to_toml
from workbench.record.reader import RunReader
from workbench.tui.app import WorkbenchApp
from workbench.tui.controls import fork_mistake, steps_mistake
from workbench.tui.dialogs import Ask
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.layers.screen import LayersScreen
from workbench.tui.routes import OpenLayers, OpenReplay, ResumeRun, StartRun
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.run.screen import RunScreen


async def until(condition, seconds=60.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def app_for(folder: Path, *settings: str) -> WorkbenchApp:
    path = folder / "run.toml"
    path.write_text(to_toml(small("train.steps=100000000", *settings)))
    return WorkbenchApp.to_run(str(path), [], folder / "runs")


def paused(app: WorkbenchApp) -> bool:
    return app.session is not None and app.session.engine.status == "paused"


async def answered(app: WorkbenchApp, pilot, text: str) -> None:
    """Type an answer and press enter."""
    await until(lambda: isinstance(app.screen, Ask))
    app.screen.query_one(Input).value = text
    await pilot.press("enter")
    await pilot.pause(0.1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", None),
        ('name="a b" train.lr=0.5', None),
        ('name="a', "a quote is not closed"),
        ("train.stpes=3", "Did you mean 'train.steps'?"),
        ("train.lr=-1", "train.lr"),
        ("train.steps=10", "give train.steps=1000"),
        ("lr", "not of the form"),
    ],
)
def test_settings_of_a_fork_are_checked(text, said):
    mistake = fork_mistake(small("train.steps=1000"), text, 50)
    assert mistake is None if said is None else said in mistake


def test_settings_of_a_run_whose_own_are_not_known_are_checked_for_their_form():
    assert fork_mistake(None, "train.stpes=3", 50) is None
    assert "not closed" in fork_mistake(None, "data.y=[1", 50)


@pytest.mark.parametrize(
    ("text", "fine"), [("7", True), ("1,000", True), ("0", False), ("x", False)]
)
def test_a_number_of_steps_is_checked(text, fine):
    assert (steps_mistake(text) is None) == fine


async def test_a_fork_with_a_mistake_stops_nothing(tmp_path):
    app = app_for(tmp_path, "pause.at=[20]")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: paused(app))
        old = app.session
        await pilot.press("i")
        await until(
            lambda: isinstance(app.screen, InspectorScreen) and app.screen.examined is not None
        )
        await pilot.press("f")
        await answered(app, pilot, "train.stpes=3")
        assert isinstance(app.screen, Ask)
        assert "train.steps" in str(app.screen.query_one(".mistake").render())
        assert paused(app)
        await answered(app, pilot, 'name="a b" train.lr=0.002')
        await until(lambda: app.session is not None and app.session is not old)
        assert old.engine.status == "stopped"
        await until(lambda: app.session.engine.snapshot is not None)
        assert app.session.name == "a b"
        assert app.session.config.train.lr == 0.002
        assert isinstance(app.screen, RunScreen)
        app.close_session()


async def test_a_replay_forks_at_its_cursor(tmp_path):
    folder = finished(tmp_path / "runs").folder
    app = WorkbenchApp.to_browse(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        app.go(OpenReplay(folder))
        await until(lambda: isinstance(app.screen, ReplayScreen) and app.screen.stored is not None)
        replay = app.screen
        replay.panel.move_cursor(1)
        at = int(replay.stored.history.step[1])
        await pilot.press("f")
        await answered(app, pilot, 'name="two words"')
        await until(lambda: app.session is not None and app.session.engine.snapshot is not None)
        assert app.session.name == "two words"
        fork = app.session.folder
        app.close_session()
    with RunReader(fork) as reader:
        assert reader.attributes["parent_step"] == at


async def test_one_run_at_a_time_and_pages_over_it(tmp_path):
    app = app_for(tmp_path, "pause.at=[20]")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: paused(app))
        session, screen = app.session, app.screen
        for route in (ResumeRun(session.folder), StartRun("kh24-fig1")):
            app.go(route)
            await pilot.pause(0.1)
            assert app.screen is screen
            assert app.session is session
        assert sum("training already" in n.message for n in app._notifications) == 2
        app.go(OpenLayers(screen.panel.source.subject(None)))
        await until(lambda: isinstance(app.screen, LayersScreen))
        await pilot.press("escape")
        await until(lambda: app.screen is screen)
        app.close_session()
