"""What an ended run has held is free again."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from workbench.engine.collector import resting
from workbench.presets import load_config
from workbench.run.session import Session


class _Cycle:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.own = self


def test_runs_that_have_ended_are_collected(tmp_path: Path) -> None:
    engines = []
    for _ in range(3):
        with Session.create(load_config("first-look", ["train.steps=40"]), tmp_path) as session:
            session.start()
            session.wait()
            engines.append(weakref.ref(session.engine))
        del session
    gc.collect()
    assert [engine() for engine in engines] == [None, None, None]


def test_what_is_there_rests_until_the_last_run_ends() -> None:
    made = _Cycle()
    seen = weakref.ref(made)
    with resting():
        with resting():
            del made
            gc.collect()
            assert seen() is not None
        gc.collect()
        assert seen() is not None
    gc.collect()
    assert seen() is None
