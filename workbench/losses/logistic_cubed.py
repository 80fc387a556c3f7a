"""ℓ(q) = ln(1 + e^{−q³}) (LL20 §2 and Appendix A: f(q) = φ(q³), φ that of the logistic loss)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.losses import cube, softplus
from workbench.losses.binary import BinaryLoss, signed_weights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LogisticCubed(BinaryLoss):
    """ln(1 + e^{−q³}). K of (B3.4) is sup f'(y)/f'(θy) = 4 φ'(y³)/φ'(y³/8) at θ = ½, y³ = 3.0132: φ' and f'
    grow, so θ = ½ is the worst, and g' falls."""

    name: ClassVar[str] = "logistic-cubed"
    convex: ClassVar[bool] = False
    joined: ClassVar[bool] = False
    power: ClassVar[float] = cube.POWER
    growth: ClassVar[float] = 5.01427
    begin: ClassVar[float] = softplus.BEGIN
    log_separating: ClassVar[float] = softplus.LOG_AT_ZERO

    def log_loss(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log ln(1 + e^{−q³})."""
        return softplus.log_softplus(cube.cubed(q))

    def slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """3q² σ(−q³)."""
        # The root of σ goes with each q, as q² alone may be beyond a float.
        half = q * np.exp(-0.5 * np.logaddexp(0.0, cube.cubed(q)))
        return 3.0 * half * half

    def log_slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log 3q² + log σ(−q³)."""
        return cube.log_derivative(q) - np.logaddexp(0.0, cube.cubed(q))

    def weight(self, q: Float[np.ndarray, " n"], height: float) -> Float[np.ndarray, " n"]:
        """3q² σ(−q³)/𝓛, good where log 3q² is below the rounding of q³."""
        return 3.0 * q * q * np.exp(height - np.logaddexp(0.0, cube.cubed(q)))

    def bend(
        self, q: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], height: float
    ) -> Float[np.ndarray, " n"]:
        """ℓ'' = 9q⁴ σ(−q³) σ(q³) − 6q σ(−q³)."""
        s = cube.cubed(q)
        steep = weight * (3.0 * q * q) * np.exp(-np.logaddexp(0.0, -s))
        return steep - 6.0 * q * np.exp(height - np.logaddexp(0.0, s))

    def inverse(self, log_risk: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """(−log(e^𝓛 − 1))^{1/3}."""
        return cube.root(softplus.inverse(log_risk))

    def inverse_at(self, height: float) -> float:
        """(−log(e^𝓛 − 1))^{1/3}."""
        return float(np.cbrt(softplus.inverse_at(height)))

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """−y 3q² σ(−q³), scaled by the largest σ(−q³)."""
        from torch.nn.functional import logsigmoid

        q = y * outputs
        weights, top = signed_weights(logsigmoid(-(q * q * q)), y)
        return 3.0 * q * q * weights, top

    def log_loss_tensor(self, q: Tensor) -> Tensor:
        """log ln(1 + e^{−q³})."""
        return softplus.log_softplus_tensor(q * q * q)

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ ln(1 + e^{−q³})."""
        from torch.nn.functional import softplus as plus

        q = y * outputs
        return plus(-(q * q * q)).sum()
