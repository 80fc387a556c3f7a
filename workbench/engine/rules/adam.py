"""Adam (Kingma, Ba 2015, Algorithm 1), at gradients of any size: its moments are kept over a scale e^s."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
import torch

from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.state import LARGEST_LOG, EngineState


@dataclass(frozen=True)
class AdamRule(PlainRule):
    """m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − η m̂/(√v̂ + ε), m̂ and v̂ over 1 − βᵗ;
    g = ∇𝓛_B + λθ, as `torch.optim.Adam(weight_decay=λ)` has it.

    With ε = 0 a step is the same whatever the gradient's size, and a coordinate rests while its v is 0: one
    whose gradient has always been 0 is not moved, and 0/0 is 0. With ε > 0 steps shrink once the gradient is
    below ε, and end where it vanishes against it. A step lasts η, none where nothing moves.

    The memory, in float64: `moments` (2, P), m over e^s and v over e^{2s}; `moments_scale` (2), the number
    of steps and s. s is 0 for a loss without a scale, and with λ > 0; else it follows the gradient's, so that
    √v is of order one in its largest coordinate.
    """

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float = 0.0
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """The whole update as a direction, in torch.optim.Adam's order of operations."""
        gradient = torch.cat([g.reshape(-1) for g in at.gradients]).double() * at.share
        moments = state.memory.get("moments", np.zeros((2, gradient.numel())))
        first, second = torch.from_numpy(moments.copy()).to(gradient.device)
        count, scale = map(float, state.memory.get("moments_scale", (0.0, -inf)))
        count += 1.0
        now = 0.0
        if at.log_scale is not None:
            if not self.weight_decay:
                now = _scale(float(at.log_scale), scale, float(second.max()))
            gradient *= exp(min(float(at.log_scale) - now, LARGEST_LOG))
            kept = exp(min(scale - now, LARGEST_LOG))
            first *= kept
            second *= kept * kept
        if self.weight_decay:
            gradient += self.weight_decay * state.theta
        first.lerp_(gradient, 1.0 - self.beta1)
        second.mul_(self.beta2).addcmul_(gradient, gradient, value=1.0 - self.beta2)
        state.memory["moments"] = torch.stack([first, second]).cpu().numpy()
        state.memory["moments_scale"] = np.array([count, now])
        root = second.sqrt() / (1.0 - self.beta2**count) ** 0.5
        root += self.epsilon * exp(min(-now, LARGEST_LOG)) if self.epsilon else 0.0
        update = (first * (-self.learning_rate / (1.0 - self.beta1**count))) / root
        # What is no number goes into θ, where the engine sees it.
        update = torch.where(root == 0.0, 0.0, update)
        moves = bool((update != 0.0).any())
        log_rate = log(self.learning_rate) if moves else -inf
        return Move(1.0, log_rate=log_rate, direction=update.to(state.theta))


def _scale(log_scale: float, held: float, largest: float) -> float:
    """s: that of the gradient, or of the largest √v before it, whichever is larger."""
    return max(log_scale, held + 0.5 * log(largest)) if largest > 0.0 else log_scale
