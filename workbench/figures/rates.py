"""Risk and norm against log T, beside the powers of log T that LL20 Theorem 4.3 gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import (
    BLUE,
    RED,
    drawable,
    legend_above,
    panels,
    positive,
    say_if_empty,
)
from workbench.measures.rates import rates

HEIGHT, BESIDE = r"$-\ln\mathcal{L}$", r"$-\ln(\mathcal{L}\,T)$"
RHO = r"$\rho=\|\theta\|$"
LOG_TIME = r"$\ln T,\quad T=\sum\eta$"
FROM_LOG = 30.0
"""ln T beyond which its axis is logarithmic: a descent reaches 15, a flow thousands."""
EARLIEST = 0.3
"""ln T at which a logarithmic axis begins; the theorem speaks of large T."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """−ln 𝓛, −ln(𝓛T) and ρ against ln T; dashed, Theorem 4.3 through the run's end, where it applies.

    The horizontal axis is ln T whatever `options.x` says.
    """
    at = _law(series)
    s, height, slopes = at.s, at.height, at.slopes
    axes = panels(figure, options, [1.0] * (2 + (at.rho is not None)))
    wide = bool(np.nanmax(s, initial=0.0) > FROM_LOG)
    _panel(axes[0], s, height, slopes.risk, HEIGHT, wide)
    if options.size == "page" or slopes.risk is not None:
        legend_above(axes[0])
    _panel(axes[1], s, height - s, at.beside, BESIDE, False)
    if at.rho is not None:
        _panel(axes[2], s, positive(at.rho), slopes.norm, RHO, wide)
    axes[-1].set_xlabel(LOG_TIME)
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


@dataclass(frozen=True, eq=False)
class _Law:
    """Over `s` = ln T (K): −ln 𝓛, ρ where it was recorded, and what Theorem 4.3 says of both."""

    s: Array
    height: Array
    rho: Array | None
    slopes: _Theory

    @property
    def beside(self) -> Array | None:
        """The theorem's −ln(𝓛T)."""
        return None if self.slopes.risk is None else self.slopes.risk - self.s


def _law(series: RunSeries) -> _Law:
    """The run's numbers; raises BadInput where it has no times, or none beyond 1."""
    series.require("rates", "time_log", "time")
    series.require("rates", "log_risk")
    along = series.along_places(_log_time(series))
    s = along.x
    if not np.isfinite(s).any():
        raise BadInput(
            f"figure 'rates' cannot be drawn: its axis is ln T, and run '{series.name}' ends before T = 1."
        )
    log_risk = drawable(along.read("log_risk"))
    rho = along.read("rho") if series.has("rho") else None
    return _Law(s, -log_risk, rho, _Theory(series, s, -log_risk, rho))


class _Theory:
    """Theorem 4.3 through the last record: `risk` −ln 𝓛 and `norm` ρ (T), None where it says nothing."""

    def __init__(self, series: RunSeries, s: Array, height: Array, rho: Array | None) -> None:
        self.risk: Array | None = None
        self.norm: Array | None = None
        loss = series.loss
        order = float(series.reader.attributes.get("homogeneity", math.nan))
        if loss is None or rho is None or not (math.isfinite(order) and order > 0):
            return
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


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """The same panels, the theorem's curves thin and dashed; the horizontal axis is ln T."""
    at = _law(series)
    wide = bool(np.nanmax(at.s, initial=0.0) > FROM_LOG)
    places = np.where(at.s >= EARLIEST, at.s, np.nan) if wide else at.s

    def panel(label: str, own: Array, theorem: Array | None, log: bool) -> Panel:
        pair = [Curve(places, own, "run")]
        if theorem is not None:
            pair.append(Curve(places, theorem, "Theorem 4.3", DASHES[1], thin=True))
        return Panel(label, tuple(pair), log=log)

    shown = [
        panel(HEIGHT, at.height, at.slopes.risk, wide),
        panel(BESIDE, at.height - at.s, at.beside, False),
    ]
    if at.rho is not None:
        shown.append(panel(RHO, at.rho, at.slopes.norm, wide))
    return shown
