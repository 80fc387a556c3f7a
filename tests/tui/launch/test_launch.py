"""The form of a new run: what it asks, what it refuses, what it starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from tui.fake_app import SIZES, FakeApp, screen_lines, until
from workbench.errors import BadInput
from workbench.presets import load_config, preset_names
from workbench.tui.launch.form import MORE, TOGETHER, answer, fields_of, file_source, preset_source
from workbench.tui.launch.screen import LaunchScreen
from workbench.tui.routes import StartRun

OWN = """
description = "mine"
[data]
kind = "inline"
x = [[1.0, 0.25], [-1.0, 0.25]]
y = [1, 1]
[model]
kind = "squared-relu"
"""


async def open_form(pilot: Pilot[int], screen: LaunchScreen, name: str) -> None:
    """Choose a preset and wait for its form."""
    await pilot.pause()
    screen.query_one(OptionList).highlighted = screen.names.index(name)
    wanted = preset_source(name).config if name in preset_names() else None
    for _ in range(100):
        await pilot.pause(0.05)
        shown = screen.source.config if screen.source is not None else None
        if shown == wanted and screen.rows:
            break
    await pilot.pause(0.1)


def mistake(screen: LaunchScreen) -> str:
    """The sentence below the form, if it is one about a mistake."""
    place = screen.query_one("#mistake", Static)
    return str(place.render()) if place.has_class("wrong") else ""


@pytest.mark.parametrize("size", SIZES)
async def test_every_size_shows_presets_and_form(size: tuple[int, int], tmp_path: Path) -> None:
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=size) as pilot:
        await open_form(pilot, screen, "kh24-fig1")
        lines = screen_lines(app)
        text = "\n".join(lines)
        for shown in ("kh24-fig1", "train.steps", "50000", "model.width"):
            assert shown in text
        assert "start" in lines[-1]
        if size[0] >= 80:
            assert "KH24 Fig. 1" in text
            assert "--set" in text
        seen = set()
        await pilot.press("home")
        for _ in screen.names:
            await pilot.pause(0.02)
            seen |= {name for name in preset_names() for line in screen_lines(app) if name in line}
            await pilot.press("pagedown")
        assert seen == set(preset_names())
        await pilot.press("end")
        await pilot.pause(0.2)
        assert "your own file" in "\n".join(screen_lines(app))


async def test_by_keyboard_from_preset_to_start(tmp_path: Path) -> None:
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot, screen, "kh24-fig1")
        assert screen.query_one(OptionList).has_focus
        await pilot.press("tab", *"my run", "down", *"0", "tab")
        await pilot.press(*["backspace"] * 5, *"1e-4")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.asked == [
            StartRun("kh24-fig1", ('name="my run"', "train.steps=500000", "train.lr=1e-4"))
        ]
        config = load_config("kh24-fig1", app.asked[0].settings)
        assert (config.name, config.train.steps, config.train.lr) == ("my run", 500_000, 1e-4)


async def test_enter_starts_a_preset_as_it_is(tmp_path: Path) -> None:
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(40, 15)) as pilot:
        await open_form(pilot, screen, "kh24-fig4")
        await pilot.press("enter")
        await pilot.pause()
        assert app.asked == [StartRun("kh24-fig4")]


async def test_a_mistake_is_said_while_typing_and_nothing_starts(tmp_path: Path) -> None:
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot, screen, "kh24-fig1")
        rows = screen.rows
        rows["train.lr"].line.focus()
        rows["train.lr"].line.value = "-1"
        await pilot.pause()
        assert "train.lr" in mistake(screen)
        assert rows["train.lr"].has_class("wrong")
        rows["loss.kind"].line.focus()
        rows["loss.kind"].line.value = "hinge"
        await pilot.pause()
        assert "'logistic'" in mistake(screen)
        await pilot.press("enter")
        await pilot.pause()
        assert app.asked == []
        assert rows["train.lr"].line.has_focus
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert mistake(screen) == ""
        rows[MORE].line.value = "train.stpes=3"
        await pilot.pause()
        assert "Did you mean 'train.steps'?" in mistake(screen)
        rows[MORE].line.value = "pause.at_saddle=false model.signs=random"
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert app.asked[0].settings == ("pause.at_saddle=false", "model.signs=random")


async def test_only_settings_the_preset_has(tmp_path: Path) -> None:
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_form(pilot, screen, "kh24-fig4")
        assert "init.noise" in screen.rows
        assert "init.scale" not in screen.rows
        await open_form(pilot, screen, "digits-mlp")
        assert "model.widths" in screen.rows
        assert "model.width" not in screen.rows
        assert screen.rows["train.batch"].line.value == "100"


async def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot, screen, "your own file")
        await pilot.press("enter")
        await pilot.pause()
        line = screen.query_one("#form Input", Input)
        assert line.has_focus
        line.value = str(tmp_path)
        await pilot.pause(0.1)
        assert "is a folder" in mistake(screen)
        line.value = str(path)
        await until(pilot, lambda: "train.steps" in screen.rows)
        await pilot.pause(0.1)
        assert mistake(screen) == ""
        screen.rows["train.steps"].line.value = "77"
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert app.asked == [StartRun(str(path), ("train.steps=77",))]
        assert load_config(str(path), app.asked[0].settings).train.steps == 77


async def test_escape_goes_out_one_level(tmp_path: Path) -> None:
    screen = LaunchScreen()
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_form(pilot, screen, "kh24-fig1")
        await pilot.press("tab", "escape")
        assert screen.query_one(OptionList).has_focus
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is not screen


def test_every_preset_gives_fields_that_change_nothing() -> None:
    for name in preset_names():
        source = preset_source(name)
        fields = fields_of(source.config)
        same = answer(source, fields, {field.key: field.value for field in fields})
        assert same.fine
        assert same.settings == ()
        again = [f"{f.key}={f.value}" for f in fields if f.key != "name"]
        assert load_config(name, again) == source.config


def test_answers_are_checked_one_by_one_and_together() -> None:
    source = preset_source("kh24-fig1")
    fields = fields_of(source.config)
    assert set(answer(source, fields, {"train.lr": "x", "model.leak": "5"}).mistakes) == {
        "train.lr",
        "model.leak",
    }
    unfit = answer(source, fields, {"loss.kind": "cross-entropy"})
    assert list(unfit.mistakes) == ["loss.kind"]
    both = answer(source, fields, {"train.lr": "1", MORE: "train.lr=2"})
    assert both.settings == ("train.lr=1", "train.lr=2")
    deep = preset_source("digits-mlp")
    wide = answer(deep, fields_of(deep.config), {"model.widths": "8, 8"})
    assert wide.settings == ("model.widths=[8, 8]",)
    clash = answer(deep, fields_of(deep.config), {MORE: "model.kind=squared-relu"})
    assert not clash.fine
    assert set(clash.mistakes) <= {MORE, TOGETHER}


def test_files_that_are_none(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe.toml"
    os.mkfifo(fifo)
    broken = tmp_path / "broken.toml"
    broken.write_text("[data\n")
    for path, said in (
        (fifo, "is no TOML file"),
        (tmp_path, "is a folder"),
        (tmp_path / "gone.toml", "no such file"),
        (broken, "not valid TOML"),
        (Path("/dev/zero"), "is no TOML file"),
    ):
        with pytest.raises(BadInput, match=said):
            file_source(str(path))
    with pytest.raises(BadInput):
        file_source("a\0b")
