"""Another part of the charts, by keys and mouse; numbers chosen; a chart copied and drawn into a file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import psutil
import pytest
from cases import finished
from textual import events

from tui.run.test_run_screen import until
from workbench.tui.app import WorkbenchApp
from workbench.tui.dialogs import Choose
from workbench.tui.pick import Pick
from workbench.tui.routes import OpenReplay
from workbench.tui.run.machine import KEPT, Machine
from workbench.tui.run.panel import Panel
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.sparkrows import SparkRows


def panel_of(app: WorkbenchApp) -> Panel:
    return app.screen.query_one(Panel)


def chart(app: WorkbenchApp) -> LineChart:
    return app.screen.query_one("#risk", LineChart)


def ends(app: WorkbenchApp) -> tuple[float, ...]:
    """The ends of the first chart's axes, each in the space in which it is even."""
    plot = chart(app).plot
    assert plot is not None
    return (*plot.x.ends, *plot.y.ends)


async def test_the_parts_that_keys_and_mouse_ask_for(tmp_path: Path) -> None:
    run = finished(tmp_path).folder
    app = WorkbenchApp.to_browse(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.go(OpenReplay(run))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and bool(app.screen.query("#risk"))
        )
        await until(lambda: chart(app).plot is not None)
        panel, whole = panel_of(app), ends(app)

        async def after(*keys: str) -> tuple[float, ...]:
            before = ends(app)
            await pilot.press(*keys)
            await until(lambda: ends(app) != before)
            return ends(app)

        async def mouse(kind: type[events.MouseEvent], x: int, y: int) -> None:
            """The wheel, or the right button, at a cell of the first chart."""
            await pilot._post_mouse_events([kind], "#risk", (x, y), button=3)

        half = await after("shift+up")
        middle = (whole[2] + whole[3]) / 2
        width = whole[3] - whole[2]
        np.testing.assert_allclose(half[2:], [middle - width / 4, middle + width / 4])
        assert half[:2] == whole[:2]
        np.testing.assert_allclose((await after("up"))[2:], np.array(half[2:]) + width / 8)
        assert await after("0") == whole

        shown = chart(app)
        assert shown.plot is not None
        column, row = shown.plot.origin + shown.plot.width - 1, shown.plot.top + 1
        await mouse(events.MouseScrollUp, column, row)
        await until(lambda: ends(app) != whole)
        near = ends(app)
        np.testing.assert_allclose(near[1] - near[0], (whole[1] - whole[0]) / 1.5, rtol=0.02)
        assert near[1] > near[0] + 0.5 * (whole[1] - whole[0])
        moved = await after("less_than_sign")
        np.testing.assert_allclose(moved[1] - moved[0], near[1] - near[0])
        assert moved[0] < near[0]
        assert await after("0") == whole

        origin, top, rows = shown.plot.origin, shown.plot.top, shown.plot.rows
        cell = (whole[1] - whole[0]) / shown.plot.width
        await mouse(events.MouseDown, origin + 4, top)
        await mouse(events.MouseMove, origin + 20, top + rows - 1)
        await until(lambda: shown.box is not None)
        await mouse(events.MouseUp, origin + 20, top + rows - 1)
        await until(lambda: ends(app) != whole)
        box = ends(app)
        np.testing.assert_allclose(
            box[:2], [whole[0] + 4.5 * cell, whole[0] + 20.5 * cell], rtol=1e-6
        )
        assert box[2] > whole[2]
        assert box[3] < whole[3]
        # Once out, all is in sight again, and the screen is the same.
        assert await after("escape") == whole
        assert panel.is_attached


async def test_numbers_are_chosen_and_a_chart_is_taken_away(tmp_path: Path, monkeypatch) -> None:
    run = finished(tmp_path).folder
    monkeypatch.chdir(tmp_path)
    app = WorkbenchApp.to_browse(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.go(OpenReplay(run))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and bool(app.screen.query("#risk"))
        )
        await until(lambda: chart(app).plot is not None)
        await pilot.press("C")
        await until(lambda: isinstance(app.screen, Pick))
        names = [value for value, _ in app.screen.options]
        await pilot.press("down", "space", "enter")
        await until(lambda: panel_of(app).drawing.numbers == (names[1],))
        sparks = app.screen.query_one(SparkRows)
        await until(lambda: sparks.model is not None and len(sparks.model.rows) == 1)

        await pilot.press("ctrl+y")
        await until(lambda: isinstance(app.screen, Choose))
        await pilot.press("down", "down", "enter")
        await until(lambda: bool(app.clipboard))
        assert app.clipboard.startswith(f"workbench plot {run.name} --figure risk --x step")

        await pilot.press("ctrl+y")
        await until(lambda: isinstance(app.screen, Choose))
        await pilot.press("enter")
        await until(lambda: not app.clipboard.startswith("workbench"))
        model = chart(app).model
        assert model is not None
        assert float(app.clipboard.split("\t")[1]) == model.curves[0].y[-1]

        await pilot.press("P")
        await pilot.pause()
        await pilot.press("enter")
        drawn = tmp_path / f"{run.name}-risk.png"
        await until(drawn.exists, 60)
        await until(lambda: any(n.message.startswith("drawn") for n in app._notifications))
        assert drawn.read_bytes()[:4] == b"\x89PNG"

        # The same as a chart, among the pictures at the right.
        panel = panel_of(app)
        while panel.picture != "numbers":
            await pilot.press("d")
        number = app.screen.query_one("#number-0", LineChart)
        await until(lambda: number.model is not None and number.plot is not None)
        assert number.model is not None
        history = panel.source.history if panel.source is not None else None
        assert history is not None
        np.testing.assert_array_equal(number.model.curves[0].y, history.scalar("margin_normalized"))
        assert not app.screen.query_one("#number-1").display


def test_what_training_takes_of_the_machine(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("workbench.tui.run.machine.time.monotonic", lambda: now[0])
    machine = Machine()
    for rate in (1_000.0, 3_000.0):
        now[0] += 1.0
        machine.read(int(now[0]) * 100, rate)
        machine.read(7, 5.0)  # too soon
    row = machine.row()
    assert row is not None
    assert row.values.tolist() == [1_000.0, 3_000.0]
    found = re.fullmatch(r"3k  CPU (\d+)%  ([\d,]+) MB", row.value)
    assert found is not None
    held = psutil.Process().memory_info().rss / 1e6
    assert float(found[2].replace(",", "")) == pytest.approx(held, rel=0.1)


def test_readings_of_the_machine_are_kept_over_the_whole_life_of_a_run(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("workbench.tui.run.machine.time.monotonic", lambda: now[0])
    machine = Machine()
    seconds = KEPT + 20
    for second in range(seconds):
        now[0] += 1.0
        machine.read(10 * second, float(second))
    assert [n for n in machine.names if n != "machine/cpu"] == ["machine/rate", "machine/memory"]
    # Each two of the first are one; from then on it is read half as often.
    rate = machine.values("machine/rate")
    assert len(rate) == KEPT // 2 + 10
    assert rate[:2].tolist() == [0.5, 2.5]
    assert rate[-1] >= seconds - 2
    steps = np.array([-1.0, machine.steps[3], machine.steps[3] + 1, 1e9])
    np.testing.assert_array_equal(
        machine.at("machine/rate", steps), [np.nan, rate[3], rate[3], rate[-1]]
    )


def test_nothing_is_read_of_a_process_that_nobody_knows() -> None:
    machine = Machine(None, own=False)
    machine.read(1, 1.0)
    assert machine.names == []
    assert machine.row() is None
