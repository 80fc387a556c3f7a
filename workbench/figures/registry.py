"""Every figure by the name `workbench plot --figure` takes.

A new figure is a module with a `draw(series, figure, options)` and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure

from workbench.errors import unknown
from workbench.figures.contours import draw as draw_contours
from workbench.figures.directions import draw as draw_directions
from workbench.figures.field import draw as draw_field
from workbench.figures.layers import draw as draw_layers
from workbench.figures.mapped import draw as draw_mapped
from workbench.figures.margins import draw as draw_margins
from workbench.figures.margins_ordered import draw as draw_margins_ordered
from workbench.figures.ncf import draw as draw_ncf
from workbench.figures.norms import draw as draw_norms
from workbench.figures.optimality import draw as draw_optimality
from workbench.figures.options import Axis, FigureOptions
from workbench.figures.rates import draw as draw_rates
from workbench.figures.risk import draw as draw_risk
from workbench.figures.robustness import draw as draw_robustness
from workbench.figures.series import RunSeries
from workbench.figures.style import STYLE
from workbench.record.reader import RunReader

Draw = Callable[[RunSeries, Figure, FigureOptions], None]


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be asked for: what it shows, how it is drawn, over which axis by default."""

    shows: str
    draw: Draw
    x: Axis = "step"


FIGURES: dict[str, FigureKind] = {
    "risk": FigureKind("log10 of the risk", draw_risk),
    "margins": FigureKind("normalized margins of the network and its samples", draw_margins),
    "directions": FigureKind("where every neuron points", draw_directions),
    "ncf": FigureKind("the correlation function over the angle, with the neurons' ways", draw_ncf),
    "field": FigureKind("gradient field of the correlation function on the plane", draw_field),
    "robustness": FigureKind("robust accuracy against the radius in L2", draw_robustness),
    "optimality": FigureKind("whether the max-margin limit is an optimum", draw_optimality),
    "rates": FigureKind("risk and norm against log T, with LL20 Theorem 4.3's", draw_rates),
    "margins-ordered": FigureKind("every margin over ln(n/𝓛), by its last", draw_margins_ordered),
    "contours": FigureKind("the prediction over the plane, beside the kernel's", draw_contours),
    "norms": FigureKind("norms of θ, its layers and its neurons", draw_norms),
    "layers": FigureKind(
        "rank-1 ratios of the layers and alignment of adjacent ones, against the risk",
        draw_layers,
        "margin",
    ),
    "mapped": FigureKind("the data mapped through more and more layers", draw_mapped),
}


def default_axis(name: str) -> Axis:
    """The horizontal axis a figure has unless another is asked for; steps for an unknown one."""
    return FIGURES[name].x if name in FIGURES else "step"


def draw_figure(reader: RunReader, name: str, options: FigureOptions | None = None) -> Figure:
    """Draw a figure of a run.

    Raises:
        BadInput: no figure has that name, or the run did not record what it needs.
        StorageError: the run's file is damaged.
    """
    kind = FIGURES.get(name)
    if kind is None:
        raise unknown("figure", name, FIGURES)
    with rc_context(STYLE):
        figure = Figure(layout="constrained")
        kind.draw(RunSeries(reader), figure, options or FigureOptions(x=kind.x))
    return figure
