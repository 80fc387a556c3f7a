"""Margins and alignment in norms other than ℓ2 (THEORY §7; LL20 §4 has them for ℓ2).

With ‖·‖ and its dual ‖·‖_*, for a network of order L,

    γ̄ = q_min/‖θ‖^L,   γ~ = ℓ⁻¹(𝓛)/‖θ‖^L,   a = ⟨θ, −∇𝓛⟩/(‖θ‖ ‖∇𝓛‖_*).

Steepest descent in the norm never lowers γ~ once the data is separated, and a is 1 exactly at KKT points of
min ½‖θ‖² s.t. q_i ≥ 1. |a| ≤ 1. For ℓ2 these are margin_normalized, margin_smoothed and alignment.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array
from workbench.losses.loss import MarginLoss
from workbench.measures.margins import margin_normalized, margin_smoothed
from workbench.measures.panel import Measure, Records, SeriesSpec
from workbench.norms.registry import NORM_NAMES, norm_called

NORMALIZED, SMOOTHED, DUAL = "margin_normalized_", "margin_smoothed_", "dual_alignment_"
"""What the names of the series begin with; they end in that of the norm."""


def _specs(name: str) -> tuple[SeriesSpec, ...]:
    symbol = norm_called(name, ()).symbol
    return (
        SeriesSpec(
            NORMALIZED + name,
            (),
            "1",
            f"normalized margin q_min / ‖θ‖^L in the {symbol} norm",
            "LL20 §4 with another norm",
        ),
        SeriesSpec(
            SMOOTHED + name,
            (),
            "1",
            f"smoothed margin ℓ⁻¹(𝓛) / ‖θ‖^L in the {symbol} norm",
            "LL20 Thm 4.1 with another norm",
        ),
        SeriesSpec(
            DUAL + name,
            (),
            "1",
            f"<θ, −∇𝓛> / (‖θ‖ ‖∇𝓛‖_*) in the {symbol} norm and its dual, at most 1",
            "JT20 Thm 4.1 with another norm",
        ),
    )


def _margin_norms(records: Records) -> Mapping[str, Array]:
    panel, rows = records.panel, records.rows
    margins = panel.classifies and panel.order is not None
    values: dict[str, Array] = {}
    for name, norm in panel.norms.items():
        size = norm.norm(rows.theta)
        if margins and panel.order is not None:
            values[NORMALIZED + name] = margin_normalized(records.q_min, size, panel.order)
            if isinstance(panel.loss, MarginLoss):
                values[SMOOTHED + name] = margin_smoothed(
                    records.log_risk + panel.log_n, size, panel.order, panel.loss
                )
        # Ratios of norms: ⟨θ, ∇𝓛⟩ itself may underflow.
        with np.errstate(divide="ignore", invalid="ignore"):
            shorter = (records.rho / size) * (records.grad_norm / norm.dual(rows.gradient))
        values[DUAL + name] = np.asarray(records.alignment * shorter)
    return values


MARGIN_NORMS = Measure(tuple(spec for name in NORM_NAMES for spec in _specs(name)), _margin_norms)
