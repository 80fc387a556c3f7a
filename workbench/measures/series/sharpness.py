"""Sharpness against what the step size is stable below: the edge of stability (Cohen et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array
from workbench.measures.panel import Measure, Records, SeriesSpec
from workbench.measures.series.state import LEARNING_RATE_LOG

SHARPNESS_SERIES = SeriesSpec(
    "sharpness",
    (),
    "1",
    "largest eigenvalue λ_max of the risk's Hessian, from below; NaN at steps that are no multiples of "
    "measures.sharpness_every",
    "Cohen et al. 2021, §2",
)
RESIDUAL = SeriesSpec(
    "sharpness_residual",
    (),
    "1",
    "‖∇²𝓛 v − λv‖ of that eigenvalue's unit vector v: an eigenvalue lies as near",
    "Lanczos' recurrence",
)
THRESHOLD = SeriesSpec(
    "stability_threshold",
    (),
    "1",
    "sharpness above which a step of this size is unstable: 2/η, with momentum 2(1 + β)/η, less "
    "train.weight_decay",
    "Cohen et al. 2021, §2 and App. B",
)


def _sharpness(records: Records) -> Mapping[str, Array]:
    panel, rows = records.panel, records.rows
    sharpness = panel.sharpness
    if sharpness is None:
        return {}
    value, residual = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for row in np.flatnonzero(rows.step % sharpness.every == 0):
        found = sharpness.at(rows.theta[row])
        value[row], residual[row] = found.value, found.residual
    values = {SHARPNESS_SERIES.name: value, RESIDUAL.name: residual}
    if panel.stability is not None:
        rate_log = rows.rule_series.get(LEARNING_RATE_LOG.name)
        values[THRESHOLD.name] = panel.stability.threshold(rate_log, len(rows))
    return values


SHARPNESS = Measure((SHARPNESS_SERIES, RESIDUAL, THRESHOLD), _sharpness)
