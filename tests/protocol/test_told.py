"""What a run says of itself is the same in its file, its log, and on the screen."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from workbench.config.toml import parse_config
from workbench.protocol import events
from workbench.protocol.status import RunStatus, status_of
from workbench.record.reader import RunReader
from workbench.run.session import Session
from workbench.tui.widgets.palette import default_palette

CONFIG = {
    "data": {"kind": "inline", "x": [[1.0, 0.25], [-1.0, 0.25]], "y": [1, 1]},
    "model": {"kind": "squared-relu", "width": 4},
    "init": {"kind": "gaussian", "scale": 1e-3},
    "train": {"lr": 1e-2, "steps": 400},
}


def test_live_and_stored_events_say_the_same(tmp_path: Path) -> None:
    with Session.create(parse_config(CONFIG, "a test"), tmp_path) as session:
        session.start()
        assert session.wait(30)
        live = list(session.events)
    with RunReader(session.folder) as reader:
        stored = list(reader.events())
    assert [e for e in live if e.kind != "checkpoint"] == stored
    assert {"started", "finished"} <= {e.kind for e in stored}
    log = (session.folder / "log.txt").read_text()
    assert all(e.text in log and e.kind in log for e in live)


def test_every_event_people_are_told_of_has_a_word_of_its_own() -> None:
    told = typing.get_args(events.Told)
    kinds = [kind for c in told if isinstance(kind := vars(c).get("kind"), str)]
    assert len(set(kinds)) == len(kinds) == len(told) - 1, "an ending is of the kind of its outcome"
    ending = events.Finished(3, RunStatus.DIVERGED)
    assert ending.kind == "diverged"
    assert events.Failed(1, ValueError("no")).text == "no"


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_status_is_its_word_in_files_and_has_a_colour(status: RunStatus) -> None:
    assert status_of(str(status)) is status
    assert status == status.value
    assert 1 <= len(status.glyph) <= 2
    assert default_palette().ink(status.ink) is not None
    assert not (status.ended and status.needs_writer)


def test_a_status_of_another_version_is_unknown() -> None:
    assert status_of("meditating") is RunStatus.UNKNOWN
