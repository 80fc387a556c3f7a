"""A figure of several runs over one another: one colour a run, named by what differs between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.figure import Figure

from workbench.figures.curves import Panel, draw_panels
from workbench.figures.differences import labels_of
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries, put_x_axis
from workbench.figures.style import BLUE, CYCLE, run_colours

Curves = Callable[[RunSeries, FigureOptions], list[Panel]]


@dataclass(frozen=True)
class Overlay:
    """Runs over one another, the same quantities in the same panels: `curves` gives the panels of one run.

    `x`: the name of the horizontal axis where it is the figure's own, with its places in the curves;
    `log_from`: the place from which on it is logarithmic then.
    """

    curves: Curves
    x: str = ""
    log_from: float = np.inf

    def __call__(self, runs: Sequence[RunSeries], figure: Figure, options: FigureOptions) -> None:
        """Draw them; raises BadInput where a run did not record what is needed."""
        if any(series.far(options).log_x for series in runs):
            options = replace(options, log_x=True)
        drawn = [self.curves(series, options) for series in runs]
        alone = len(runs) == 1
        colours = [[colour] for colour in run_colours(len(runs))]
        if alone:
            several = any(len(panel.curves) > 1 for panel in drawn[0])
            colours = [list(CYCLE) if several else [BLUE]]
        axes = draw_panels(figure, drawn, [] if alone else labels_of(runs), colours, options)
        places = [curve.x for panels in drawn for panel in panels for curve in panel.curves]
        put_x_axis(axes[-1], options, places)
        if self.x:
            axes[-1].set_xlabel(self.x)
            if np.nanmax(np.concatenate(places), initial=0.0) > self.log_from:
                axes[-1].set_xscale("log")
