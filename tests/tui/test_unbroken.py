"""What fails on the screen is said there, and the run goes on; what cannot be contained ends it in order."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from cases import small
from e2e.terminal import ROOT, Terminal, environment

from workbench.config.toml import to_toml
from workbench.record.checkpoint import latest_checkpoint
from workbench.record.reader import RunReader
from workbench.tui.app import WorkbenchApp
from workbench.tui.messages import EngineTold
from workbench.tui.run.screen import RunScreen
from workbench.tui.run.source import LiveSource
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass

TOML = to_toml(
    small(
        "train.steps=100000000",
        "record.every=1000",
        "checkpoint.every=100000000",
        "pause.at_saddle=false",
    )
)


async def until(condition, seconds=30.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def broken(*_: object, **__: object) -> None:
    raise ZeroDivisionError("a broken part")


@pytest.fixture
def app(tmp_path) -> WorkbenchApp:
    path = tmp_path / "run.toml"
    path.write_text(TOML)
    found = WorkbenchApp.to_run(str(path), [], tmp_path / "runs")
    found.contains_errors = True
    return found


async def goes_on(app: WorkbenchApp) -> None:
    """It still trains, draws and obeys."""
    session = app.session
    await until(lambda: session.engine.status == "running")
    before = session.engine.state.step
    await until(lambda: session.engine.state.step > before + 100)
    chart = app.screen.query_one("#risk", LineChart)
    drawn = chart.model
    await until(lambda: chart.model is not drawn)


async def running(app: WorkbenchApp) -> None:
    await until(lambda: app.session is not None and app.session.engine.status == "running")
    chart = app.screen.query_one("#risk", LineChart)
    await until(lambda: chart.model is not None)


def shown(widget: Compass) -> str:
    return widget.render_line(0).text


async def test_a_picture_that_cannot_be_drawn_is_a_line(app, monkeypatch):
    monkeypatch.setattr(Compass, "draw", broken)
    async with app.run_test(size=(120, 40)):
        await running(app)
        compass = app.screen.query_one("#compass", Compass)
        await until(lambda: "cannot be drawn: ZeroDivisionError" in shown(compass))
        await goes_on(app)
        monkeypatch.undo()
        await until(lambda: "cannot" not in shown(compass))
        app.close_session()
    assert app.error is None


async def test_a_picture_that_cannot_be_computed_is_a_line(app, monkeypatch):
    monkeypatch.setattr("workbench.tui.run.pictures.compass_model", broken)
    async with app.run_test(size=(120, 40)):
        await running(app)
        compass = app.screen.query_one("#compass", Compass)
        await until(lambda: "cannot be drawn: ZeroDivisionError" in shown(compass))
        await goes_on(app)
        folder = app.session.folder
        app.close_session()
    log = (folder / "log.txt").read_text()
    assert log.count("the picture #compass failed") == 1
    assert "test_unbroken.py" in log


async def test_a_frame_that_fails_is_left_out(app, monkeypatch):
    async with app.run_test(size=(120, 40)):
        await running(app)
        monkeypatch.setattr(LiveSource, "moment", broken)
        await until(lambda: app.stumbles.said)
        session, before = app.session, app.session.engine.state.step
        await until(lambda: session.engine.state.step > before + 100)
        monkeypatch.undo()
        await goes_on(app)
        app.close_session()


@pytest.mark.parametrize("handler", ["action_checkpoint", "on_engine_told"])
async def test_a_handler_that_fails_is_said(app, monkeypatch, handler):
    """Of a key, and of the message by which the engine's thread tells the screen."""
    async with app.run_test(size=(120, 40)) as pilot:
        await running(app)
        monkeypatch.setattr(RunScreen, handler, broken)
        await pilot.press("c")
        await until(lambda: app.stumbles.said)
        await goes_on(app)
        await pilot.press("space")
        await until(lambda: app.session.engine.status == "paused")
        await pilot.press("space")
        await goes_on(app)
        app.close_session()
    assert app.error is None


async def test_of_tidings_that_wait_the_screen_takes_one(app, monkeypatch):
    """Compiled steps can write hundreds of checkpoints a second, each of which is told."""
    calls: list[int] = []
    monkeypatch.setattr(RunScreen, "on_engine_told", lambda *_: calls.append(1))
    async with app.run_test(size=(120, 40)) as pilot:
        await running(app)
        await pilot.pause()
        calls.clear()
        for _ in range(300):
            app.screen.post_message(EngineTold())
        await until(lambda: bool(calls))
        await pilot.pause()
        assert len(calls) < 10
        app.close_session()


async def test_tests_see_what_users_are_spared(app, monkeypatch):
    app.contains_errors = None
    monkeypatch.setattr(RunScreen, "action_checkpoint", broken)

    async def driven() -> None:
        async with app.run_test(size=(120, 40)) as pilot:
            await running(app)
            await pilot.press("c")
            await pilot.pause(1.0)

    with pytest.raises(ZeroDivisionError):
        await driven()
    app.close_session()


BROKEN_TIMER = """
import sys
from workbench.tui.run.panel import Panel
tick = Panel._tick
def broken(self):
    tick(self)
    session = self.app.session
    if session is not None and session.engine.state.step > 2000:
        raise ZeroDivisionError("a broken part")
Panel._tick = broken
from commands.main import main
main()
"""


def test_what_cannot_be_contained_ends_with_a_checkpoint(tmp_path):
    """The terminal is given back, the run stopped as if by q, one sentence said, and the process ends."""
    (tmp_path / "run.toml").write_text(TOML)
    command = [sys.executable, "-c", BROKEN_TIMER, "run", str(tmp_path / "run.toml")]
    with Terminal(command, 120, 40, environment(tmp_path, PYTHONPATH=str(ROOT))) as terminal:
        code = terminal.wait_gone()
        sent = terminal.received.decode()
    assert code == 1
    after = sent[sent.rindex("\x1b[?1049l") :]
    assert "workbench: the screen failed: ZeroDivisionError: a broken part." in after
    assert "go on with: workbench resume" in after
    assert "Traceback" not in sent
    (folder,) = [p.parent for p in Path(tmp_path).rglob("run.h5")]
    with RunReader(folder) as reader:
        assert reader.status == "stopped"
    assert latest_checkpoint(folder).step > 2000
    assert "ZeroDivisionError" in (folder / "log.txt").read_text()
