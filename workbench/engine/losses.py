"""∂𝓛/∂Φ in the log domain: a scale that may be 1e−100000 and weights that are of order one.

The risk itself is a measure (`measures/log_risk.py`); what a step needs is its gradient in the outputs,
as exp(log_scale) · weights. Autograd multiplies the weights only, so nothing underflows before the step.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

Cotangent = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]


def square(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    """∂/∂Φ ½(Φ − y)² = Φ − y; its scale is one (None)."""
    return outputs - y, None


def exponential(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    """∂/∂Φ e^{−yΦ} = −y e^{−q}, scaled by the largest."""
    return _signed(-y * outputs, y)


def logistic(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    """∂/∂Φ ln(1 + e^{−yΦ}) = −y σ(−q), scaled by the largest."""
    return _signed(logsigmoid(-y * outputs), y)


def _signed(log_size: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    top = log_size.max()
    return -y * (log_size - top).exp(), top


def cross_entropy(outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
    """∂/∂Φ_j = softmax_j − [j = y]; the label's entry is minus the sum of the others: no cancellation."""
    label = y.long()[:, None]
    log_size = log_softmax(outputs, dim=1).scatter(1, label, float("-inf"))
    top = log_size.max()
    weights = (log_size - top).exp()
    return weights.scatter(1, label, -weights.sum(dim=1, keepdim=True)), top


COTANGENTS: dict[str, Cotangent] = {
    "square": square,
    "exponential": exponential,
    "logistic": logistic,
    "cross-entropy": cross_entropy,
}


def reduction_log(reduction: str, n: int) -> float:
    """log of the factor between the summed risk and the one trained on."""
    return -log(n) if reduction == "mean" else 0.0


def log_scale_of(top: Tensor | None, extra: float, like: Tensor) -> Tensor:
    """The whole logarithmic scale as a tensor of one number."""
    if top is None:
        return torch.full((), extra, dtype=like.dtype, device=like.device)
    return top + extra
