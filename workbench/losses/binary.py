"""Losses of one margin q = yΦ with labels ±1: all of it from ℓ(q), ℓ'(q) and ℓ''(q)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float, Int
from workbench.losses.loss import Labels, MarginLoss
from workbench.losses.pairs import PairWeights

if TYPE_CHECKING:
    from torch import Tensor


class BinaryLoss(MarginLoss):
    """ℓ(q) for labels ±1. `joined`: whether 𝓛 weight² belongs to ℓ''/𝓛 beside `bend`."""

    labels: ClassVar[Labels] = "binary"
    joined: ClassVar[bool]

    @abstractmethod
    def log_loss(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log ℓ(q)."""

    @abstractmethod
    def slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−ℓ'(q) ≥ 0."""

    @abstractmethod
    def log_slope(self, q: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """log(−ℓ'(q))."""

    @abstractmethod
    def weight(self, q: Float[np.ndarray, " n"], height: float) -> Float[np.ndarray, " n"]:
        """−ℓ'(q)/𝓛, 𝓛 = e^{−height}."""

    @abstractmethod
    def bend(
        self, q: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], height: float
    ) -> Float[np.ndarray, " n"]:
        """ℓ''(q)/𝓛 where weight = −ℓ'(q)/𝓛 and 𝓛 = e^{−height}; without its part 𝓛 weight² if `joined`."""

    @abstractmethod
    def log_loss_tensor(self, q: Tensor) -> Tensor:
        """log ℓ(q), in operations that stay on their device."""

    def log_losses(
        self, outputs: Float[np.ndarray, "T n"], y: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "T n"]:
        """log ℓ(y_iΦ_i)."""
        return self.log_loss(y * outputs)

    def log_losses_tensor(self, outputs: Tensor, y: Tensor) -> Tensor:
        """log ℓ(y_iΦ_i)."""
        return self.log_loss_tensor(y * outputs)

    def residual(
        self, outputs: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """y · −ℓ'(yΦ)."""
        with np.errstate(over="ignore"):
            return np.asarray(y * self.slope(y * outputs))

    def scaled_residual(
        self, outputs: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """y e^{log(−ℓ') − max}."""
        log_z = self.log_slope(y * outputs)
        top = log_z.max()
        return np.asarray(y * np.exp(log_z - top)) if top > -np.inf else 0.0 * y

    def log_weights(
        self, margins: Float[np.ndarray, " M"], samples: Int[np.ndarray, " M"]
    ) -> Float[np.ndarray, " M"]:
        """log(−ℓ'(q_i)): a sample has one constraint."""
        del samples
        return self.log_slope(margins)

    def pair_weights(
        self, outputs: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
    ) -> PairWeights:
        """Every sample is a pair."""
        height = -float(self.log_risk(outputs[None], y, "sum")[0])
        s = y * outputs
        weight = self.weight(s, height)
        bend = self.bend(s, weight, height)
        return PairWeights(height, weight * y, np.arange(len(y)), weight, bend, y, self.joined)


def signed_weights(log_size: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The cotangent whose entries are −y e^{log_size}: over the largest, and that one's logarithm."""
    top = log_size.max()
    return -y * (log_size - top).exp(), top
