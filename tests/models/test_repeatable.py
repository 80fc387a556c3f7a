"""Modules with random numbers and buffers: the same bits again, after a kill, however often one looks."""

from __future__ import annotations

import copy
import threading
import time

import numpy as np
import pytest
import torch
from cases import small, stored_state

from workbench.errors import BadInput
from workbench.models.repeatable import changes_buffers, draws, is_steady
from workbench.protocol.commands import StepN
from workbench.record.checkpoint import list_checkpoints
from workbench.record.reader import RunReader
from workbench.run.experiment import experiment_of
from workbench.run.session import Session

MODULES = {
    "Dropping": (True, False),
    "Noisy": (True, False),
    "Normalized": (False, True),
    "Counting": (True, True),
    "Plain": (False, False),
}
SETTINGS = ("train.steps=90", "checkpoint.every=40", "record.every=10", "init.kind=he")


def own(name, *settings):
    return small(
        "model.kind=torch", f"model.class=tests.models.own_modules:{name}", *SETTINGS, *settings
    )


def trained(folder, *arguments):
    session = Session.create(own(*arguments), folder)
    session.start()
    assert session.wait(60)
    session.close()
    assert session.engine.error is None
    return session


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def bits(folder):
    with RunReader(folder) as reader:
        series = {name: np.asarray(reader.read(name)).tobytes() for name in reader.series_names()}
    return series


@pytest.mark.parametrize("name", sorted(MODULES))
def test_what_a_module_does_is_found_out(name):
    model = experiment_of(own(name)).model
    assert (draws(model), changes_buffers(model)) == MODULES[name]
    assert is_steady(model) == (name == "Plain")
    assert type(model).__name__ == name


@pytest.mark.parametrize(("rule", "batch"), [("constant", 0), ("constant", 5), ("loss-based", 5)])
@pytest.mark.parametrize("name", ["Counting", "Dropping", "Noisy", "Normalized"])
def test_the_same_configuration_gives_the_same_bits(tmp_path, name, batch, rule):
    """Twice, with other records and looks in between, with another thread that draws, and after stopping."""
    settings = (f"train.batch={batch}", f"train.rule={rule}")
    whole = trained(tmp_path / "a", name, *settings)
    stop = threading.Event()

    def draw() -> None:
        while not stop.is_set():
            torch.randn(3)
            torch.manual_seed(1)
            time.sleep(0.0005)

    other = threading.Thread(target=draw)
    other.start()
    try:
        session = Session.create(
            own(name, *settings, "pause.at=[33,60]", "pause.at_saddle=false"),
            tmp_path / "b",
            attended=True,
        )
        for at in (33, 60):
            session.start()
            wait_for(lambda engine=session.engine: engine.status == "paused")
            first = session.inspected_state()
            again = session.inspected_state()
            assert first.outputs.tobytes() == again.outputs.tobytes()
            assert first.outputs.tobytes() == session.engine.snapshot.outputs.tobytes()
            assert first.risk.outputs(first.theta).tobytes() == first.outputs.tobytes()
            session.engine.send(StepN(2))
            wait_for(lambda engine=session.engine, at=at: engine.snapshot.step == at + 2)
            wait_for(lambda engine=session.engine: engine.snapshot.status == "paused")
            session.close()
            session = Session.resume(session.folder, attended=True, trust=True)
        session.start()
        assert session.wait(60)
        session.close()
    finally:
        stop.set()
        other.join()
    assert session.engine.error is None
    assert bits(whole.folder) == bits(session.folder)
    a, b = whole.engine.state.to_arrays(), session.engine.state.to_arrays()
    assert {n: v.tobytes() for n, v in a.items() if n != "saddle_watch"} == {
        n: v.tobytes() for n, v in b.items() if n != "saddle_watch"
    }


def test_a_run_killed_between_checkpoints_repeats_its_bits(tmp_path):
    whole = trained(tmp_path / "whole", "Counting")
    part = trained(tmp_path / "part", "Counting", "train.steps=70")
    # As a kill leaves it: records past the last checkpoint.
    list_checkpoints(part.folder)[-1][1].unlink()
    with Session.resume(part.folder, steps=90, trust=True) as session:
        assert session.engine.state.step == 40
        session.start()
        session.wait()
    assert bits(whole.folder) == bits(session.folder)


def test_steps_differ_in_what_they_draw_and_looks_do_not():
    experiment = experiment_of(own("Dropping"))
    theta = experiment.state.theta.numpy().copy()
    states = [experiment.inspected(theta, step=step) for step in (0, 1, 1)]
    assert states[1].outputs.tobytes() == states[2].outputs.tobytes()
    assert states[0].outputs.tobytes() != states[1].outputs.tobytes()
    # The gradient, the Hessian and the risk are of one function.
    state, h = states[1], 1e-6
    along = np.random.default_rng(0).standard_normal(theta.size)
    gradient, scale = state.risk.gradient(theta)
    slope = np.exp(state.risk.log_risk(theta + h * along)) - np.exp(
        state.risk.log_risk(theta - h * along)
    )
    assert slope / (2 * h) == pytest.approx(np.exp(scale) * gradient @ along, rel=1e-6)


def test_torchs_own_generator_is_left_alone(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained(tmp_path, "Noisy")
    assert torch.equal(before, torch.get_rng_state())


def test_a_copy_is_of_the_state_and_keeps_still():
    experiment = experiment_of(own("Counting"))
    copied = copy.deepcopy(experiment.model)
    x = experiment.program.x
    assert torch.equal(copied(x), copied(x))
    assert float(copied.calls) == 0.0
    experiment.program.run_chunk(
        experiment.state, 0, 1, 7, None, type("Flag", (), {"raised": False})()
    )
    assert float(experiment.model.calls) == 7.0
    assert experiment.state.memory["buffer/calls"] == 7.0


def test_a_stored_state_has_the_buffers_of_its_checkpoint(tmp_path):
    session = trained(tmp_path, "Counting")
    final = stored_state(session.folder, 90, trust=True)
    assert final.outputs.tobytes() == session.engine.snapshot.outputs.tobytes()
    with pytest.raises(BadInput, match="only checkpoints hold them"):
        stored_state(session.folder, 50, trust=True)
    fork = Session.fork(session.folder, 40, tmp_path / "fork", trust=True)
    fork.start()
    assert fork.wait(60)
    fork.close()
    with RunReader(session.folder) as old, RunReader(fork.folder) as new:
        wanted = np.asarray(old.read("theta"))[np.asarray(old.read("step")) >= 40]
        assert np.asarray(new.read("theta")).tobytes() == wanted.tobytes()


def test_what_cannot_be_repeated_is_refused_in_a_sentence():
    with pytest.raises(BadInput, match="random numbers must be torch's"):
        experiment_of(own("Hidden"))
    with pytest.raises(BadInput, match="follows one risk"):
        experiment_of(own("Dropping", "train.rule=flow", "loss.kind=square"))


def test_buffers_that_no_checkpoint_holds_any_more_are_not_those_of_the_start(tmp_path):
    folder = trained(tmp_path, "Counting").folder
    for _, path in list_checkpoints(folder):
        path.unlink()
    with pytest.raises(BadInput, match="there is none"):
        stored_state(folder, 40, trust=True)
    with pytest.raises(BadInput, match="there is none"):
        Session.fork(folder, 40, tmp_path, settings=["train.steps=200"], trust=True)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
