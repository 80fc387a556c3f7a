"""log10 of the risk 𝓛 over training (KH24 Fig. 1a, 4a; LL20 Fig. 1)."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import (
    BLUE,
    GREY,
    RED,
    drawable,
    legend_above,
    panels,
    say_if_empty,
    widen,
)

LABEL = r"$\log_{10}\,\mathcal{L}$"
LEAST_SPAN = 0.1
"""Decades the vertical axis spans at least: a risk that stands still is to look like it."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """The recorded log-risk over ln 10, and that of the held-out samples; gaps where it is not finite."""
    series.require("risk", "log_risk")
    (axes,) = panels(figure, options)
    put_risk(series, axes, options)
    series.put_x_axis(axes, options)
    say_if_empty(axes)


def put_risk(series: RunSeries, axes: Axes, options: FigureOptions) -> None:
    """The curves on given axes, without the horizontal one."""
    along = series.along(options)
    log_risk = drawable(along.read("log_risk"))
    axes.plot(along.x, log_risk / math.log(10.0), color=BLUE, label="training")
    if series.reader.has("test_log_risk"):
        held_out = drawable(along.read("test_log_risk"))
        axes.plot(along.x, held_out / math.log(10.0), color=RED, label="held out")
        legend_above(axes)
    axes.set_ylabel(LABEL)
    if not series.reader.has("test_log_risk"):
        _widen_if_still(axes, log_risk)


def _widen_if_still(axes: Axes, log_risk: Array) -> None:
    """Show a risk that barely moves as a level line, and its relative change as a number."""
    if not widen(axes, log_risk / math.log(10.0), LEAST_SPAN):
        return
    finite = log_risk[np.isfinite(log_risk)]
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


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """log10 of the risk, held-out samples' dashed."""
    series.require("risk", "log_risk")
    along = series.along(options)
    names = {"log_risk": "training", "test_log_risk": "held out"}
    return [
        Panel(
            LABEL,
            tuple(
                Curve(along.x, drawable(along.read(name)) / math.log(10.0), said, dashes)
                for (name, said), dashes in zip(names.items(), DASHES, strict=False)
                if series.has(name)
            ),
            span=LEAST_SPAN,
        )
    ]
