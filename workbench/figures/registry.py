"""Every figure by the name `workbench plot --figure` takes.

A new figure is a module with a `draw(series, figure, options)`, a `curves(series, options)` where several
runs may lie over one another, or both, and a line here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib import rc_context
from matplotlib.figure import Figure

from workbench.errors import BadInput, unknown
from workbench.figures import (
    accuracy,
    contours,
    directions,
    distance,
    early,
    field,
    grokking,
    hat,
    layers,
    learning_rate,
    mapped,
    margins,
    margins_norms,
    margins_ordered,
    ncf,
    norms,
    optimality,
    path,
    predictor,
    pursuit,
    rates,
    risk,
    robustness,
    sharpness,
    staircase,
)
from workbench.figures.options import Axis, FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.several import Overlay
from workbench.figures.style import STYLE, offsets_into_labels
from workbench.record.reader import RunReader

Draw = Callable[[RunSeries, Figure, FigureOptions], None]
DrawSeveral = Callable[[Sequence[RunSeries], Figure, FigureOptions], None]
Group = Literal["training", "margins", "neurons", "layers"]


MOST_RUNS = 12
"""Colours that can be told apart."""


@dataclass(frozen=True)
class FigureKind:
    """A figure that can be asked for: what it is of and shows, how it is drawn, over which axis by default.

    `draw`: one run; None: as `several` of one. `several`: runs over one another; None: `alone` says why not.
    """

    group: Group
    shows: str
    draw: Draw | None = None
    several: DrawSeveral | None = None
    alone: str = ""
    x: Axis = "step"


FIGURES: dict[str, FigureKind] = {
    "risk": FigureKind("training", "log10 of the risk", risk.draw, Overlay(risk.curves)),
    "accuracy": FigureKind(
        "training", "accuracy, of held-out samples too", several=Overlay(accuracy.curves)
    ),
    "learning-rate": FigureKind(
        "training", "the step size, and LL20's α(t)", several=Overlay(learning_rate.curves)
    ),
    "norms": FigureKind(
        "training", "norms of θ, its layers and its neurons", norms.draw, Overlay(norms.curves)
    ),
    "grokking": FigureKind(
        "training",
        "accuracies, distance from the kernel's predictor, and risk",
        several=Overlay(grokking.curves),
    ),
    "sharpness": FigureKind(
        "training",
        "the largest eigenvalue of the Hessian, and the edge of stability 2/η",
        several=Overlay(sharpness.curves),
    ),
    "rates": FigureKind(
        "training",
        "risk and norm against log T, with LL20 Theorem 4.3's",
        rates.draw,
        Overlay(rates.curves, rates.LOG_TIME, rates.FROM_LOG),
    ),
    "margins": FigureKind(
        "margins",
        "normalized margins of the network and its samples",
        margins.draw,
        Overlay(margins.curves),
    ),
    "margins-ordered": FigureKind(
        "margins",
        "every margin over ln(n/𝓛), by its last",
        margins_ordered.draw,
        alone="its colours are the samples' order",
        x="margin",
    ),
    "margins-norms": FigureKind(
        "margins",
        "margins in ℓ2, ℓ1, ℓ∞ and the spectral norm",
        several=margins_norms.draw_runs,
    ),
    "robustness": FigureKind(
        "margins",
        "robust accuracy against the radius in L2",
        robustness.draw,
        Overlay(robustness.curves, robustness.RADIUS),
    ),
    "optimality": FigureKind(
        "margins",
        "whether the max-margin limit is an optimum",
        optimality.draw,
        alone="it is one limit's verdict",
    ),
    "early": FigureKind(
        "neurons",
        "risk, norm and directions near a small start",
        early.draw,
        alone="its colours are the neurons' signs",
    ),
    "directions": FigureKind(
        "neurons",
        "where every neuron points",
        directions.draw,
        alone="its colours are the neurons' signs",
    ),
    "ncf": FigureKind(
        "neurons",
        "the correlation function over the angle, with the neurons' ways",
        ncf.draw,
        alone="every run has a correlation function of its own",
    ),
    "field": FigureKind(
        "neurons",
        "gradient field of the correlation function on the plane",
        field.draw,
        alone="every run has a correlation function of its own",
    ),
    "hat": FigureKind(
        "neurons",
        "LL20's Mexican hat, and the way of θ/ρ over it",
        hat.draw,
        alone="one way would cover another",
    ),
    "distance": FigureKind(
        "neurons",
        "distance of θ from the saddles, under the risk",
        several=Overlay(distance.curves),
    ),
    "pursuit": FigureKind(
        "neurons",
        "the stairs of neuron pursuit beside the risk",
        pursuit.draw,
        alone="every run has a pursuit of its own",
    ),
    "staircase": FigureKind(
        "neurons",
        "the drops that are foreseen from the start, under the risk",
        staircase.draw,
        alone="every run has a start of its own",
    ),
    "path": FigureKind(
        "neurons",
        "the way from 0 and the path along its KKT point, in one plane",
        several=path.draw_runs,
    ),
    "layers": FigureKind(
        "layers",
        "rank-1 ratios of the layers and alignment of adjacent ones, against the risk",
        layers.draw,
        Overlay(layers.curves),
        x="margin",
    ),
    "predictor": FigureKind(
        "layers",
        "a linear network's predictor beside the hard-margin one",
        several=predictor.draw_runs,
        x="margin",
    ),
    "mapped": FigureKind(
        "layers",
        "the data mapped through more and more layers",
        mapped.draw,
        alone="every run maps the data to planes of its own",
    ),
    "contours": FigureKind(
        "layers",
        "the prediction over the plane, beside the kernel's",
        contours.draw,
        alone="one surface would cover another",
    ),
}


def default_axis(name: str) -> Axis:
    """The horizontal axis a figure has unless another is asked for; steps for an unknown one."""
    return FIGURES[name].x if name in FIGURES else "step"


def draw_figure(
    readers: RunReader | Sequence[RunReader], name: str, options: FigureOptions | None = None
) -> Figure:
    """Draw a figure of a run, or of several over one another.

    Raises:
        BadInput: no figure has that name, it is of one run, or a run did not record what it needs.
        StorageError: a run's file is damaged.
    """
    kind = FIGURES.get(name)
    if kind is None:
        raise unknown("figure", name, FIGURES)
    runs = [RunSeries(r) for r in ([readers] if isinstance(readers, RunReader) else readers)]
    if len(runs) > 1 and kind.several is None:
        raise BadInput(
            f"figure '{name}' is of one run, and {len(runs)} were given: {kind.alone}; of several: "
            f"{', '.join(other for other, k in FIGURES.items() if k.several)}."
        )
    if len(runs) > MOST_RUNS:
        raise BadInput(
            f"a figure has colours for {MOST_RUNS} runs, and {len(runs)} were given; a study of them has "
            "bands."
        )
    options = options or FigureOptions(x=kind.x)
    with rc_context(STYLE):
        figure = Figure(layout="constrained")
        if len(runs) == 1 and kind.draw is not None:
            kind.draw(runs[0], figure, options)
        elif kind.several is not None:
            kind.several(runs, figure, options)
        if options.y_range is not None and figure.axes:
            figure.axes[0].set_ylim(*options.y_range)
        offsets_into_labels(figure)
    return figure
