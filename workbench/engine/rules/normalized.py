"""JT20 §5 (Training): steps proportional to 1/𝓛, shortened when the update gets too long."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import torch

from workbench.engine.rules.rule import Evaluated, Move, PlainRule, scaled_down
from workbench.engine.state import EngineState


@dataclass(frozen=True)
class NormalizedRule(PlainRule):
    """θ ← θ − η ∇𝓛_B, η = rate/𝓛_B of the batch at hand, that is θ ← θ − rate ∇log 𝓛_B.

    Where ‖Δθ‖ would be more than `max_update`, the step is shortened to it. At 𝓛_B = 0 it rests.
    """

    learning_rate: float
    max_update: float
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """rate e^{log_scale − log 𝓛_B}; log η = log rate − log 𝓛, 𝓛 as the batch estimates it."""
        log_risk = at.log_risk()
        if log_risk == -inf:
            return Move(0.0, log_rate=-inf)
        number = self.learning_rate * scaled_down(at.log_scale, log_risk)
        norms = torch.stack(torch._foreach_norm(at.gradients))
        length = number * float(norms.square().sum().sqrt())
        shorter = min(1.0, self.max_update / length) if length > 0.0 else 1.0
        log_rate = log(self.learning_rate * shorter) - log_risk - log(at.share)
        return Move(number * shorter, log_rate=log_rate)
