"""What a run file may hold: the name, shape, units and origin of every recorded series.

A series that does not apply to a run is absent from its file. Later schema versions may add root
groups and series; readers ignore what they do not know, and refuse only a larger `SCHEMA_VERSION`.

The papers are cited by the short names of the theory notes: JT19, JT20, LL20, KH24, VSS22.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = 1

RUN_FILE = "run.h5"
STEP = "step"


@dataclass(frozen=True)
class SeriesSpec:
    """One recorded quantity.

    `dims` names the axes after the first, which is always `step`; an empty tuple is a scalar
    series of shape (T,). `units` is `1` for pure numbers; `source` cites the paper and equation.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    source: str
    dtype: str = "f8"


def _table(*specs: SeriesSpec) -> dict[str, SeriesSpec]:
    return {spec.name: spec for spec in specs}


SERIES: dict[str, SeriesSpec] = _table(
    SeriesSpec(STEP, (), "1", "steps taken so far", "gradient descent iteration, LL20 §2", "i8"),
    SeriesSpec(
        "time", (), "1", "training time: the sum of the step sizes", "LL20 Thm 4.3, T = Σ η"
    ),
    SeriesSpec("time_log", (), "1", "natural logarithm of the training time", "LL20 Thm 4.3"),
    SeriesSpec("log_risk", (), "1", "natural logarithm of the risk 𝓛", "LL20 App. K.2"),
    SeriesSpec("rho", (), "1", "norm of the parameters, ρ = ‖θ‖", "LL20 §4"),
    SeriesSpec(
        "grad_norm_log", (), "1", "natural logarithm of the gradient norm ‖∇𝓛‖", "LL20 Lemma C.8"
    ),
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
    SeriesSpec("alignment", (), "1", "cosine between θ and the negative gradient", "JT20 Thm 4.1"),
    SeriesSpec(
        "path_length",
        (),
        "1",
        "length of θ/‖θ‖'s path as a polygon over all steps, Σ_k ‖θ^_{k+1} − θ^_k‖ ≤ ζ = ∫ ‖dθ^/ds‖ ds",
        "JT20 Thm 3.1",
    ),
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
    SeriesSpec("neuron_norm", ("neuron",), "1", "norm of each neuron's weights", "KH24 Cor. 5.4.1"),
    SeriesSpec(
        "neuron_angle", ("neuron",), "rad", "angle of each neuron's input weights", "KH24 Fig. 1"
    ),
    SeriesSpec(
        "neuron_direction",
        ("neuron", "component"),
        "1",
        "unit direction of each neuron's input weights",
        "KH24 Cor. 5.4.1",
    ),
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
    SeriesSpec(
        "kkt_epsilon", (), "1", "stationarity error ε of the margin problem", "LL20 Lemma C.8"
    ),
    SeriesSpec(
        "kkt_delta", (), "1", "complementarity error δ of the margin problem", "LL20 Lemma C.8"
    ),
    SeriesSpec("theta", ("parameter",), "1", "all parameters θ, flattened", "KH24 §2"),
    SeriesSpec(
        "learning_rate_log", (), "1", "natural logarithm of the step size η", "LL20 App. K.1"
    ),
)
