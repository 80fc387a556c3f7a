"""How runs are looked at: columns, series over any x, tags and notes, and a view that is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tui.fake_app import FakeApp, make_run, screen_lines, until
from workbench.record.notes import read_notes
from workbench.record.reader import RunReader
from workbench.record.summary import RunSummary, summarize
from workbench.tui.browse.beside import beside_of, draw_beside, keys_that_differ
from workbench.tui.browse.columns import column_of, columns_for, fitted
from workbench.tui.browse.compare import Overlaid, View, along, overlay
from workbench.tui.browse.curves import RunCurves, read_curves
from workbench.tui.browse.diff import DiffScreen, config_diff, draw_diff
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.browse.view import KEPT, BrowseView, load_view, save_view
from workbench.tui.kept import kept_path
from workbench.tui.pick import Pick
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.scale import Kind


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Three runs that differ in steps and loss."""
    for number, loss in enumerate(("square", "logistic", "square")):
        make_run(tmp_path, f"run{number}", number=number, loss=loss, steps=1000 + number)
    return tmp_path


async def browsing(pilot, screen: BrowseScreen, count: int = 3) -> None:
    await until(pilot, lambda: screen.table.row_count == count and not screen.scanning)


# --- the screen ---------------------------------------------------------------------------------


async def test_series_and_x_are_chosen_kept_and_reset(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen)
        await until(pilot, lambda: bool(screen.shelf.names(screen.targets())))
        await pilot.press("C")
        await pilot.pause(0.2)
        assert isinstance(app.screen, Pick)
        await pilot.press(*"neuron_no", "space", "enter")
        await pilot.pause()
        assert screen.view.series == ("log_risk", "margin_normalized", "neuron_norm")
        await until(pilot, lambda: screen.charts.chart_of("neuron_norm") is not None)
        await pilot.pause(0.2)
        assert "neuron_norm  median" in "\n".join(screen_lines(app))
        await pilot.press("x", "left")
        assert (screen.view.x, screen.charts.view.x) == ("time", "time")
        assert screen.charts.view.cursor is not None
        await pilot.press("x", "T", "v", "z")
        await pilot.pause(0.2)
        assert screen.charts.room == 1
        assert "+2 by tab" in "\n".join(screen_lines(app))
        await pilot.press("tab")
        assert screen.charts.chart_of("margin_normalized") is not None
    kept = BrowseScreen(runs_dir).view
    assert kept == screen.view
    assert (kept.x, kept.reverse, kept.beside) == ("epoch", False, True)
    again = BrowseScreen(runs_dir)
    app = FakeApp(again, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, again)
        assert again.has_class("beside")
        await pilot.press("R")
        await pilot.pause(0.2)
        assert again.view == BrowseView()
        assert not again.has_class("beside")
    assert not kept_path(KEPT, runs_dir).exists()


async def test_tags_notes_columns_and_last_values(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen)
        here = screen.run_here()
        assert here is not None
        await pilot.press("number_sign", *"a,b")
        await pilot.pause(0.1)
        await pilot.press("backspace", "backspace", *" good", "enter")
        await until(pilot, lambda: screen.shelf.summary(here.run_id).tags == ("a", "good"))
        await until(pilot, lambda: "tags" in screen.table.columns_shown)
        await pilot.press("number_sign", *"-a -", "enter")
        await pilot.pause(0.1)
        assert "is no tag" in " ".join(screen_lines(app))
        await pilot.press("backspace", "enter", "M", *"mine", "enter")
        await until(pilot, lambda: screen.shelf.summary(here.run_id).note == "mine")
        assert read_notes(here.path).tags == ("good",)
        await pilot.press("slash", *"tag:good time>", "enter")
        await pilot.pause(0.2)
        assert "needs a value after it" in screen_lines(app)[0]
        await pilot.press("0", "enter")
        await until(pilot, lambda: screen.table.run_ids == [here.run_id])
        assert screen.shelf.summary(here.run_id).last["time"] > 0
        await pilot.press("O")
        await pilot.pause(0.2)
        await pilot.press(*"log_risk", "space", "enter")
        await until(pilot, lambda: screen.shelf.summary(here.run_id).last.keys() >= {"log_risk"})
        await pilot.pause(0.3)
        assert screen.table.columns_shown[-1] == "log_risk"
        assert f"{summarize(here.path, ['log_risk']).last['log_risk']:.6g}" in screen_lines(app)[2]


async def test_many_configurations_are_compared(runs_dir: Path) -> None:
    screen = BrowseScreen(runs_dir)
    app = FakeApp(screen, runs_dir)
    async with app.run_test(size=(120, 40)) as pilot:
        await browsing(pilot, screen)
        await pilot.press("space", "space", "space", "D")
        await until(pilot, lambda: isinstance(app.screen, DiffScreen))
        await pilot.pause(0.2)
        text = "\n".join(screen_lines(app))
        assert "3 settings differ among 3 runs" in text
        assert "train.steps  1002" in " ".join(text.split()).replace(" 1002", "  1002", 1)


# --- pure parts ---------------------------------------------------------------------------------


def test_a_damaged_view_is_as_good_as_none(tmp_path: Path) -> None:
    view = BrowseView(
        ("train.lr", "rho"), "rho", False, "H>3", ("rho",), "epoch", False, False, True
    )
    save_view(tmp_path, view)
    assert load_view(tmp_path) == view
    path = kept_path(KEPT, tmp_path)
    table = json.loads(path.read_text())
    table |= {"columns": ["rho", "no such", 3], "sort": "nothing", "x": "weight", "log_x": "yes"}
    path.write_text(json.dumps(table | {"series": [], "more": 1, "filter": "a\x1b[2J"}))
    assert load_view(tmp_path) == BrowseView(
        columns=("rho",), reverse=False, log_y=False, beside=True
    )
    for text in ("", "[", "[]", "{" * 100_000, '{"columns": 3}'):
        path.write_text(text)
        assert load_view(tmp_path) == BrowseView()


def test_curves_of_any_series(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a")
    run = replace(summarize(folder), n=10, settings={"train.batch": 5, "loss.reduction": "sum"})
    found = read_curves(folder, ("log_risk", "neuron_norm", "nothing"), run)
    with RunReader(folder) as reader:
        norms = reader.read("neuron_norm")
        assert set(found.names) == set(reader.series_names()) - {"step"}
    np.testing.assert_array_equal(found.of("neuron_norm"), np.nanmedian(norms, axis=1))
    np.testing.assert_array_equal(found.x["epoch"], found.step / 2)
    np.testing.assert_allclose(found.x["ln(n/L)"], np.log(10) - found.of("log_risk"))
    assert found.of("nothing").size == 0


def test_a_time_beyond_a_float_is_drawn_by_its_logarithm() -> None:
    steps = np.arange(3.0)
    early = RunCurves(steps, {}, {"time": np.array([0.0, 1.0, 10.0])})
    late = RunCurves(
        steps, {}, {"time": np.array([1.0, 1e300, np.inf]), "time_log": np.array([0.0, 700, 1000])}
    )
    assert along("time", [early]).of(early)[-1] == 10
    both = along("time", [early, late])
    assert both.power
    np.testing.assert_allclose(both.of(early), [-np.inf, 0, 1])
    np.testing.assert_allclose(both.of(late), np.array([0, 700, 1000]) / np.log(10))
    assert along("epoch", [early]).of(early).shape == steps.shape


def test_axes_suit_a_series_and_a_chart_says_what_it_shows() -> None:
    steps = np.arange(1.0, 6.0)
    values = {"rho": 10.0**steps, "grad_norm_log": -steps, "alignment": steps, "mine": steps - 3}
    runs = [Overlaid("a", "cyan", RunCurves(steps, values))]
    kinds = {name: overlay(name, runs, View()).y_kind for name in values}
    assert kinds.pop("rho") is Kind.LOG
    assert set(kinds.values()) == {Kind.LINEAR}
    assert overlay("rho", runs, View(log_y=False)).y_kind is Kind.LINEAR
    logs = overlay("grad_norm_log", runs, View(cursor=2.2))
    assert (logs.title, logs.curves[0].label) == ("log₁₀ grad_norm", "a -0.87")
    plain = overlay("grad_norm_log", runs, View(log_y=False))
    assert (plain.title, plain.curves[0].y[0]) == ("grad_norm", pytest.approx(np.exp(-1)))
    assert overlay("gone", runs, View()).empty == "no gone recorded"


def test_chosen_columns_fit_the_tables_own_goes_first_then_the_last() -> None:
    chosen = ("train.lr", "rho", "risk", "note")
    for width in range(30, 200):
        found = fitted(width, columns_for(chosen, "H", tags=True))
        assert sum(size for _, size in found) <= width
        keys = [
            column.key for column, _ in found if column.key not in ("mark", "run", "state", "H")
        ]
        order = ("risk", "note", "rho", "train.lr")
        gone = {key for key in chosen if key not in keys}
        assert keys == [key for key in chosen if key not in gone]
        assert gone == set(order[: len(gone)])
    assert "tags" in [column.key for column in columns_for(None, "risk", tags=True)]
    run = RunSummary("r", Path("r"), settings={"a.b": True}, last={"rho": float("nan")})
    assert [column_of(key).cell(run, None, 9)[0] for key in ("a.b", "rho", "note")] == [
        "true",
        "NaN",
        "",
    ]


def test_of_many_runs_a_value_is_said_once() -> None:
    configs = [{"train": {"lr": 0.1 * (1 + k % 2), "steps": 5}} for k in range(20)]
    text = draw_diff([f"r{k}" for k in range(20)], config_diff(configs), 60, Palette()).plain
    lines = text.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["train.lr"],
        ["0.1", "10", "r0"],
        ["0.2", "10", "r1"],
    ]
    assert all(len(line) <= 60 for line in lines)
    same = draw_diff(["a", "b", "c"], [], 60, Palette()).plain
    assert same == "All 3 configurations are the same."


def test_what_differs_stands_first_beside_the_table() -> None:
    runs = [
        RunSummary(
            str(k), Path(str(k)), name=f"n{k}", settings={"a.x": 1, "b.y": k}, note="w " * 40
        )
        for k in range(3)
    ]
    keys = keys_that_differ(runs)
    assert keys == ["b.y"]
    model = beside_of(runs[1], runs[:2], keys)
    assert (model.differ, model.same) == ((("b.y", "1"),), (("a.x", "1"),))
    grid = draw_beside(model, 30, 6, Palette()).frame()
    lines = ["".join(map(chr, row)).rstrip() for row in grid.characters]
    assert lines[0].strip() == "n1"
    assert lines[-1].strip() == "… 4 more"
