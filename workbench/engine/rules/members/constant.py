"""Fixed learning rates, one a member."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.engine.members import Members
from workbench.engine.rules.members.rule import EvaluatedMembers, Moves, PlainMemberRule


@dataclass(frozen=True, eq=False)
class ConstantRules(PlainMemberRule):
    """θ ← θ − η (∇𝓛 + λθ) with η and λ (M); see `rules.rule.ConstantRule`."""

    learning_rate: Float[np.ndarray, " M"]
    weight_decay: Float[np.ndarray, " M"]

    def move(self, members: Members, at: EvaluatedMembers) -> Moves:
        """η e^{log_scale}; time passes by η."""
        number = self.learning_rate * at.share * np.exp(at.log_scale)
        shrink = self.learning_rate * self.weight_decay
        return Moves(number, time=self.learning_rate, shrink=shrink if shrink.any() else None)
