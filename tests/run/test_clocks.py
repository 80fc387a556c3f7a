"""A clock decides what is seen and when, never what is recorded: the same bits whatever it says."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest
from cases import small

from workbench.engine import engine as engine_module
from workbench.inspector.inspect import certified, inspect_state
from workbench.presets import load_config
from workbench.protocol.commands import Pause, Resume
from workbench.record.inspections import tables_of
from workbench.record.reader import RunReader
from workbench.run.session import Session

LIFE = {"started", "resumed", "paused", "stopped", "finished"}
CLOCKS = ("monotonic", "perf_counter", "thread_time", "process_time", "time")
PRESET = "kh24-saddle-to-saddle"
SADDLES = (
    "device.kind=cpu",
    "train.lr=2.5e-3",
    "train.steps=2600",
    "record.every=5",
    "checkpoint.every=500",
)
"""The preset in longer steps, past two saddles and the neuron that leaves the first."""


def clocks(monkeypatch, kind):
    """Every clock of `time` replaced: "stands" or "jumps" (at every look ahead by 0 to 90 s)."""
    real = time.monotonic()
    looks = itertools.count()
    lock, now = threading.Lock(), [real]

    def jumping():
        with lock:
            now[0] += 90.0 * ((next(looks) * 0.6180339887) % 1.0)
            return now[0]

    for name in CLOCKS:
        monkeypatch.setattr(time, name, jumping if kind == "jumps" else lambda: real)


def to_end(session):
    session.start()
    assert session.engine.join(240)
    session.close()
    assert session.engine.error is None
    return session.folder


def told_in(folder):
    """All that a run's file says of its states: series, events but those of its life, inspections."""
    with RunReader(folder) as reader:
        series = {name: np.asarray(reader.read(name)).tobytes() for name in reader.series_names()}
        events = [(e.step, e.kind, e.text) for e in reader.events() if e.kind not in LIFE]
        tables = tables_of(reader.inspections(), reader.direction_width)
    rows = {
        f"{table}/{name}": values.tobytes()
        for table, columns in tables.items()
        for name, values in columns.items()
    }
    return series, events, rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run by the machine's own clock."""
    folder = tmp_path_factory.mktemp("whole")
    told = told_in(to_end(Session.create(load_config(PRESET, list(SADDLES)), folder)))
    assert [kind for _, kind, _ in told[1]].count("saddle") == 2
    return told


@pytest.mark.parametrize("kind", ["stands", "jumps"])
def test_events_and_inspections_do_not_depend_on_the_clock(tmp_path, monkeypatch, whole, kind):
    clocks(monkeypatch, kind)
    session = Session.create(load_config(PRESET, list(SADDLES)), tmp_path)
    assert told_in(to_end(session)) == whole


def test_nor_do_those_of_a_run_stopped_and_resumed_on_another_clock(tmp_path, monkeypatch, whole):
    settings = [*SADDLES, "pause.at_saddle=false", "pause.at=[168,1007]"]
    session = Session.create(load_config(PRESET, settings), tmp_path, attended=True)
    for kind in ("jumps", "stands"):
        with monkeypatch.context() as patch:
            clocks(patch, kind)
            session.start()
            while session.engine.status != "paused":
                assert not session.engine.join(0.01)
            session.close()
        session = Session.resume(session.folder, attended=True)
    assert told_in(to_end(session)) == whole


@pytest.mark.parametrize("kind", ["stands", "jumps"])
def test_verdicts_and_certificates_do_not_depend_on_the_clock(tmp_path, monkeypatch, kind):
    """`workbench inspect`, and what it says when a search is given up."""
    session = Session.create(small("init.scale=1.0", "train.lr=0.1"), tmp_path)
    to_end(session)
    state = session.inspected_state()

    def documents():
        found = [certified(inspect_state(state), state).as_json()]
        with monkeypatch.context() as patch:
            patch.setattr("workbench.inspector.margin.MOST_OPERATIONS", 3e7)
            found.append(certified(inspect_state(state), state).as_json())
        return [repr(document) for document in found]

    before = documents()
    assert "operations of search" in before[1]
    assert "operations of search" not in before[0]
    with monkeypatch.context() as patch:
        clocks(patch, kind)
        assert documents() == before


# --- looking ---

MODULES = ("Dropping", "Normalized", "Counting")


def looked_at(folder, monkeypatch, name, *, often, viewer=None):
    """A run of a module of the user's, with a snapshot after every chunk or none but at its ends."""
    monkeypatch.setattr(engine_module, "SNAPSHOT_SECONDS", 0.0 if often else 1e9)
    monkeypatch.setattr(engine_module, "SNAPSHOT_SHARE", 1e9 if often else 1e-9)
    config = small(
        "model.kind=torch",
        f"model.class=tests.models.own_modules:{name}",
        "train.steps=240",
        "train.batch=5",
        "record.every=10",
        "checkpoint.every=80",
        "init.kind=he",
        "pause.at_saddle=true",
    )
    session = Session.create(config, folder)
    if viewer is not None:
        session.engine.viewers = (*session.engine.viewers, viewer)
    snapshots = []
    real = session.engine._publish

    def publish(**kwargs):
        before = session.engine.snapshot
        real(**kwargs)
        snapshots.append(session.engine.snapshot is not before)

    monkeypatch.setattr(session.engine, "_publish", publish)
    return session, snapshots


@pytest.mark.parametrize("name", MODULES)
def test_snapshots_and_viewers_change_no_bit(tmp_path, monkeypatch, name):
    """None, a fast viewer, one that is slow and looks into the state itself."""
    found, taken = [], []
    alone, few = looked_at(tmp_path / "none", monkeypatch, name, often=False)
    found.append(told_in(to_end(alone)))
    taken.append(sum(few))

    fast, many = looked_at(
        tmp_path / "fast", monkeypatch, name, often=True, viewer=lambda event: None
    )
    found.append(told_in(to_end(fast)))
    taken.append(sum(many))

    def slow(event):
        time.sleep(0.003)

    slow_one, often = looked_at(tmp_path / "slow", monkeypatch, name, often=True, viewer=slow)
    done = threading.Event()

    def look():
        while not done.is_set():
            if slow_one.engine.snapshot is not None:
                inspect_state(slow_one.inspected_state(), hessian=False)

    looker = threading.Thread(target=look)
    slow_one.start()
    looker.start()
    try:
        for _ in range(3):
            slow_one.engine.send(Pause())
            time.sleep(0.01)
            slow_one.engine.send(Resume())
        assert slow_one.engine.join(120)
    finally:
        done.set()
        looker.join()
    slow_one.close()
    assert slow_one.engine.error is None
    found.append(told_in(slow_one.folder))
    taken.append(sum(often))

    assert taken[0] < taken[1]
    assert taken[0] < taken[2]
    assert found[0] == found[1]
    assert found[0] == found[2]
    states = [session.engine.state.to_arrays() for session in (alone, fast, slow_one)]
    for other in states[1:]:
        assert states[0].keys() == other.keys()
        for key, array in states[0].items():
            assert array.tobytes() == other[key].tobytes(), key
