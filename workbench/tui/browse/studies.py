"""Studies among the runs: a row each, that says how many members have ended, and bands of their groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.status import status_of
from workbench.record.age import made_at
from workbench.record.notes import read_notes
from workbench.record.summary import RunSummary
from workbench.tui.browse.bands import Bands
from workbench.tui.study.look import StudyLook
from workbench.tui.study.reader import StudyReader
from workbench.tui.study.view import StudyView, read_groups


class StudyShelf:
    """The studies of a folder, each read again only where it has changed; by one thread at a time."""

    def __init__(self) -> None:
        self._readers: dict[str, StudyReader] = {}
        self._rows: dict[str, RunSummary] = {}

    def changed(self, folder: Path) -> RunSummary | None:
        """A study's row, None if it is as it was."""
        reader = self._readers.setdefault(folder.name, StudyReader(folder))
        notes, before = read_notes(folder), self._rows.get(folder.name)
        try:
            look = reader.look()
        except (WorkbenchError, OSError) as error:
            row = RunSummary(
                folder.name,
                folder,
                made=made_at(folder),
                members=0,
                reason=clean_text(str(error)),
                tags=notes.tags,
                note=notes.note,
            )
            self._rows[folder.name] = row
            return None if before is not None and _said(before) == _said(row) else row
        if look is not None:
            row = _row(look, reader)
        elif before is None or (before.tags, before.note) == (notes.tags, notes.note):
            return None
        else:
            row = before
        self._rows[folder.name] = row = replace(row, tags=notes.tags, note=notes.note)
        return row

    def forget(self, name: str) -> None:
        """A study is gone."""
        self._readers.pop(name, None)
        self._rows.pop(name, None)

    def bands(self, name: str, wanted: Sequence[str]) -> Bands:
        """Series of its members by the key that tells them apart best; raises WorkbenchError."""
        reader = self._readers[name]
        look = reader.read()
        view = StudyView(look)
        by = view.choices.by
        groups = view.groups()
        found = {
            series: tuple(read_groups(*reader.series(series), groups, lambda: False))
            for series in wanted
            if series in look.series
        }
        return Bands("" if by is None else look.dimensions[by].short, found, tuple(look.series))


def _row(look: StudyLook, reader: StudyReader) -> RunSummary:
    """A study as the table of runs shows it: its medians, and what its members share."""
    base, modified = reader.base(), reader.modified()
    risk = _median(look.last.get("log_risk"))
    width, samples = base.get("model.width"), base.get("data.n")
    return RunSummary(
        run_id=look.folder.name,
        path=look.folder,
        name=look.name,
        status=status_of(look.state),
        modified=modified,
        made=made_at(look.folder),
        steps=look.steps_total,
        log10_risk=None if risk is None else risk / math.log(10),
        margin_normalized=_median(look.last.get("margin_normalized")),
        n=samples if isinstance(samples, int) else None,
        H=width if isinstance(width, int) else None,
        loss=str(base.get("loss.kind", "")),
        settings=base,
        members=look.count,
        ended=int(look.over.sum()),
    )


def _said(row: RunSummary) -> tuple[str, tuple[str, ...], str]:
    """What is told of a study that cannot be read."""
    return row.reason, row.tags, row.note


def _median(values: Array | None) -> float | None:
    known = values[~np.isnan(values)] if values is not None and values.dtype != object else None
    return float(np.median(known)) if known is not None and known.size else None
