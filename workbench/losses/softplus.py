"""ln(1 + e^{−q}) and its inverse as logarithms: what logistic loss, its cube and cross-entropy share."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Float

if TYPE_CHECKING:
    from torch import Tensor

LOG_AT_ZERO = float(np.log(np.log(2.0)))
"""log ln(1 + e^0)."""
GROWTH = 1.09443
"""K of LL20 (B3.4) for f = −log ln(1 + e^{−q}): sup f'(y)/f'(θy), at y = 1.8276, θ = ½."""
BEGIN = 0.7330259
"""b_g of (B3.4): max{2 f(0), f(0)}."""


def log_softplus(q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """log ln(1 + e^{−q}); for large q this is −q − e^{−q}/2 + O(e^{−2q})."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        small = np.exp(-np.abs(q))
        near = np.log(np.where(q > 0, np.log1p(small), np.log1p(small) - np.minimum(q, 0.0)))
        return np.where(q > 30.0, -q - small / 2.0, near)


def log_softplus_tensor(q: Tensor) -> Tensor:
    """The same of a tensor, on its device."""
    import torch

    small = (-q.abs()).exp()
    near = (small.log1p() - q.clamp(max=0.0)).log()
    return torch.where(q > 30.0, -q - small / 2.0, near)


def inverse(log_value: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The q with ln(1 + e^{−q}) = e^{log_value}: −log(e^𝓛 − 1) (LL20 Remark A.4)."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        value = np.exp(log_value)
        # log(e^𝓛 − 1) = log 𝓛 + 𝓛/2 + O(𝓛²) where 𝓛 is small, 𝓛 + log(1 − e^{−𝓛}) where it is not.
        near = value + np.log(-np.expm1(-value))
        return -np.where(log_value < -20.0, log_value + value / 2.0, near)


def inverse_at(height: float) -> float:
    """The same of one number F = −log_value ≥ ½, in the few operations that a step of the flow affords."""
    value = exp(-height)
    return height - value / 2.0 if height > 20.0 else -float(np.log(np.expm1(value)))
