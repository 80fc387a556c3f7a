"""What a risk says about the outputs, all of order one: weights, the constraints they stand on, curvature.

For the losses of a margin F = −log 𝓛 (summed) as a function of s_p, the margins of pairs p = (i, j):
s = y_iΦ_i for labels ±1, s = Φ_{y_i} − Φ_j for classes (LL20 App. F). With a_p = −∂ℓ/∂s_p, w_p = a_p/𝓛
and the bend b_p = ∂²ℓ/∂s_p²/𝓛 (logistic and cross-entropy: w_p, the rest of it being the last term),

    ∂F/∂s_p = w_p,   ∂²F/∂s_p∂s_r = −δ_pr b_p + w_p w_r + [same sample, joined] 𝓛 w_p w_r.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float, Int


@dataclass(frozen=True, eq=False)
class PairWeights:
    """`height` is F = −log 𝓛 of the summed risk; `toward` (n, …) is −∂/∂Φ of
    F's negative, that is ∂F/∂Φ (square: y − Φ). Pairs: `sample` (m), `weight` (m), `bend` (m) and the row's
    `cotangent` (m, …) in the outputs of its sample, so that s_p = cotangent·Φ(x_i). `square`: the
    derivatives are those of −𝓛, which is a sum over pairs.
    """

    height: float
    toward: Float[np.ndarray, "n ..."]
    sample: Int[np.ndarray, " m"]
    weight: Float[np.ndarray, " m"]
    bend: Float[np.ndarray, " m"]
    cotangent: Float[np.ndarray, "m ..."]
    joined: bool = False
    square: bool = False

    def core(self, pairs: Int[np.ndarray, " k"]) -> Float[np.ndarray, "k k"]:
        """Second derivatives of F (square: of −𝓛) in those pairs."""
        if self.square:
            return -np.diag(self.bend[pairs])
        w = self.weight[pairs]
        core = np.outer(w, w)
        if self.joined:
            same = self.sample[pairs][:, None] == self.sample[pairs][None, :]
            core += np.where(same, core * np.exp(-self.height), 0.0)
        core[np.diag_indices_from(core)] -= self.bend[pairs]
        return core
