"""Losses that meet JT19's Assumption 1.1 and are none of the workbench's, as a user writes them."""

from __future__ import annotations

import torch
from torch import Tensor


class Reciprocal:
    """ℓ(q) = 1/(1 + q) for q ≥ 0, and its tangent 1 − q below: a polynomial tail."""

    labels = "binary"

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """ℓ (n)."""
        q = outputs * y
        return torch.where(q > 0, 1.0 / (1.0 + q.clamp(min=0.0)), 1.0 - q)


class Root:
    """ℓ(q) = √(1 + q²) − q, which falls like 1/(2q)."""

    labels = "binary"

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """ℓ (n), without cancellation for large q."""
        q = outputs * y
        root = torch.sqrt(1.0 + q * q)
        return torch.where(q > 0, 1.0 / (root + q.clamp(min=0.0)), root - q)


class Slow:
    """ℓ(q) = 1/ln(e + q) for q ≥ 0, and its tangent 1 − q/e below: slower than any power."""

    labels = "binary"

    def losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """ℓ (n)."""
        q = outputs * y
        e = float(torch.e)
        return torch.where(q > 0, 1.0 / torch.log(e + q.clamp(min=0.0)), 1.0 - q / e)


class Fast:
    """ln ℓ(q) = −q − q² for q ≥ 0 and −q below: faster than any exponential."""

    labels = "binary"

    def log_losses(self, outputs: Tensor, y: Tensor) -> Tensor:
        """ln ℓ (n)."""
        q = outputs * y
        return -q - q.clamp(min=0.0) ** 2
