"""ℓ(Φ, y) = ½‖Φ − y‖², the loss of labels, or targets of several numbers, that are to be met (KH24)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float
from workbench.losses.log_sum import log_sum_exp
from workbench.losses.loss import Labels, Loss
from workbench.losses.pairs import PairWeights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Square(Loss):
    """½‖Φ − y‖² of outputs and labels (n), or outputs and targets (n, k)."""

    name: ClassVar[str] = "square"
    labels: ClassVar[Labels] = "real"
    convex: ClassVar[bool] = True

    def log_losses(
        self, outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "T n"]:
        """2 log‖Φ − y‖ − log 2."""
        with np.errstate(divide="ignore"):
            log_squares = 2.0 * np.log(np.abs(outputs - y))
        if y.ndim == 2:
            log_squares = log_sum_exp(log_squares)
        return log_squares - np.log(2.0)

    def residual(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "n ..."]:
        """y − Φ; y at the origin."""
        return y - outputs

    def scaled_residual(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "n ..."]:
        """(y − Φ) over its largest."""
        z = y - outputs
        top = np.abs(z).max()
        return np.asarray(z / top) if top > 0.0 else z

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """Φ − y; its scale is one (None)."""
        return outputs - y, None

    def log_losses_tensor(self, outputs: Tensor, y: Tensor) -> Tensor:
        """2 log‖Φ − y‖ − log 2."""
        log_squares = 2.0 * (outputs - y).abs().log()
        if y.ndim == 2:
            log_squares = log_squares.logsumexp(dim=1)
        return log_squares - log(2.0)

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ ½‖Φ − y‖²."""
        return 0.5 * (outputs - y).square().sum()

    def pair_weights(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> PairWeights:
        """Residuals y − Φ: every number of a target is a pair of weight one."""
        height = -float(self.log_risk(outputs[None], y, "sum")[0])
        one = np.ones(y.size)
        sample, cotangent = np.arange(len(y)), one
        if y.ndim == 2:
            n, k = y.shape
            sample, cotangent = np.repeat(sample, k), np.tile(np.eye(k), (n, 1))
        return PairWeights(height, y - outputs, sample, one, one, cotangent, square=True)
