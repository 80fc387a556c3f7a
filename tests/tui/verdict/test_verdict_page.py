"""The verdict's page: what it says is what the verdict holds; chosen points, cancelling, refusals, sizes."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from cases import finished, stored_state

from workbench.inspector import optimality as search
from workbench.presets import load_config
from workbench.run.session import Session
from workbench.theory.optimality.verdict import Better, LayerVerdict, Optimality
from workbench.tui.app import WorkbenchApp
from workbench.tui.help import HelpScreen
from workbench.tui.inspect.screen import InspectorScreen
from workbench.tui.routes import OpenReplay
from workbench.tui.run.replay import ReplayScreen
from workbench.tui.verdict import words as views
from workbench.tui.verdict.screen import VerdictScreen
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.listing import Listing


async def until(condition, seconds=40.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """VSS22 Theorem 3.2: a KKT point that is no local optimum."""
    runs = tmp_path_factory.mktemp("verdict")
    config = load_config("vss22-3.2", ["train.until.log10_risk=-100", "device.kind=cpu"])
    with Session.create(config, runs, preset="vss22-3.2") as session:
        session.start()
        assert session.wait(60)
    return session.folder


@pytest.fixture(scope="module")
def verdict_of_late(late):
    return search.optimality_verdict(stored_state(late))


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("early"), "train.steps=20", "init.scale=1e-3").folder


def made(verdict="not local", far=True, better=True) -> Optimality:
    """θ~ = (0, 2, 0, 0; 2, 0) of two neurons, with points of smaller norm."""
    theta = np.array([0.0, 2.0, 0.0, 0.0, 2.0, 0.0])
    reach = np.array([1e-1, 1e-2, 1e-3])
    family = Better(
        theta=theta + reach[:, None] * np.array([0.0, -1.0, 1.0, 0.0, -1.0, 1.0]),
        norm2=8.0 - reach**2,
        distances=2.0 * reach,
        family="by waking a zero neuron",
    )
    point = Better(theta[None] / 2, np.array([4.0]), np.array([1.4]), "by descent")
    layer = LayerVerdict("u", "local", 4.0, 0.0, None, "no kink is near")
    return Optimality(
        verdict=verdict,
        norm2=8.0,
        better=(family if verdict == "not local" else point) if better else None,
        bound=3.5,
        ratio=1.4142135,
        layers=(layer,),
        reason="It is what it is.",
        theta=theta,
        multipliers=np.ones(2),
        residual=1e-16,
        notes=("A note.",),
        far=point if far and verdict == "not local" else None,
    )


def test_the_far_point_is_on_top_and_no_part_of_the_family():
    found = made()
    points = views.shorter_points(found)
    assert [p.far for p in points] == [True, False, False, False]
    assert views.has_family(found)
    assert [float(row[2][0]) for row in views.family_table(found).rows] == pytest.approx(
        [4.0, 1e-2, 1e-4, 1e-6], rel=1e-2
    )
    chart = views.gain_chart(found, 2)
    assert chart.curves[0].x == pytest.approx([2e-3, 2e-2, 2e-1])
    assert chart.curves[0].y == pytest.approx([-6, -4, -2], abs=1e-3)
    assert chart.lines[0].x == pytest.approx(2e-2)
    assert views.gain_chart(found, 0).lines == ()


def test_of_a_local_optimum_the_better_point_is_far_and_there_is_no_family():
    found = made("local")
    assert [p.far for p in views.shorter_points(found)] == [True]
    assert not views.has_family(found)
    assert views.gain_chart(found, 0).curves == ()
    assert views.family_table(made("undecided", better=False)).rows == ()
    assert "no feasible point" in views.family_title(made("undecided", better=False))
    assert views.family_title(made("global", better=False)) == ""


@pytest.mark.parametrize("verdict", ["global", "local", "not local", "undecided"])
def test_the_card_says_the_verdict_its_numbers_and_its_layers(verdict):
    found = made(verdict)
    assert views.verdict_line(found)[0][0] == verdict.upper()
    text = "\n".join(line for line, _ in views.number_lines(found))
    for part in ("8 ", "1.41421 times", "3.5", "KKT residual 1e-16"):
        assert part in text
    assert [line for line, _ in views.reason_lines(found)] == ["It is what it is.", "A note."]
    (row,) = views.layers_table(found).rows
    assert [cell for cell, _ in row] == ["u", "local", "4", "–", "–"]
    assert "no kink is near" in views.layer_reason(found, 0)[0][0]
    assert views.layer_reason(found, 5) == []


def test_weights_and_rays_are_those_of_the_chosen_point(late):
    state, found = stored_state(late), made()
    table = views.weights_table(found, state.structure, 1)
    names = [row[0][0] for row in table.rows]
    assert names == ["u[0,0]", "u[0,1]", "u[1,0]", "u[1,1]", "v[0]", "v[1]"]
    there = found.better.theta[0]
    assert [float(row[2][0]) for row in table.rows] == pytest.approx(there, rel=1e-4)
    model = views.verdict_compass(found, state, 1)
    assert model.directions == pytest.approx(found.theta[:4].reshape(2, 2))
    tips = [trail[-1] for trail in model.trails]
    # (0, 1.9) with output 1.9 over the longest neuron of θ~, (0, 2) with output 2; and the woken one.
    assert tips[0] == pytest.approx([0.0, 0.95])
    assert tips[1] == pytest.approx([0.05, 0.0])


async def looked_into(app, pilot, folder):
    app.go(OpenReplay(folder))
    await until(
        lambda: isinstance(app.screen, ReplayScreen) and app.screen.panel.source is not None
    )
    await pilot.press("i")
    await until(lambda: isinstance(app.screen, InspectorScreen) and app.screen.examined is not None)
    return app.screen


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 15)])
async def test_o_finds_the_verdict_and_keeps_it(late, verdict_of_late, size, monkeypatch):
    monkeypatch.setattr(search, "optimality_verdict", lambda state, cancel: verdict_of_late)
    app = WorkbenchApp.to_browse(late.parent)
    async with app.run_test(size=size) as pilot:
        inspector = await looked_into(app, pilot, late)
        assert any(hint.key == "o" for hint in inspector.hints())
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, VerdictScreen))
        await until(lambda: app.screen.found is not None or app.screen.refused)
        assert app.screen.refused == ""
        page = app.screen
        await pilot.pause(0.2)
        assert page.found.verdict == "not local"
        assert str(page.query_one("#verdict").render()).startswith("NOT LOCAL")
        rows = page.query_one("#family", Listing).listed.rows
        assert len(rows) == len(views.shorter_points(page.found))
        assert app.focused.id == "family"
        if size[0] < 100:
            assert page.query_one("#right").region.width == 0
            await pilot.press("v")
            await pilot.pause(0.1)
        compass = page.query_one("#compass", Compass)
        assert compass.region.width > 0
        drawn = [compass.model.trails[0][-1]]
        await pilot.press("right")
        await pilot.pause(0.1)
        drawn.append(compass.model.trails[0][-1])
        if size[0] < 100:
            await pilot.press("v")
            await pilot.pause(0.1)
        await pilot.press("down")
        await pilot.pause(0.1)
        drawn.append(compass.model.trails[0][-1])
        assert not np.allclose(drawn[0], drawn[1])
        assert not np.allclose(drawn[1], drawn[2])
        await pilot.press("tab")
        await pilot.pause(0.1)
        assert app.focused.id == "layers"
        await pilot.press("question_mark")
        await pilot.pause(0.1)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape", "escape")
        await pilot.pause(0.1)
        assert app.screen is inspector
        # What is known is not sought a second time.
        monkeypatch.setattr(search, "optimality_verdict", None)
        await pilot.press("o")
        await pilot.pause(0.2)
        assert app.screen.found is page.found


async def test_leaving_stops_the_search(late, monkeypatch):
    begun, ended = threading.Event(), threading.Event()

    def endless(state, cancel):
        begun.set()
        while not cancel():
            ended.wait(0.01)
        ended.set()

    monkeypatch.setattr(search, "optimality_verdict", endless)
    app = WorkbenchApp.to_browse(late.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        inspector = await looked_into(app, pilot, late)
        await pilot.press("o")
        await until(begun.is_set)
        await pilot.pause(0.1)
        assert "looking for shorter points" in str(app.screen.query_one("#waiting").render())
        await pilot.press("escape")
        await until(ended.is_set)
        await pilot.pause(0.1)
        assert app.screen is inspector


async def test_where_nothing_can_be_decided_a_sentence_says_why(early):
    app = WorkbenchApp.to_browse(early.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        inspector = await looked_into(app, pilot, early)
        assert not any(hint.key == "o" for hint in inspector.hints())
        await pilot.press("o")
        await until(lambda: isinstance(app.screen, VerdictScreen) and app.screen.refused != "")
        await pilot.pause(0.1)
        assert "not separated" in str(app.screen.query_one("#waiting").render())
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert app.screen is inspector
