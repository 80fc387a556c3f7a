"""The inspector driven by keys: live at a saddle, on a stored run, at three sizes, and refusals."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from cases import finished

from workbench.config.models import TorchModel
from workbench.presets import load_config
from workbench.run.session import Session
from workbench.run.stored import StoredRun
from workbench.tui.app import WorkbenchApp
from workbench.tui.dialogs import Ask
from workbench.tui.inspect.examined import LiveSubject
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.run.screen import RunScreen
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.landscape import Landscape
from workbench.tui.widgets.listing import Listing
from workbench.tui.widgets.statusline import StatusLine

PRESET = "kh24-saddle-to-saddle"


async def until(condition, seconds=40.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


def engine(app):
    return app.session.engine


def paused(app, after=-1):
    return (
        app.session is not None
        and engine(app).status == "paused"
        and engine(app).state.step > after
    )


def sure(app, step=None):
    """Whether the inspector has told all it can, of a step if one is given."""
    screen = app.screen
    if (
        not isinstance(screen, InspectorScreen)
        or screen.examined is None
        or not screen.examined.sure
    ):
        return False
    return step is None or screen.examined.inspection.step == step


def texts(app, listing):
    return [
        [text for text, _ in row]
        for row in app.screen.query_one(f"#{listing}", Listing).listed.rows
    ]


def said(app, widget):
    return str(app.screen.query_one(f"#{widget}").render())


async def inspector_at_first_saddle(app, pilot):
    await until(lambda: paused(app))
    await pilot.press("i")
    await until(lambda: sure(app))
    return app.screen


async def test_the_first_saddle_is_looked_into_stepped_pushed_and_left(tmp_path):
    app = WorkbenchApp.to_run(PRESET, [], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await inspector_at_first_saddle(app, pilot)
        step = engine(app).state.step
        assert step == 410
        assert said(app, "verdict").startswith("saddle")
        assert "way down" in said(app, "evidence")
        kinds = [row[0] for row in texts(app, "points")]
        assert kinds == ["▲ max", "▼ min"]
        assert app.focused.id == "points"
        neurons = texts(app, "neurons")
        made = screen.examined.inspection.forecast
        assert len(neurons) == 12
        assert neurons[0][0] == f"▸{made.first}"
        first = made.neurons[made.first]
        low, high = np.floor(first.escape_steps_low), np.ceil(first.escape_steps_high)
        leaves = f"{round(first.escape_steps) + step:,} ({low + step:,.0f}–{high + step:,.0f})"
        assert {leaves, f"{first.confidence:.0%}"} <= set(neurons[0])
        compass = screen.query_one("#compass", Compass).model
        assert len(compass.trails) == 12
        # Every way ends on the circle at a KKT point that neurons head to.
        goal = screen.examined.inspection.correlation.points[0].direction
        assert all(np.allclose(trail[-1], goal, atol=1e-9) for trail in compass.trails)
        landscape = screen.query_one("#landscape", Landscape).model
        assert landscape.cursor == pytest.approx(np.arctan2(goal[1], goal[0]))

        await pilot.press("s")
        await until(lambda: sure(app, step + 1))

        before = engine(app).snapshot.theta.copy()
        await pilot.press("p")
        await pilot.pause()
        assert isinstance(app.screen, Ask)
        for character in "x0.5":
            await pilot.press(character)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Ask), "a push that is no number is not taken"
        await pilot.press("escape", "p")
        await pilot.pause()
        for character in "0.5 neuron 4":
            await pilot.press("space" if character == " " else character)
        await pilot.press("enter")
        await until(lambda: not np.array_equal(engine(app).snapshot.theta, before))
        moved = (engine(app).snapshot.theta - before).reshape(12, 2)
        assert np.flatnonzero(np.abs(moved).sum(axis=1)).tolist() == [4]
        assert moved[4] == pytest.approx(0.5 * goal)
        assert any(
            kind == "perturbed" and "neuron 4" in text for _, kind, text in app.session.events
        )
        await until(lambda: sure(app) and screen.examined.state.neuron_norm[4] > 0.4)

        await pilot.press("N")
        await until(lambda: isinstance(app.screen, RunScreen))
        await until(lambda: paused(app, step + 1))
        await until(lambda: app.session.events[-1][1:] == ("paused", "saddle"))
        app.close_session()


async def test_a_running_run_is_paused_to_be_looked_into(tmp_path):
    app = WorkbenchApp.to_run(PRESET, ["pause.at_saddle=false", "train.steps=10000000"], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.session is not None and engine(app).state.step > 20)
        await pilot.press("enter")
        await until(lambda: sure(app))
        assert paused(app)
        step = engine(app).state.step
        assert app.screen.examined.inspection.step == step
        await pilot.press("space")
        await until(lambda: engine(app).state.step > step)
        assert isinstance(app.screen, RunScreen)
        app.close_session()


async def test_a_state_is_forked_and_its_run_stops_resumable(tmp_path):
    app = WorkbenchApp.to_run(PRESET, [], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await inspector_at_first_saddle(app, pilot)
        old = app.session
        await pilot.press("f")
        await pilot.pause()
        assert isinstance(app.screen, Ask)
        for character in "train.lr=0.002":
            await pilot.press(
                "full_stop"
                if character == "."
                else "equals_sign"
                if character == "="
                else character
            )
        await pilot.press("enter")
        await until(lambda: app.session is not None and app.session is not old)
        assert old.engine.status == "stopped"
        await until(lambda: engine(app).snapshot is not None)
        fork = app.session
        assert fork.config.train.lr == 0.002
        assert fork.engine.state.step >= 410
        assert fork.store._file.attrs["parent"] == old.folder.name
        app.close_session()


@pytest.mark.parametrize("size", [(80, 24), (40, 15)])
async def test_small_terminals_show_every_part_by_key(tmp_path, size):
    app = WorkbenchApp.to_run(PRESET, [], tmp_path)
    async with app.run_test(size=size) as pilot:
        screen = await inspector_at_first_saddle(app, pilot)
        seen = set()
        parts = ("judged", "points", "neurons", "compass", "landscape", "details")
        for _ in range(5):
            for key in ("tab", "v"):
                seen |= {p for p in parts if screen.query_one(f"#{p}").region.height > 0}
                await pilot.press(key)
                await pilot.pause()
        assert seen >= set(parts[:5])
        for part in parts:
            region = screen.query_one(f"#{part}").region
            assert region.width <= size[0]
        app.close_session()


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    config = load_config(PRESET, ["train.steps=7000", "device.kind=cpu"])
    with Session.create(config, runs, preset=PRESET) as session:
        session.start()
        assert session.wait(60)
    return session.folder


async def test_any_record_of_a_stored_run_is_looked_into(stored):
    app = WorkbenchApp.to_browse(stored.parent)
    async with app.run_test(size=(120, 40)) as pilot:
        app.go(OpenReplay(stored))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
        )
        await until(
            lambda: app.screen.history_ready if hasattr(app.screen, "history_ready") else True
        )
        await pilot.pause(0.5)
        app.screen.panel.move_cursor(3)
        await pilot.press("i")
        await until(lambda: sure(app))
        every = StoredRun(stored).config.record.every
        assert app.screen.examined.inspection.step == 3 * every
        await pilot.press("right")
        await until(lambda: sure(app, 4 * every))
        await pilot.press("shift+left")
        await until(lambda: sure(app, 0))
        await pilot.press("left")
        await pilot.pause(0.3)
        assert app.screen.examined.inspection.step == 0
        await pilot.press("s", "p", "space")
        await pilot.pause(0.2)
        assert isinstance(app.screen, InspectorScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ReplayScreen)


async def test_what_the_theory_cannot_say_is_said_and_the_rest_is_shown(tmp_path):
    app = WorkbenchApp.to_run("digits-mlp", ["train.steps=100000000", "pause.at=[20]"], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: paused(app))
        await pilot.press("i")
        await until(
            lambda: isinstance(app.screen, InspectorScreen) and app.screen.examined is not None
        )
        assert said(app, "limits").strip()
        assert said(app, "verdict").split()[0] in ("moving", "undecided", "plateau")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)
        app.close_session()


async def test_leaving_cancels_the_theory(tmp_path, monkeypatch):
    """The worker is told at once, and what it finds later reaches no screen."""
    started, told = threading.Event(), threading.Event()

    def endless(state, cancel):
        started.set()
        while not cancel():
            told.wait(0.01)
        told.set()
        raise RuntimeError("cancelled")

    monkeypatch.setattr("workbench.tui.inspect.screen.examine", endless)
    app = WorkbenchApp.to_run(PRESET, [], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: paused(app))
        await pilot.press("i")
        await until(started.is_set)
        assert app.screen.query_one("#status", StatusLine).model.step == 410
        await pilot.press("escape")
        await until(told.is_set)
        assert isinstance(app.screen, RunScreen)
        app.close_session()


async def test_a_failing_inspection_is_a_sentence(tmp_path, monkeypatch):
    def broken(self):
        raise ValueError("matrix is singular")

    monkeypatch.setattr(LiveSubject, "state", broken)
    app = WorkbenchApp.to_run(PRESET, [], tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: paused(app))
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InspectorScreen))
        await until(lambda: "matrix is singular" in said(app, "waiting"))
        app.close_session()


async def test_a_stored_class_of_ones_own_is_not_imported_for_looking(tmp_path):
    folder = finished(tmp_path).folder
    text = (folder / "config.toml").read_text()
    app = WorkbenchApp.to_browse(tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        app.go(OpenReplay(folder))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
        )
        await pilot.pause(0.3)
        source = app.screen.panel.source
        model = TorchModel.model_validate({"kind": "torch", "class": "nowhere:Net"})
        source.config = source.config.model_copy(update={"model": model})
        await pilot.press("i")
        await until(lambda: isinstance(app.screen, InspectorScreen))
        await until(lambda: "--trust" in said(app, "waiting"))
    assert (folder / "config.toml").read_text() == text


@pytest.mark.parametrize("d", [2, 5])
async def test_coordinates_of_a_diagonal_network_are_shown_and_pushed(tmp_path, d):
    """Every coordinate is a neuron: charts, tables and a push, without a circle to draw them on."""
    x = np.random.default_rng(2).normal(size=(30, d))
    settings = [
        f"data={{kind='inline', x={x.tolist()}, y={(x @ np.arange(1.0, d + 1)).tolist()}}}",
        "model={kind='diagonal'}",
        "init={kind='gaussian', scale=1e-8}",
        "loss={kind='square', reduction='mean'}",
        "train={lr=0.01, steps=4000}",
    ]
    app = WorkbenchApp.to_run(PRESET, settings, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await inspector_at_first_saddle(app, pilot)
        assert said(app, "verdict").startswith("saddle")
        points = texts(app, "points")
        assert len(points) == 4 * d
        found = screen.examined.inspection
        neurons = texts(app, "neurons")
        assert neurons[0][0] == f"▸{found.forecast.first}"
        best = found.correlation.coordinate(0)
        before = engine(app).snapshot.theta.copy()
        await pilot.press("p")
        await pilot.pause()
        for character in "0.5":
            await pilot.press(character)
        await pilot.press("enter")
        await until(lambda: not np.array_equal(engine(app).snapshot.theta, before))
        moved = engine(app).snapshot.theta - before
        assert np.flatnonzero(moved).tolist() == [best, d + best]
        assert np.abs(moved[[best, d + best]]) == pytest.approx(0.5 * 2**-0.5)
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, RunScreen))


async def test_a_deep_network_leaves_as_a_whole(tmp_path):
    """One row, of θ; its KKT point says how the layers share the norm; the run tells the same."""
    x = np.random.default_rng(2).normal(size=(30, 3))
    settings = [
        f"data={{kind='inline', x={x.tolist()}, y={(x @ np.arange(1.0, 4.0)).tolist()}}}",
        "model={kind='deep-linear', widths=[3, 3]}",
        "init={kind='gaussian', scale=0.02}",
        "loss={kind='square', reduction='mean'}",
        "train={lr=0.01, steps=4000}",
        "record={every=5}",
    ]
    app = WorkbenchApp.to_run(PRESET, settings, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await inspector_at_first_saddle(app, pilot)
        whole = screen.examined.inspection.forecast.whole
        assert "θ as a whole, of order 3" in said(app, "neurons-title")
        (row,) = texts(app, "neurons")
        assert "N " in row[1]
        await pilot.press("tab")
        await pilot.pause()
        assert screen.chosen_neuron() is None
        assert screen.chosen_point() == whole.target == 0
        assert "‖W‖₂/‖W‖ 1" in said(app, "detail")
        assert "√(k/L) 0.5774" in said(app, "detail")
        assert "an orbit of dimension 4 (eigenvalues" in said(app, "detail")
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, RunScreen))
        app.close_session()
