"""Norms over training: ρ = ‖θ‖, the layers' (JT19 eq. (2.5)) and the neurons' (KH24 Fig. 1a)."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench.figures.curves import Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.style import (
    CYCLE,
    GREY,
    INK,
    MANY_LINES,
    legend_above,
    panels,
    positive,
    say_if_empty,
)

RHO = r"$\rho=\|\theta\|$"


def draw(series: RunSeries, figure: Figure, options: FigureOptions) -> None:
    """All norms on one logarithmic axis: neurons thin, layers dashed, ρ on top."""
    found = series.require("norms", "rho", "layer_norm", "neuron_norm")
    (axes,) = panels(figure, options, (1.2,))
    thin = series.along(options, thin=True)
    handles: list[Line2D] = []
    if "rho" in found:
        along = series.along(options)
        axes.plot(along.x, positive(along.read("rho")), color=INK, zorder=3)
        handles.append(Line2D([], [], color=INK, label=RHO))
    layers = thin.read("layer_norm") if "layer_norm" in found else None
    if layers is not None and layers.shape[1] > 1:
        for k in range(layers.shape[1]):
            color = CYCLE[k % len(CYCLE)]
            axes.plot(thin.x, positive(layers[:, k]), color=color, linestyle="--", zorder=2)
            label = rf"$\|\theta_{{{k + 1}}}\|$"
            if layers.shape[1] <= len(CYCLE):
                handles.append(Line2D([], [], color=color, linestyle="--", label=label))
    if "neuron_norm" in found:
        neurons = positive(thin.read("neuron_norm"))
        many = neurons.shape[1] >= MANY_LINES
        lines = axes.plot(
            thin.x, neurons, color=GREY, linewidth=0.6, alpha=0.25 if many else 0.7, zorder=1
        )
        for line in lines:
            line.set_rasterized(many)
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, label=r"neurons $\|w_k\|$"))
    axes.set_yscale("log")
    axes.set_ylabel("norm")
    legend_above(axes, handles, columns=2 if options.size == "column" else 6)
    series.put_x_axis(axes, options)
    say_if_empty(axes)


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """ρ alone."""
    series.require("norms", "rho")
    along = series.along(options)
    return [Panel(RHO, (Curve(along.x, along.read("rho")),), log=True)]
