"""Heavy ball (Polyak 1964): gradient descent whose step carries on a part of the step before."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.state import EngineState


@dataclass(frozen=True)
class MomentumRule(PlainRule):
    """v ← βv + ∇𝓛_B + λθ, θ ← θ − ηv, v = 0 at first, as `torch.optim.SGD(momentum=β, weight_decay=λ)` steps.

    Small steps follow gradient flow 1/(1 − β) times as fast as without momentum, so that η/(1 − β) of time
    passes. The memory `velocity` (P) holds v as θ's own kind of number: what underflows there moves no θ.
    """

    learning_rate: float
    momentum: float
    weight_decay: float = 0.0

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """Along −v by η."""
        gradient = torch.cat([g.reshape(-1) for g in at.gradients])
        if at.log_scale is not None:
            gradient *= at.log_scale.exp()
        gradient *= at.share
        if self.weight_decay:
            gradient += self.weight_decay * state.theta
        held = state.memory.get("velocity")
        if held is not None:
            gradient += self.momentum * torch.from_numpy(held).to(gradient)
        state.memory["velocity"] = gradient.cpu().numpy().copy()
        state.time += self.learning_rate / (1.0 - self.momentum)
        return Move(self.learning_rate, direction=-gradient)
