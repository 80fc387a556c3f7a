"""What charts below the table of runs draw: any series of a run, over any of the quantities that x may be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workbench.arrays import Int
from workbench.record.reader import RunReader
from workbench.record.schema import STEP
from workbench.record.summary import RunSummary
from workbench.tui.browse.view import FIRST_SERIES
from workbench.tui.widgets.scale import Floats

_NOTHING: Floats = np.empty(0)
WIDEST = 4_096
"""Numbers a record of a series that is drawn as their median; θ and the like are no curve."""
MOST_READ = 1 << 22
"""Numbers of such a series that are read: of a longer one, records evenly spaced."""


@dataclass(frozen=True, eq=False)
class RunCurves:
    """What the overlay draws of a run.

    Attributes:
        step: of every record, (T).
        series: values by name, of every record, or of those in `rows`; of several numbers a record, their
            median.
        x: other quantities of every record, (T): `time`, `time_log` (natural), `epoch`, `ln(n/L)`.
        rows: the records of a series, where they are not all.
        names: the series that the run has to be drawn.
    """

    step: Floats = field(default_factory=lambda: _NOTHING)
    series: Mapping[str, Floats] = field(default_factory=dict)
    x: Mapping[str, Floats] = field(default_factory=dict)
    rows: Mapping[str, Int[np.ndarray, " K"]] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def of(self, name: str) -> Floats:
        """A series' values, empty where it was not recorded."""
        return self.series.get(name, _NOTHING)

    def along(self, name: str, x: Floats) -> Floats:
        """The x of a series' values, of that of all records."""
        return x[self.rows[name]] if name in self.rows else x

    def nearest(self, x: Floats, at: float) -> int | None:
        """The record nearest to an x; None beyond the ends."""
        there = np.isfinite(x)
        if not there.any() or not x[there].min() <= at <= x[there].max():
            return None
        return int(np.argmin(np.where(there, np.abs(x - at), np.inf)))


def read_curves(
    folder: Path, wanted: Sequence[str] = FIRST_SERIES, run: RunSummary | None = None
) -> RunCurves:
    """These series of a stored run; raises StorageError.

    `run`: what its configuration says of batches and of the loss, for the quantities of x.
    """
    with RunReader(folder) as reader:
        count = reader.n_records
        every = reader.series_names()
        names = tuple(n for n in every if n != STEP and math.prod(reader.shape(n)[1:]) <= WIDEST)
        needed = ("time", "time_log", "log_risk")
        scalars = {
            name: np.asarray(reader.read(name)[:count], dtype=np.float64)
            for name in dict.fromkeys((STEP, *needed, *wanted))
            if name in every and len(reader.shape(name)) == 1
        }
        rows, series = {}, {name: scalars[name] for name in wanted if name in scalars}
        for name in wanted:
            if name in names and name not in scalars:
                rows[name], series[name] = _medians(reader, name)
    step = scalars.get(STEP, _NOTHING)
    return RunCurves(step, series, _quantities(scalars, step, run), rows, names)


def _medians(reader: RunReader, name: str) -> tuple[Int[np.ndarray, " K"], Floats]:
    """The median of a series' numbers, of all records or of as many as may be read, the last one kept."""
    count, *row = reader.shape(name)
    most = max(2, MOST_READ // max(1, math.prod(row)))
    rows = np.unique(np.linspace(0, max(0, count - 1), min(count, most)).round().astype(np.int64))
    values = np.asarray(reader.read(name, rows), dtype=np.float64).reshape(len(rows), -1)
    kept = ~np.isnan(values)
    found = np.full(len(rows), np.nan)
    some = kept.any(axis=1)
    if some.any():
        found[some] = np.nanmedian(values[some], axis=1)
    return rows, found


def _quantities(
    scalars: Mapping[str, Floats], step: Floats, run: RunSummary | None
) -> dict[str, Floats]:
    """What x may be besides the step, as far as it is known.

    An epoch is as many samples seen as there are; ln(n/𝓛) has the summed risk, as JT20 Fig. 2.
    """
    found = {name: scalars[name] for name in ("time", "time_log") if name in scalars}
    settings = run.settings if run is not None else {}
    n, batch = (run.n if run is not None else None) or 0, settings.get("train.batch", 0)
    if isinstance(batch, int) and batch > 0 and n:
        found["epoch"] = step * (batch / n)
    else:
        found["epoch"] = step
    if "log_risk" in scalars:
        summed = settings.get("loss.reduction", "mean") != "mean"
        found["ln(n/L)"] = (math.log(max(1, n)) if summed else 0.0) - scalars["log_risk"]
    return found
