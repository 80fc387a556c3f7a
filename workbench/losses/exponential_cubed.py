"""ℓ(q) = e^{−q³} (LL20 §2 and Appendix A: f(q) = q³, g(x) = x^{1/3})."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.losses import cube
from workbench.losses.binary import BinaryLoss, signed_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ExponentialCubed(BinaryLoss):
    """e^{−q³}. K of (B3.4) is sup f'(y)/f'(θy) = 1/θ² at θ = ½; g' falls."""

    name: ClassVar[str] = "exponential-cubed"
    convex: ClassVar[bool] = False
    joined: ClassVar[bool] = False
    power: ClassVar[float] = cube.POWER
    growth: ClassVar[float] = 4.0
    begin: ClassVar[float] = 0.0
    log_separating: ClassVar[float] = 0.0

    def log_loss(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−q³."""
        return -cube.cubed(q)

    def slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """3q² e^{−q³}."""
        # The root of e^{−q³} goes with each q, as q² alone may be beyond a float.
        half = q * np.exp(-0.5 * cube.cubed(q))
        return 3.0 * half * half

    def log_slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log 3q² − q³."""
        return cube.log_derivative(q) - cube.cubed(q)

    def weight(self, q: Float[np.ndarray, " n"], height: float) -> Float[np.ndarray, " n"]:
        """3q² e^{−q³}/𝓛, good where log 3q² is below the rounding of q³."""
        return 3.0 * q * q * np.exp(height - cube.cubed(q))

    def bend(
        self, q: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], height: float
    ) -> Float[np.ndarray, " n"]:
        """ℓ'' = (9q⁴ − 6q) e^{−q³}."""
        return weight * (3.0 * q * q) - 6.0 * q * np.exp(height - cube.cubed(q))

    def inverse(self, log_risk: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """(−log 𝓛)^{1/3}."""
        return cube.root(-log_risk)

    def inverse_at(self, height: float) -> float:
        """F^{1/3}."""
        return float(np.cbrt(height))

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """−y 3q² e^{−q³}, scaled by the largest e^{−q³}."""
        q = y * outputs
        weights, top = signed_weights(-(q * q * q), y)
        return 3.0 * q * q * weights, top

    def log_loss_tensor(self, q: Tensor) -> Tensor:
        """−q³."""
        return -(q * q * q)

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ e^{−q³}."""
        q = y * outputs
        return (-(q * q * q)).exp().sum()
