"""What figures read of a run: series thinned to what a page can show, and the horizontal axis."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogFormatterMathtext

from workbench.arrays import Array
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

LABELS: dict[Axis, str] = {
    "step": "gradient steps",
    "time": r"training time $\sum\eta$",
    "margin": r"$\ln(n/\mathcal{L})$",
}


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
    def thinned(self) -> Array:
        """(K,) record indices for vector series, first and last included: spread evenly, and the
        early ones also geometrically, so that a logarithmic axis has a beginning."""
        count = self.reader.n_records
        even = np.linspace(0, count - 1, min(POINTS, count))
        early = np.geomspace(1, count, min(POINTS // 4, count)) - 1
        return np.unique(np.concatenate([even, early]).round().astype(np.int64))

    def vector(self, name: str) -> Array:
        """(K, …) the records `thinned` of a vector series."""
        return self.reader.read(name, self.thinned)

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
        return replace(options, log_x=bool(np.nanmax(self.x(options), initial=0.0) > FAR))

    def x(self, options: FigureOptions, *, thin: bool = False) -> Array:
        """(T,) or (K,) places on the horizontal axis; NaN where there is none.

        ln(n/𝓛) takes the summed risk (JT20 Fig. 2), so of an averaged risk it is −ln 𝓛.
        """
        if options.x == "margin":
            n = self.reader.n_samples or 1
            extra = 0.0 if self.setting("loss", "reduction", "sum") == "mean" else math.log(n)
            values = extra - self.scalar("log_risk")
        else:
            values = self.scalar(STEP if options.x == "step" else "time")
        if thin:
            values = values[self.thinned]
        return positive(values) if options.log_x else drawable(values)

    def put_x_axis(self, axes: Axes, options: FigureOptions) -> None:
        """Label and scale the horizontal axis; what was planned is not shown, only what is there."""
        axes.set_xlabel(LABELS[options.x])
        if options.x == "step":
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        x = self.x(options)
        shown = x[np.isfinite(x)]
        if options.log_x and len(shown):
            axes.set_xscale("log")
        if options.log_x and options.x == "step":
            axes.xaxis.set_major_formatter(LogFormatterMathtext())
        if len(shown) and shown.min() < shown.max():
            axes.set_xlim(float(shown.min()), float(shown.max()))
