"""Studies among the runs: a row each, that says how many members have ended, and bands of their groups."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.status import status_of
from workbench.record.age import made_at
from workbench.record.summary import RunSummary
from workbench.tui.browse.bands import Bands
from workbench.tui.study.look import StudyLook
from workbench.tui.study.reader import StudyReader
from workbench.tui.study.view import StudyView, read_groups
from workbench.tui.widgets.scale import Floats


class StudyShelf:
    """The studies of a folder, each read again only where it has changed; by one thread at a time."""

    def __init__(self) -> None:
        self._readers: dict[str, StudyReader] = {}
        self._rows: dict[str, RunSummary] = {}

    def changed(self, folder: Path) -> RunSummary | None:
        """A study's row, None if it is as it was."""
        reader = self._readers.setdefault(folder.name, StudyReader(folder))
        try:
            look = reader.look()
        except (WorkbenchError, OSError) as error:
            row = RunSummary(
                folder.name, folder, made=made_at(folder), members=0, reason=clean_text(str(error))
            )
            before = self._rows.get(folder.name)
            self._rows[folder.name] = row
            return None if before is not None and before.reason == row.reason else row
        if look is None:
            return None
        self._rows[folder.name] = row = _row(look, reader)
        return row

    def forget(self, name: str) -> None:
        """A study is gone."""
        self._readers.pop(name, None)
        self._rows.pop(name, None)

    def bands(self, name: str) -> Bands:
        """Its members' risk and margin by the key that tells them apart best; raises WorkbenchError."""
        reader = self._readers[name]
        look = reader.read()
        view = StudyView(look)
        by = view.choices.by
        groups = view.groups()

        def kept(series: str) -> tuple[Floats, Floats]:
            if series not in look.series:
                return np.empty(0), np.empty((look.count, 0))
            return reader.series(series)

        risk, margin = (
            tuple(read_groups(*kept(series), groups, lambda: False))
            for series in ("log_risk", "margin_normalized")
        )
        return Bands("" if by is None else look.dimensions[by].short, risk, margin)


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


def _median(values: Array | None) -> float | None:
    known = values[~np.isnan(values)] if values is not None and values.dtype != object else None
    return float(np.median(known)) if known is not None and known.size else None
