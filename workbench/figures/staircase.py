"""The staircase that is predicted from a run's start, under the run's risk."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from workbench.arrays import Array
from workbench.errors import BadInput
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import BLUE, INK, ORANGE, drawable
from workbench.run.stairs import PredictedStairs, StairsTask

AXES = ("step", "time", "epoch")
DEEPER = 0.6
"""Decades below the last drop that are drawn."""


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """log₁₀ 𝓛 of the run; dashed what was foreseen from its start alone, and at half the height of every
    drop the interval in which it is to come.

    Raises:
        BadInput: a staircase is not predicted of the run's network, loss, data or step rule.
    """
    series.require("staircase", "log_risk")
    if options.x not in AXES:
        raise BadInput(
            f"figure 'staircase' is drawn over time; --x {options.x} is none; allowed: {', '.join(AXES)}."
        )
    found = StairsTask.of_run(series.run).compute()
    if not found.found.stairs:
        raise BadInput(f"figure 'staircase' has no drop to draw: {found.found.end}.")
    axes = figure.subplots()
    along = series.along(options)
    time = along.read("time").astype(float)

    def place(when: Any) -> Array:
        """Where a time of the summed risk's flow lies on the axis; NaN beyond the run."""
        return np.asarray(np.interp(found.time(np.asarray(when)), time, along.x, right=np.nan))

    curve = found.log_risk / np.log(10.0)
    axes.plot(along.x, drawable(along.read("log_risk") / np.log(10.0)), color=BLUE, label="run")
    axes.plot(
        place(found.found.time),
        curve,
        color=ORANGE,
        linestyle="--",
        linewidth=1.0,
        label="foreseen",
    )
    for number, (low, high, height) in enumerate(intervals(found)):
        end = along.x[-1] if np.isnan(place(high)) else place(high)
        axes.plot(
            [place(low), end],
            [height, height],
            "|-",
            color=INK,
            markersize=9.0,
            linewidth=2.0,
            label="interval" if number == 0 else None,
        )
    last = found.found.stairs[-1]
    floor = np.log10(max(last.after * found.factor, 1e-300)) - DEEPER
    axes.set_ylim(bottom=floor)
    axes.set_ylabel(r"$\log_{10}\mathcal{L}$")
    series.put_x_axis(axes, options)
    passed = place(found.found.time[-1])
    if options.x_range is None and np.isfinite(passed):
        axes.set_xlim(right=1.15 * float(passed))
    axes.legend()


def intervals(found: PredictedStairs) -> list[tuple[float, float, float]]:
    """(earliest, latest, log₁₀ of the risk halfway down) of every drop, in times of the summed risk."""
    return [
        (stair.low, stair.high, float(np.log10(stair.middle * found.factor)))
        for stair in found.found.stairs
    ]
