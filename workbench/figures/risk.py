"""log10 of the risk 𝓛 over training (KH24 Fig. 1a, 4a; LL20 Fig. 1)."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, GREY, RED, drawable, legend_above, panels, say_if_empty

LEAST_SPAN = 0.1
"""Decades the vertical axis spans at least: a risk that stands still is to look like it."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """The recorded log-risk over ln 10, and that of the held-out samples; gaps where it is not finite."""
    series.require("risk", "log_risk")
    (axes,) = panels(figure, options)
    log_risk = drawable(series.scalar("log_risk"))
    axes.plot(series.x(options), log_risk / math.log(10.0), color=BLUE, label="training")
    if series.reader.has("test_log_risk"):
        held_out = drawable(series.scalar("test_log_risk"))
        axes.plot(series.x(options), held_out / math.log(10.0), color=RED, label="held out")
        legend_above(axes)
    axes.set_ylabel(r"$\log_{10}\,\mathcal{L}$")
    series.put_x_axis(axes, options)
    if not series.reader.has("test_log_risk"):
        _widen_if_still(axes, log_risk)
    say_if_empty(axes)


def _widen_if_still(axes: Axes, log_risk: Array) -> None:
    """Show a risk that barely moves as a level line, and its relative change as a number."""
    finite = log_risk[np.isfinite(log_risk)]
    if not finite.size or np.ptp(finite) >= LEAST_SPAN * math.log(10.0):
        return
    middle = float(finite.max() + finite.min()) / (2.0 * math.log(10.0))
    axes.set_ylim(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)
    change = -math.expm1(float(finite[-1] - finite[0]))
    mantissa, exponent = f"{change:.1e}".split("e")
    axes.text(
        0.98,
        0.95,
        rf"$1-\mathcal{{L}}(T)/\mathcal{{L}}(0)={mantissa}\times10^{{{int(exponent)}}}$",
        transform=axes.transAxes,
        ha="right",
        va="top",
        color=GREY,
        fontsize=8,
    )
