"""Sharpness over training against what the step size is stable below (Cohen et al. 2021)."""

from __future__ import annotations

import numpy as np

from workbench.figures.curves import Curve, Panel
from workbench.figures.options import FigureOptions
from workbench.figures.series import RunSeries

THRESHOLD = "stability_threshold"
LABEL = r"sharpness $\lambda_{\max}(\nabla^2\mathcal{L})$"
RISK = r"$\log_{10}\mathcal{L}$"


def curves(series: RunSeries, options: FigureOptions) -> list[Panel]:
    """λ_max at the records where it was measured, the threshold 2/η dashed; the risk under it.

    Raises:
        BadInput: the run measured no sharpness.
    """
    series.require("sharpness", "sharpness")
    along = series.along(options)
    sharpness = along.read("sharpness")
    known = np.isfinite(sharpness)
    shown = [Curve(along.x[known], sharpness[known], "of the risk")]
    if series.has(THRESHOLD):
        shown.append(
            Curve(along.x, along.read(THRESHOLD), r"stable below, $2/\eta$", "--", thin=True)
        )
    risk = along.read("log_risk") / np.log(10.0)
    return [Panel(LABEL, tuple(shown)), Panel(RISK, (Curve(along.x, risk),))]
