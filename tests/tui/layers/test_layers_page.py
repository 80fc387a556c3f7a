"""The layers on the run's screen and on their page: against obvious numerics, live, stored, refused."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from cases import finished, stored_state

from workbench.errors import BadInput
from workbench.tui.app import WorkbenchApp
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.layers.pictures import see_layers
from workbench.tui.layers.screen import LayersScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.layer_strips import has_layers, layer_field
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.run.x_axis import XAxis
from workbench.tui.widgets.layer_field import LayerField
from workbench.tui.widgets.layer_panel import LayerPanel
from workbench.tui.widgets.scale import Kind

LINEAR = ("model.kind=deep-linear", "model.width=5", "model.depth=3", "init.scale=0.5")


async def until(condition, seconds=40.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("linear"), *LINEAR).folder


@pytest.fixture(scope="module")
def neurons(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("neurons"), "train.steps=50").folder


def seen(folder, step=None):
    state = stored_state(folder, step)
    return state, see_layers(state.theta, state.structure, state.x, state.y, state.step)


def test_panels_hold_what_lapack_says(linear):
    state, examined = seen(linear)
    names = [panel.name for panel in examined.panels]
    assert names == ["data", "w1", "w2", "w3"]
    h = state.x.reshape(state.n, -1)
    for k, panel in enumerate(examined.panels[1:]):
        w = state.structure.view(state.theta, f"w{k + 1}")
        assert panel.values == pytest.approx(np.linalg.svd(w)[1], rel=1e-12)
        h = h @ w.T
        assert panel.units == w.shape[0]
        # The picture keeps the two leading singular values of the mapped data.
        assert np.linalg.svd(panel.points)[1] == pytest.approx(
            (*np.linalg.svd(h)[1][:2], 0.0)[:2] if min(h.shape) > 1 else (np.linalg.norm(h), 0.0),
            rel=1e-9,
            abs=1e-12,
        )


def test_strips_are_the_recorded_series_at_the_cursor(linear):
    from workbench.record.history import History
    from workbench.record.reader import RunReader

    with RunReader(linear) as reader:
        history = History.from_reader(reader)
        assert has_layers(history)
        x = history.step.astype(float)
        model = layer_field(history, XAxis(kind=Kind.LINEAR, cursor=7), x, ("a", "b", "c"))
        ratios = reader.read("layer_rank1", slice(7, 8))[0]
        pairs = reader.read("layer_alignment", slice(7, 8))[0]
        svm = reader.read("svm_alignment", slice(7, 8))[0]
        groups = model.groups
        assert [g.names for g in groups] == [("a", "b", "c"), ("a·b", "b·c"), ("a·ū",)]
        assert groups[0].values[model.at] == pytest.approx(ratios)
        assert groups[1].values[model.at] == pytest.approx(pairs)
        assert groups[2].values[model.at] == pytest.approx([svm])
        assert model.cursor == x[7]


def test_a_network_without_matrices_and_weights_that_are_nan_are_refused_in_a_sentence(neurons):
    state = stored_state(neurons)
    with pytest.raises(BadInput, match="no layer of this network is a matrix"):
        see_layers(state.theta, state.structure, state.x, state.y, state.step)
    with pytest.raises(BadInput, match="not finite"):
        see_layers(state.theta * np.nan, state.structure, state.x, state.y, state.step)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 15)])
async def test_replay_shows_strips_and_w_the_page_of_every_record(linear, size):
    app = WorkbenchApp.to_browse(linear.parent)
    async with app.run_test(size=size) as pilot:
        app.go(OpenReplay(linear))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
        )
        replay = app.screen
        await until(lambda: replay.panel.pictures[0] == "layers")
        await until(lambda: replay.stored.network is not None)
        if size[0] < 100:
            await pilot.press("d")
        field = replay.query_one("#layers", LayerField)
        await until(lambda: field.display and field.model is not None and field.model.x is not None)
        assert field.model.groups[0].names == ("w1", "w2", "w3")

        replay.panel.move_cursor(5)
        await pilot.press("w")
        await until(lambda: isinstance(app.screen, LayersScreen) and app.screen.seen is not None)
        page = app.screen
        assert page.seen.step == int(replay.panel.source.history.step[5])
        shown = [p for p in page.query(LayerPanel) if p.display]
        assert len(shown) == page.room == min(4, size[0] // 18)
        assert all(p.region.width >= 16 and p.model is not None for p in shown)
        if page.room < 4:
            assert shown[0].model.name == "data"
            await pilot.press("tab")
            await pilot.pause(0.1)
            assert shown[0].model.name != "data"
        before = page.seen.step
        await pilot.press("right")
        await until(lambda: page.seen.step > before)
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert app.screen is replay


async def test_a_run_is_followed_without_being_stopped(tmp_path):
    endless = [*LINEAR, "train.steps=100000000", "pause.at_saddle=false"]
    app = WorkbenchApp.to_run("two-layer-relu-logistic", endless, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(lambda: app.session is not None and app.session.engine.state.step > 100)
        await pilot.press("w")
        await until(lambda: isinstance(app.screen, LayersScreen) and app.screen.seen is not None)
        first = app.screen.seen.step
        await until(lambda: app.screen.seen.step > first)
        assert app.session.engine.status == "running"
        app.close_session()


async def test_the_inspector_says_that_there_are_no_layers(neurons):
    app = WorkbenchApp.to_browse(neurons.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        app.go(OpenReplay(neurons))
        await until(
            lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
        )
        assert "layers" not in app.screen.panel.pictures
        await pilot.press("i")
        await until(
            lambda: isinstance(app.screen, InspectorScreen) and app.screen.examined is not None
        )
        await pilot.press("w")
        await until(
            lambda: (
                isinstance(app.screen, LayersScreen)
                and "no layer of this network" in str(app.screen.query_one("#waiting").render())
            )
        )
        await pilot.press("question_mark")
        await pilot.pause(0.1)
        assert any(row.text == "back" for group in app.screen.groups for row in group.rows)
