"""What is read of the runs folder, in threads, as messages to the screen."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from textual.message import Message
from textual.screen import Screen

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


class CurveReader:
    """Reads the curves of runs that are shown, one run at a time, in a thread; `CurvesRead` comes to the
    screen."""

    def __init__(self, screen: Screen[None], shelf: Shelf) -> None:
        self.screen, self.shelf = screen, shelf
        self._busy = False

    def read(self, run_ids: Sequence[str], series: tuple[str, ...]) -> None:
        """Read the next of these runs whose curves are missing or out of date, if none is being read."""
        found = None if self._busy else self.shelf.stale(run_ids, series)
        if found is None:
            return
        run_id, known = found
        self._busy = True

        def read() -> None:
            try:
                curves = self.shelf.read(known, series)
            except WorkbenchError:
                curves = None
            self.screen.post_message(CurvesRead(run_id, known, series, curves))

        self.screen.run_worker(read, thread=True, group="curves", exit_on_error=False)

    def take(self, message: CurvesRead) -> None:
        """Keep what was read."""
        self._busy = False
        self.shelf.keep(message.run_id, message.known, message.series, message.curves)
