"""The risk as its logarithm: log 𝓛 = LSE_i log ℓ, good to 1e−100000 and beyond (THEORY: log domain)."""

from __future__ import annotations

from typing import Literal

import numpy as np

from workbench.arrays import Float

Loss = Literal["square", "logistic", "exponential", "cross-entropy"]
Reduction = Literal["sum", "mean"]


def log_sum_exp(a: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """log Σ_i e^{a_i} over the last axis; −∞ where every a_i is, NaN where one is."""
    top = np.max(a, axis=-1, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        total = np.sum(np.exp(a - safe), axis=-1)
        return np.asarray(np.log(total) + safe[..., 0])


def log_logistic(q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """log ln(1 + e^{−q}); for large q this is −q − e^{−q}/2 + O(e^{−2q})."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        small = np.exp(-np.abs(q))
        near = np.log(np.where(q > 0, np.log1p(small), np.log1p(small) - np.minimum(q, 0.0)))
        return np.where(q > 30.0, -q - small / 2.0, near)


def log_losses(
    outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, " n"], loss: Loss
) -> Float[np.ndarray, "T n"]:
    """log ℓ of every sample. Square: ½(Φ − y)²; the rest in terms of the margin q_i."""
    if loss == "square":
        with np.errstate(divide="ignore"):
            return 2.0 * np.log(np.abs(outputs - y)) - np.log(2.0)
    if loss == "exponential":
        return -(y * outputs)
    if loss == "logistic":
        return log_logistic(y * outputs)
    return log_logistic(-_log_odds_against(outputs, y))


def _log_odds_against(
    outputs: Float[np.ndarray, "T n C"], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "T n"]:
    """log Σ_{j≠y} e^{Φ_j − Φ_y}: cross-entropy is ln(1 + that exponential)."""
    label = y.astype(np.intp)
    index = np.broadcast_to(label[:, None], (*outputs.shape[:-1], 1))
    difference = outputs - np.take_along_axis(outputs, index, axis=-1)
    np.put_along_axis(difference, index, -np.inf, axis=-1)
    return log_sum_exp(difference)


def log_risk(
    outputs: Float[np.ndarray, "T n ..."],
    y: Float[np.ndarray, " n"],
    loss: Loss,
    reduction: Reduction,
) -> Float[np.ndarray, " T"]:
    """log 𝓛, natural, of the summed or averaged risk."""
    total = log_sum_exp(log_losses(outputs, y, loss))
    return total - np.log(y.shape[0]) if reduction == "mean" else total
