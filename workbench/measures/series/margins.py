"""The smallest margin in its kinds, and every sample's (LL20 §2, §4, Apps. F, G; JT20 App. A)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array, Float
from workbench.losses.loss import MarginLoss
from workbench.measures.margins import (
    accuracy,
    margin_multi,
    margin_smoothed,
    margins_median_normalized,
)
from workbench.measures.panel import WIDE_SAMPLES, Measure, Records, SeriesSpec

QUANTILES = (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1.0)

_SMALLEST = (
    SeriesSpec("q_min", (), "1", "smallest sample margin, min_i q_i", "LL20 §4"),
    SeriesSpec(
        "margin_normalized",
        (),
        "1",
        "normalized margin γ̄: the smallest at θ/ρ, q_min / ρ^L",
        "LL20 §4, VSS22 §6",
    ),
    SeriesSpec(
        "margin_smoothed", (), "1", "smoothed margin γ~ = ℓ⁻¹(𝓛) / ρ^L", "LL20 Thm 4.1, App. F"
    ),
    SeriesSpec(
        "margin_multi",
        (),
        "1",
        "multi-homogeneous margin γ̄_m = q_min / ∏ ρ_i^{k_i}",
        "LL20 §4.4, App. G",
    ),
    SeriesSpec("accuracy", (), "1", "fraction of samples with a positive margin", "LL20 Table 1"),
)
_EVERY = (
    SeriesSpec("margins", ("sample",), "1", "sample margins q_i", "LL20 §2, JT20 Cor. 3.2"),
    SeriesSpec(
        "margins_quantiles", ("quantile",), "1", "quantiles of the sample margins", "JT20 Fig. 2"
    ),
    SeriesSpec(
        "margins_median_normalized",
        ("sample",),
        "1",
        "sample margins over the median of those ≥ 0, for networks without an order",
        "JT20 App. A, Fig. 2b and 3",
    ),
)


def multi(records: Records) -> Float[np.ndarray, " T"] | None:
    """γ̄_m; None where the run has none."""
    panel = records.panel
    if not panel.classifies or panel.layer_orders is None:
        return None
    return margin_multi(records.q_min, records.layer_norm, panel.layer_orders)


def _smallest(records: Records) -> Mapping[str, Array]:
    panel = records.panel
    if not panel.classifies:
        return {}
    values: dict[str, Array] = {
        "q_min": records.q_min,
        "accuracy": accuracy(records.rows.outputs, panel.y),
    }
    if panel.order is not None and records.q_normalized is not None:
        values["margin_normalized"] = records.q_normalized.min(axis=-1)
        if isinstance(panel.loss, MarginLoss):
            values["margin_smoothed"] = margin_smoothed(
                records.log_risk + panel.log_n, records.rho, panel.order, panel.loss
            )
    elif panel.unit is not None:
        values["margin_normalized"] = panel.unit.compute(records.rows.theta)
    by_layer = multi(records)
    if by_layer is not None:
        values["margin_multi"] = by_layer
    return values


def _every(records: Records) -> Mapping[str, Array]:
    panel, normalized = records.panel, records.q_normalized if records.panel.classifies else None
    if not panel.classifies:
        return {}
    if normalized is None:
        over_median = margins_median_normalized(records.q)
        return {"margins_median_normalized": over_median[:, panel.samples]}
    values: dict[str, Array] = {"margins": normalized[:, panel.samples]}
    if normalized.shape[1] > WIDE_SAMPLES:
        values["margins_quantiles"] = np.quantile(normalized, QUANTILES, axis=1).T
    return values


SMALLEST = Measure(_SMALLEST, _smallest)
EVERY = Measure(_EVERY, _every)
