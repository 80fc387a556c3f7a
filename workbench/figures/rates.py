"""Risk and norm against log T, beside the powers of log T that LL20 Theorem 4.3 gives them."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, RED, legend_above, panels, positive, say_if_empty
from workbench.measures.rates import rates

FROM_LOG = 30.0
"""ln T beyond which its axis is logarithmic: a descent reaches 15, a flow thousands."""
EARLIEST = 0.3
"""ln T at which a logarithmic axis begins; the theorem speaks of large T."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """−ln 𝓛, −ln(𝓛T) and ρ against ln T; dashed, Theorem 4.3 through the run's end, where it applies.

    The horizontal axis is ln T whatever `options.x` says.
    """
    series.require("rates", "time_log", "time")
    series.require("rates", "log_risk")
    s = _log_time(series)
    axes = panels(figure, options, [1.0] * (2 + series.has("rho")))
    height = np.where(np.isfinite(series.scalar("log_risk")), -series.scalar("log_risk"), np.nan)
    slopes = _Theory(series, s, height)
    wide = bool(np.nanmax(s, initial=0.0) > FROM_LOG)
    _panel(axes[0], s, height, slopes.risk, r"$-\ln\mathcal{L}$", wide)
    if options.size == "page" or slopes.risk is not None:
        legend_above(axes[0])
    beside = None if slopes.risk is None else slopes.risk - s
    _panel(axes[1], s, height - s, beside, r"$-\ln(\mathcal{L}\,T)$", False)
    if series.has("rho"):
        rho = positive(series.scalar("rho"))
        _panel(axes[2], s, rho, slopes.norm, r"$\rho=\|\theta\|$", wide)
    axes[-1].set_xlabel(r"$\ln T,\quad T=\sum\eta$")
    shown = s[np.isfinite(s)]
    if wide:
        axes[-1].set_xscale("log")
    first = max(float(shown.min(initial=np.inf)), EARLIEST) if wide else 0.0
    if len(shown) and first < shown.max():
        axes[-1].set_xlim(first, float(shown.max()))


def _log_time(series: RunSeries) -> Array:
    """ln T above 0, NaN elsewhere."""
    if series.has("time_log"):
        return positive(series.scalar("time_log"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return positive(np.log(series.scalar("time")))


class _Theory:
    """Theorem 4.3 through the last record: `risk` −ln 𝓛 and `norm` ρ (T), None where it says nothing."""

    def __init__(self, series: RunSeries, s: Array, height: Array) -> None:
        self.risk: Array | None = None
        self.norm: Array | None = None
        loss = series.loss
        order = float(series.reader.attributes.get("homogeneity", math.nan))
        if loss is None or not (math.isfinite(order) and order > 0 and series.has("rho")):
            return
        rho = series.scalar("rho")
        extra = 0.0
        if series.setting("loss", "reduction", "sum") == "mean":
            extra = math.log(series.reader.n_samples or 1)
        found = rates(s, extra - height, rho, order, loss)
        if not len(found):
            return
        at = int(np.flatnonzero(np.isfinite(s) & np.isfinite(height) & (rho > 0))[-1])
        later = np.where(s >= 1.0, s, np.nan)
        ratio = np.log(later / s[at])
        self.risk = height[at] + (later - s[at]) + found.exponent_theory * ratio
        self.norm = rho[at] * np.exp(ratio * found.power_theory)


def _panel(axes: Axes, s: Array, values: Array, theory: Array | None, name: str, log: bool) -> None:
    """The run's curve and the theorem's, on a logarithmic axis if asked for."""
    # A value without a time has no place.
    shown = np.where(np.isfinite(s), positive(values) if log else values, np.nan)
    axes.plot(s, shown, color=BLUE, label="run")
    if theory is not None:
        dashed = positive(theory) if log else theory
        axes.plot(s, dashed, color=RED, linestyle="--", label="Theorem 4.3", zorder=3)
    if log:
        axes.set_yscale("log")
    axes.set_ylabel(name)
    say_if_empty(axes)
