"""Every figure of a study by the name `workbench plot --figure` takes.

A new figure is a module with a `draw(dataset, figure, options)` and a line here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.figure import Figure
from xarray import Dataset

from workbench.errors import unknown
from workbench.figures.style import STYLE, offsets_into_labels
from workbench.study.figures.bands import draw as draw_bands
from workbench.study.figures.escape import draw as draw_escape
from workbench.study.figures.options import StudyFigureOptions
from workbench.study.figures.phase import draw as draw_phase
from workbench.study.figures.targets import draw as draw_targets

Draw = Callable[[Dataset, Figure, StudyFigureOptions], None]


@dataclass(frozen=True)
class StudyFigureKind:
    """A figure that can be asked for: what it shows, and how it is drawn."""

    shows: str
    draw: Draw


STUDY_FIGURES: dict[str, StudyFigureKind] = {
    "phase": StudyFigureKind("an outcome over two keys of the grid", draw_phase),
    "bands": StudyFigureKind("median and quantiles of a series over members", draw_bands),
    "escape": StudyFigureKind("escape time against the scale of the start, fitted", draw_escape),
    "targets": StudyFigureKind("which KKT points what share of members goes to", draw_targets),
}


def draw_study_figure(
    dataset: Dataset, name: str, options: StudyFigureOptions | None = None
) -> Figure:
    """Draw a figure of what `study_dataset` gives.

    Raises:
        BadInput: no figure has that name, or the study has not what it needs.
    """
    kind = STUDY_FIGURES.get(name)
    if kind is None:
        raise unknown("figure of a study", name, STUDY_FIGURES)
    with rc_context(STYLE):
        figure = Figure(layout="constrained")
        kind.draw(dataset, figure, options or StudyFigureOptions())
        offsets_into_labels(figure)
    return figure
