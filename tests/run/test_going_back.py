"""Runs whose checkpoints are torn, unreadable or gone: named, never repaired by forgetting."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil

import numpy as np
import pytest
from cases import finished, small

from workbench.errors import BadInput, StorageError
from workbench.protocol.status import RunStatus
from workbench.record import aside
from workbench.record.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint
from workbench.record.lock import RunLock
from workbench.record.reader import RunReader
from workbench.record.store import RunStore
from workbench.run.session import Session

STATUSES = ("finished", "stopped", "lost")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run of 600 steps with checkpoints of 0, 200, 400 and 600, finished, stopped and lost."""
    place = tmp_path_factory.mktemp("base")
    shutil.copytree(finished(place / "new").folder, place / "finished")
    for name, status in (("stopped", RunStatus.STOPPED), ("lost", RunStatus.RUNNING)):
        shutil.copytree(place / "finished", place / name)
        with RunLock(place / name), RunStore.reopen(place / name) as store:
            store.set_status(status)
    return place


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run of 700 steps that nothing happened to."""
    return bits(finished(tmp_path_factory.mktemp("whole"), "train.steps=700").folder)


@pytest.fixture
def run(base, tmp_path):
    """A fresh copy of the run with a status."""

    def copy(status):
        return shutil.copytree(base / status, tmp_path / "runs" / status)

    return copy


def bits(folder):
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)).tobytes() for name in reader.series_names()}


def files(folder):
    """Every file below a run's folder but the lock, with the hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.lock"
    }


def tear(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[data.find(load_checkpoint(path).arrays["theta"].tobytes())] ^= 1
    path.write_bytes(data)


def cut_off(monkeypatch, number, inside):
    """Let every opening below a folder fail as the system would."""
    real = os.open

    def opened(path, *args, **options):
        if str(path).startswith(str(inside)):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", opened)


def train(session):
    with session:
        session.start()
        assert session.wait(120)
    assert session.engine.error is None
    return session


# --- none is left ---


def ruined(folder, how):
    """Ruin all checkpoints of a run."""
    for _, path in list_checkpoints(folder):
        match how:
            case "torn":
                tear(path)
            case "empty":
                path.write_bytes(b"")
            case "junk":
                path.write_bytes(b"\xff" * 4096)
            case "deleted":
                path.unlink()
    if how == "no folder":
        shutil.rmtree(folder / "checkpoints")


@pytest.mark.parametrize("how", ["torn", "empty", "junk", "deleted", "no folder"])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("steps", [None, 700])
def test_without_a_checkpoint_nothing_is_touched(run, status, how, steps):
    folder = run(status)
    ruined(folder, how)
    before, recorded = files(folder), bits(folder)
    with pytest.raises(StorageError) as refused:
        Session.resume(folder, steps=steps)
    said = str(refused.value)
    assert f"workbench resume {status} --restart" in said
    assert "61 records up to step 600 stay" in said
    assert ("ck_000000000600" in said) == (how in ("torn", "empty", "junk"))
    assert said.isprintable()
    assert files(folder) == before
    assert bits(folder) == recorded
    with RunReader(folder) as reader:
        assert reader.status == status


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("status", STATUSES)
def test_checkpoints_that_cannot_be_opened_are_not_gone(run, monkeypatch, status, number):
    folder = run(status)
    before = files(folder)
    cut_off(monkeypatch, number, folder / "checkpoints")
    with pytest.raises(StorageError, match=os.strerror(number)):
        Session.resume(folder, steps=700)
    monkeypatch.undo()
    assert files(folder) == before
    session = Session.resume(folder, steps=700)
    assert session.engine.state.step == 600
    session.close()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_checkpoints_that_cannot_be_listed_are_not_gone(run, monkeypatch, number):
    folder = run("stopped")
    before, listdir = files(folder), os.listdir

    def refuse(path="."):
        if str(path).endswith("checkpoints"):
            raise OSError(number, os.strerror(number))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    for restart in (False, True):
        with pytest.raises(StorageError, match=f"cannot list .*{os.strerror(number)}"):
            Session.resume(folder, steps=700, restart=restart)
    monkeypatch.undo()
    assert files(folder) == before


def test_a_folder_of_checkpoints_that_is_a_file(run):
    folder = run("finished")
    shutil.rmtree(folder / "checkpoints")
    (folder / "checkpoints").write_text("in the way")
    before = files(folder)
    with pytest.raises(StorageError, match="is not a folder"):
        Session.resume(folder, steps=700)
    assert files(folder) == before


# --- an older one is left ---


@pytest.mark.parametrize("how", ["torn", "flipped", "deleted"])
@pytest.mark.parametrize("status", STATUSES)
def test_an_older_checkpoint_is_said_and_the_rest_kept(run, whole, status, how):
    folder = run(status)
    newest = list_checkpoints(folder)[-1][1]
    {"torn": tear, "flipped": flip, "deleted": os.unlink}[how](newest)
    if how == "deleted" and status == "lost":
        # Only records past the next checkpoint tell it from a kill.
        os.unlink(list_checkpoints(folder)[-1][1])
    before, recorded = files(folder), bits(folder)
    session = Session.resume(folder, steps=700)
    at = session.engine.state.step
    assert at == (200 if how == "deleted" and status == "lost" else 400)
    why = f"after that of step {at} are missing" if how == "deleted" else "step 600 cannot be used"
    assert why in session.notice
    kept = folder / "set-aside-1"
    assert str(kept) in session.notice
    assert bits(kept) == recorded
    assert files(kept) == {
        name: value
        for name, value in before.items()
        if not name.startswith("checkpoints") or name.endswith(newest.name)
    }
    train(session)
    assert bits(folder) == whole
    with RunReader(folder) as reader:
        said = [event.text for event in reader.events() if event.kind == "resumed"]
    assert len(said) == 1
    assert why in said[0]
    assert "up to step 600 is kept in set-aside-1" in said[0]
    assert [step for step, _ in list_checkpoints(folder)][-1] == 700


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_newest_checkpoint_that_cannot_be_opened_is_kept(run, whole, monkeypatch, number):
    folder = run("stopped")
    newest = list_checkpoints(folder)[-1][1]
    data = newest.read_bytes()
    cut_off(monkeypatch, number, newest)
    session = Session.resume(folder, steps=700)
    monkeypatch.undo()
    assert os.strerror(number) in session.notice
    assert (folder / "set-aside-1" / "checkpoints" / newest.name).read_bytes() == data
    train(session)
    assert bits(folder) == whole


def test_a_finished_run_stays_finished_without_its_last_checkpoint(run):
    folder = run("finished")
    tear(list_checkpoints(folder)[-1][1])
    before = files(folder)
    with pytest.raises(BadInput, match=r"finished its 600 steps.*from step 400 .*step 600 cannot"):
        Session.resume(folder)
    assert files(folder) == before


def test_going_back_twice_keeps_both(run, whole):
    folder = run("stopped")
    for step in (400, 200):
        tear(list_checkpoints(folder)[-1][1])
        session = Session.resume(folder, steps=700)
        assert session.engine.state.step == step
        session.store.close()
        session.close()
    tear(list_checkpoints(folder)[-1][1])
    train(Session.resume(folder, steps=700))
    assert bits(folder) == whole
    assert sorted(path.name for path in folder.glob("set-aside-*")) == [
        f"set-aside-{n}" for n in (1, 2, 3)
    ]


def test_a_torn_checkpoint_never_counts_among_those_kept(tmp_path):
    folder = finished(tmp_path, "checkpoint.keep=2").folder
    tear(list_checkpoints(folder)[-1][1])
    train(Session.resume(folder, steps=601))
    tear(list_checkpoints(folder)[-1][1])
    train(Session.resume(folder, steps=602))
    assert [step for step, _ in list_checkpoints(folder)] == [600, 602]


def test_a_checkpoint_of_later_records_than_the_file_has_is_not_gone_on_from(run, whole):
    folder = run("stopped")
    with RunLock(folder), RunStore.reopen(folder) as store:
        store.truncate(500)
        store.set_status(RunStatus.STOPPED)
    session = train(Session.resume(folder, steps=700))
    assert "step 400" in session.notice
    assert "the file's last is of step 490" in session.notice
    assert bits(folder) == whole


def test_a_full_disk_leaves_all_as_it_was(run, monkeypatch):
    folder = run("stopped")
    tear(list_checkpoints(folder)[-1][1])
    before = files(folder)

    def full(*paths):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfile", full)
    for restart in (False, True):
        with pytest.raises(StorageError, match="the disk is full"):
            Session.resume(folder, steps=700, restart=restart)
    assert files(folder) == before
    assert not list(folder.glob("*set-aside*"))


class Killed(BaseException):
    """A kill, as far as one process can play it."""


@pytest.mark.parametrize("at", range(1, 11))
def test_killed_while_setting_aside_it_goes_back_again(run, whole, monkeypatch, at):
    folder = run("stopped")
    for _, path in list_checkpoints(folder)[2:]:
        tear(path)
    recorded, left = bits(folder), [at]

    def counted(real):
        def call(*arguments, **more):
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return real(*arguments, **more)

        return call

    with monkeypatch.context() as patch:
        for module, name in ((os, "rename"), (os, "replace"), (shutil, "copyfile")):
            patch.setattr(module, name, counted(getattr(module, name)))
        patch.setattr(aside, "sync_folder", counted(aside.sync_folder))
        # At the latest when all is set aside and nothing has changed yet in the run's own file.
        left_over = counted(lambda *_, **__: None)
        patch.setattr(RunStore, "reopen", lambda *_, **__: [left_over() for _ in range(99)])
        with pytest.raises(Killed):
            Session.resume(folder, steps=700)
    session = train(Session.resume(folder, steps=700))
    assert session.notice
    assert bits(folder) == whole
    kept = sorted(folder.glob("set-aside-*"))
    assert 1 <= len(kept) <= 2
    assert all(bits(place) == recorded for place in kept)
    torn = [path.name for place in kept for path in (place / "checkpoints").iterdir()]
    assert sorted(torn) == ["ck_000000000400.h5", "ck_000000000600.h5"]


# --- from the start ---


@pytest.mark.parametrize("how", ["torn", "deleted", "whole"])
@pytest.mark.parametrize("status", STATUSES)
def test_restart_begins_again_and_keeps_everything(run, whole, status, how):
    folder = run(status)
    ruined(folder, how)
    recorded = bits(folder)
    session = Session.resume(folder, steps=700, restart=True)
    assert session.engine.state.step == 0
    assert "--restart" in session.notice
    train(session)
    assert bits(folder) == whole
    kept = folder / "set-aside-1"
    assert bits(kept) == recorded
    if how == "whole":
        assert Session.resume(kept, steps=700).engine.state.step == 600


def test_a_run_killed_before_its_first_checkpoint_needs_no_word(run, whole):
    folder = run("stopped")
    shutil.rmtree(folder / "checkpoints")
    with RunLock(folder), RunStore.reopen(folder) as store:
        store.truncate(1)
    session = train(Session.resume(folder, steps=700))
    assert session.notice == ""
    assert bits(folder) == whole
    assert not list(folder.glob("set-aside-*"))


def test_a_kill_between_checkpoints_is_no_damage(run, whole):
    folder = run("lost")
    os.unlink(list_checkpoints(folder)[-1][1])
    session = train(Session.resume(folder, steps=700))
    assert session.notice == ""
    assert bits(folder) == whole


def test_a_fork_is_never_begun_again_at_another_start(run):
    parent = run("finished")
    fork = train(Session.fork(parent, 300, parent.parent, settings=["train.steps=500"])).folder
    shutil.rmtree(fork / "checkpoints")
    before = files(fork)
    with pytest.raises(StorageError, match=r"no checkpoint left.*workbench fork finished --at 300"):
        Session.resume(fork, steps=700)
    with pytest.raises(BadInput, match="workbench fork finished --at 300"):
        Session.resume(fork, steps=700, restart=True)
    assert files(fork) == before


def test_a_diverged_run_is_not_restarted_into_the_same(tmp_path):
    session = Session.create(small("train.lr=1e6", "loss.kind=square"), tmp_path)
    train(session)
    assert session.engine.status == "diverged"
    for restart in (False, True):
        with pytest.raises(BadInput, match="would again"):
            Session.resume(session.folder, restart=restart)


def test_a_checkpoint_of_another_kind_is_named(run):
    folder = run("stopped")
    for _, path in list_checkpoints(folder):
        path.unlink()
    save_checkpoint(folder, 600, {"theta": np.zeros(3)}, {})
    before = files(folder)
    with pytest.raises(StorageError, match="holds no engine's state"):
        Session.resume(folder, steps=700)
    assert files(folder) == before


def test_a_checkpoint_of_another_run_is_refused(run, tmp_path):
    """One of the same sizes, copied in under its own step: every number of it would fit."""
    folder = run("lost")
    other = finished(tmp_path / "other", "init.seed=2").folder
    for _, path in list_checkpoints(other):
        shutil.copy(path, list_checkpoints(folder)[0][1].with_name(path.name))
    with pytest.raises(StorageError, match=f"is one of run {other.name}"):
        Session.resume(folder)
