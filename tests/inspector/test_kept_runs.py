"""Whole runs that look into their saddles: stopped, killed, moved by hand, and asked from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray
from cases import finished, stored_state

from workbench.errors import BadInput, StorageError
from workbench.inspector.inspect import inspect_state
from workbench.protocol.commands import Perturb, Resume, RunUntil
from workbench.record.inspections import tables_of
from workbench.record.lock import is_alive
from workbench.record.reader import RunReader
from workbench.run.session import Session, load_config

ROOT = Path(__file__).parent.parent.parent
PRESET = "kh24-saddle-to-saddle"
QUIET = "pause.at_saddle=false"
LIFE = {"started", "resumed", "paused", "stopped", "finished"}


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def create(folder, *settings, attended=False):
    config = load_config(PRESET, ["device.kind=cpu", *settings])
    return Session.create(config, folder, attended=attended)


def to_end(session):
    session.start()
    assert session.wait(200)
    session.close()
    assert session.engine.error is None
    assert session.recorder.warning is None
    return session.folder


def pause_at(session, step):
    session.engine.send(RunUntil(step=step))
    if session.engine.status == "starting":
        session.start()
    wait_for(lambda: paused(session) == step)


def paused(session):
    """The step at which a session waits."""
    snapshot = session.engine.snapshot
    return snapshot.step if snapshot is not None and snapshot.status == "paused" else None


def told_in(folder):
    """What a run's file tells of its states: events but those of its life, and inspections."""
    with RunReader(folder) as reader:
        events = [(e.step, e.kind, e.text) for e in reader.events() if e.kind not in LIFE]
        tables = tables_of(reader.inspections(), reader.direction_width)
    rows = {
        f"{table}/{name}": values.tobytes()
        for table, columns in tables.items()
        for name, values in columns.items()
    }
    return events, rows


EVERY = 5
SHORT = (
    "train.lr=2.5e-3",
    "train.steps=5300",
    f"record.every={EVERY}",
    "checkpoint.every=500",
    "device.engine=eager",
)
"""The preset in longer steps, past the third saddle and the neuron that leaves it; compiled steps would be
at their end before a signal comes."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The preset, headless and undisturbed."""
    return to_end(create(tmp_path_factory.mktemp("whole"), *SHORT))


def saddles_of(folder):
    """Steps of the saddles and of the outcomes of their forecasts."""
    with RunReader(folder) as reader:
        kept = reader.inspections()
    return [k.step for k in kept], [k.outcome.step for k in kept]


def check_three(folder):
    """Three saddles are kept, and their forecasts came true."""
    with RunReader(folder) as reader:
        kept, events = reader.inspections(), reader.events()
    saddles = [event.step for event in events if event.kind == "saddle"]
    assert len(saddles) == 3
    assert [k.step for k in kept] == saddles
    for k in kept:
        assert (k.verdict, k.cause, k.complete, k.outcome.kind) == (
            "saddle",
            "saddle",
            True,
            "left",
        )
        assert k.outcome.neuron == k.first
        assert abs(k.outcome.time_error) < 0.05
        assert k.outcome.angle_error < 2.0
    told = [event for event in events if event.kind == "forecast"]
    assert [e.step for e in told] == sorted([*saddles, *(k.outcome.step for k in kept)])
    assert "left first, as forecast" in told[1].text


@pytest.mark.full
def test_the_preset_keeps_its_three_saddles_and_their_forecasts_come_true(tmp_path):
    check_three(to_end(create(tmp_path)))


def test_so_it_does_in_longer_steps(whole):
    check_three(whole)


def test_xarray_and_pandas_open_them(whole):
    path = whole / "run.h5"
    with xarray.open_dataset(path, group="inspections", engine="h5netcdf") as data:
        assert data.verdict.values.tolist() == [b"saddle"] * 3
    with xarray.open_dataset(path, group="inspections/points", engine="h5netcdf") as data:
        best = data.sel(inspection=1).isel(inspection=0)
        assert float(best.value) == pytest.approx(2.702, abs=1e-3)
        assert best.direction.dims == ("component",)
    with xarray.open_dataset(path, group="inspections/neurons", engine="h5netcdf") as data:
        table = data.to_dataframe()
        assert len(table.loc[2]) == 12
        assert table.loc[2].query("small == 1")["escape_time"].min() > 0


def test_what_is_kept_is_what_the_inspector_says_of_the_stored_state(whole):
    with RunReader(whole) as reader:
        kept = reader.inspections()[1]
    found = inspect_state(stored_state(whole, kept.step))
    assert kept.evidence == " ".join(found.judgement.evidence.sentences)
    assert kept.radius == found.forecast.radius
    np.testing.assert_array_equal(
        kept.points.direction, [p.direction for p in found.correlation.points]
    )
    times = [np.nan if n.escape_time is None else n.escape_time for n in found.forecast.neurons]
    np.testing.assert_array_equal(kept.neurons.escape_time, times)


def test_stopped_in_the_middle_of_forecasts_it_tells_the_same(whole, tmp_path):
    session = create(tmp_path, *SHORT, QUIET, attended=True)
    # Between two records, before a saddle; while a forecast is open; at the record that decides one.
    saddles, left = saddles_of(whole)
    for step in (saddles[0] - 3, saddles[0] + 301, saddles[1], left[1]):
        pause_at(session, step)
        session.close()
        session = Session.resume(session.folder, attended=True)
    assert told_in(to_end(session)) == told_in(whole)


@pytest.mark.parametrize("saddle", [pytest.param(0, marks=pytest.mark.full), 1])
def test_killed_and_resumed_it_tells_the_same(whole, tmp_path, saddle):
    """SIGKILL while a forecast is open."""
    step = saddles_of(whole)[0][saddle] + 300
    settings = [word for setting in ("device.kind=cpu", *SHORT) for word in ("--set", setting)]
    arguments = ["run", PRESET, "--headless", *settings, "--runs-dir", tmp_path]
    process = subprocess.Popen(
        [sys.executable, "-m", "commands.main", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def far():
        for folder in tmp_path.glob("*/run.h5"):
            with RunReader(folder.parent) as reader:
                return reader.n_records > step // EVERY
        return False

    try:
        wait_for(far)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (folder,) = (path.parent for path in tmp_path.glob("*/run.h5"))
    assert not is_alive(folder)
    with RunReader(folder) as reader:
        assert reader.status == "lost"
        assert reader.inspections()
    assert told_in(to_end(Session.resume(folder))) == told_in(whole)


def test_a_run_from_before_there_were_inspections_goes_on(whole, tmp_path):
    import h5py

    saddle = saddles_of(whole)[0][1]
    session = create(tmp_path, *SHORT, "train.steps=1000")
    folder = to_end(session)
    with h5py.File(folder / "run.h5", "r+") as file:
        del file["inspections"], file["counters_crc32"]
    to_end(Session.resume(folder, steps=saddle + 100))
    with RunReader(folder) as reader:
        assert [k.step for k in reader.inspections()] == [saddle]
        np.testing.assert_array_equal(
            reader.inspections()[0].points.direction.shape, (2, reader.direction_width)
        )


def test_from_outside_while_paused_it_is_kept_and_moving_by_hand_voids_it(tmp_path):
    session = create(tmp_path, *SHORT, attended=True)
    session.start()
    wait_for(lambda: paused(session) == 170)
    found = inspect_state(session.inspected_state())
    session.keep_inspection(found)
    session.keep_inspection(found)

    def asked():
        with RunReader(session.folder) as reader:
            return [k.cause for k in reader.inspections()] == ["asked"]

    wait_for(asked)
    assert session.engine.status == "paused"
    # The same forecast is not told again.
    assert sum(kind == "forecast" for _, kind, _ in session.events) == 1
    session.engine.send(Perturb(np.zeros(24), "by nothing"))
    session.engine.send(Resume())
    wait_for(lambda: (paused(session) or 0) > 170)
    session.close()
    with RunReader(session.folder) as reader:
        kept = reader.inspections()
        assert [(k.step, k.outcome and k.outcome.kind) for k in kept][:1] == [(170, "void")]
        texts = [event.text for event in reader.events() if event.kind == "forecast"]
        assert any("moved by hand" in text for text in texts)
        kinds = [event.kind for event in reader.events()]
        assert kinds.index("perturbed") < kinds.index("forecast", kinds.index("perturbed"))


def test_a_kill_after_it_was_kept_loses_nothing(tmp_path):
    session = create(tmp_path / "run", *SHORT, QUIET, attended=True)
    pause_at(session, 803)
    session.keep_inspection(inspect_state(session.inspected_state()))
    wait_for(lambda: any(step == 803 and kind == "forecast" for step, kind, _ in session.events))
    shutil.copytree(session.folder, tmp_path / "dead", ignore=shutil.ignore_patterns("run.lock"))
    session.close()
    again = Session.resume(tmp_path / "dead")
    assert [k.step for k in told_kept(again.folder)] == [170, 803]
    assert sorted(again.engine.observer.open) == [170, 803]
    to_end(again)
    kept = told_kept(again.folder)
    assert [(k.outcome.made, k.outcome.kind) for k in kept[:2]] == [(170, "left"), (803, "left")]
    assert max(abs(k.outcome.time_error) for k in kept[:2]) < 0.05


def told_kept(folder):
    with RunReader(folder) as reader:
        return reader.inspections()


def test_at_the_end_what_was_asked_before_is_still_written(tmp_path):
    session = create(tmp_path, *SHORT, "train.steps=700", QUIET, attended=True)
    pause_at(session, 652)
    found = inspect_state(session.inspected_state())
    session.engine.send(Resume())
    session.keep_inspection(found)
    session.wait(60)
    session.close()
    assert [k.step for k in told_kept(session.folder)] == [170, 652]
    with pytest.raises(BadInput, match="finished"):
        session.keep_inspection(found)


def test_on_a_full_disk_it_waits_for_room_and_is_written_once(tmp_path):
    session = create(tmp_path, *SHORT, "train.steps=700", QUIET, attended=True)
    pause_at(session, 503)
    found = inspect_state(session.inspected_state())
    real = session.store._commit

    def full(*counts):
        session.store._commit = real
        raise OSError(28, "No space left on device")

    session.store._commit = full
    session.keep_inspection(found)
    wait_for(lambda: session.engine.snapshot.note)
    session.keep_inspection(replace(found, step=495))
    session.engine.send(Resume())
    wait_for(lambda: any(step == 495 for step, _, _ in session.events))
    assert session.engine.status == "paused"
    session.engine.send(Resume())
    to_end_of = session.wait(60)
    session.close()
    assert to_end_of
    assert [k.step for k in told_kept(session.folder)] == [170, 495, 503]
    with RunReader(session.folder) as reader:
        texts = [event.text for event in reader.events()]
    assert len(texts) == len(set(texts)) + texts.count("") - 1


def test_a_run_without_saddles_or_neurons_is_as_ever(tmp_path):
    session = finished(tmp_path, "init.scale=1.0")
    assert told_kept(session.folder) == []


def test_show_lists_them(whole):
    command = [sys.executable, "-m", "commands.main", "show", str(whole)]
    text = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    after = text.split("\ninspections\n")[1].splitlines()
    assert "saddle" in after[0]
    assert "neuron 3 named" in after[0]
    assert "left first" in after[0]
    told = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, check=True).stdout
    found = json.loads(told)["inspections"]
    assert [f["forecast"] for f in found] == ["left"] * 3
    assert found[0]["outcome"]["neuron"] == found[0]["first"] == 3
    assert abs(found[0]["outcome"]["time_error"]) < 0.05


def test_a_store_that_fails_at_an_inspection_fails_the_run(tmp_path):
    session = create(tmp_path)

    def broken(kept):
        raise StorageError("the disk is full")

    session.store.keep = broken
    session.start()
    assert session.wait(60)
    assert session.engine.status == "failed"
    session.close()
