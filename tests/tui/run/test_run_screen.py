"""The run and replay screens driven by keys, at three sizes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from cases import finished, small

from tui.fake_app import screen_lines
from workbench.config.toml import to_toml
from workbench.engine.programs import first_use
from workbench.protocol.commands import Resume
from workbench.run import experiment
from workbench.tui.app import WorkbenchApp
from workbench.tui.dialogs import Ask, Confirm
from workbench.tui.help import HelpScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.run.screen import RunScreen
from workbench.tui.until import parse_until
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.landscape import Landscape
from workbench.tui.widgets.statusline import Status, StatusLine

SIZES = [(120, 40), (80, 24), (40, 15)]


async def until(condition, seconds=30.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def app_for(folder: Path, *settings: str) -> WorkbenchApp:
    path = folder / "run.toml"
    path.write_text(to_toml(small("train.steps=100000000", *settings)))
    return WorkbenchApp.to_run(str(path), [], folder / "runs")


def status_of(app: WorkbenchApp) -> Status:
    return app.screen.query_one("#status", StatusLine).model or Status()


async def paused_at(app: WorkbenchApp, step: int) -> None:
    await until(
        lambda: (
            app.session is not None
            and app.session.engine.snapshot is not None
            and app.session.engine.snapshot.status == "paused"
            and app.session.engine.snapshot.step == step
        )
    )


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_is_drawn_and_obeys_its_keys(tmp_path, size):
    app = app_for(tmp_path, "pause.at=[300]")
    async with app.run_test(size=size) as pilot:
        await paused_at(app, 300)
        await until(lambda: status_of(app).state == "paused")
        await pilot.press("s")
        await paused_at(app, 301)
        await pilot.press("S")
        await pilot.pause()
        assert isinstance(app.screen, Ask)
        await pilot.press(*(["backspace"] * 3), "9", "enter")
        await paused_at(app, 310)
        await until(lambda: app.screen.query_one("#risk", LineChart).model is not None)
        chart = app.screen.query_one("#risk", LineChart)
        await until(lambda: chart.model.curves[0].x[-1] == 310)
        await pilot.press("space")
        await until(lambda: app.session.engine.status == "running")
        await pilot.press("space")
        await until(lambda: app.session.engine.status == "paused")
        session = app.session
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)
        await pilot.press("q")
        await pilot.pause()
        await pilot.press("enter")
        # Closing goes on after the engine has ended.
        await until(lambda: any("resume" in line for line in app.farewell))
    assert session.engine.status == "stopped"


async def test_the_compass_has_neurons_inputs_and_kkt_points(tmp_path):
    app = app_for(tmp_path, "pause.at=[300]")
    async with app.run_test(size=(120, 40)) as pilot:
        await paused_at(app, 300)
        compass = app.screen.query_one("#compass", Compass)
        await until(lambda: compass.model is not None and compass.model.kkt)
        assert compass.model.directions.shape == (6, 2)
        assert len(compass.model.data) == 12
        landscape = app.screen.query_one("#landscape", Landscape)
        assert landscape.model.value.shape == landscape.model.angle.shape
        for key in ("tab", "z", "z", "y", "x", "plus", "minus", "0", "left", "left", "end", "home"):
            await pilot.press(key)
            await pilot.pause(0.05)
        assert app.screen.panel.shared.axis.cursor == 0
        await pilot.press("escape")
        assert app.screen.panel.shared.axis.cursor is None
        app.close_session()


@pytest.mark.parametrize("size", SIZES)
async def test_right_of_home_is_the_next_record_in_another_column(tmp_path, size):
    app = app_for(tmp_path, "pause.at=[300]", "record.every=10")
    async with app.run_test(size=size) as pilot:
        await paused_at(app, 300)
        chart = app.screen.query_one("#risk", LineChart)
        await until(lambda: chart.model is not None and chart.model.curves[0].x[-1] == 300)
        await pilot.press("home")
        await until(lambda: chart.model.cursor == 0)
        assert chart.plot.column(0.0) == chart.plot.left
        for row in (1, 2, 3):
            before = chart.plot.column(chart.model.cursor)
            await pilot.press("right")
            await until(lambda row=row: chart.model.cursor == 10 * row)
            assert chart.plot.column(10.0 * row) > before
        lower = app.screen.query_one("#lower", LineChart)
        if lower.display:
            assert (lower.plot.left, lower.plot.origin) == (chart.plot.left, chart.plot.origin)
        await pilot.press("left", "left", "left")
        await until(lambda: chart.model.cursor == 0)
        app.close_session()


async def test_help_lists_the_keys_of_the_run(tmp_path):
    app = app_for(tmp_path, "pause.at=[10]")
    async with app.run_test(size=(120, 40)) as pilot:
        await paused_at(app, 10)
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)
        app.close_session()


async def test_run_until_a_risk_typed_in(tmp_path):
    app = app_for(tmp_path, "pause.at=[10]")
    async with app.run_test(size=(120, 40)) as pilot:
        await paused_at(app, 10)
        await pilot.press("u")
        await pilot.pause()
        await pilot.press(*(["backspace"] * 9), *"step", "space", *"777", "enter")
        await paused_at(app, 777)
        app.close_session()


async def test_bad_data_ends_the_app_with_the_sentence(tmp_path):
    app = app_for(tmp_path, "data.kind=csv", "data.path=missing.csv")
    async with app.run_test(size=(80, 24)):
        await until(lambda: app.error is not None)
    assert "missing.csv" in str(app.error)
    assert app.return_code == 2


async def test_a_failed_engine_is_shown(tmp_path):
    app = app_for(tmp_path, "pause.at=[10]")
    async with app.run_test(size=(120, 40)):
        await paused_at(app, 10)

        def broken(*_: object) -> None:
            raise ZeroDivisionError("a broken program")

        app.session.engine.program.run_chunk = broken
        app.session.engine.send(Resume())
        await until(lambda: status_of(app).state == "failed")
        await until(lambda: "broken" in status_of(app).extra)
        app.close_session()
    assert any("broken" in line for line in app.farewell)


@pytest.mark.parametrize("size", SIZES)
async def test_a_replay_scrubs_through_a_finished_run(tmp_path, size):
    session = finished(tmp_path / "runs")
    app = WorkbenchApp.to_browse(tmp_path / "runs")
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.2)
        app.go(OpenReplay(session.folder))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
        )
        await until(lambda: app.screen.panel.source.network is not None)
        await until(lambda: status_of(app).state == "replayed")
        await pilot.press("home")
        await until(lambda: status_of(app).step == 0)
        await pilot.press("right")
        await until(lambda: (status_of(app).step or 0) > 0)
        moment = app.screen.panel.source.moment(30)
        assert moment.step == 300
        assert moment.circle is not None
        await pilot.press("escape", "escape")
        await until(lambda: not isinstance(app.screen, ReplayScreen))


@pytest.mark.parametrize(
    ("text", "step", "log10_risk"),
    [
        ("20,000", 20000, None),
        ("step 5", 5, None),
        ("risk 1e-400", None, -400.0),
        ("risk < 0.01", None, -2.0),
    ],
)
def test_until_is_read(text, step, log10_risk):
    found = parse_until(text)
    assert found.step == step
    assert found.log10_risk == pytest.approx(log10_risk)


async def test_that_something_is_compiled_is_said_until_it_is_done(tmp_path, monkeypatch):
    real, done = experiment.program_of, threading.Event()

    def slow(*arguments):
        with first_use.compiling():
            assert done.wait(30)
        return real(*arguments)

    monkeypatch.setattr(experiment, "program_of", slow)
    app = app_for(tmp_path, "pause.at=[300]")
    async with app.run_test(size=(80, 24)):
        try:
            await until(lambda: status_of(app).extra == first_use.SENTENCE)
            await until(lambda: first_use.SENTENCE in "\n".join(screen_lines(app)))
        finally:
            done.set()
        await paused_at(app, 300)
        await until(lambda: status_of(app).extra != first_use.SENTENCE)
