"""JT19 Assumption 3.5: steps as long as the smoothness of a deep linear network's risk proves safe.

On B(R) = {‖W_k‖_F ≤ R for all k}, R ≥ 1, the averaged risk is β(R)-smooth, β(R) = 2L²R^{2L−2}(β + G), for a
loss that is β-smooth and G-Lipschitz and ‖x_i‖ ≤ 1 (Lemma 3.2). With η = min{1/β(R_t), 1} a step is at most 1
long in every layer (C.6), so that from B(R_t − 1) it stays in B(R_t), all the way, and 𝓛 falls by at least
η‖∇𝓛‖²/2 (3.3).

Inputs longer than 1 (not in the paper): with X = max_i ‖x_i‖ the same proof gives βX² + GX for β + G.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import numpy as np
import torch

from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.state import EngineState

LOGISTIC_SMOOTH, LOGISTIC_LIPSCHITZ = 0.25, 1.0
"""β = sup |ℓ''| and G = sup |ℓ'| of ln(1 + e^{−q})."""


@dataclass(frozen=True)
class SmoothnessRule(PlainRule):
    """θ ← θ − η ∇𝓛, η = min{1/β(R_t), 1}, for the averaged logistic risk.

    `layers`: where each W_k lies in θ. `longest`: X = max_i ‖x_i‖. The memory `radius` (1) holds R_t, which
    the search only raises: R_{t+1} = max(R_t, max_k ‖W_k(t+1)‖_F + 1).
    """

    layers: tuple[slice, ...]
    longest: float
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def begin(self, state: EngineState, log_risk: Callable[[], float]) -> None:
        """The smallest R_t that the assumption allows: W(t) ∈ B(R_t − 1)."""
        norms = torch.stack([torch.linalg.vector_norm(state.theta[part]) for part in self.layers])
        needed = float(norms.max()) + 1.0
        radius = state.memory.get("radius")
        if radius is None or needed > radius[0]:
            state.memory["radius"] = np.array([needed])

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """η e^{log_scale}."""
        log_rate = self.log_rate(float(state.memory["radius"][0]))
        scale = None if at.log_scale is None else at.log_scale.exp()
        return Move(float(np.exp(log_rate)) * at.share, scale, log_rate=log_rate)

    def log_rate(self, radius: float) -> float:
        """log min{1/β(R), 1}."""
        return min(0.0, -(self.log_smooth + self.power * log(radius)))

    @property
    def log_smooth(self) -> float:
        """log β(1)."""
        reach = max(1.0, self.longest)
        slopes = LOGISTIC_SMOOTH * reach**2 + LOGISTIC_LIPSCHITZ * reach
        return log(2.0 * len(self.layers) ** 2 * slopes)

    @property
    def power(self) -> float:
        """Of R in β(R)."""
        return 2.0 * len(self.layers) - 2.0
