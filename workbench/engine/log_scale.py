"""The logarithm of a gradient's scale: the largest weight of ∂𝓛/∂Φ, and what averaging the risk adds."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from workbench.losses.loss import Reduction


def reduction_log(reduction: Reduction, n: int) -> float:
    """log of the factor between the summed risk and the one trained on."""
    return -log(n) if reduction == "mean" else 0.0


def log_scale_of(top: Tensor | None, extra: float, like: Tensor) -> Tensor:
    """The whole logarithmic scale as a tensor of one number."""
    if top is None:
        return torch.full((), extra, dtype=like.dtype, device=like.device)
    return top + extra
