"""What a risk says about the outputs, all of order one: weights, the constraints they stand on, curvature.

For the classifying losses F = −log 𝓛 (summed) as a function of s_p, the margins of pairs p = (i, j):
s = y_iΦ_i for labels ±1, s = Φ_{y_i} − Φ_j for classes (LL20 App. F). With a_p = −∂ℓ/∂s_p and
w_p = a_p/𝓛,

    ∂F/∂s_p = w_p,   ∂²F/∂s_p∂s_r = −δ_pr w_p + w_p w_r + [same sample, not exponential] 𝓛 w_p w_r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float, Int
from workbench.measures.log_risk import Loss, log_risk, log_sum_exp


@dataclass(frozen=True, eq=False)
class PairWeights:
    """`height` is F = −log 𝓛 of the summed risk; `toward` (n, …) is −∂/∂Φ of
    F's negative, that is ∂F/∂Φ (square: y − Φ). Pairs: `sample` (m), `weight` (m) and the row's
    `cotangent` (m, …) in the outputs of its sample, so that s_p = cotangent·Φ(x_i).
    """

    height: float
    toward: Float[np.ndarray, "n ..."]
    sample: Int[np.ndarray, " m"]
    weight: Float[np.ndarray, " m"]
    cotangent: Float[np.ndarray, "m ..."]
    joined: bool
    square: bool = False

    def core(self, pairs: Int[np.ndarray, " k"]) -> Float[np.ndarray, "k k"]:
        """Second derivatives of F (square: of −𝓛) in those pairs."""
        if self.square:
            return -np.eye(len(pairs))
        w = self.weight[pairs]
        core = np.outer(w, w)
        if self.joined:
            same = self.sample[pairs][:, None] == self.sample[pairs][None, :]
            core += np.where(same, core * np.exp(-self.height), 0.0)
        core[np.diag_indices_from(core)] -= w
        return core


def square_weights(outputs: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> PairWeights:
    """Residuals y − Φ: every sample is a pair of weight one."""
    n = len(y)
    height = -float(log_risk(outputs[None], y, "square", "sum")[0])
    return PairWeights(
        height, y - outputs, np.arange(n), np.ones(n), np.ones(n), joined=False, square=True
    )


def pair_weights(
    outputs: Float[np.ndarray, "n ..."], y: Float[np.ndarray, " n"], loss: Loss
) -> PairWeights:
    """Weights of the classifying losses, free of overflow and underflow for any outputs."""
    height = -float(log_risk(outputs[None], y, loss, "sum")[0])
    n = len(y)
    if loss == "cross-entropy":
        return _classes(outputs, y, height)
    s = y * outputs
    log_slope = -s if loss == "exponential" else -np.logaddexp(0.0, s)
    weight = np.exp(log_slope + height)
    return PairWeights(height, weight * y, np.arange(n), weight, y, joined=loss != "exponential")


def _classes(
    outputs: Float[np.ndarray, "n C"], y: Float[np.ndarray, " n"], height: float
) -> PairWeights:
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
    return PairWeights(height, toward, sample, weight[sample, other], cotangent, joined=True)
