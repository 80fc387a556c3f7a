"""Figures of a run for papers: one module a figure, a registry of their names.

`draw_figure(reader, "risk")` gives a matplotlib Figure to change or save, of several readers with all runs
over one another; no global state is touched, so it can be called from any thread and next to anybody's
pyplot.
"""

from __future__ import annotations

from workbench.figures.options import FigureOptions
from workbench.figures.registry import FIGURES, default_axis, draw_figure
from workbench.figures.save import save_figure

__all__ = ["FIGURES", "FigureOptions", "default_axis", "draw_figure", "save_figure"]
