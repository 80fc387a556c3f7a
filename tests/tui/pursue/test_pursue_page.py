"""The pursuit's page: live, kept, cancelled, refused; its pictures say what the stages are."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from tui.fake_app import SIZES, FakeApp, screen_lines, until
from workbench.errors import StorageError
from workbench.presets import load_config
from workbench.record.pursuit_file import RunBeside, read_pursuit
from workbench.run.pursued import Options, PursuitTask
from workbench.run.pursuing import Pursuing
from workbench.theory.ncf.pursuit_visits import Visit
from workbench.tui.pursue import pictures as show
from workbench.tui.pursue.screen import PursueScreen
from workbench.tui.routes import LeaveRun
from workbench.tui.widgets.listing import Listing


def task_of(source, *settings):
    return PursuitTask(Pursuing.of(load_config(source, settings), source), Options())


@pytest.fixture(scope="module")
def task():
    return task_of("kh24-saddle-to-saddle")


@pytest.fixture(scope="module")
def kept(task):
    return task.compute()


@pytest.mark.parametrize("size", SIZES)
async def test_it_computes_shows_and_keeps(task, tmp_path, size):
    path = tmp_path / "stages.json"
    screen = PursueScreen(task, path)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: screen.kept is not None)
        await pilot.pause()
        text = "\n".join(screen_lines(app))
        assert "the samples are fitted" in text
        assert screen.query_one("#stages", Listing).chosen == 3
        await pilot.press("left", "left")
        assert screen.query_one("#stages", Listing).chosen == 1
        text = "\n".join(screen_lines(app))
        assert ("stage 1: neurons" in text) == (size == (120, 40))
        await pilot.press("v", "Y", "escape")
        assert isinstance(app.asked[-1], LeaveRun)
    assert len(read_pursuit(path).stages) == 4


async def test_a_kept_one_is_shown_at_once(kept, tmp_path):
    app = FakeApp(PursueScreen(kept), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        text = "\n".join(screen_lines(app))
        for said in ("137.18°", "no neuron climbs faster", "N of who leaves", "kh24-saddle"):
            assert said in text


async def test_leaving_cancels_and_stages_come_one_by_one(task, kept, tmp_path, monkeypatch):
    held, cancelled = threading.Event(), threading.Event()

    def compute(self, told, moved, cancel):
        stages = kept.stages
        told(stages[0])
        moved(0.0, stages[0].risk)
        moved(1.0, 2.0)
        while not cancel():
            held.wait(0.01)
        cancelled.set()
        return task.pursuing.kept(stages[:1], "cancelled", 1e-6)

    monkeypatch.setattr(PursuitTask, "compute", compute)
    screen = PursueScreen(PursuitTask(task.pursuing, Options()))
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: screen.query_one("#stages", Listing).chosen == 0)
        await until(pilot, lambda: len(screen.seen.time) == 2)
        assert screen.seen.running
        assert "1 stages so far" in "\n".join(screen_lines(app))
    assert cancelled.wait(10)


async def test_an_error_takes_the_place_of_the_words(task, tmp_path, monkeypatch):
    def compute(self, told, moved, cancel):
        raise StorageError("the run cannot be read.")

    monkeypatch.setattr(PursuitTask, "compute", compute)
    screen = PursueScreen(task)
    app = FakeApp(screen, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(screen.refused))
        await pilot.pause()
        text = "\n".join(screen_lines(app))
        assert "the run cannot be read." in text
        assert "no stage yet" in text


def test_the_stairs_go_through_the_stages(kept):
    seen = show.Seen(kept)
    model = show.stairs_chart(seen, 1, logarithmic=True)
    x, y = model.curves[0].x, model.curves[0].y
    for place in (0, 1, 2):
        at = [v for u, v in zip(x, y, strict=True) if u == place]
        assert at[-1] == pytest.approx(kept.log10_risk(kept.stages[place]), abs=1e-6)
    assert model.cursor == 1.0
    # What is fitted is drawn at the foot and not at 1e-24.
    assert y.min() == pytest.approx(y[0] - show.DEEPEST)
    linear = show.stairs_chart(seen, None, logarithmic=False)
    assert linear.curves[0].y[0] == pytest.approx(10 ** y[0])


def test_a_run_beside_is_drawn_and_told(kept):
    visits = tuple(
        Visit(j, 0.01 * j, stage.risk, float("nan") if not j else 1.0, 1.0)
        for j, stage in enumerate(kept.stages)
    )
    beside = RunBeside("mine", visits, (0, 5, 10, 15), (4, 9), np.zeros(1), np.zeros(1))
    seen = show.Seen(replace(kept, beside=beside))
    text = " ".join(said for said, _ in show.words(seen))
    assert "Run mine passes the stages in their order, at most 0.03 ‖y‖ away" in text
    assert "4, 9" in text
    assert [row[-3][0] for row in show.stages_table(seen).rows] == ["0", "5", "10", "15"]
    assert [curve.label for curve in show.stairs_chart(seen, None, True).curves] == [
        "pursuit",
        "run",
    ]
    back = replace(beside, visits=visits[::-1])
    assert "not in their order" in show.words(show.Seen(replace(kept, beside=back)))[-1][0]


def test_the_compass_needs_a_plane_and_shows_who_joins(kept):
    model = show.stage_compass(show.Seen(kept), 1)
    assert model.directions.shape == (1, 2)
    assert np.degrees(model.kkt[0].angle) == pytest.approx(137.18, abs=0.01)
    assert show.stage_compass(show.Seen(kept), 0).directions.shape == (0, 2)
    assert show.stage_compass(show.Seen(replace(kept, stages=())), None).directions is None


def test_two_layers_show_u_and_the_sign_of_v():
    found = task_of("kh24-relu").compute()
    seen = show.Seen(found)
    cells = show.stages_table(seen).rows[0]
    assert cells[-1][0].startswith("+ ")
    model = show.stage_compass(seen, 1)
    assert model.directions.shape[1] == 2
    assert set(model.signs) <= {-1.0, 1.0}
