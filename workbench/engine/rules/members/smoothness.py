"""JT19 Assumption 3.5 for M members: steps as long as the smoothness of each one's network proves safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from workbench.engine.members import Members
from workbench.engine.rules.members.rule import (
    EvaluatedMembers,
    LogRisks,
    Moves,
    PlainMemberRule,
)
from workbench.engine.rules.smoothness import SmoothnessRule


@dataclass(frozen=True, eq=False)
class SmoothnessRules(PlainMemberRule):
    """`each`: every member's `SmoothnessRule`, whose inputs may be of other lengths. Memory: as there."""

    each: Sequence[SmoothnessRule]
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def begin(self, members: Members, log_risk: LogRisks) -> None:
        """The smallest R_t that the assumption allows: W(t) ∈ B(R_t − 1)."""
        norms = [
            torch.linalg.vector_norm(members.theta[:, part], dim=1) for part in self.each[0].layers
        ]
        needed = torch.stack(norms).amax(dim=0).cpu().double().numpy()[:, None] + 1.0
        radius = members.memory.get("radius", np.zeros_like(needed))
        raised = members.going[:, None] & (needed > radius)
        members.memory["radius"] = np.where(raised, needed, radius)

    def move(self, members: Members, at: EvaluatedMembers) -> Moves:
        """η e^{log_scale}."""
        radius = members.memory["radius"][:, 0]
        log_rate = np.array(
            [rule.log_rate(float(r)) for rule, r in zip(self.each, radius, strict=True)]
        )
        return Moves(np.exp(log_rate + at.log_scale) * at.share, log_rate)
