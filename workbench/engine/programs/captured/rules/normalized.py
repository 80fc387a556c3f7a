"""JT20 §5 (Training): steps proportional to 1/𝓛, shortened when the update gets too long."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from workbench.engine.programs.captured.rules.rule import (
    At,
    PlainDeviceRule,
    Step,
    scaled_down,
    times,
)


class NormalizedOnDevice(PlainDeviceRule):
    """θ ← θ − rate ∇log 𝓛_B, at most `max_update` long; `learning_rate` and `max_update` (M)."""

    of_batch = True

    def __init__(self, learning_rate: Tensor, max_update: Tensor) -> None:
        super().__init__()
        self.learning_rate, self.max_update = learning_rate, max_update
        self.one = torch.ones_like(learning_rate)

    def step(self, at: At) -> Step:
        """rate e^{log_scale − log 𝓛_B}; at 𝓛_B = 0 it rests."""
        assert at.log_risk is not None
        rests = at.log_risk == -torch.inf
        number = self.learning_rate * scaled_down(at.log_scale, at.log_risk)
        size = torch.linalg.vector_norm(at.gradient, dim=1).double()
        length = number * size
        shorter = torch.where(
            length > 0.0, torch.minimum(self.one, self.max_update / length), self.one
        )
        log_rate = (self.learning_rate * shorter).log() - at.log_risk - log(at.share)
        number = (number * shorter).masked_fill(rests, 0.0)
        return Step(times(at.gradient, number), log_rate=log_rate.masked_fill(rests, -torch.inf))
