"""Runs from a configuration to their files: control, resuming, forking, divergence."""

from __future__ import annotations

import errno
import threading
import time

import h5py
import numpy as np
import pytest
import xarray
from cases import finished, small

from workbench.errors import BadInput, RunBusy, StorageError
from workbench.measures.panel import Panel
from workbench.protocol.commands import Checkpoint, Pause, Perturb, Resume, RunUntil, StepN, Stop
from workbench.record.checkpoint import latest_checkpoint, list_checkpoints
from workbench.record.reader import RunReader
from workbench.run.session import Session


def series(folder):
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)) for name in reader.series_names()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def attended(folder, *settings):
    return Session.create(small(*settings), folder, attended=True)


def test_a_run_ends_with_every_record_and_a_status(tmp_path):
    session = finished(tmp_path)
    assert session.engine.status == "finished"
    with RunReader(session.folder) as reader:
        assert reader.status == "finished"
        assert reader.attributes["homogeneity"] == 2.0
    found = series(session.folder)
    assert found["step"].tolist() == list(range(0, 601, 10))
    assert found["log_risk"][-1] < found["log_risk"][0]
    assert np.array_equal(found["theta"][-1], session.engine.state.theta.numpy())


def test_the_file_opens_in_xarray_with_named_dimensions(tmp_path):
    session = finished(tmp_path)
    data = xarray.open_dataset(session.folder / "run.h5", group="series", engine="h5netcdf")
    assert data["margins"].dims == ("step", "sample")
    assert data["neuron_direction"].dims == ("step", "neuron", "component")
    assert data["log_risk"].attrs["source"]
    with h5py.File(session.folder / "run.h5") as file:
        assert file["data/x"].shape == (12, 2)


def test_stopping_and_resuming_changes_no_bit(tmp_path):
    whole = finished(tmp_path / "whole")
    session = attended(tmp_path / "parts", "pause.at=[137,333]")
    session.start()
    for at in (137, 333):
        wait_for(lambda engine=session.engine: engine.status == "paused")
        assert session.engine.state.step == at
        session.close()
        assert session.engine.status == "stopped"
        session = Session.resume(session.folder, attended=True)
        session.start()
    session.wait()
    session.close()
    assert session.engine.error is None
    assert_same(series(whole.folder), series(session.folder))
    assert session.history.length == 61


def test_a_run_from_before_a_measure_goes_on_without_it(tmp_path, monkeypatch):
    compute = Panel.compute

    def earlier(panel, rows):
        values = compute(panel, rows)
        values.pop("alignment", None)
        return values

    monkeypatch.setattr(Panel, "compute", earlier)
    folder = finished(tmp_path).folder
    monkeypatch.undo()
    with Session.resume(folder, steps=900) as session:
        session.start()
        session.wait()
    assert session.engine.error is None
    found = series(folder)
    assert "alignment" not in found
    assert found["step"][-1] == 900


def test_log_spaced_records_resume_alike(tmp_path):
    whole = finished(tmp_path / "whole", "record.every=log")
    part = finished(tmp_path / "part", "record.every=log", "train.steps=271")
    rest = Session.resume(part.folder, steps=600)
    rest.start()
    rest.wait()
    rest.close()
    a, b = series(whole.folder), series(rest.folder)
    kept = np.isin(b["step"], a["step"])
    assert set(a["step"]) - set(b["step"]) == set()
    assert a["theta"].tobytes() == b["theta"][kept].tobytes()


def test_minibatches_resume_alike(tmp_path):
    settings = ("train.batch=5", "checkpoint.every=77")
    whole = finished(tmp_path / "whole", *settings)
    session = attended(tmp_path / "part", *settings, "pause.at=[211]")
    session.start()
    wait_for(lambda: session.engine.status == "paused")
    session.close()
    session = Session.resume(session.folder)
    session.start()
    session.wait()
    session.close()
    assert_same(series(whole.folder), series(session.folder))


def test_pause_answers_within_a_tenth_of_a_second(tmp_path):
    session = attended(tmp_path, "train.steps=100000000", "record.every=1000")
    session.start()
    wait_for(lambda: session.engine.state.step > 2000)
    delays = []
    for _ in range(5):
        began = time.monotonic()
        session.engine.send(Pause())
        # The checkpoint that a pause writes is fsynced; the engine itself has stopped before it.
        wait_for(lambda: session.engine.status == "paused")
        delays.append(time.monotonic() - began)
        session.engine.send(Resume())
        wait_for(lambda: session.engine.status == "running")
    session.close()
    assert sorted(delays)[2] < 0.1, delays


def test_step_n_takes_exactly_n(tmp_path):
    session = attended(tmp_path, "pause.at=[0]", "train.steps=5000")
    session.engine.send(Pause())
    session.start()
    wait_for(lambda: session.engine.status == "paused")
    for n, at in ((1, 1), (1, 2), (57, 59)):
        session.engine.send(StepN(n))
        wait_for(lambda at=at: session.engine.snapshot.step >= at)
        wait_for(lambda: session.engine.snapshot.status == "paused")
        assert session.engine.state.step == session.engine.snapshot.step == at
    session.close()


def test_run_until_stops_at_the_first_record_that_is_low_enough(tmp_path):
    whole = series(finished(tmp_path / "whole").folder)
    target = float(whole["log_risk"][20]) + 1e-9
    session = attended(tmp_path / "until")
    session.engine.send(RunUntil(log10_risk=target / np.log(10.0)))
    session.start()
    wait_for(lambda: session.engine.status == "paused")
    first = int(np.flatnonzero(whole["log_risk"] <= target)[0])
    assert session.engine.state.step == whole["step"][first]
    assert session.engine.state.theta.numpy().tobytes() == whole["theta"][first].tobytes()
    session.engine.send(Resume())
    session.wait()
    session.close()
    assert_same(whole, series(session.folder))


def test_run_until_a_step(tmp_path):
    session = attended(tmp_path)
    session.engine.send(RunUntil(step=123))
    session.start()
    wait_for(lambda: session.engine.status == "paused")
    assert session.engine.state.step == 123
    session.close()


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_diverging_run_stops_and_keeps_a_good_checkpoint(tmp_path):
    session = finished(
        tmp_path, "loss.kind=square", "train.lr=4.0", "checkpoint.every=1", "checkpoint.keep=100"
    )
    assert session.engine.status == "diverged"
    checkpoint = latest_checkpoint(session.folder)
    assert np.isfinite(checkpoint.arrays["theta"]).all()
    with RunReader(session.folder) as reader:
        assert reader.status == "diverged"
    with pytest.raises(BadInput, match="diverged"):
        Session.resume(session.folder)


def test_two_processes_never_write_one_run(tmp_path):
    session = attended(tmp_path, "pause.at=[10]")
    session.start()
    with pytest.raises(RunBusy):
        Session.resume(session.folder)
    session.close()
    Session.resume(session.folder).close()


def test_a_finished_run_needs_more_steps_to_go_on(tmp_path):
    session = finished(tmp_path)
    with pytest.raises(BadInput, match="--steps"):
        Session.resume(session.folder)
    again = Session.resume(session.folder, steps=700)
    again.start()
    again.wait()
    again.close()
    assert_same(series(finished(tmp_path / "long", "train.steps=700").folder), series(again.folder))


def test_a_fork_starts_from_the_state_of_its_step(tmp_path):
    parent = finished(tmp_path)
    fork = Session.fork(parent.folder, 250, tmp_path, settings=["train.lr=1e-3"])
    fork.start()
    fork.wait()
    fork.close()
    before, after = series(parent.folder), series(fork.folder)
    assert after["step"][0] == 250
    assert after["theta"][0].tobytes() == before["theta"][25].tobytes()
    with RunReader(fork.folder) as reader:
        assert reader.attributes["parent"] == parent.folder.name
        assert reader.attributes["parent_step"] == 250
    with pytest.raises(BadInput, match="nearest"):
        Session.fork(parent.folder, 251, tmp_path)


def test_a_perturbation_moves_theta_and_is_told(tmp_path):
    session = attended(tmp_path, "pause.at=[50]")
    session.start()
    wait_for(lambda: session.engine.status == "paused")
    before = session.engine.state.theta.numpy().copy()
    delta = np.arange(before.size, dtype=float)
    session.engine.send(Perturb(delta, "along a test"))
    session.engine.send(Checkpoint())
    session.close()
    assert np.array_equal(session.engine.state.theta.numpy(), before + delta)
    assert np.array_equal(latest_checkpoint(session.folder).arrays["theta"], before + delta)
    with RunReader(session.folder) as reader:
        assert any(e.kind == "perturbed" and "along" in e.text for e in reader.events())


def test_a_recorder_that_fails_fails_the_run(tmp_path):
    session = Session.create(small("train.steps=100000000"), tmp_path)
    session.start()
    wait_for(lambda: session.engine.state.step > 100)

    def broken(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    session.store.append = broken
    assert session.wait(30)
    assert session.engine.status == "failed"
    assert "full" in str(session.engine.error)
    session.close()


def test_an_attended_run_waits_for_room_on_the_disk(tmp_path):
    session = attended(tmp_path)
    real, once = session.store._under.append, threading.Event()

    def scarce():
        if session.store.n_committed >= 10 and not once.is_set():
            once.set()
            raise OSError(errno.ENOSPC, "No space left on device")
        real()

    session.store._under.append = scarce
    session.start()
    wait_for(lambda: session.engine.snapshot is not None and session.engine.snapshot.note)
    assert session.engine.status == "paused"
    assert "full" in session.engine.snapshot.note or "space" in session.engine.snapshot.note
    session.engine.send(Resume())
    assert session.wait(60)
    session.close()
    assert session.engine.error is None
    assert_same(series(finished(tmp_path / "easy").folder), series(session.folder))


def test_stop_from_another_thread_leaves_a_checkpoint_of_the_last_step(tmp_path):
    session = attended(tmp_path, "train.steps=100000000")
    session.start()
    wait_for(lambda: session.engine.state.step > 500)
    session.engine.send(Stop("SIGTERM"))
    assert session.wait(10)
    session.close()
    assert list_checkpoints(session.folder)[-1][0] == session.engine.state.step


def test_a_viewer_that_fails_does_not_fail_the_run(tmp_path):
    session = Session.create(small(), tmp_path)

    def broken(event):
        raise RuntimeError("no screen")

    session.engine.viewers = (broken, *session.engine.viewers)
    session.start()
    assert session.wait(60)
    assert session.engine.status == "finished"
    assert str(session.engine.viewer_error) == "no screen"
    assert session.history.length == 61
    session.close()


def test_a_finished_run_is_free_for_others_before_its_session_is_closed(tmp_path):
    session = Session.create(small(), tmp_path)
    session.start()
    assert session.wait(60)
    Session.resume(session.folder, steps=610).close()
    session.close()


def test_a_session_that_was_never_started_leaves_a_file_that_opens(tmp_path):
    session = Session.create(small(), tmp_path)
    session.close()
    with h5py.File(session.folder / "run.h5", "r") as file:
        assert int(file["n_committed"][()]) == 0
    again = Session.resume(session.folder)
    again.start()
    assert again.wait(60)
    again.close()
    assert_same(series(finished(tmp_path / "straight").folder), series(session.folder))
