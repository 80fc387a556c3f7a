"""Margins over training in ℓ2 and the other norms (THEORY §7): one panel a norm, one colour a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from workbench.errors import BadInput
from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries
from workbench.figures.several import Overlay
from workbench.figures.style import positive
from workbench.measures.series.margin_norms import NORMALIZED, SMOOTHED

NORMS = {
    "": r"margin in $\ell_2$",
    "l1": r"margin in $\ell_1$",
    "linf": r"margin in $\ell_\infty$",
    "spectral": "spectral margin",
}
"""What the names of their series end in, and their panels' labels."""


def draw_runs(runs: Sequence[RunSeries], figure: Figure, options: FigureOptions) -> None:
    """γ̄ in every norm that one of the runs was measured in, γ~ dashed once it is positive.

    Raises:
        BadInput: none was measured in another norm than ℓ2.
    """
    there = [n for n in NORMS if any(series.has(_named(NORMALIZED, n)) for series in runs)]
    if not set(there) - {""}:
        raise BadInput(
            "figure 'margins-norms' cannot be drawn: no run has margins in another norm than ℓ2; "
            "measures.norms asks for them."
        )
    Overlay(lambda series, asked: _panels(series, asked, there))(runs, figure, options)


def _panels(series: RunSeries, options: FigureOptions, names: Sequence[str]) -> list[Panel]:
    """A panel a norm, empty where this run was not measured in it."""
    along = series.along(options)
    shown = []
    for name in names:
        curves = []
        for kind, symbol, dashes in (
            (NORMALIZED, r"$\bar\gamma$", DASHES[0]),
            (SMOOTHED, r"$\tilde\gamma$", DASHES[1]),
        ):
            if series.has(_named(kind, name)):
                values = along.read(_named(kind, name))
                # Before the data is separated γ~ means nothing.
                values = positive(values) if kind == SMOOTHED else values
                curves.append(Curve(along.x, np.asarray(values), symbol, dashes))
        shown.append(Panel(NORMS[name], tuple(curves), level=0.0, late=True))
    return shown


def _named(kind: str, norm: str) -> str:
    """The series of a norm; ℓ2's have no ending."""
    return kind + norm if norm else kind.rstrip("_")
