"""Grokking (Lyu et al. 2024): accuracies, the distance from the kernel's predictor, and the risk."""

from __future__ import annotations

import numpy as np

from workbench.figures.curves import DASHES, Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries

ACCURACIES = {"accuracy": "training", "test_accuracy": "held out"}
DISTANCE = "distance from\nthe kernel's"
RISK = r"$\log_{10}\mathcal{L}$"


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """Three panels over one axis, which is best a logarithmic one.

    Raises:
        BadInput: the run holds no samples out, or measures no distance from the kernel.
    """
    series.require("grokking", "test_accuracy")
    series.require("grokking", "kernel_distance")
    along = series.along(options)
    right = tuple(
        Curve(along.x, along.read(name), said, dashes)
        for (name, said), dashes in zip(ACCURACIES.items(), DASHES, strict=False)
    )
    risk = along.read("log_risk") / np.log(10.0)
    return [
        Panel("accuracy", right),
        Panel(DISTANCE, (Curve(along.x, along.read("kernel_distance")),)),
        Panel(RISK, (Curve(along.x, risk),)),
    ]
