"""What is read of the runs folder, in threads, as messages to the screen."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from textual.message import Message

from workbench.errors import WorkbenchError
from workbench.record.index import RunIndex
from workbench.tui.browse.scan import Change, Drawn, Known, Shelf, scan_runs


class Scanned(Message):
    """Some of the runs folder has been looked at; `last`: all of it."""

    def __init__(self, changes: list[Change], *, last: bool, mistake: str = "") -> None:
        super().__init__()
        self.changes, self.last, self.mistake = changes, last, mistake


class CurvesRead(Message):
    """A run's curves, read for the state its files had; None if they cannot be read."""

    def __init__(
        self, run_id: str, known: Known, series: tuple[str, ...], curves: Drawn | None
    ) -> None:
        super().__init__()
        self.run_id, self.known, self.series, self.curves = run_id, known, series, curves


def scan_in_parts(
    runs_dir: Path,
    known: Mapping[str, Known],
    shelf: Shelf,
    series: Collection[str],
    seconds: float,
) -> Iterator[Scanned]:
    """What a scan finds, as much at a time as comes in so many seconds; the last part says so.

    One scan at a time: nobody else has the shelf's index.
    """
    batch: list[Change] = []
    sent, mistake = time.monotonic(), ""
    try:
        shelf.index = shelf.index or RunIndex(runs_dir)
        for change in scan_runs(runs_dir, known, shelf.index, shelf.studies, series):
            batch.append(change)
            if time.monotonic() - sent > seconds:
                yield Scanned(batch, last=False)
                batch, sent = [], time.monotonic()
    except WorkbenchError as error:
        mistake = str(error)
    yield Scanned(batch, last=True, mistake=mistake)
