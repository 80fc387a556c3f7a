"""Norms of the layers, and how they align (JT19)."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.arrays import Array
from workbench.measures.panel import Measure, Records, SeriesSpec
from workbench.measures.series.margins import multi

_SERIES = (
    SeriesSpec("layer_norm", ("layer",), "1", "Frobenius norm of each layer", "JT19 eq. (2.5)"),
    SeriesSpec("layer_rank1", ("layer",), "1", "‖W_k‖_2 / ‖W_k‖_F of each layer", "JT19 Thm 2.2"),
    SeriesSpec(
        "layer_alignment",
        ("layer_pair",),
        "1",
        "|<v_{k+1}, u_k>| between leading singular vectors of adjacent layers",
        "JT19 Lemma 2.6, Thm 2.2",
    ),
    SeriesSpec(
        "svm_alignment",
        (),
        "1",
        "|<v_1, ū>| between the first layer and the hard-margin SVM direction",
        "JT19 Thm 2.8",
    ),
    SeriesSpec(
        "svm_margin_ratio",
        (),
        "1",
        "min_i y_i (W_L/‖W_L‖_F ⋯ W_1/‖W_1‖_F) x_i over the hard-margin SVM's margin, at most 1",
        "JT19 Cor. 2.9",
    ),
    SeriesSpec(
        "balance_drift",
        (),
        "1",
        "max_k ‖(W_{k+1}ᵀW_{k+1} − W_kW_kᵀ)(t) − (0)‖_F / max_k ‖W_k(t)‖_F²; behind ReLUs the diagonals",
        "JT19 eq. (2.4)",
    ),
    SeriesSpec(
        "layer_rank1_slack",
        ("layer",),
        "1",
        "D − (‖W_k‖_F² − ‖W_k‖_2²) of each layer, ≥ 0 along the flow",
        "JT19 Lemma 2.6",
    ),
    SeriesSpec(
        "layer_alignment_slack",
        ("layer_pair",),
        "1",
        "<v_{k+1}, u_k>² − 1 + (D + ‖W_{k+1}(0)‖_2² + ‖W_k(0)‖_2²)/‖W_{k+1}‖_2², ≥ 0 along the flow",
        "JT19 Lemma 2.6",
    ),
)


def _layers(records: Records) -> Mapping[str, Array]:
    values: dict[str, Array] = {"layer_norm": records.layer_norm}
    aligned = records.panel.layers
    if aligned is not None:
        values.update(aligned.compute(records.rows.theta, multi(records)))
    return values


LAYERS = Measure(_SERIES, _layers)
