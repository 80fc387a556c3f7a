"""ℓ(q) = ln(1 + e^{−q}) (LL20 Remark A.2: f(q) = −log ln(1 + e^{−q}))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.losses import softplus
from workbench.losses.binary import BinaryLoss, signed_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Logistic(BinaryLoss):
    """ln(1 + e^{−q})."""

    name: ClassVar[str] = "logistic"
    convex: ClassVar[bool] = True
    joined: ClassVar[bool] = True
    power: ClassVar[float] = 1.0
    growth: ClassVar[float] = softplus.GROWTH
    begin: ClassVar[float] = softplus.BEGIN
    log_separating: ClassVar[float] = softplus.LOG_AT_ZERO

    def log_loss(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log ln(1 + e^{−q})."""
        return softplus.log_softplus(q)

    def slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """σ(−q)."""
        return np.exp(-np.logaddexp(0.0, q))

    def log_slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log σ(−q)."""
        return -np.logaddexp(0.0, q)

    def weight(self, q: Float[np.ndarray, " n"], height: float) -> Float[np.ndarray, " n"]:
        """σ(−q)/𝓛."""
        return np.exp(-np.logaddexp(0.0, q) + height)

    def bend(
        self, q: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], height: float
    ) -> Float[np.ndarray, " n"]:
        """σ(−q), the rest of ℓ'' = σ(−q) − σ(−q)² being joined."""
        del q, height
        return weight

    def inverse(self, log_risk: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−log(e^𝓛 − 1)."""
        return softplus.inverse(log_risk)

    def inverse_at(self, height: float) -> float:
        """−log(e^𝓛 − 1)."""
        return softplus.inverse_at(height)

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """−y σ(−q), scaled by the largest."""
        from torch.nn.functional import logsigmoid

        return signed_weights(logsigmoid(-y * outputs), y)

    def log_loss_tensor(self, q: Tensor) -> Tensor:
        """log ln(1 + e^{−q})."""
        return softplus.log_softplus_tensor(q)

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ ln(1 + e^{−yΦ})."""
        from torch.nn.functional import softplus as plus

        return plus(-y * outputs).sum()
