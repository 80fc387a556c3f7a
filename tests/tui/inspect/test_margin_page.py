"""The inspector's page on the max-margin problem: on a run followed to 1e−800, by key and by itself."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from cases import stored_state

from workbench.inspector.inspect import certified, inspect_state
from workbench.presets import load_config
from workbench.run.session import Session
from workbench.tui.app import WorkbenchApp
from workbench.tui.inspect import margin_words as views
from workbench.tui.inspect.examined import examine
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.listing import Listing


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    runs = tmp_path_factory.mktemp("late")
    settings = [
        "train.rule=flow",
        "train.until.log10_risk=-300",
        "train.steps=3000",
        "train.rtol=1e-4",
        "model.width=6",
        "data.n=12",
        "device.kind=cpu",
    ]
    config = load_config("two-layer-relu-logistic", settings)
    with Session.create(config, runs) as session:
        session.start()
        assert session.wait(90)
        assert session.engine.status == "finished"
    return session.folder


async def until(condition, seconds=40.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def test_the_tables_hold_what_the_certificate_says(late):
    state = stored_state(late)
    found = certified(inspect_state(state, hessian=False), state).margin
    assert found is not None
    assert found.q_min > 300 * np.log(10)
    table = {row[0][0]: row for row in views.certificates_table(found).rows}
    assert float(table["best"][1][0]) == pytest.approx(found.uniform.best.epsilon, rel=1e-3)
    assert float(table["the paper's"][3][0]) == pytest.approx(found.uniform.paper.delta, rel=1e-3)
    assert float(table["best"][1][0]) <= float(table["the paper's"][1][0])
    page = views.page(found, state)
    strongest = page.lower.rows[0]
    sample = int(strongest[0][0])
    margins = state.y * state.outputs
    assert float(strongest[2][0]) == pytest.approx(margins[sample] / margins.min(), rel=1e-4)
    assert float(strongest[3][0]) == pytest.approx(found.uniform.best.multipliers.max(), rel=1e-3)
    chart = views.front_chart(found)
    assert np.all(np.diff(chart.curves[0].x) > 0)
    assert np.all(np.diff(chart.curves[0].y) <= 1e-9)


def test_pictures_are_square_and_their_ink_follows_the_grey():
    grey = np.zeros((8, 8))
    grey[3, 4] = 16.0
    lines = views.picture(grey)
    assert [len(line) for line in lines] == [16] * 8
    assert lines[3][8:10] == "██"
    assert "".join(lines).count("█") == 2
    assert {len(line) for line in views.picture(np.eye(28))} == {28}


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 15)])
async def test_a_late_state_opens_on_its_margins_and_m_turns_the_page(late, size):
    app = WorkbenchApp.to_browse(late.parent)
    async with app.run_test(size=size) as pilot:
        app.go(OpenReplay(late))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
        )
        await pilot.pause(0.5)
        await pilot.press("i")
        await until(
            lambda: isinstance(app.screen, InspectorScreen) and app.screen.examined is not None
        )
        await until(lambda: app.screen.examined.whole)
        screen = app.screen
        assert screen.margin is not None
        assert str(screen.query_one("#verdict").render()).startswith("going to infinity")
        assert screen.query_one("#front", LineChart).model is not None
        names = [row[0][0] for row in screen.query_one("#points", Listing).listed.rows]
        assert names[:2] == ["best", "the paper's"]
        assert names[-1] == "polished point"
        if size[0] > 40:
            await pilot.press("tab", "down")
            await pilot.pause(0.2)
            assert "sample" in str(screen.query_one("#detail").render())
        await pilot.press("m")
        await pilot.pause(0.2)
        assert screen.margin is None
        assert "KKT points" in str(screen.query_one("#points-title").render())
        await pilot.press("m")
        await pilot.pause(0.2)
        assert screen.margin is not None


async def test_before_separation_the_page_says_why_it_is_empty(late):
    state = stored_state(late, 0)
    examined = examine(state, lambda: False)
    found = certified(examined.inspection, state)
    assert found.margin is None
    assert "not separated" in found.limits[-1]
    assert found.as_json()["margin_kkt"] is None
