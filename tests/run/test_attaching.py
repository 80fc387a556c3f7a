"""Viewers of a run, through the socket in its folder, steer it, and what becomes of them changes no bit."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from cases import finished, small

from workbench.protocol.commands import Checkpoint, Pause, Resume, RunUntil, StepN, Stop
from workbench.protocol.status import RunStatus
from workbench.record.checkpoint import list_checkpoints
from workbench.record.reader import RunReader
from workbench.run import listener, socket_place
from workbench.run.link import Link, link_to
from workbench.run.session import Session
from workbench.run.socket_place import SOCKET_NAME, NoSocket, address_of

FOREIGN = [
    b"\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x00\xff" * 50 + b"\n",
    b'{"v": 9, "id": 1, "command": "pause"}\n',
    b'{"v": 1, "id": 1, "command": "\x1b[2J"}\n',
    b"[" * 3000 + b"\n",
    b"x" * 20_000,
]


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def at(link: Link, step: int, status: str = "paused") -> bool:
    return link.state is not None and (link.state.step, link.state.status) == (step, status)


def series(folder: Path) -> dict[str, bytes]:
    with RunReader(folder) as reader:
        return {name: np.asarray(reader.read(name)).tobytes() for name in reader.series_names()}


def listening(folder: Path, *settings: str) -> Session:
    """A run that has begun and waits at step 100."""
    session = Session.create(small("pause.at=[100]", *settings), folder, attended=True)
    assert session.listen() == ""
    session.start()
    until(lambda: session.engine.status is RunStatus.PAUSED)
    return session


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Session]:
    with listening(tmp_path) as session:
        yield session


def test_a_watched_and_steered_run_has_the_bits_of_an_undisturbed_one(tmp_path):
    session = listening(tmp_path / "watched", "train.steps=1200")
    one, other = Link(session.folder), Link(session.folder)
    for step, command in (
        (103, StepN(3)),
        (104, StepN(1)),
        (333, RunUntil(step=333)),
    ):
        one.send(command)
        until(lambda step=step: at(one, step) and at(other, step))
    assert one.state.theta.tobytes() == session.engine.snapshot.theta.tobytes()
    assert one.state.values == session.engine.snapshot.values
    other.send(Checkpoint())
    until(lambda: list_checkpoints(session.folder)[-1][0] == 333 and not other.unanswered)
    other.close()
    assert other.detached
    one.send(Resume())
    assert session.wait(60)
    until(lambda: one.gone)
    assert one.state.status is one.status is RunStatus.FINISHED
    assert one.gone == "the run is done."
    assert one.refused == other.refused == []
    session.close()
    assert not (session.folder / SOCKET_NAME).exists()
    assert series(session.folder) == series(finished(tmp_path / "alone", "train.steps=1200").folder)


def test_leaving_leaves_the_run_and_stopping_stops_it(waiting):
    gone, stays = Link(waiting.folder), Link(waiting.folder)
    until(lambda: at(gone, 100) and at(stays, 100))
    gone.close()
    stays.send(StepN(5))
    until(lambda: at(stays, 105))
    stays.send(Stop())
    assert waiting.wait(30)
    until(lambda: stays.gone)
    assert stays.status is RunStatus.STOPPED
    assert stays.ended
    with RunReader(waiting.folder) as reader:
        assert reader.events()[-1][1:] == ("stopped", "asked by a viewer")


@pytest.mark.parametrize("words", FOREIGN)
def test_foreign_bytes_end_one_connection_and_nothing_else(waiting, words):
    good = Link(waiting.folder)
    with socket.socket(socket.AF_UNIX) as bad, socket_place.address_of(waiting.folder) as address:
        bad.settimeout(10)
        bad.connect(address)
        bad.sendall(words)
        said = b""
        while more := bad.recv(65_536):
            said += more
    assert said.splitlines()[-1].startswith(b'{"v": 1, "kind": "bye"')
    good.send(StepN(2))
    until(lambda: at(good, 102))
    good.close()
    assert waiting.engine.viewer_error is None


def test_one_that_never_reads_holds_up_nobody(waiting):
    with socket.socket(socket.AF_UNIX) as lazy, socket_place.address_of(waiting.folder) as address:
        lazy.connect(address)
        link = Link(waiting.folder)
        for k in range(1, 6):
            link.send(StepN(20))
            until(lambda k=k: at(link, 100 + 20 * k))
        link.close()


def test_more_viewers_than_there_is_room_for_are_told_so(waiting, monkeypatch):
    monkeypatch.setattr(listener, "MOST_VIEWERS", 1)
    first = Link(waiting.folder)
    until(lambda: at(first, 100))
    second = Link(waiting.folder)
    until(lambda: second.gone)
    assert second.gone == "1 viewers watch this run already."
    first.close()
    until(lambda: (third := link_to(waiting.folder)) and (time.sleep(0.1), not third.gone)[1])


def test_the_socket_is_its_owner_s_alone_and_one_left_behind_is_replaced(tmp_path):
    old = socket.socket(socket.AF_UNIX)
    session = Session.create(small("pause.at=[100]"), tmp_path, attended=True)
    with old, session:
        path = session.folder / SOCKET_NAME
        with address_of(session.folder) as address:
            old.bind(address)
        old.close()
        assert link_to(session.folder) is None
        before = os.umask(0)
        try:
            assert session.listen() == ""
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.lstat().st_mode) == 0o600
        session.start()
        link = Link(session.folder)
        until(lambda: at(link, 100))
        link.close()


def test_another_user_is_sent_away(waiting, monkeypatch):
    link = Link(waiting.folder)
    link.close()
    me = os.getuid()
    monkeypatch.setattr(socket_place.os, "getuid", lambda: me + 1)
    with pytest.raises(NoSocket, match="no socket of yours"):
        Link(waiting.folder)
    with socket.socket(socket.AF_UNIX) as end, socket_place.address_of(waiting.folder) as address:
        end.settimeout(10)
        end.connect(address)
        assert b"another user's" in end.recv(65_536)
        assert end.recv(65_536) == b""


def test_a_path_that_no_address_holds_is_no_hindrance(tmp_path):
    deep = tmp_path / ("a" * 100) / ("b" * 100)
    with listening(deep) as session:
        link = Link(session.folder)
        until(lambda: at(link, 100))
        link.close()


def test_a_run_that_cannot_listen_says_so_once_and_trains(tmp_path, monkeypatch):
    def refuse(folder):
        raise NoSocket("the file system has no sockets.")

    monkeypatch.setattr(listener, "listening_at", refuse)
    with Session.create(small("train.steps=50"), tmp_path) as session:
        assert session.listen() == "nobody can attach to this run: the file system has no sockets."
        session.start()
        assert session.wait(60)
    assert session.engine.status is RunStatus.FINISHED
    with pytest.raises(NoSocket, match="listens at no socket"):
        Link(session.folder)


def test_a_file_of_the_socket_s_name_is_left_alone(tmp_path):
    with Session.create(small("train.steps=50"), tmp_path) as session:
        (session.folder / SOCKET_NAME).write_text("mine")
        assert "is there and is no socket" in session.listen()
        session.start()
        assert session.wait(60)
    assert (session.folder / SOCKET_NAME).read_text() == "mine"


def test_commands_after_the_end_are_refused(tmp_path):
    session = listening(tmp_path)
    link = Link(session.folder)
    until(lambda: at(link, 100))
    session.engine.send(Stop())
    session.wait(30)
    until(lambda: link.gone)
    link.send(Pause())
    until(lambda: link.refused or link.gone)
    assert link.ended
    session.close()
