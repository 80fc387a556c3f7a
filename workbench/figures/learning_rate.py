"""The step size η over training, and α(t) = η(t) 𝓛̄(t−1) of the loss-based rate (LL20 Fig. 4, eq. (26))."""

from __future__ import annotations

import math

import numpy as np

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.curves import Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import Along, RunSeries
from workbench.record.schema import STEP
from workbench.run.step_size import RATE_LOG

ETA, ALPHA = r"$\log_{10}\eta$", r"$\alpha=\eta\,\mathcal{L}$"


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """log10 η of the step that led to each record; under it, of the loss-based rate, α.

    Raises:
        BadInput: the run recorded no step sizes, and its rule is not the constant one.
    """
    rule = series.setting("train", "rule", "constant")
    if not series.has(RATE_LOG):
        if rule != "constant":
            series.require("learning-rate", RATE_LOG)
        series.require("learning-rate", STEP)
        along = series.along(options)
        eta = float(series.setting("train", "lr", math.nan))
        if not eta > 0:
            raise BadInput(
                f"figure 'learning-rate' cannot be drawn: run '{series.name}' says no train.lr."
            )
        return [Panel(ETA, (Curve(along.x, np.full(len(along.x), math.log10(eta))),))]
    along = series.along(options)
    eta_log = along.read(RATE_LOG)
    shown = [Panel(ETA, (Curve(along.x, eta_log / math.log(10.0)),))]
    if rule == "loss-based":
        shown.append(Panel(ALPHA, (Curve(along.x, _alpha(along)),), log=True))
    return shown


def _alpha(along: Along) -> Array:
    """(K) η times the risk at its epoch's start where that was recorded, else at the record itself."""
    series = along.series
    steps, log_risk = series.scalar(STEP), series.scalar("log_risk")
    epoch = series.steps_an_epoch
    starts = (steps[along.rows] - 1) // epoch * epoch
    place = np.searchsorted(steps, starts)
    found = np.where(steps[np.minimum(place, len(steps) - 1)] == starts, place, along.rows)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.exp(along.read(RATE_LOG) + log_risk[found]))
