"""What is known of the runs folder: summaries, told apart by the look of their files, and curves.

`scan_runs` looks at the folder from any thread; a `Shelf` holds what it found, in the app's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.protocol.status import RunStatus
from workbench.record.folder import run_folders, study_folders
from workbench.record.index import Look, RunIndex, look_of
from workbench.record.lock import is_alive
from workbench.record.summary import RunSummary
from workbench.tui.browse.bands import MOST_RUNS, Bands, bands_of
from workbench.tui.browse.columns import run_title, series_color, sorted_runs, twin_tail
from workbench.tui.browse.compare import Overlaid, along, short_labels
from workbench.tui.browse.curves import RunCurves, read_curves
from workbench.tui.browse.studies import StudyShelf
from workbench.tui.browse.view import FIRST_SERIES

CURVES_KEPT = MOST_RUNS + 8
Drawn = RunCurves | Bands
"""What a row's charts are: a run's curves, a study's bands."""


@dataclass(frozen=True)
class Known:
    """A summary, and the look of the run's files when it was made."""

    look: Look | None
    summary: RunSummary

    def holds(self, folder: Path, series: Collection[str] = ()) -> bool:
        """Whether it still is what the run's files say, with the last values of these series, and who writes
        them."""
        status = self.summary.status
        if self.look != look_of(folder) or not self.summary.last.keys() >= set(series):
            return False
        writer = status.needs_writer or status is RunStatus.LOST
        return not writer or is_alive(folder) == status.needs_writer


@dataclass(frozen=True, eq=False)
class _Read:
    """Curves, what was known when they were read, and which series were asked for."""

    known: Known
    series: frozenset[str]
    curves: Drawn | None


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
    series: Collection[str] = (),
) -> Iterator[Change]:
    """What is different in the runs folder from what is known, studies first; summaries come from the index
    and go there. `series`: whose last values are wanted.

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
            if before is None or not before.holds(folder, series):
                look = look_of(folder)
                yield Change(folder.name, Known(look, index.summary(folder, series)), total)
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
        self.changes = 0
        self._curves: dict[str, _Read] = {}
        self._counted: tuple[object, int] = (None, 0)
        self._sorted: tuple[object, list[RunSummary]] = (None, [])
        self._twins: tuple[int, set[str]] = (-1, set())

    def take(self, changes: Iterable[Change]) -> set[str]:
        """Remember changes; gives the runs that are gone."""
        gone = set()
        for change in changes:
            self.total = change.total
            self.changes += 1
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

    def in_order(self, key: str, reverse: bool) -> list[RunSummary]:
        """All summaries by a column; sorted again only where they, or the order, have changed."""
        of = (self.changes, key, reverse)
        if self._sorted[0] != of:
            self._sorted = of, sorted_runs(self.summaries(), key, reverse)
        return self._sorted[1]

    def twins(self) -> set[str]:
        """Names that more than one run has."""
        if self._twins[0] == self.changes:
            return self._twins[1]
        seen: set[str] = set()
        found: set[str] = set()
        for run in self.summaries():
            (found if run.name in seen else seen).add(run.name)
        self._twins = self.changes, found - {""}
        return self._twins[1]

    def tagged(self) -> bool:
        """Whether anything has a tag."""
        return any(known.summary.tags for known in self.known.values())

    def stale(self, run_ids: Iterable[str], series: Sequence[str]) -> tuple[str, Known] | None:
        """The first of these runs whose curves have to be read."""
        for run_id in run_ids:
            known, have = self.known.get(run_id), self._curves.get(run_id)
            if known is not None and (
                have is None or have.known is not known or not have.series >= set(series)
            ):
                return run_id, known
        return None

    def read(self, known: Known, series: Sequence[str] = FIRST_SERIES) -> Drawn:
        """What is drawn of a row, in a thread; raises WorkbenchError."""
        run = known.summary
        if run.members is not None:
            return self.studies.bands(run.run_id, series)
        return read_curves(run.path, series, run)

    def keep(self, run_id: str, known: Known, series: Sequence[str], curves: Drawn | None) -> None:
        """Remember curves of these series read for what was known then; the ones read longest ago go."""
        self._curves.pop(run_id, None)
        self._curves[run_id] = _Read(known, frozenset(series), curves)
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
                run, curves = self.known[run_id].summary, self._curves[run_id].curves
                if run.members is None:
                    found.append((run, curves if isinstance(curves, RunCurves) else RunCurves()))
        return found

    def bands(
        self, run_ids: Sequence[str], series: Sequence[str], x: str, *, of_runs: bool
    ) -> Bands | None:
        """The bands of the first study among these; `of_runs`: without one, of the runs themselves."""
        for run_id in run_ids:
            curves = self._curves[run_id].curves if run_id in self._curves else None
            if isinstance(curves, Bands):
                return curves
        runs = self._drawn_runs(run_ids) if of_runs else []
        if len(runs) < 2:
            return None
        of = along(x, [curves for _, curves in runs]).of
        return bands_of(runs, series, of)

    def read_of(self, series: Collection[str]) -> int:
        """Runs that are read, with the last values of these series; counted again only after changes."""
        if not series:
            return len(self.known)
        of = (self.changes, frozenset(series))
        if self._counted[0] != of:
            found = (known.summary for known in self.known.values())
            count = sum(run.members is not None or run.last.keys() >= of[1] for run in found)
            self._counted = of, count
        return self._counted[1]

    def step_at(self, run_id: str | None, x: str, cursor: float | None) -> float | None:
        """The step at which a run is at an x."""
        curves = self.curves_of(run_id)
        if cursor is None or x == "step" or curves is None:
            return cursor if x == "step" else None
        place = curves.nearest(along(x, [curves]).of(curves), cursor)
        return None if place is None else float(curves.step[place])

    def curves_of(self, run_id: str | None) -> RunCurves | None:
        """A run's curves, if they were read."""
        have = self._curves.get(run_id or "")
        return have.curves if have is not None and isinstance(have.curves, RunCurves) else None

    def names(self, run_ids: Iterable[str]) -> list[str]:
        """The series that these runs and studies have to be drawn, as far as they were read."""
        found = (self._curves[run_id].curves for run_id in run_ids if run_id in self._curves)
        return list(dict.fromkeys(name for curves in found if curves for name in curves.names))
