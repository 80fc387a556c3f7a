"""What is known of the runs folder: summaries, told apart by the look of their files, and curves.

`scan_runs` looks at the folder from any thread; a `Shelf` holds what it found, in the app's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.protocol.status import RunStatus
from workbench.record.folder import run_folders, study_folders
from workbench.record.index import Look, RunIndex, look_of
from workbench.record.lock import is_alive
from workbench.record.summary import RunSummary
from workbench.tui.browse.bands import MOST_RUNS, Bands, bands_of
from workbench.tui.browse.compare import Overlaid, short_labels
from workbench.tui.browse.curves import RunCurves, read_curves
from workbench.tui.browse.studies import StudyShelf
from workbench.tui.browse.table import run_title, series_color, twin_tail

CURVES_KEPT = MOST_RUNS + 8
Drawn = RunCurves | Bands
"""What a row's charts are: a run's curves, a study's bands."""


@dataclass(frozen=True)
class Known:
    """A summary, and the look of the run's files when it was made."""

    look: Look | None
    summary: RunSummary

    def holds(self, folder: Path) -> bool:
        """Whether it still is what the run's files say, and who writes them."""
        status = self.summary.status
        if self.look != look_of(folder):
            return False
        writer = status.needs_writer or status is RunStatus.LOST
        return not writer or is_alive(folder) == status.needs_writer


@dataclass(frozen=True)
class Change:
    """A run that is new or different (`known` set), or gone (None); `total` runs are stored."""

    run: str
    known: Known | None
    total: int


def scan_runs(
    runs_dir: Path,
    known: Mapping[str, Known],
    index: RunIndex | None = None,
    studies: StudyShelf | None = None,
) -> Iterator[Change]:
    """What is different in the runs folder from what is known, studies first; summaries come from the index
    and go there.

    Raises:
        WorkbenchError: the folder cannot be listed.
    """
    folders, found = run_folders(runs_dir), study_folders(runs_dir)
    total = len(folders) + len(found)
    names = {folder.name for folder in folders}
    there = names | {folder.name for folder in found}
    studies = StudyShelf() if studies is None else studies
    for name in [name for name in known if name not in there]:
        studies.forget(name)
        yield Change(name, None, total)
    for folder in found:
        row = studies.changed(folder)
        if row is not None:
            yield Change(folder.name, Known(None, row), total)
    index = RunIndex(runs_dir) if index is None else index
    try:
        for folder in folders:
            before = known.get(folder.name)
            if before is None or not before.holds(folder):
                look = look_of(folder)
                yield Change(folder.name, Known(look, index.summary(folder)), total)
    finally:
        index.save(names)


class Shelf:
    """The runs found so far, and the curves of those that were drawn."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.total: int | None = None
        self.index: RunIndex | None = None
        self.studies = StudyShelf()
        self.keys: set[str] = set()
        self._curves: dict[str, tuple[Known, Drawn | None]] = {}

    def take(self, changes: Iterable[Change]) -> set[str]:
        """Remember changes; gives the runs that are gone."""
        gone = set()
        for change in changes:
            self.total = change.total
            if change.known is not None:
                self.known[change.run] = change.known
                self.keys |= change.known.summary.settings.keys()
                continue
            gone.add(change.run)
            self.known.pop(change.run, None)
            self._curves.pop(change.run, None)
        return gone

    def summary(self, run_id: str | None) -> RunSummary | None:
        """A run's summary, if it is known."""
        known = self.known.get(run_id or "")
        return known.summary if known is not None else None

    def summaries(self) -> list[RunSummary]:
        """All summaries."""
        return [known.summary for known in self.known.values()]

    def twins(self) -> set[str]:
        """Names that more than one run has."""
        seen: set[str] = set()
        found: set[str] = set()
        for run in self.summaries():
            (found if run.name in seen else seen).add(run.name)
        return found - {""}

    def stale(self, run_ids: Iterable[str]) -> tuple[str, Known] | None:
        """The first of these runs whose curves have to be read."""
        for run_id in run_ids:
            known, have = self.known.get(run_id), self._curves.get(run_id)
            if known is not None and (have is None or have[0] is not known):
                return run_id, known
        return None

    def read(self, known: Known) -> Drawn:
        """What is drawn of a row, in a thread; raises WorkbenchError."""
        run = known.summary
        return read_curves(run.path) if run.members is None else self.studies.bands(run.run_id)

    def keep(self, run_id: str, known: Known, curves: Drawn | None) -> None:
        """Remember curves read for what was known then; the ones read longest ago go."""
        self._curves.pop(run_id, None)
        self._curves[run_id] = (known, curves)
        while len(self._curves) > CURVES_KEPT:
            self._curves.pop(next(iter(self._curves)))

    def overlaid(
        self, run_ids: Iterable[str], marks: Sequence[str], *, numbered: bool
    ) -> list[Overlaid]:
        """These runs for the charts; `numbered`: with the number of their mark before the label."""
        found = self._drawn_runs(run_ids)
        names = [run_title(run) for run, _ in found]
        twins = {name for name in names if names.count(name) > 1}
        names = [
            f"{name} {twin_tail(run)}" if name in twins else name
            for name, (run, _) in zip(names, found, strict=True)
        ]
        overlaid = []
        for (run, curves), label in zip(found, short_labels(names), strict=True):
            place = marks.index(run.run_id) if run.run_id in marks else 0
            label = f"{place + 1} {label}" if numbered else label
            overlaid.append(Overlaid(label, series_color(place), curves))
        return overlaid

    def _drawn_runs(self, run_ids: Iterable[str]) -> list[tuple[RunSummary, RunCurves]]:
        """These runs and their curves, as far as they were read; studies are none."""
        found = []
        for run_id in run_ids:
            if run_id in self.known and run_id in self._curves:
                run, curves = self.known[run_id].summary, self._curves[run_id][1]
                if run.members is None:
                    found.append((run, curves if isinstance(curves, RunCurves) else RunCurves()))
        return found

    def bands(self, run_ids: Sequence[str], *, of_runs: bool) -> Bands | None:
        """The bands of the first study among these; `of_runs`: without one, of the runs themselves."""
        for run_id in run_ids:
            curves = self._curves[run_id][1] if run_id in self._curves else None
            if isinstance(curves, Bands):
                return curves
        runs = self._drawn_runs(run_ids) if of_runs else []
        return bands_of(runs) if len(runs) > 1 else None
