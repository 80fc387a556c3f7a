"""Borders between panes: dragged, moved by keys, kept for each folder of runs, and put back."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import finished
from textual import events
from textual.pilot import Pilot

from tui.fake_app import FakeApp, make_run, screen_lines, until
from workbench.tui.app import WorkbenchApp
from workbench.tui.borders import Border
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.splitter import Grip, draw_grip


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Twelve runs: more than the list has room for."""
    for number in range(12):
        make_run(tmp_path, f"run{number}", number=number)
    return tmp_path


async def drag(pilot: Pilot[int], border: Border, by: tuple[int, int]) -> None:
    """With the first button, by so many columns and rows."""
    x, y = border.region.width // 2, border.region.height // 2
    await pilot._post_mouse_events([events.MouseDown], border, (x, y), button=1)
    await pilot._post_mouse_events([events.MouseMove], border, (x + by[0], y + by[1]), button=1)
    await pilot._post_mouse_events([events.MouseUp], border, (x + by[0], y + by[1]), button=1)
    await pilot.pause(0.1)


async def test_the_borders_of_browse(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: screen.table.row_count == 12 and not screen.scanning)
        charts = screen.query_one("#browse-charts", Border)
        await until(pilot, lambda: screen.table.size.height > 5)
        rows = screen.table.size.height
        assert sum(charts.cells) == 21  # all but the header, the border and the line of keys
        await drag(pilot, charts, (0, 4))
        assert screen.table.size.height == rows + 4
        assert "run7" in "\n".join(screen_lines(app))
        # As far as the charts keep what they need, and no farther.
        await drag(pilot, charts, (0, 23 - charts.region.y))
        assert charts.cells[1] == charts.least[1]
        await pilot.press("left_parenthesis")
        assert charts.cells[1] == charts.least[1] + 1
        # A theme, a filter or new runs do not move it.
        screen.drawing.all()
        await pilot.pause()
        assert charts.cells[1] == charts.least[1] + 1
        await pilot.press("v")
        await pilot.pause(0.1)
        beside = screen.query_one("#browse-beside", Border)
        assert beside.cells == (41, 38)
        await pilot.press("left_curly_bracket")
        await pilot.pause()
        assert beside.cells == (39, 40)
        await drag(pilot, beside, (-39, 0))
        assert beside.cells == (24, 55)
    again = BrowseScreen(runs_dir)
    app = FakeApp(again, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: again.table.row_count == 12 and not again.scanning)
        await pilot.pause()
        charts, beside = (again.query_one(f"#browse-{n}", Border) for n in ("charts", "beside"))
        assert (charts.cells[1], beside.cells) == (charts.least[1] + 1, (24, 55))
        await pilot.click(charts, times=2)
        await pilot.pause()
        assert (charts.shares, charts.cells[0]) == (None, rows)
        await pilot.press("backslash")
        await pilot.pause()
        assert beside.cells == (41, 38)
    last = BrowseScreen(runs_dir)
    async with FakeApp(last, runs_dir).run_test(size=(80, 24)) as pilot:
        assert last.query_one("#browse-charts", Border).shares is None
        # Panes that are not there have no border to move.
        await pilot.press("v")
        await pilot.press("left_curly_bracket")
        assert last.query_one("#browse-beside", Border).shares is None


async def replayed(pilot: Pilot[int], app: WorkbenchApp, run: Path) -> Border:
    app.go(OpenReplay(run))
    await until(pilot, lambda: isinstance(app.screen, ReplayScreen))
    await until(pilot, lambda: bool(app.screen.query("#run")))
    await pilot.pause(0.2)
    return app.screen.query_one("#run", Border)


async def test_the_border_of_a_run(tmp_path: Path) -> None:
    run = finished(tmp_path).folder
    app = WorkbenchApp.to_browse(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        border = await replayed(pilot, app, run)
        assert border.cells == (74, 45)
        await drag(pilot, border, (17, 0))
        assert border.cells == (91, 28)
        await pilot.press("ctrl+left")
        await pilot.pause()
        assert border.cells == (89, 30)
        # Where one column fits, it has all the width.
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.3)
        assert not border.display
        assert app.screen.query_one("#left").size.width == 80
    app = WorkbenchApp.to_browse(tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        border = await replayed(pilot, app, run)
        assert (border.shares, border.cells) == ((89, 30), (148, 51))


def test_a_border_is_drawn_whole_only_while_somebody_is_at_it() -> None:
    def text(grip: Grip, width: int, height: int) -> str:
        frame = draw_grip(grip, width, height, Palette()).frame()
        return "\n".join(frame.strip(row).text for row in range(height))

    assert text(Grip(False), 9, 1) == "  ─────  "
    assert text(Grip(False, lit=True), 9, 1) == "─" * 9
    assert text(Grip(True), 1, 7).split("\n") == [" ", *"│││││", " "]
    assert text(Grip(True), 1, 2).split("\n") == ["│", "│"]
