"""The early phase on one page: risk, norm, and the neurons' directions, over one axis (KH24 Fig. 1)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from workbench.figures.directions import put_directions
from workbench.figures.norms import RHO
from workbench.figures.options import FigureOptions
from workbench.figures.risk import put_risk
from workbench.figures.series import RunSeries
from workbench.figures.style import INK, legend_above, panels, positive, say_if_empty, widen


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """The risk stands still and the norm stays small while every neuron finds its direction."""
    series.require("early", "log_risk")
    series.require("early", "rho")
    series.require("early", "neuron_angle", "neuron_direction")
    risk, norm, directions = panels(figure, options, (0.62, 0.62, 1.1))
    put_risk(series, risk, options)
    along = series.along(options)
    rho = positive(along.read("rho"))
    norm.plot(along.x, rho, color=INK)
    if np.nanmax(rho, initial=0.0) > 2.0 * np.nanmin(rho, initial=np.inf):
        norm.set_yscale("log")
    else:
        widen(norm, rho, 0.1 * float(np.nanmax(rho, initial=0.0)))
    norm.set_ylabel(RHO)
    handles = put_directions(series, directions, options)
    legend_above(directions, handles, columns=6)
    series.put_x_axis(directions, options)
    for axes in (risk, norm, directions):
        say_if_empty(axes)
