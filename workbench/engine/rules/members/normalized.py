"""JT20 §5 (Training) for M members: steps proportional to 1/𝓛, shortened when the update gets too long."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import torch

from workbench.arrays import Float
from workbench.engine.members import Members
from workbench.engine.rules.members.rule import (
    EvaluatedMembers,
    Moves,
    PlainMemberRule,
    scaled_down,
)


@dataclass(frozen=True, eq=False)
class NormalizedRules(PlainMemberRule):
    """`learning_rate` and `max_update` (M); see `rules.normalized.NormalizedRule`."""

    learning_rate: Float[np.ndarray, " M"]
    max_update: Float[np.ndarray, " M"]
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def move(self, members: Members, at: EvaluatedMembers) -> Moves:
        """rate e^{log_scale − log 𝓛_B}; at 𝓛_B = 0 a member stands still."""
        log_risk = at.log_risk()
        number = self.learning_rate * scaled_down(at.log_scale, log_risk)
        norms = torch.linalg.vector_norm(at.gradient, dim=1).cpu().double().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):
            length = number * norms
            shorter = np.where(length > 0.0, np.minimum(1.0, self.max_update / length), 1.0)
            log_rate = np.log(self.learning_rate * shorter) - log_risk - log(at.share)
            still = log_risk == -np.inf
            return Moves(np.where(still, 0.0, number * shorter), np.where(still, -np.inf, log_rate))
