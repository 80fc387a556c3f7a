"""ℓ(q) = e^{−q} (LL20 Remark A.1: f(q) = q)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.losses.binary import BinaryLoss, signed_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Exponential(BinaryLoss):
    """e^{−q}."""

    name: ClassVar[str] = "exponential"
    convex: ClassVar[bool] = True
    joined: ClassVar[bool] = False
    power: ClassVar[float] = 1.0
    growth: ClassVar[float] = 1.0
    begin: ClassVar[float] = 0.0
    log_separating: ClassVar[float] = 0.0

    def log_loss(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−q."""
        return -q

    def slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """e^{−q}."""
        return np.exp(-q)

    def log_slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−q."""
        return -q

    def weight(self, q: Float[np.ndarray, " n"], height: float) -> Float[np.ndarray, " n"]:
        """e^{−q}/𝓛."""
        return np.exp(-q + height)

    def bend(
        self, q: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], height: float
    ) -> Float[np.ndarray, " n"]:
        """ℓ'' = −ℓ'."""
        del q, height
        return weight

    def inverse(self, log_risk: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−log 𝓛."""
        return -log_risk

    def inverse_at(self, height: float) -> float:
        """F."""
        return height

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """−y e^{−q}, scaled by the largest."""
        return signed_weights(-y * outputs, y)

    def log_loss_tensor(self, q: Tensor) -> Tensor:
        """−q."""
        return -q

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ e^{−yΦ}."""
        return (-y * outputs).exp().sum()
