"""What figures read of a run: series thinned to what a page can show, and the horizontal axis."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext, MaxNLocator

from workbench.arrays import Array, Bool, Int
from workbench.config.run import LossConfig
from workbench.errors import BadInput, clean_text
from workbench.figures.options import Axis, FigureOptions
from workbench.figures.style import drawable, positive
from workbench.losses.loss import Loss
from workbench.losses.registry import LOSSES
from workbench.record.reader import RunReader
from workbench.record.schema import STEP
from workbench.run.stored import StoredRun

POINTS = 2_000
"""Records a vector series is thinned to; scalar series are drawn whole."""

FAR = 10_000.0
"""ln(n/𝓛) from which on its axis is logarithmic unasked."""

TICKS = {"column": 5, "page": 8}
"""Intervals between the ticks of a horizontal axis at most: their labels are to stand apart."""

LABELS: dict[Axis, str] = {
    "step": "gradient steps",
    "epoch": "epochs",
    "time": r"training time $\sum\eta$",
    "margin": r"$\ln(n/\mathcal{L})$",
}


@dataclass(frozen=True, eq=False)
class Along:
    """Records with a place on the horizontal axis, in their order: `x` (K), NaN where there is none, and
    which records they are, `rows` (K)."""

    series: RunSeries
    x: Array
    rows: Int[np.ndarray, " K"]

    def read(self, name: str) -> Array:
        """(K, …) these records of a series."""
        reader = self.series.reader
        if len(self.rows) == reader.n_records:
            return reader.read(name)
        if len(reader.shape(name)) == 1:
            # One number a record: all of them at once are sooner read than many chosen ones.
            return reader.read(name)[self.rows]
        return reader.read(name, self.rows)


class RunSeries:
    """The recorded series of one run, as figures need them."""

    def __init__(self, reader: RunReader) -> None:
        self.reader = reader
        self.name = clean_text(reader.folder.name, 80)
        self.run = StoredRun(reader.folder, reader)

    def has(self, name: str) -> bool:
        """Whether the run recorded a series of that name, and at least one record."""
        return self.reader.n_records > 0 and self.reader.has(name)

    def require(self, figure: str, *names: str) -> list[str]:
        """Those of the series that exist; raises BadInput when the run has none of them."""
        found = [name for name in names if self.has(name)]
        if not found:
            what = f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
            why = f"recorded no {what}" if self.reader.n_records else "has no records yet"
            raise BadInput(f"figure '{figure}' cannot be drawn: run '{self.name}' {why}.")
        return found

    def scalar(self, name: str) -> Array:
        """(T,) every record of a scalar series."""
        return self.reader.read(name)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The run's configuration table, empty where it cannot be read."""
        try:
            return tomllib.loads(self.reader.config_text)
        except tomllib.TOMLDecodeError:
            return {}

    def setting(self, section: str, key: str, default: Any = None) -> Any:
        """A value of the configuration."""
        table = self.config.get(section)
        return table.get(key, default) if isinstance(table, dict) else default

    @property
    def loss(self) -> Loss | None:
        """The run's loss; None for a class of the user's, which nothing imports to look."""
        return LOSSES.get(self.setting("loss", "kind", LossConfig().kind))

    def far(self, options: FigureOptions) -> FigureOptions:
        """The options, with a logarithmic axis where ln(n/𝓛) goes so far that a linear one would show the
        end alone."""
        if options.x != "margin" or options.log_x:
            return options
        return replace(options, log_x=bool(np.nanmax(self._places(options), initial=0.0) > FAR))

    def along(self, options: FigureOptions, *, thin: bool = False) -> Along:
        """The records that the horizontal axis has a place for, without those at which it goes back: ln(n/𝓛)
        where the risk rises, time where a rule undoes steps. `thin` leaves enough of them for a page."""
        return self.along_places(self._places(options), thin=thin)

    def along_places(self, x: Array, *, thin: bool = False) -> Along:
        """The same over an axis of one's own, x (T) at all records."""
        rows = np.flatnonzero(ahead(x))
        if thin:
            rows = rows[thinned(len(rows))]
        return Along(self, x[rows], rows)

    def _places(self, options: FigureOptions) -> Array:
        """(T,) places on the horizontal axis; NaN where there is none.

        ln(n/𝓛) takes the summed risk (JT20 Fig. 2), so of an averaged risk it is −ln 𝓛.
        """
        if options.x == "margin":
            n = self.reader.n_samples or 1
            extra = 0.0 if self.setting("loss", "reduction", "sum") == "mean" else math.log(n)
            values = extra - self.scalar("log_risk")
        elif options.x == "epoch":
            values = self.scalar(STEP) / self.steps_an_epoch
        else:
            values = self.scalar(STEP if options.x == "step" else "time")
        return positive(values) if options.log_x else drawable(values)

    @property
    def steps_an_epoch(self) -> int:
        """Batches that go once through the samples; with the full batch every step does."""
        if self.setting("train", "rule", "constant") == "flow":
            raise BadInput(
                f"run '{self.name}' follows the flow, which has no epochs; allowed here: --x step, time or "
                "margin."
            )
        batch = int(self.setting("train", "batch", 0))
        return -(-(self.reader.n_samples or 1) // batch) if batch > 0 else 1

    def put_x_axis(self, axes: Axes, options: FigureOptions) -> None:
        """Label and scale the horizontal axis; what was planned is not shown, only what is there."""
        put_x_axis(axes, options, [self._places(options)])


def ahead(x: Array) -> Bool[np.ndarray, " T"]:
    """Where x (T) has not been beyond already; NaN counts as ahead, and leaves a gap."""
    return ~(x < np.fmax.accumulate(x))


def thinned(count: int) -> Int[np.ndarray, " K"]:
    """Indices of at most some `POINTS` of so many records, first and last included: spread evenly, and the
    early ones also geometrically, so that a logarithmic axis has a beginning."""
    even = np.linspace(0, count - 1, min(POINTS, count))
    early = np.geomspace(1, count, min(POINTS // 4, count)) - 1 if count else even
    return np.unique(np.concatenate([even, early]).round().astype(np.int64))


def put_x_axis(axes: Axes, options: FigureOptions, places: Sequence[Array]) -> None:
    """Label and scale a horizontal axis, from the first to the last of the places of all runs."""
    axes.set_xlabel(LABELS[options.x])
    x = np.concatenate(places)
    shown = x[np.isfinite(x)]
    if options.log_x and len(shown):
        axes.set_xscale("log")
        if options.x in ("step", "epoch"):
            axes.xaxis.set_major_formatter(LogFormatterMathtext())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(TICKS[options.size], steps=[1, 2, 2.5, 5, 10]))
        if options.x in ("step", "epoch"):
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if options.x_range is not None:
        axes.set_xlim(*options.x_range)
    elif len(shown) and shown.min() < shown.max():
        axes.set_xlim(float(shown.min()), float(shown.max()))
