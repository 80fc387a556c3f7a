"""A session whose run another machine takes over: it ends at once, as failed, and writes nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from dataclasses import replace

import pytest

from workbench.errors import ClaimLost
from workbench.protocol.commands import Pause
from workbench.protocol.status import RunStatus
from workbench.record import heartbeat
from workbench.record.heartbeat import Heartbeat, read_beat
from workbench.record.process import this_process
from workbench.record.reader import RunReader
from workbench.run.session import Session, load_config


def session(folder, *, attended):
    # Records are rare: the run would train on for long before it writes one.
    settings = ["train.steps=100000000", "record.every=50000000", "checkpoint.every=50000000"]
    return Session.create(load_config("kh24-fig1", settings), folder, attended=attended)


@pytest.mark.parametrize("paused", [False, True])
def test_it_ends_as_failed_and_leaves_the_files_alone(tmp_path, monkeypatch, paused):
    monkeypatch.setattr(heartbeat, "BEAT", 0.05)
    with session(tmp_path, attended=paused) as run:
        run.start()
        if paused:
            run.engine.send(Pause())
        until = time.monotonic() + 60
        wanted = RunStatus.PAUSED if paused else RunStatus.RUNNING
        # Its event is told once it is in the file.
        while run.engine.status is not wanted or (
            paused and "paused" not in {event.kind for event in run.events}
        ):
            assert time.monotonic() < until
            time.sleep(0.01)
        other = Heartbeat(run.folder)
        other._process = replace(this_process(), host="node8", boot="another", pid=815)
        stands = read_beat(run.folder)
        while not other.succeed(stands, lambda beat: None):
            stands = read_beat(run.folder)
        before = {p: p.read_bytes() for p in run.folder.rglob("*.h5")}
        log = (run.folder / "log.txt").read_text()
        assert run.wait(60)
        assert run.engine.status is RunStatus.FAILED
        assert isinstance(run.engine.error, ClaimLost)
        assert "pid 815 on node8" in run.engine.snapshot.note
        assert "nothing more" in run.recorder.warning
        assert {p: p.read_bytes() for p in run.folder.rglob("*.h5")} == before
        assert (run.folder / "log.txt").read_text() == log
    assert read_beat(run.folder).token == other.token


def test_a_file_system_without_locks_is_told_once(tmp_path, monkeypatch):
    def locked(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", locked)
    settings = ["train.steps=20", "record.every=1"]
    with Session.create(load_config("kh24-fig1", settings), tmp_path) as run:
        assert "no locks" in run.notice
        run.start()
        assert run.wait(60)
    for steps in (30, 40):
        with Session.resume(run.folder, steps=steps) as again:
            again.start()
            assert again.wait(60)
    with RunReader(run.folder) as reader:
        texts = [event.text for event in reader.events()]
        assert reader.status is RunStatus.FINISHED
    assert sum("no locks" in text for text in texts) == 1
    assert not (run.folder / "run.heartbeat").exists()
