"""Runs whose samples lie in a file that others have too: the same bits, and a sentence where it is gone."""

from __future__ import annotations

import pytest

from commands.show import as_lines, describe
from workbench.config.toml import parse_config
from workbench.errors import StorageError
from workbench.protocol.commands import Stop
from workbench.record import data_files
from workbench.record.data_files import data_files as files_of
from workbench.record.folder import resolve_run, summaries
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.run.stored import StoredRun
from workbench.tui.run.source import StoredSource

CONFIG = {
    "data": {"kind": "gaussian-separable", "n": 40, "d": 3, "test": {"split": 0.25}},
    "model": {"kind": "two-layer-relu", "width": 4},
    "init": {"kind": "gaussian", "scale": 0.3},
    "loss": {"kind": "logistic"},
    "train": {"lr": 1e-2, "steps": 60, "batch": 7},
    "record": {"every": 5},
    "checkpoint": {"every": 20},
    "device": {"kind": "cpu", "engine": "eager"},
}


def trained(session, stop_at=None):
    """Its folder, once it has ended, or was stopped."""
    with session:
        session.start()
        if stop_at is not None:
            session.engine.send(Stop())
        assert session.wait(120)
    assert session.engine.error is None
    return session.folder


def bits(folder):
    """Every series, and the samples."""
    with RunReader(folder) as reader:
        found = {name: reader.read(name).tobytes() for name in reader.series_names()}
        x, y, test = reader.x, reader.y, reader.test
    return found | {"x": x.tobytes(), "y": y.tobytes(), "test": test[0].tobytes()}


@pytest.fixture
def whole(tmp_path):
    return trained(Session.create(parse_config(CONFIG, "test"), tmp_path / "apart"))


@pytest.fixture
def shared(whole, monkeypatch):
    """From here on every sample is large."""
    monkeypatch.setattr(data_files, "SHARED_FROM", 1)


def test_a_run_goes_on_is_forked_and_opened_as_if_its_samples_lay_in_its_file(
    tmp_path, whole, shared
):
    runs = tmp_path / "runs"
    config = parse_config(CONFIG, "test")
    stopped = trained(Session.create(config, runs), stop_at=0)
    assert len(files_of(stopped)) == 4
    resumed = trained(Session.resume(stopped))
    assert bits(resumed) == bits(whole)
    fork = trained(Session.fork(resumed, 40, runs))
    assert len({path.stat().st_ino for run in (resumed, fork) for path in files_of(run)}) == 4
    assert resolve_run("last", runs) == fork
    assert {summary.path for summary in summaries(runs)} == {resumed, fork}
    with StoredRun(resumed) as run, StoredRun(whole) as other:
        assert run.dataset.x.tobytes() == other.dataset.x.tobytes()
        assert run.dataset.test.y.tobytes() == other.dataset.test.y.tobytes()
        assert run.network().structure.size == other.network().structure.size
    with RunReader(fork) as reader:
        lines = "\n".join(as_lines(describe(reader)))
    assert lines.count("the data, of 2 runs: on the disk once") == 4


def test_without_its_samples_a_run_is_listed_shown_drawn_and_replayed_but_not_gone_on_with(
    tmp_path, shared
):
    run = trained(Session.create(parse_config(CONFIG, "test"), tmp_path / "runs"))
    for path in files_of(run):
        path.unlink()
    assert [s.status for s in summaries(tmp_path / "runs")] == ["finished"]
    with RunReader(run) as reader:
        found = describe(reader)
        assert all(file["missing"] for file in found["data_files"])
        assert found["n"] == 30
        assert "missing" in "\n".join(as_lines(found))
    with StoredRun(run) as stored:
        assert stored.figure("risk") is not None
        with pytest.raises(StorageError, match="which is not there"):
            stored.network()
    source = StoredSource(run)
    assert source.data() == (None, None)
    assert source.history.length == 13
    assert source.moment(3).step == 15
    source.close()
    with pytest.raises(StorageError, match="which is not there"):
        Session.resume(run, steps=80)
    assert bits_of_records(run) == 13


def bits_of_records(run):
    """How many records it has."""
    with RunReader(run) as reader:
        return reader.n_records
