"""Risk, accuracy and smallest margin of the samples that are held out (LL20 Table 1, §5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array
from workbench.measures.margins import accuracy, margin_normalized, sample_margins
from workbench.measures.panel import Measure, Records, SeriesSpec

_SERIES = (
    SeriesSpec(
        "test_log_risk",
        (),
        "1",
        "natural logarithm of the held-out samples' risk: the average, or, where the training risk is a "
        "sum, that times the number of training samples",
        "LL20 §5",
    ),
    SeriesSpec(
        "test_accuracy",
        (),
        "1",
        "fraction of the held-out samples with a positive margin",
        "LL20 Table 1",
    ),
    SeriesSpec(
        "test_margin_normalized",
        (),
        "1",
        "the held-out samples' smallest margin over ρ^L",
        "LL20 §4",
    ),
)


def _held_out(records: Records) -> Mapping[str, Array]:
    panel, rows, held = records.panel, records.rows, records.panel.held
    if held is None:
        return {}
    log_risk, right, q_min = (np.full(len(rows), np.nan) for _ in range(3))
    # So that the two risks are those of as many samples.
    log_count = float(np.log(panel.y.shape[0])) if panel.reduction == "sum" else 0.0
    for row, found in enumerate(records.test_outputs or ()):
        outputs = found[None]
        log_risk[row] = panel.loss.log_risk(outputs, held.y, "mean")[0] + log_count
        if panel.classifies:
            right[row] = accuracy(outputs, held.y)[0]
            q_min[row] = sample_margins(outputs, held.y).min()
    values = {"test_log_risk": log_risk}
    if panel.classifies:
        values["test_accuracy"] = right
        if panel.order is not None:
            values["test_margin_normalized"] = margin_normalized(q_min, records.rho, panel.order)
    return values


HELD_OUT = Measure(_SERIES, _held_out)
