"""The replay screen and the inspector late in training, driven by keys at three sizes."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from cases import finished

from workbench.run.session import Session
from workbench.tui.app import WorkbenchApp
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.layout import PICTURES
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.prediction import Prediction
from workbench.tui.widgets.sparkrows import SparkRows
from workbench.tui.widgets.statusline import Status, StatusLine

SIZES = [(120, 40), (80, 24), (40, 15)]
FLOW = ("train.rule=flow", "train.rtol=1e-4", "train.steps=5000", "train.until.log10_risk=-800",
        "record.every=5")  # fmt: skip


async def until(condition, seconds=60.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def flow(tmp_path_factory) -> Session:
    return finished(tmp_path_factory.mktemp("flow") / "runs", *FLOW)


async def opened(app: WorkbenchApp, session: Session) -> None:
    app.go(OpenReplay(session.folder))
    await until(
        lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
    )
    await until(lambda: app.screen.panel.source.network is not None)
    await until(lambda: (app.screen.query_one("#status", StatusLine).model or Status()).name)


@pytest.mark.parametrize("size", SIZES)
async def test_a_late_run_is_drawn_over_the_risk_until_the_user_says_otherwise(flow, size):
    assert flow.engine.status == "finished"
    app = WorkbenchApp.to_browse(flow.folder.parent)
    async with app.run_test(size=size) as pilot:
        await opened(app, flow)
        screen = app.screen
        await until(lambda: screen.panel.shared.axis.quantity == "ln(n/L)")
        chart = screen.query_one("#risk", LineChart)
        await until(lambda: chart.model is not None and "direction" in chart.model.title)
        await pilot.press("x")
        await until(lambda: screen.panel.shared.axis.quantity == "step")
        await until(lambda: "risk" in chart.model.title)
        assert chart.model.curves[0].y[-1] <= -800
        status = screen.query_one("#status", StatusLine).model
        assert status.log10_risk <= -800


@pytest.mark.parametrize("size", SIZES)
async def test_a_key_brings_the_prediction_and_then_the_rates(flow, size):
    app = WorkbenchApp.to_browse(flow.folder.parent)
    async with app.run_test(size=size) as pilot:
        await opened(app, flow)
        screen = app.screen
        assert screen.panel.pictures == ("directions", "prediction", "course")
        for _ in range(3):
            if screen.panel.picture == "prediction":
                break
            await pilot.press("d")
        picture = screen.query_one("#prediction", Prediction)
        await until(lambda: picture.display and picture.model is not None)
        await until(lambda: picture.model.values is not None)
        assert bool(picture.model.right.all())
        assert not any(screen.query_one(f"#{w}").display for w in PICTURES["directions"])
        before = picture.model.values
        await pilot.press("home")
        await until(lambda: not np.array_equal(picture.model.values, before))
        assert screen.panel.shared.axis.cursor == 0
        await pilot.press("escape", "d")
        course = screen.query_one("#course", LineChart)
        await until(lambda: course.display and course.model is not None)
        assert "rates" in course.model.title


async def test_numbers_of_the_late_phase(flow):
    app = WorkbenchApp.to_browse(flow.folder.parent)
    async with app.run_test(size=(120, 40)):
        await opened(app, flow)
        sparks = app.screen.query_one("#sparks", SparkRows)
        await until(lambda: sparks.model is not None and len(sparks.model.rows) > 6)
        values = {row.label: row.value for row in sparks.model.rows}
        assert float(values["log₁₀ L"]) <= -800
        assert float(values["angle to −∇L"].rstrip("°")) < 5
        measured, theory = map(float, values["Δln L/Δln T"].split("|"))
        assert abs(measured - theory) < 0.01


async def test_the_inspector_shows_the_prediction(flow):
    app = WorkbenchApp.to_browse(flow.folder.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(app, flow)
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InspectorScreen))
        await until(lambda: app.screen.examined is not None)
        await pilot.press("d")
        picture = app.screen.query_one("#prediction", Prediction)
        await until(lambda: picture.display and picture.model is not None)
        assert picture.size.height > 4
        assert np.isfinite(picture.model.values).all()
        await pilot.press("d")
        await until(lambda: not picture.display)
