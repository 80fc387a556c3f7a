"""Accuracy over training, of the samples and of those held out (LL20 Figs. 3, 4 and 7)."""

from __future__ import annotations

from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries

NAMES = {"accuracy": "training", "test_accuracy": "held out"}


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """The fraction of samples with a positive margin, held-out samples' dashed."""
    series.require("accuracy", "accuracy")
    along = series.along(options)
    shown = tuple(
        Curve(along.x, along.read(name), said, dashes)
        for (name, said), dashes in zip(NAMES.items(), DASHES, strict=False)
        if series.has(name)
    )
    return [Panel("accuracy", shown)]
