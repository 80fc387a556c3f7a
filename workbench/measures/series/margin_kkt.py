"""ε and δ of the margin problem (P) at every record: LL20 Lemma C.8's own certificate.

At θ~ = θ/q_min^{1/L}, with the multipliers λ_i = q_min^{1−2/L} ρ w_i/‖∇𝓛‖ and w_i = e^{−f(q_i)} f'(q_i),

    ε = ‖θ~ − Σ λ_i ∂q_i(θ~)‖ = ‖θ~‖ √(2 − 2β),   δ = max_i λ_i (q_i/q_min − 1),   β = cos(θ, −∇𝓛).

No gradients of single samples are needed. Several classes have a constraint for every sample and other
class (LL20 App. F). `theory.margin.kkt` has the same for one state, with the lemma's bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from workbench.arrays import Array, Float
from workbench.losses.loss import MarginLoss
from workbench.measures.panel import Measure, Records, SeriesSpec
from workbench.norms.l2 import L2

_SERIES = (
    SeriesSpec(
        "kkt_epsilon",
        (),
        "1",
        "stationarity error ε of the margin problem at θ/q_min^{1/L}, NaN unless separated",
        "LL20 Lemma C.8",
    ),
    SeriesSpec(
        "kkt_delta",
        (),
        "1",
        "complementarity error δ of the margin problem at θ/q_min^{1/L}, NaN unless separated",
        "LL20 Lemma C.8",
    ),
)


def constraints(
    outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, " n"], loss: MarginLoss
) -> tuple[Float[np.ndarray, "T M"], Float[np.ndarray, "T M"]]:
    """The constraints' margins, q_i or s_ij = Φ_{y_i} − Φ_j, and log w of each in the summed risk."""
    if outputs.ndim == 2:
        s = y * outputs
        return s, loss.log_weights(s, np.arange(s.size))
    count, n, classes = outputs.shape
    label = y.astype(np.intp)
    own = np.take_along_axis(outputs, np.broadcast_to(label[:, None], (count, n, 1)), axis=-1)
    other = np.arange(classes) != label[:, None]
    s = np.asarray((own - outputs)[:, other].reshape(-1))
    weights = loss.log_weights(s, np.repeat(np.arange(count * n), classes - 1))
    return s.reshape(count, -1), weights.reshape(count, -1)


def _margin_kkt(records: Records) -> Mapping[str, Array]:
    panel, rows = records.panel, records.rows
    order = panel.order
    if not isinstance(panel.loss, MarginLoss) or panel.random or not (order and order > 0):
        return {}
    log_gradient = records.grad_norm_log + panel.log_n
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        q, weights = constraints(rows.outputs, panel.y, panel.loss)
        log_q, log_rho = np.log(records.q_min), np.log(records.rho)
        exponent = (1.0 - 2.0 / order) * log_q + log_rho - log_gradient
        multipliers = np.exp(weights + exponent[:, None])
        delta = np.max(multipliers * (q / records.q_min[:, None] - 1.0), axis=1)
        # √(2 − 2β) as the chord between the two directions: near β = 1 the cosine has lost it.
        chord = L2().norm(records.directions[0] + records.directions[1])
        epsilon = np.exp(log_rho - log_q / order) * chord
    known = (records.q_min > 0) & np.isfinite(log_gradient)
    return {
        "kkt_epsilon": np.where(known, epsilon, np.nan),
        "kkt_delta": np.where(known, delta, np.nan),
    }


MARGIN_KKT = Measure(_SERIES, _margin_kkt)
