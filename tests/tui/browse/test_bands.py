"""Runs as bands, sorted and filtered by any key of their configurations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tui.fake_app import FakeApp, make_run, screen_lines, until
from workbench.errors import WorkbenchError
from workbench.record.index import RunIndex
from workbench.record.summary import RunSummary, short_settings, summarize
from workbench.tui.browse.bands import bands_of, sort_choices
from workbench.tui.browse.columns import sorted_runs
from workbench.tui.browse.curves import RunCurves
from workbench.tui.browse.scan import Shelf, scan_runs
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.pick import Pick

STEP = np.arange(5.0)


def run(name: str, **settings) -> RunSummary:
    keys = {key.replace("_", ".", 1): value for key, value in settings.items()}
    return RunSummary(name, Path(name), name=name, settings={"name": name, **keys})


def curves(level: float) -> RunCurves:
    return RunCurves(STEP, {"log_risk": -level * STEP})


def test_runs_that_differ_in_seeds_alone_are_one_band() -> None:
    runs = [
        (run(f"{scale}-{seed}", init_scale=scale, init_seed=seed), curves(scale * (1 + seed)))
        for scale in (0.1, 0.2)
        for seed in range(3)
    ]
    found = bands_of([*runs, (run("empty", init_scale=3.0), RunCurves())])
    assert found.by == "scale"
    assert [group.label for group in found.series["log_risk"]] == ["0.1", "0.2"]
    assert [group.size for group in found.series["log_risk"]] == [3, 3]
    np.testing.assert_allclose(found.series["log_risk"][1].levels[2], -0.4 * STEP)
    assert found.series["margin_normalized"][0].size == 0


def test_more_groups_than_colours_are_one_band() -> None:
    found = bands_of([(run(str(k), train_lr=float(k)), curves(1.0)) for k in range(12)])
    assert found.by == ""
    assert [group.size for group in found.series["log_risk"]] == [12]


def test_any_setting_sorts_numbers_before_words_and_missing_ones_last() -> None:
    values = [3, "log", None, 0.5, True, "auto"]
    runs = [run(str(k), **({} if v is None else {"record_every": v})) for k, v in enumerate(values)]
    ordered = [r.settings.get("record.every") for r in sorted_runs(runs, "record.every", False)]
    assert ordered == [0.5, True, 3, "auto", "log", None]
    assert sorted_runs(runs, "record.every", True)[-1].settings.get("record.every") is None


def test_studies_stand_before_runs_however_they_are_sorted() -> None:
    runs = [run("a", train_lr=1), replace(run("s", train_lr=9), members=3, ended=1), run("b")]
    for key in ("run", "train.lr", "updated"):
        for reverse in (False, True):
            assert sorted_runs(runs, key, reverse)[0].name == "s"


def test_settings_to_sort_by_say_how_runs_differ() -> None:
    settings = [{"train.lr": 1e-3, "a.b": 1}, {"train.lr": 1e-2, "a.b": 1}]
    keys = sort_choices(settings, ["a.b", "train.lr", "name"])
    assert [key for key, _ in keys] == ["train.lr", "a.b"]
    assert keys[0][1].endswith("1e-3 0.01")


def test_settings_are_short_and_the_index_keeps_them(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "a", number=1)
    found = summarize(folder)
    assert found.settings["data.kind"] == "kh24-circle"
    assert found.settings["train.steps"] == 1000
    index = RunIndex(tmp_path)
    from workbench.record.index import _summary, _values

    assert _summary(folder, _values(found)) is not None
    assert _summary(folder, _values(found)).settings == dict(found.settings)  # type: ignore[union-attr]
    assert index.summary(folder).settings == found.settings
    long = {"data": {"x": [[1.0] * 50], "n": 3}, "name": "\x1b[31mred"}
    assert short_settings(long) == {"data.n": 3, "name": " [31mred"}


def test_a_damaged_study_is_a_row_that_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "20260101-120000-x-1a2b"
    folder.mkdir()
    (folder / "study.toml").write_text("x = [")
    shelf = Shelf()
    shelf.take(scan_runs(tmp_path, {}, studies=shelf.studies))
    row = shelf.summaries()[0]
    assert (row.status, row.members) == ("unreadable", 0)
    assert "plan.json" in row.reason
    assert list(scan_runs(tmp_path, shelf.known, studies=shelf.studies)) == []
    with pytest.raises(WorkbenchError, match=r"not valid TOML|plan\.json"):
        shelf.read(shelf.known[folder.name])


async def test_runs_are_banded_sorted_and_filtered_by_keys(tmp_path: Path) -> None:
    for number in range(4):
        make_run(tmp_path, f"r{number}", number=number, steps=1000 + 500 * (number % 2))
    screen = BrowseScreen(tmp_path)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: screen.table.row_count == 4 and not screen.scanning)
        await pilot.press("a")
        await until(pilot, lambda: screen.charts.bands is not None)
        await until(pilot, lambda: sum(g.size for g in screen.charts.bands.series["log_risk"]) == 4)
        assert "risk  log₁₀ L by steps  25–75 % N=2" in "\n".join(screen_lines(app))
        await pilot.press("K")
        await pilot.pause()
        assert isinstance(app.screen, Pick)
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert screen.view.sort == "train.steps"
        assert "train.steps" in screen.table.columns_shown
        assert [screen.shelf.summary(r).steps for r in screen.table.run_ids] == [1000] * 2 + [
            1500
        ] * 2
        await pilot.press("slash", *"train.steps>1k")
        await pilot.pause(0.2)
        assert screen.table.row_count == 2
        await pilot.press(*" train.stp=1")
        await pilot.pause(0.2)
        assert "did you mean 'train.steps'" in screen_lines(app)[0]
