"""The table of runs, what its keys do, and that deleting deletes nothing else."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from tui.fake_app import SIZES, FakeApp, make_run, screen_lines, until
from workbench.record.delete import delete_run
from workbench.record.lock import RunLock
from workbench.record.summary import RunSummary, summarize
from workbench.tui.browse import table as table_module
from workbench.tui.browse.columns import COLUMNS, Column, RowStyle, draw_cell, fitted, sorted_runs
from workbench.tui.browse.compare import Overlaid, View, overlay, short_labels
from workbench.tui.browse.curves import RunCurves
from workbench.tui.browse.diff import DiffScreen, config_diff
from workbench.tui.browse.files import (
    check_more_steps,
    read_fork_points,
)
from workbench.tui.browse.header import HeaderModel, header_parts
from workbench.tui.browse.scan import Shelf, scan_runs
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.dialogs import Ask, Choose, Confirm
from workbench.tui.routes import OpenReplay, ResumeRun
from workbench.tui.targets import check_target
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.palette import Depth, Glyphs, Palette
from workbench.tui.widgets.scale import Kind

# --- helpers ------------------------------------------------------------------------------------


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Four runs, newest `delta`."""
    folder = tmp_path / "runs"
    make_run(folder, "alpha", number=1)
    make_run(folder, "beta", number=2, loss="logistic", steps=2000)
    make_run(folder, "gamma", number=3, status="diverged")
    make_run(folder, "delta", number=4)
    return folder


async def browsing(pilot: Pilot[int], screen: BrowseScreen, count: int = 4) -> None:
    await until(pilot, lambda: screen.table.row_count == count and not screen.scanning)


def names(screen: BrowseScreen) -> list[str]:
    """The runs shown, by name, top to bottom."""
    found = [screen.shelf.summary(run_id) for run_id in screen.table.run_ids]
    return [run.name for run in found if run is not None]


async def go_to(pilot: Pilot[int], screen: BrowseScreen, name: str) -> None:
    """Put the cursor on a run."""
    screen.table.move_cursor(row=names(screen).index(name))
    await pilot.pause()


# --- the screen ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_shows_the_runs_and_fits(runs_dir: Path, size: tuple[int, int]) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=size) as pilot:
        await browsing(pilot, screen)
        await pilot.press("space")
        await pilot.pause(0.3)
        lines = screen_lines(app)
        text = "\n".join(lines)
        assert all(name in text for name in ("alpha", "beta", "gamma", "delta"))
        assert "4 stored" in lines[0]
        assert "1 marked" in lines[0]
        assert "quit" in lines[-1]
        charts = ("log₁₀ L" in text, "min normalized margin" in text)
        assert charts == {120: (True, True), 80: (True, True), 40: (False, False)}[size[0]]
        assert screen.table.virtual_size.width <= size[0]


async def test_states_are_told_without_colour(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir, Palette(Depth.NONE, Glyphs.ASCII))
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("space", "space")
        await pilot.pause(0.3)
        lines = screen_lines(app)
        assert "".join(lines).isascii()
        assert any("gamma" in line and "^  diverged" in line for line in lines)
        assert any("alpha" in line and "+  finished" in line for line in lines)
        marks = sorted(line[0] for line in lines if "finished" in line or "diverged" in line)
        assert marks == [" ", " ", "1", "2"]


async def test_empty_folder_says_what_to_press(tmp_path: Path) -> None:
    screen = BrowseScreen(tmp_path / "none")
    app = FakeApp(screen, tmp_path / "none")
    async with app.run_test(size=(40, 15)) as pilot:
        await until(pilot, lambda: screen.has_class("empty"))
        await pilot.pause()
        text = "\n".join(screen_lines(app))
        assert "no runs yet" in text
        assert "press n" in text
        assert "workbench run" in text
        make_run(tmp_path / "none", "first")
        screen.rescan()
        await browsing(pilot, screen, 1)
        assert not screen.has_class("empty")


async def test_a_runs_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    place.write_text("not a folder")
    screen = BrowseScreen(place)
    app = FakeApp(screen, place)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(screen.trouble))
        await pilot.pause(0.2)
        assert "isafile." in "".join("".join(screen_lines(app)[1:]).split())


async def test_names_are_never_markup_or_escapes(tmp_path: Path) -> None:
    make_run(tmp_path, "[red]boo[/red] \x1b[2J end")
    screen = BrowseScreen(tmp_path)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen, 1)
        await pilot.pause(0.3)
        text = "\n".join(screen_lines(app))
        assert "[red]boo[/red]" in text
        assert "\x1b" not in text
        await pilot.press("X")
        await pilot.pause(0.2)
        assert "[red]boo[/red]" in "\n".join(screen_lines(app))


@pytest.mark.full
async def test_two_hundred_runs_cost_little_more_than_reading_them(tmp_path: Path) -> None:
    first = make_run(tmp_path, "run", count=20)
    folders = [tmp_path / f"20260102-{number:06d}-run-{number:04x}" for number in range(1, 200)]
    for folder in folders:
        shutil.copytree(first, folder)
    # Processor time of both, as other processes may want the cores too.
    began = time.process_time()
    for folder in folders:
        summarize(folder)
    alone = time.process_time() - began
    screen = BrowseScreen(tmp_path)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        start, slowest = time.process_time(), 0.0
        while screen.table.row_count < 200:
            before = time.process_time()
            assert before - start < 3 * alone + 1.0, f"{screen.table.row_count} runs by then"
            await asyncio.sleep(0.005)
            slowest = max(slowest, time.process_time() - before)
        assert slowest < 0.5 * alone, "the screen stood still"
        await pilot.press("end")
        assert screen.table.cursor_row == 199


async def test_only_changed_rows_are_touched(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen)
        await go_to(pilot, screen, "beta")
        before = dict(screen.shelf.known)
        make_run(runs_dir, "epsilon", number=9)
        screen.rescan()
        await browsing(pilot, screen, 5)
        same = [run for run, known in before.items() if screen.shelf.known[run] is known]
        assert len(same) == 4
        here = screen.run_here()
        assert here is not None
        assert here.name == "beta"


# --- keys ---------------------------------------------------------------------------------------


async def test_mark_sort_and_filter(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("t")
        assert (screen.view.sort, names(screen)) == ("run", ["alpha", "beta", "delta", "gamma"])
        await pilot.press("T")
        assert names(screen) == ["gamma", "delta", "beta", "alpha"]
        await go_to(pilot, screen, "gamma")
        await pilot.press("space", "space")
        assert [run.name for run in screen.marked_runs()] == ["gamma", "delta"]
        await pilot.press("slash", *"loss=log")
        assert names(screen) == []
        await pilot.press(*"istic")
        assert names(screen) == ["beta"]
        await pilot.press("enter")
        assert screen.table.has_focus
        assert "filter: loss=logistic" in screen_lines(app)[0]
        await pilot.press("slash", "x", "escape")
        assert names(screen) == ["beta"]
        await pilot.press("escape")
        assert len(names(screen)) == 4
        await pilot.press("escape")
        assert screen.marked_runs() == []


async def test_a_mistake_in_the_filter_is_said(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("slash", *"stat=x")
        await pilot.pause(0.2)
        assert "did you mean 'state'?" in screen_lines(app)[0]
        assert len(names(screen)) == 4
        await pilot.press("enter")
        assert screen.query_one(Input).has_focus
        await pilot.press("escape")
        assert screen.mistake == ""


async def test_cursor_is_shared_and_the_axes_change(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen)
        await until(pilot, lambda: bool(screen.charts.runs))
        await pilot.press("left", "left", "shift+left")
        risk, margin = (
            screen.query_one(name, LineChart).model for name in ("#chart-0", "#chart-1")
        )
        assert risk is not None
        assert margin is not None
        assert risk.cursor is not None
        assert risk.cursor == margin.cursor
        assert 0 < risk.cursor < 59
        assert risk.title == "risk  log₁₀ L"
        await pilot.press("Y", "y")
        risk = screen.query_one("#chart-0", LineChart).model
        assert risk is not None
        assert (risk.title, risk.x_kind) == ("risk  L", Kind.LINEAR)


async def test_open_and_resume(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await go_to(pilot, screen, "gamma")
        await pilot.press("enter", "r")
        await pilot.pause(0.1)
        folder = runs_dir / next(f.name for f in runs_dir.iterdir() if "gamma" in f.name)
        assert app.asked == [OpenReplay(folder), ResumeRun(folder)]
        await go_to(pilot, screen, "alpha")
        await pilot.press("r")
        await pilot.pause(0.1)
        assert isinstance(app.screen, Ask)
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert app.asked[-1].steps == 118


async def test_a_living_run_is_followed_but_not_resumed_or_deleted(runs_dir: Path) -> None:
    folder = next(f for f in runs_dir.iterdir() if "alpha" in f.name)
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    with RunLock(folder):
        async with app.run_test(size=(80, 24)) as pilot:
            await browsing(pilot, screen)
            await go_to(pilot, screen, "alpha")
            await pilot.press("r", "X")
            await pilot.pause(0.2)
            assert app.screen is screen
            assert app.asked == []
            assert len(app._notifications) == 2
            await pilot.press("enter")
            await pilot.pause(0.1)
            assert app.asked == [OpenReplay(folder)]


async def test_fork_asks_for_a_stored_step_and_settings(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await go_to(pilot, screen, "beta")
        await pilot.press("f")
        await pilot.pause(0.2)
        assert app.screen.query_one(Input).value == "59"
        await pilot.press("0", "enter")
        assert isinstance(app.screen, Ask)
        await pilot.pause(0.1)
        assert "no state is stored at step 590" in " ".join(screen_lines(app))
        await pilot.press("backspace", "backspace", "enter")
        await pilot.pause(0.1)
        await pilot.press(*"train.lr=-1", "enter")
        await pilot.pause(0.1)
        assert "train.lr" in " ".join(screen_lines(app))
        assert app.asked == []
        await pilot.press("backspace", "backspace", "2", "enter")
        await pilot.pause(0.1)
        (fork,) = app.asked
        assert (fork.at, fork.settings) == (5, ("train.lr=2",))
        assert "beta" in fork.folder.name


async def test_export_writes_and_says_what_is_missing(runs_dir: Path, tmp_path: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    target = tmp_path / "out.csv"
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("E")
        await pilot.pause(0.1)
        app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda: len(app._notifications) == 1)
        message = next(iter(app._notifications)).message
        assert "exported to" in message
        assert "Left out: the data set" in message
        assert target.read_text().startswith("step,")
        before = target.stat().st_mtime_ns
        await pilot.press("E")
        await pilot.pause(0.1)
        app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await pilot.pause(0.1)
        assert isinstance(app.screen, Confirm)
        await pilot.press("n")
        await pilot.pause(0.1)
        assert target.stat().st_mtime_ns == before


async def test_plot_draws_a_figure(runs_dir: Path, tmp_path: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    target = tmp_path / "risk.svg"
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("P")
        await until(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.pause(0.1)
        assert app.screen.query_one(OptionList).option_count >= 1
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Ask))
        await pilot.pause(0.1)
        app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda: len(app._notifications) == 1)
        assert b"<svg" in target.read_bytes()


async def test_config_diff_of_two_marked(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("D")
        assert app.screen is screen
        assert len(app._notifications) == 1
        for name in ("alpha", "beta"):
            await go_to(pilot, screen, name)
            await pilot.press("space")
        await pilot.press("D")
        await pilot.pause(0.2)
        assert isinstance(app.screen, DiffScreen)
        assert {d.key for d in app.screen.differences} == {"name", "loss.kind", "train.steps"}
        text = "\n".join(screen_lines(app))
        assert "3 settings differ" in text
        assert "logistic" in text


# --- deleting -----------------------------------------------------------------------------------


async def test_delete_asks_and_deletes_only_that_run(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        await go_to(pilot, screen, "beta")
        await pilot.press("X")
        await pilot.pause(0.1)
        await pilot.press("enter")  # the answer it begins on does no harm
        await pilot.pause(0.1)
        assert len(list(runs_dir.iterdir())) == 4
        await pilot.press("X")
        await pilot.pause(0.1)
        await pilot.press("y")
        await browsing(pilot, screen, 3)
        left = sorted(f.name for f in runs_dir.iterdir())
        assert len(left) == 3
        assert not any("beta" in name for name in left)


async def test_delete_the_marked_runs(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await browsing(pilot, screen)
        for name in ("alpha", "gamma"):
            await go_to(pilot, screen, name)
            await pilot.press("space")
        await go_to(pilot, screen, "delta")
        await pilot.press("X")
        await pilot.pause(0.1)
        assert isinstance(app.screen, Choose)
        await pilot.press("down", "enter")
        await pilot.pause(0.1)
        assert "Delete 2 runs" in " ".join(screen_lines(app))
        await pilot.press("y")
        await browsing(pilot, screen, 2)
        assert sorted(names(screen)) == ["beta", "delta"]
        assert screen.marks == []


# --- pure parts ---------------------------------------------------------------------------------


def test_scan_tells_only_what_changed(tmp_path: Path) -> None:
    first, second = (
        make_run(tmp_path, name, number=k, status="running") for k, name in enumerate("ab")
    )
    shelf = Shelf()
    shelf.take(scan_runs(tmp_path, shelf.known))
    assert {run.name for run in shelf.summaries()} == {"a", "b"}
    assert list(scan_runs(tmp_path, shelf.known)) == []
    with RunLock(first):
        assert [change.run for change in scan_runs(tmp_path, shelf.known)] == [first.name]
    os.utime(second / "run.h5", ns=(1, 1))
    assert [change.run for change in scan_runs(tmp_path, shelf.known)] == [second.name]
    delete_run(first, tmp_path)
    assert shelf.take(scan_runs(tmp_path, shelf.known)) == {first.name}
    (second / "run.h5").write_bytes(b"not a run")
    shelf.take(scan_runs(tmp_path, shelf.known))
    assert [run.status for run in shelf.summaries()] == ["unreadable"]


def test_columns_fit_every_width() -> None:
    for width in range(1, 260):
        found = fitted(width)
        if width >= 24:
            assert sum(size for _, size in found) <= width
        if width >= 119:
            assert [column for column, _ in found] == list(COLUMNS)
        assert {"mark", "run", "state"} <= {column.key for column, _ in found}


def test_unknown_values_sort_last_both_ways(tmp_path: Path) -> None:
    make_run(tmp_path, "a", number=1)
    make_run(tmp_path, "b", number=2)
    make_run(tmp_path, "c", number=3, count=1)
    shelf = Shelf()
    shelf.take(scan_runs(tmp_path, {}))
    runs = shelf.summaries()
    runs[0] = type(runs[0])(runs[0].run_id, runs[0].path, name="none")
    for reverse in (False, True):
        assert sorted_runs(runs, "risk", reverse)[-1].name == "none"
    known = [run.log10_risk for run in sorted_runs(runs, "risk", False)[:-1]]
    assert known == sorted(known, key=lambda value: value or 0.0)


def test_config_diff_flattens_and_compares_values() -> None:
    left = {"name": "a", "train": {"lr": 1e-3, "steps": 5}, "data": {"x": [[0.0] * 40, [1.0] * 40]}}
    right = {"name": "a", "train": {"lr": 0.1, "batch": 2}, "data": {"x": [[0.0] * 40, [2.0] * 40]}}
    found = {d.key: d.values for d in config_diff([left, right])}
    assert found == {
        "train.lr": ("0.001", "0.1"),
        "train.steps": ("5", "–"),
        "train.batch": ("–", "2"),
        "data.x": ("list of 2", "list of 2 (other values)"),
    }
    assert config_diff([left, left, left]) == []
    many = {d.key: d.values for d in config_diff([left, right, left])}
    assert many["data.x"] == ("list of 2", "list of 2 (other values)", "list of 2")


def test_overlay_holds_every_run_and_the_values_under_the_cursor() -> None:
    steps = np.arange(0, 100, 10, dtype=np.float64)
    runs = [
        Overlaid(
            "a",
            "cyan",
            RunCurves(steps, {"log_risk": -steps * np.log(10), "margin_normalized": steps / 1000}),
        ),
        Overlaid("b", "orange", RunCurves(2 * steps, {"log_risk": np.zeros(10)})),
    ]
    risk = overlay("log_risk", runs, View(cursor=52.0))
    assert [curve.label for curve in risk.curves] == ["a -50.00", "b 0.00"]
    assert np.allclose(risk.curves[0].y, -steps)
    linear = overlay("log_risk", runs, View(log_y=False, cursor=500.0))
    assert [curve.label for curve in linear.curves] == ["a", "b"]
    assert linear.curves[1].y[0] == 1.0
    margin = overlay("margin_normalized", runs, View(cursor=50.0))
    assert [curve.label for curve in margin.curves] == ["a +0.0500", ""]
    assert margin.curves[1].x[-1] == risk.curves[1].x[-1]


def test_short_labels() -> None:
    assert short_labels(["relu-2d-000", "relu-2d-001"]) == ["000", "001"]
    assert short_labels(["relu-2d", "relu-2d-001"]) == ["2d", "2d-001"]
    assert short_labels(["one"]) == ["one"]
    assert short_labels(["same", "same"]) == ["same", "same"]
    assert short_labels(["alpha", "beta"]) == ["alpha", "beta"]


def test_checks_before_writing(tmp_path: Path) -> None:
    check = check_target((".csv", ".nc"))
    assert check(str(tmp_path / "a.csv")) is None
    assert "there is no folder" in (check(str(tmp_path / "x" / "a.csv")) or "")
    assert "unknown format '.cvs'" in (check(str(tmp_path / "a.cvs")) or "")
    assert check("") is not None
    assert check("a\0.csv") is not None
    more = check_more_steps(100)
    assert more("101") is None
    assert more("100") is not None
    assert more("many") is not None


def test_fork_points_know_the_stored_steps(tmp_path: Path) -> None:
    points = read_fork_points(make_run(tmp_path, "mine"))
    assert points.check_step("59") is None
    assert "60" in (points.check_step("60") or "")
    assert points.check_step("x") is not None
    assert points.nearest(1e9) == 59


async def test_of_many_runs_only_those_in_sight_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def counting(column: Column, width: int, run: RunSummary, style: RowStyle) -> tuple[str, str]:
        drawn.append(run.run_id)
        return draw_cell(column, width, run, style)

    monkeypatch.setattr(table_module, "draw_cell", counting)
    many = [RunSummary(f"run-{k:04}", tmp_path / str(k), name=f"name {k}") for k in range(3000)]
    screen = BrowseScreen(tmp_path)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: screen.has_class("empty"))
        await pilot.pause(0.3)
        screen.remove_class("empty")
        screen.table.show_runs(many)
        await pilot.pause()
        assert screen.table.current == "run-0000"
        screen.table.show_runs(many[::-1])
        await pilot.pause()
        assert screen.table.current == "run-0000"
        assert screen.table.run_ids[0] == "run-2999"
        screen.table.show_runs(many[1000:])
        await pilot.pause()
        assert screen.table.run_ids == [run.run_id for run in many[1000:]]
        assert 0 < len(set(drawn)) < 200


def test_the_header_shows_how_far_reading_is() -> None:
    (_, text, _), *_ = header_parts(HeaderModel(stored=10_000, read=3_120))
    assert text == "reading ███░░░░░░░ 3,120 of 10,000"
