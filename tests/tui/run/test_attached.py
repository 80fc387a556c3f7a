"""The screen of a run that others train: keys steer it, leaving lets it be, and its end is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cases import small

from tui.fake_app import screen_lines
from workbench.protocol.status import RunStatus
from workbench.run.link import Link
from workbench.run.session import Session
from workbench.tui.app import WorkbenchApp
from workbench.tui.dialogs import Ask, Confirm
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.attached import AttachedScreen
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.statusline import StatusLine


async def until(condition, seconds=30.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[Session]:
    """A run that waits at step 100, as if another process trained it."""
    session = Session.create(
        small("pause.at=[100]", "train.steps=100000000"), tmp_path / "runs", attended=True
    )
    with session:
        assert session.listen() == ""
        session.start()
        yield session


def shown(app: WorkbenchApp) -> tuple[RunStatus, int]:
    found = [line.model for line in app.screen.query(StatusLine) if line.model is not None]
    return (found[0].state, found[0].step) if found else (RunStatus.STARTING, 0)


def notices(app: WorkbenchApp) -> list[str]:
    return [notice.message for notice in app._notifications]


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 15)])
async def test_keys_steer_it_and_q_leaves_it(trained, size):
    app = WorkbenchApp.to_attach(trained.folder, Link(trained.folder))
    async with app.run_test(size=size) as pilot:
        await until(lambda: shown(app) == (RunStatus.PAUSED, 100))
        await pilot.press("s")
        await until(lambda: shown(app) == (RunStatus.PAUSED, 101))
        await pilot.press("S")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.press("1", "9", "enter")
        await until(lambda: shown(app) == (RunStatus.PAUSED, 120))
        chart = app.screen.query_one("#risk", LineChart)
        await until(lambda: chart.model is not None and chart.model.curves[0].x[-1] == 120)
        await pilot.press("space")
        await until(lambda: trained.engine.status is RunStatus.RUNNING)
        await until(lambda: shown(app)[0] is RunStatus.RUNNING and shown(app)[1] > 120)
        await pilot.press("space")
        await until(lambda: trained.engine.status is RunStatus.PAUSED)
        await pilot.press("q")
        await until(lambda: not app.is_running)
    assert trained.engine.status is RunStatus.PAUSED


async def test_pictures_are_of_the_very_state(trained):
    app = WorkbenchApp.to_attach(trained.folder, Link(trained.folder))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: shown(app) == (RunStatus.PAUSED, 100))
        compass = app.screen.query_one("#compass", Compass)
        await until(lambda: compass.model is not None and compass.model.kkt)
        await pilot.press("s")
        source = app.screen.source
        assert source.link.pid == os.getpid()  # whose the other end is: here it trains too
        await until(lambda: source.moment(None).step == 101)
        assert source.moment(0).step == 0
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InspectorScreen))
        await until(lambda: app.screen.examined is not None)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, AttachedScreen))


async def test_stopping_asks_and_the_end_is_told(trained):
    app = WorkbenchApp.to_attach(trained.folder, Link(trained.folder))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: shown(app) == (RunStatus.PAUSED, 100))
        await pilot.press("r")
        await until(lambda: any("Q stops it" in text for text in notices(app)))
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, AttachedScreen))
        assert not trained.engine.ended
        await pilot.press("Q")
        await until(lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(lambda: trained.engine.status is RunStatus.STOPPED)
        await until(lambda: shown(app) == (RunStatus.STOPPED, 100))
        assert any("the run is stopped" in text for text in notices(app))
        assert any("resume" in line for line in screen_lines(app)[-1:])
        await pilot.press("space")
        await until(lambda: any("r resumes one" in text for text in notices(app)))


async def test_a_run_of_others_opens_attached_and_one_of_nobody_as_replay(trained):
    app = WorkbenchApp.to_browse(trained.folder.parent)
    async with app.run_test(size=(120, 40)) as pilot:
        app.go(OpenReplay(trained.folder))
        await until(lambda: isinstance(app.screen, AttachedScreen))
        await until(lambda: shown(app) == (RunStatus.PAUSED, 100))
        await pilot.press("q")
        await until(lambda: not isinstance(app.screen, AttachedScreen))
        assert not trained.engine.ended
        trained.close()
        app.go(OpenReplay(trained.folder))
        await until(lambda: isinstance(app.screen, ReplayScreen) and app.screen.stored is not None)
