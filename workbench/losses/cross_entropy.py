"""ℓ(Φ, y) = −log softmax_y(Φ) = ln(1 + Σ_{j≠y} e^{Φ_j − Φ_y}), an output a class (LL20 Appendix F)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from workbench.arrays import Float, Int
from workbench.losses import softplus
from workbench.losses.log_sum import log_sum_exp
from workbench.losses.loss import Labels, MarginLoss
from workbench.losses.pairs import PairWeights

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CrossEntropy(MarginLoss):
    """Of C ≥ 2 classes; the logistic loss of q = −log Σ_{j≠y} e^{Φ_j − Φ_y}, whose constants it has."""

    name: ClassVar[str] = "cross-entropy"
    labels: ClassVar[Labels] = "classes"
    convex: ClassVar[bool] = True
    power: ClassVar[float] = 1.0
    growth: ClassVar[float] = softplus.GROWTH
    begin: ClassVar[float] = softplus.BEGIN
    log_separating: ClassVar[float] = softplus.LOG_AT_ZERO

    def log_losses(
        self, outputs: Float[np.ndarray, "T n C"], y: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "T n"]:
        """log ln(1 + e^{−q})."""
        return softplus.log_softplus(-_log_odds_against(outputs, y))

    def residual(
        self, outputs: Float[np.ndarray, "n C"], y: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n C"]:
        """Label minus softmax, by class."""
        top = outputs.max(axis=1, keepdims=True)
        chance = np.exp(outputs - top)
        chance /= chance.sum(axis=1, keepdims=True)
        label = np.zeros_like(chance)
        label[np.arange(len(y)), y.astype(np.intp)] = 1.0
        return label - chance

    def scaled_residual(
        self, outputs: Float[np.ndarray, "n C"], y: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n C"]:
        """The same over its largest entry, which is a label's: minus the sum of the others."""
        label = y.astype(np.intp)
        rows = np.arange(len(label))
        log_share = outputs - log_sum_exp(outputs)[:, None]
        log_share[rows, label] = -np.inf
        top = log_sum_exp(log_share).max()
        z = -np.exp(log_share - top)
        z[rows, label] = -z.sum(axis=1)
        return z

    def cotangent(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """softmax_j − [j = y]; the label's entry is minus the sum of the others: no cancellation."""
        from torch.nn.functional import log_softmax

        label = y.long()[:, None]
        log_size = log_softmax(outputs, dim=1).scatter(1, label, float("-inf"))
        top = log_size.max()
        weights = (log_size - top).exp()
        return weights.scatter(1, label, -weights.sum(dim=1, keepdim=True)), top

    def log_losses_tensor(self, outputs: Tensor, y: Tensor) -> Tensor:
        """log ln(1 + e^{−q})."""
        label = y.long()[:, None]
        difference = outputs - outputs.gather(1, label)
        against = difference.scatter(1, label, float("-inf")).logsumexp(dim=1)
        return softplus.log_softplus_tensor(-against)

    def risk(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Σ −log softmax_y."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, y.long(), reduction="sum")

    def inverse(self, log_risk: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """−log(e^𝓛 − 1)."""
        return softplus.inverse(log_risk)

    def inverse_at(self, height: float) -> float:
        """−log(e^𝓛 − 1)."""
        return softplus.inverse_at(height)

    def log_weights(
        self, margins: Float[np.ndarray, " M"], samples: Int[np.ndarray, " M"]
    ) -> Float[np.ndarray, " M"]:
        """−s_ij − log(1 + Σ_k e^{−s_ik}) of the constraint (i, j)."""
        total = np.zeros(int(samples.max()) + 1)
        np.logaddexp.at(total, samples, -margins)
        return -margins - total[samples]

    def pair_weights(
        self, outputs: Float[np.ndarray, "n C"], y: Float[np.ndarray, " n"]
    ) -> PairWeights:
        """A pair (i, j) for every class j ≠ y_i."""
        height = -float(self.log_risk(outputs[None], y, "sum")[0])
        n, c = outputs.shape
        label = y.astype(np.intp)
        log_share = outputs - log_sum_exp(outputs)[:, None]
        others = np.arange(c)[None, :] != label[:, None]
        sample, other = np.nonzero(others)
        weight = np.exp(np.where(others, log_share + height, -np.inf))
        toward = -weight
        toward[np.arange(n), label] = weight.sum(axis=1)
        cotangent = np.zeros((len(sample), c))
        cotangent[np.arange(len(sample)), label[sample]] = 1.0
        cotangent[np.arange(len(sample)), other] = -1.0
        pair = weight[sample, other]
        return PairWeights(height, toward, sample, pair, pair, cotangent, joined=True)


def _log_odds_against(
    outputs: Float[np.ndarray, "T n C"], y: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "T n"]:
    """log Σ_{j≠y} e^{Φ_j − Φ_y}: cross-entropy is ln(1 + that exponential)."""
    label = y.astype(np.intp)
    index = np.broadcast_to(label[:, None], (*outputs.shape[:-1], 1))
    difference = outputs - np.take_along_axis(outputs, index, axis=-1)
    np.put_along_axis(difference, index, -np.inf, axis=-1)
    return log_sum_exp(difference)
