"""Sample margins and what is made of the smallest (LL20 §2, §4.4; THEORY: margins)."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.losses.loss import MarginLoss


def sample_margins(
    outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "T n"]:
    """q_i = y_i Φ(x_i), or Φ_{y_i} − max_{j≠y_i} Φ_j where there is an output a class."""
    if outputs.ndim == 2:
        return y * outputs
    label = y.astype(np.intp)
    index = np.broadcast_to(label[:, None], (*outputs.shape[:-1], 1))
    own = np.take_along_axis(outputs, index, axis=-1)[..., 0]
    others = outputs.copy()
    np.put_along_axis(others, index, -np.inf, axis=-1)
    return own - others.max(axis=-1)


def margin_normalized(
    q: Float[np.ndarray, "T ..."], rho: Float[np.ndarray, " T"], order: float
) -> Float[np.ndarray, "T ..."]:
    """γ̄ = q/ρ^L, through logarithms as ρ^L may leave the floating-point range."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_rho = np.log(rho).reshape(-1, *([1] * (q.ndim - 1)))
        return np.where(q == 0, 0.0, np.sign(q) * np.exp(np.log(np.abs(q)) - order * log_rho))


def margins_median_normalized(q: Float[np.ndarray, "T n"]) -> Float[np.ndarray, "T n"]:
    """q_i over the median of the margins that are not negative (JT20 App. A, Margin plots), for networks
    without an order; NaN where no margin is positive."""
    found = np.full(q.shape, np.nan)
    for t, row in enumerate(q):
        counted = row[row >= 0]
        middle = float(np.median(counted)) if counted.size else 0.0
        if middle > 0:
            found[t] = row / middle
    return found


def margin_smoothed(
    log_risk_summed: Float[np.ndarray, " T"],
    rho: Float[np.ndarray, " T"],
    order: float,
    loss: MarginLoss,
) -> Float[np.ndarray, " T"]:
    """γ~ = ℓ^{-1}(𝓛)/ρ^L with the summed risk (LL20 eq. 5; App. A.1, F for logistic, cross-entropy)."""
    return margin_normalized(loss.inverse(log_risk_summed), rho, order)


def margin_multi(
    q_min: Float[np.ndarray, " T"],
    layer_norms: Float[np.ndarray, "T m"],
    orders: tuple[float, ...],
) -> Float[np.ndarray, " T"]:
    """γ̄_m = q_min/∏_k ρ_k^{k_k} (LL20 §4.4), the margin of a multi-homogeneous network."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_product = np.sum(np.log(layer_norms) * np.array(orders), axis=-1)
        return np.where(
            q_min == 0, 0.0, np.sign(q_min) * np.exp(np.log(np.abs(q_min)) - log_product)
        )


def accuracy(
    outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " T"]:
    """Share of samples with a positive margin; a tie counts as wrong."""
    return np.mean(sample_margins(outputs, y) > 0, axis=-1)
