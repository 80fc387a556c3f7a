"""No two threads are at one HDF5 file at once, though several use one reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from record import sample_run

from workbench.presets import load_config
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.tui.run.source import StoredSource


class Watch:
    """Who is at which open file: `met` names the calls that found another thread there."""

    def __init__(self) -> None:
        self.inside: dict[int, tuple[int, str]] = {}
        self.met: list[str] = []
        self.threads: dict[int, set[int]] = {}

    def call(self, item: Any, name: str, action: Callable[[], Any]) -> Any:
        file, me = h5py.h5i.get_file_id(item.id).id, threading.get_ident()
        self.threads.setdefault(file, set()).add(me)
        before = self.inside.get(file)
        if before is not None and before[0] != me:
            self.met.append(f"{name} while {before[1]}")
        self.inside[file] = (me, name)
        time.sleep(2e-4)  # so that whoever does not wait is met
        try:
            return action()
        finally:
            if before is None:
                self.inside.pop(file, None)
            else:
                self.inside[file] = before


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    for kind, name in (
        (h5py.Dataset, "__getitem__"),
        (h5py.Group, "__getitem__"),
        (h5py.Group, "get"),
    ):
        plain = getattr(kind, name)

        def watched(
            self: Any, *given: Any, _plain: Any = plain, _name: str = name, **more: Any
        ) -> Any:
            return found.call(self, _name, lambda: _plain(self, *given, **more))

        monkeypatch.setattr(kind, name, watched)
    return found


def together(*actions: Callable[[], object], rounds: int = 8) -> None:
    """Each action in a thread of its own, over and over; raises what one of them raised."""
    errors: list[BaseException] = []

    def loop(action: Callable[[], object]) -> None:
        try:
            for _ in range(rounds):
                action()
        except BaseException as error:  # noqa: BLE001  (a thread's top frame)
            errors.append(error)

    threads = [threading.Thread(target=loop, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]


def test_one_reader_in_four_threads(tmp_path: Path, watch: Watch) -> None:
    store = sample_run.create(tmp_path)
    store.append(sample_run.rows(0, 50))
    store.close()
    with RunReader(tmp_path) as reader:
        together(
            lambda: reader.read("log_risk"),
            lambda: [reader.spec(name) for name in reader.series_names()],
            lambda: (reader.refresh(), reader.shape("theta"), reader.x, reader.layout("margins")),
            lambda: [block for _, block in reader.blocks("theta")],
        )
        assert np.array_equal(reader.read("time"), sample_run.rows(0, 50)["time"])
    assert max(map(len, watch.threads.values())) > 1
    assert watch.met == []


def test_a_replayed_run_is_drawn_while_its_network_is_built(tmp_path: Path, watch: Watch) -> None:
    config = load_config("first-look", ["train.steps=60", "record.every=10", "record.theta=true"])
    with Session.create(config, tmp_path) as session:
        session.start()
        session.wait(60)
    source = StoredSource(session.folder)
    try:
        together(
            source.prepare,
            lambda: [source.moment(row) for row in range(source.history.length)],
            lambda: (source.data(), source.events(), source.history.update()),
            lambda: [source.history.vector(name) for name in ("neuron_norm", "theta")],
            rounds=3,
        )
    finally:
        source.close()
    assert max(map(len, watch.threads.values())) > 1
    assert watch.met == []
