"""The page of a study driven by keys: three sizes, its parts, live, and a member opened as a run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from study.made import finished_study, half_done_study

from tui.fake_app import SIZES, FakeApp, screen_lines, until
from tui.study.fake_look import FakeReader, fake_look
from workbench.tui.app import WorkbenchApp
from workbench.tui.browse.screen import BrowseScreen
from workbench.tui.dialogs import Choose
from workbench.tui.help import HelpScreen
from workbench.tui.routes import StartRun
from workbench.tui.run.screen import RunScreen
from workbench.tui.study.header import PARTS
from workbench.tui.study.screen import StudyScreen
from workbench.tui.widgets.heatmap import HeatMap
from workbench.tui.widgets.palette import Depth, Glyphs, Palette


def page(palette: Palette | None = None, **changes) -> tuple[FakeApp, StudyScreen]:
    """A page of a study that never was."""
    look = fake_look(**changes)
    screen = StudyScreen(look.folder)
    screen.reader = FakeReader(look)  # type: ignore[assignment]
    return FakeApp(screen, Path("runs"), palette), screen


async def shown(pilot, screen: StudyScreen) -> str:
    await until(pilot, lambda: screen.view is not None and not screen._busy)
    await pilot.pause(0.1)
    return "\n".join(screen_lines(screen.app))


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_shows_every_part_and_fits(size: tuple[int, int]) -> None:
    app, screen = page()
    async with app.run_test(size=size) as pilot:
        seen = ""
        for place in range(len(PARTS)):
            assert screen.part == PARTS[place]
            seen += await shown(pilot, screen)
            assert all(len(line) <= size[0] for line in screen_lines(app))
            await pilot.press("tab")
        for said in ("escape step", "init.scale", "25–75 %", "first saddle leads", "#1", "300"):
            assert said in seen, said
        assert screen.part == "heat"


async def test_tiles_lead_to_their_members_and_escape_back() -> None:
    app, screen = page()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, screen)
        await pilot.press("right", "k")
        assert screen.view is not None
        assert screen.view.choices.cursor == (1, 1)
        await pilot.press("enter")
        assert screen.part == "table"
        text = await shown(pilot, screen)
        assert "20 shown: model.width 20  init.scale 0.03" in text
        await pilot.press("down")
        member = screen.member_here()
        await pilot.press("enter")
        assert app.asked == [StartRun(f"{screen.folder}/{member}")]
        assert screen.view.look.settings[member or 0]["init.scale"] == 0.03
        await pilot.press("escape")
        assert screen.view.members.size == screen.view.look.count


async def test_outcomes_axes_series_and_order_are_chosen_by_keys() -> None:
    app, screen = page(widths=(10, 20))
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, screen)
        await pilot.press("right_square_bracket")
        assert "where the first saddle leads" in await shown(pilot, screen)
        await pilot.press("O")
        await pilot.pause()
        assert isinstance(app.screen, Choose)
        await pilot.press("escape", "x")
        assert screen.view is not None
        assert screen.view.choices.axes is not None
        assert (screen.view.choices.axes.across, screen.view.choices.axes.up) == (1, 0)
        await pilot.press("V")
        assert (screen.view.choices.axes.across, screen.view.choices.axes.up) == (0, 1)
        await pilot.press("a", "a")
        assert "by seed" in await shown(pilot, screen)
        await pilot.press("C", "down", "enter")
        assert "rho by seed" in await shown(pilot, screen)
        await pilot.press("t", "T", "d", "z")
        await shown(pilot, screen)
        assert (screen.view.choices.sort, screen.view.choices.reverse) == ("state", True)
        assert screen.view.choices.which == -1
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)


async def test_the_filter_narrows_as_it_is_typed_and_names_mistakes() -> None:
    app, screen = page()
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, screen)
        await pilot.press("slash", *"state=failed")
        assert screen.view is not None
        assert 0 < screen.view.members.size < 20
        await pilot.press("enter", "slash", *" sadles>1")
        assert "did you mean 'saddles'" in screen_lines(app)[0]
        await pilot.press("escape", "escape")
        assert screen.view.members.size == screen.view.look.count


async def test_states_are_told_without_colour_and_in_ascii() -> None:
    app, screen = page(Palette(Depth.NONE, Glyphs.ASCII), live=True)
    async with app.run_test(size=(80, 24)) as pilot:
        for _ in PARTS:
            text = await shown(pilot, screen)
            assert text.isascii()
            assert "?" not in text.replace("? help", "").replace("?  lost", "")
            await pilot.press("tab")


async def test_a_live_study_is_read_again_where_it_changed() -> None:
    app, screen = page(live=True)
    async with app.run_test(size=(120, 40)) as pilot:
        assert "live" in await shown(pilot, screen)
        await pilot.press("right")
        reader = screen.reader
        reader.now = fake_look()  # type: ignore[attr-defined]
        await until(pilot, lambda: screen.view is not None and not screen.view.look.live)
        assert screen.view is not None
        assert screen.view.choices.cursor == (0, 1)
        assert "296/300 members  4 failed" in await shown(pilot, screen)


async def test_a_study_on_disk_is_listed_opened_and_a_member_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folder = await asyncio.to_thread(finished_study, runs)
    app = WorkbenchApp.to_look_at(folder, runs)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, StudyScreen))
        await pilot.press("escape")
        browse = app.screen
        assert isinstance(browse, BrowseScreen)
        await until(pilot, lambda: browse.table.run_ids == [folder.name])
        assert "12/12" in "\n".join(screen_lines(app))
        await until(pilot, lambda: browse.charts.bands is not None)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, StudyScreen) and bool(app.screen.groups))
        await pilot.press("tab", "tab", "tab", "end", "enter")
        await until(pilot, lambda: app.session is not None)
        session = app.session
        assert isinstance(app.screen, RunScreen)
        assert session is not None
        assert session.config.init.seed == 5
        await asyncio.to_thread(app.close_session)


async def test_a_study_left_half_way_says_so(tmp_path: Path) -> None:
    folder = await asyncio.to_thread(half_done_study, tmp_path)
    screen = StudyScreen(folder)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        text = await shown(pilot, screen)
        assert "/12 members" in text
        assert "lost" in text
        assert "workbench resume 20260101" in text
        assert screen.query_one(HeatMap).model is not None


async def test_a_folder_without_a_study_is_said(tmp_path: Path) -> None:
    screen = StudyScreen(tmp_path)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        # The folder's name decides where the sentence is broken.
        await until(
            pilot, lambda: "holds no study" in " ".join(" ".join(screen_lines(app)).split())
        )
        assert screen.mistake
