"""A fork from a saddle, pushed along a KKT point of it: a neuron leaves that way, and no other before."""

from __future__ import annotations

import numpy as np
import pytest
from cases import finished

from workbench.errors import BadInput, StorageError
from workbench.inspector.inspect import inspect_state
from workbench.presets import load_config
from workbench.record.checkpoint import list_checkpoints
from workbench.run.forking import ForkPush, fork_step, pushed
from workbench.run.session import Session
from workbench.run.stored import StoredRun

SETTINGS = ("device.kind=cpu", "train.lr=5e-3", "train.steps=2700", "record.every=2")


@pytest.fixture(scope="module")
def staircase(tmp_path_factory):
    """From a start of 1e-20 past three saddles, in longer steps than the preset's."""
    config = load_config("kh24-saddle-to-saddle", SETTINGS)
    with Session.create(config, tmp_path_factory.mktemp("staircase")) as session:
        session.start()
        assert session.wait(120)
    return session.folder


def trained(session):
    with session:
        session.start()
        assert session.wait(120)
    assert session.engine.error is None
    return session.folder


def first_to_leave(folder, inspection):
    """(steps after the inspection, neuron, its direction) of the first of its small neurons at the radius."""
    small = inspection.groups.small
    with StoredRun(folder) as run:
        norm = run.reader.read("neuron_norm")[:, small] >= inspection.forecast.radius
        step, direction = run.reader.read("step"), run.reader.read("neuron_direction")
    row = int(np.argmax(norm.any(axis=1) & (step >= inspection.step)))
    assert norm[row].any()
    neuron = int(small[np.argmax(norm[row])])
    return step[row] - inspection.step, neuron, direction[row, neuron]


# At the start both points grow, and everybody heads to the first; at the third saddle the second point
# grows thirteen times slower than the first.
@pytest.mark.parametrize(("saddle", "point"), [(1, 0), (1, 1), (2, 0), (3, 0), (3, 1)])
def test_a_neuron_leaves_along_the_point_in_half_the_time(staircase, tmp_path, saddle, point):
    with StoredRun(staircase) as run:
        at = fork_step(run, f"saddle:{saddle}")
        inspection = inspect_state(run.state(at), hessian=False)
    forecast = inspection.forecast
    expected = inspection.correlation.points[point].direction
    first = forecast.neurons[forecast.first]
    push = ForkPush(point)
    settings = ["train.steps=2800", "pause.at_saddle=false"]
    folder = trained(
        Session.fork(staircase, f"saddle:{saddle}", tmp_path, push=push, settings=settings)
    )
    steps, neuron, direction = first_to_leave(folder, inspection)
    assert steps == pytest.approx(0.5 * first.escape_steps, rel=0.1)
    assert np.degrees(np.arccos(direction @ expected)) < 0.5
    assert (neuron == forecast.first) == (first.target == point)
    with StoredRun(folder) as run:
        note = next(event for event in run.reader.events() if event.kind == "note")
        assert f"neuron {neuron} pushed by" in note.text
        assert f"along KKT point {point} (N = " in note.text
        assert run.reader.attributes["parent_push"] == f"--push {point}"
        assert run.reader.attributes["parent_step"] == at
        moved = run.theta(at)
    with StoredRun(staircase) as run:
        others = np.delete((moved - run.theta(at)).reshape(-1, 2), neuron, axis=0)
        assert not others.any()
    # Left alone, it takes the whole time, and the way that the forecast names.
    steps, neuron, direction = first_to_leave(staircase, inspection)
    assert neuron == forecast.first
    assert steps > 0.9 * first.escape_steps
    ahead = inspection.correlation.points[first.target].direction
    assert np.degrees(np.arccos(direction @ ahead)) < 2.0


def test_a_push_by_hand_is_the_inspectors(staircase):
    with StoredRun(staircase) as run:
        state = run.state(fork_step(run, "saddle:1"))
    point = inspect_state(state, hessian=False).correlation.points[1]
    theta, words = pushed(state, ForkPush(1, "1e-3 neuron 4"))
    assert theta.reshape(-1, 2)[4] == pytest.approx(1e-3 * point.direction)
    assert words.startswith("neuron 4 pushed by 0.001 along KKT point 1")
    assert ForkPush(1, "1e-3 neuron 4").options == "--push 1 --by '1e-3 neuron 4'"


def test_what_is_no_way_out_is_refused(staircase):
    with StoredRun(staircase) as run:
        second = run.state(fork_step(run, "saddle:2"))
    with pytest.raises(BadInput, match=r"^--push 1: nothing leaves along KKT point 1: N = .*2\.7"):
        pushed(second, ForkPush(1))
    with pytest.raises(BadInput, match=r"^--push 2: there are 2 KKT points .* 0 to 1, as"):
        pushed(second, ForkPush(2))
    with pytest.raises(BadInput, match=r"^--push 0 --by '1 neuron 99': there is no neuron 99"):
        pushed(second, ForkPush(0, "1 neuron 99"))
    with pytest.raises(BadInput, match=r"^--push 0 --by far: 'far' is no push"):
        pushed(second, ForkPush(0, "far"))


def test_saddles_are_named_by_their_order(staircase, tmp_path):
    with StoredRun(staircase) as run:
        told = [event.step for event in run.reader.events() if event.kind == "saddle"]
        assert len(told) == 3
        assert [fork_step(run, f"saddle:{k}") for k in (1, 2, 3)] == told
        assert fork_step(run, "saddle") == told[-1]
        assert fork_step(run, "last") == 2700
        assert fork_step(run, "17") == 17
        for at in ("saddle:0", "saddle:4", "saddle:99999999999999999999"):
            with pytest.raises(BadInput, match=r"3 saddles, at steps .*: saddle:1 to saddle:3\."):
                fork_step(run, at)
        for at in ("", "-1", "sadle", "saddle:", "saddle:x", "last:1", "1.5", "²"):
            with pytest.raises(BadInput, match=r"^--at '.*' is no step; allowed: .*'saddle'"):
                fork_step(run, at)
    calm = finished(tmp_path, "train.steps=20", "record.every=20").folder
    with StoredRun(calm) as run, pytest.raises(BadInput, match="has told no saddle"):
        fork_step(run, "saddle")


def test_a_pushed_fork_says_how_it_began(staircase, tmp_path):
    fork = Session.fork(staircase, "saddle:1", tmp_path, push=ForkPush(1, "1e-3 neuron 4"))
    fork.close()
    for _, path in list_checkpoints(fork.folder):
        path.unlink()
    words = f"workbench fork {staircase.name} --at .* --push 1 --by '1e-3 neuron 4'$"
    with pytest.raises((BadInput, StorageError), match=words):
        Session.resume(fork.folder, restart=True)
