"""What a loss is to the rest: its logarithm, its slope, what a step and the theory need of it.

A `Loss` is a value without state; `registry.loss_of` gives the one that a configuration names. A
`MarginLoss` falls with the margins, and the late phase's theory (LL20) is about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from workbench.arrays import Float, Int
from workbench.losses.log_sum import log_sum_exp
from workbench.losses.pairs import PairWeights

if TYPE_CHECKING:
    from torch import Tensor

Reduction = Literal["sum", "mean"]
Labels = Literal["real", "binary", "classes"]


class Loss(ABC):
    """ℓ(Φ, y) of one sample; outputs are (n), or (n, C) where there is an output a class, or as y where that
    is k targets a sample (n, k).

    `labels`: numbers to be met, ±1, or classes 0..C−1. `convex`: whether ℓ is convex in the outputs.
    """

    name: ClassVar[str]
    labels: ClassVar[Labels]
    convex: ClassVar[bool]

    @property
    def key(self) -> str:
        """How a configuration names it, for a sentence."""
        return f"loss.kind '{self.name}'"

    @property
    def regression(self) -> bool:
        """Whether labels are values to be met, not sides to be on."""
        return self.labels == "real"

    def outputs(self, y: Float[np.ndarray, "n ..."]) -> int:
        """How many outputs a network needs for these labels: C, k for targets (n, k), or 1."""
        if y.ndim == 2:
            return int(y.shape[1])
        return int(y.max()) + 1 if self.labels == "classes" else 1

    @abstractmethod
    def log_losses(
        self, outputs: Float[np.ndarray, "T n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "T n"]:
        """log ℓ of every sample, natural."""

    def log_risk(
        self,
        outputs: Float[np.ndarray, "T n ..."],
        y: Float[np.ndarray, "n ..."],
        reduction: Reduction,
    ) -> Float[np.ndarray, " T"]:
        """log 𝓛 = LSE_i log ℓ, natural, of the summed or averaged risk."""
        total = log_sum_exp(self.log_losses(outputs, y))
        return total - np.log(y.shape[0]) if reduction == "mean" else total

    def log_risk_at_zero(
        self, shape: tuple[int, ...], y: Float[np.ndarray, "n ..."], reduction: Reduction
    ) -> float:
        """log 𝓛 of the network that outputs 0, its outputs being of that shape, (n) or (n, C)."""
        return float(self.log_risk(np.zeros((1, *shape)), y, reduction)[0])

    @abstractmethod
    def residual(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "n ..."]:
        """z = −∂ℓ/∂Φ, what small neurons correlate with (KH24 Lemma 5.2, Theorem 5.5)."""

    @abstractmethod
    def scaled_residual(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> Float[np.ndarray, "n ..."]:
        """z over its largest |z_i|, for margins of any size: z itself is below a float from e^{−745} on.

        The KKT points of the correlation function are those of z. 0 where all of z is 0.
        """

    @abstractmethod
    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """∂𝓛/∂Φ of the summed risk as (weights, log scale): exp(log scale) · weights, None for a scale of 1.

        The weights are of order one where the scale may be 1e−100000; autograd multiplies them only, so
        nothing underflows before the step.
        """

    @abstractmethod
    def log_losses_tensor(self, outputs: Tensor, y: Tensor) -> Tensor:
        """log ℓ of every sample (n), natural, of outputs (n) or (n, C), in operations that stay on their
        device."""

    def log_risk_tensor(self, outputs: Tensor, y: Tensor) -> Tensor:
        """log of the summed risk, natural, as a tensor of one number, which stays on its device."""
        return self.log_losses_tensor(outputs, y).logsumexp(dim=0)

    @abstractmethod
    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The summed risk as a number that can be differentiated twice."""

    @abstractmethod
    def pair_weights(
        self, outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, "n ..."]
    ) -> PairWeights:
        """What the summed risk says about the outputs, free of overflow and underflow for any outputs."""


class MarginLoss(Loss):
    """A loss ℓ = e^{−f(q)} that falls with the margins (LL20 Appendix A, (B3); F for classes).

    `power`: f grows like q^power. `growth`, `begin`: K and b_g of (B3.4), for b_f = 0, which Lemma C.8
    is about. `log_separating`: log ℓ(b_f); a summed risk below it has every margin above 0 (B4).
    """

    power: ClassVar[float]
    growth: ClassVar[float]
    begin: ClassVar[float]
    log_separating: ClassVar[float]

    @abstractmethod
    def inverse(self, log_risk: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """ℓ⁻¹(𝓛) = γ~ρ^L of the summed risk (LL20 eq. 5, Definition A.3)."""

    @abstractmethod
    def inverse_at(self, height: float) -> float:
        """ℓ⁻¹(𝓛) of one risk, F = −log 𝓛 ≥ ½."""

    @abstractmethod
    def log_weights(
        self, margins: Float[np.ndarray, " M"], samples: Int[np.ndarray, " M"]
    ) -> Float[np.ndarray, " M"]:
        """log of the weight of ∂q_i in −∇𝓛 of the summed risk, log(e^{−f(q_i)} f'(q_i)).

        `samples` (M): the sample i of every constraint, of which classes have several (LL20 App. F).
        """
