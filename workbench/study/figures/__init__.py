"""Figures of a study for papers: one module a figure, a registry of their names.

`draw_study_figure(dataset, "phase")` takes what `study_dataset` gives, or a part of it.
"""

from __future__ import annotations

from workbench.study.figures.options import StudyFigureOptions
from workbench.study.figures.registry import STUDY_FIGURES, draw_study_figure

__all__ = ["STUDY_FIGURES", "StudyFigureOptions", "draw_study_figure"]
