"""JT19 Assumption 3.5: steps as long as the smoothness of a deep linear network's risk proves safe."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.engine.programs.captured.rules.rule import (
    At,
    PlainDeviceRule,
    Reached,
    Step,
    scaled,
    times,
)
from workbench.engine.rules.smoothness import LOGISTIC_LIPSCHITZ, LOGISTIC_SMOOTH


class SmoothnessOnDevice(PlainDeviceRule):
    """`layers`: where each W_k lies in θ. `longest` (M): X = max_i ‖x_i‖. Memory: `radius` (M, 1), R_t."""

    def __init__(self, layers: tuple[slice, ...], longest: Tensor) -> None:
        super().__init__()
        self.layers = layers
        depth, reach = len(layers), longest.clamp(min=1.0)
        slopes = LOGISTIC_SMOOTH * reach**2 + LOGISTIC_LIPSCHITZ * reach
        self.first, self.power = (2.0 * depth**2 * slopes).log(), 2.0 * depth - 2.0
        self.radius = longest.new_zeros(len(longest), 1)
        self.memory = {"radius": self.radius}

    def hold(self, at: Reached, missing: frozenset[str]) -> None:
        """Without a radius the smallest one; every step raises it to what it needs."""
        if missing:
            self.radius.zero_()

    def step(self, at: At) -> Step:
        """η e^{log_scale}, η = min{1/β(R_t), 1} with W(t) ∈ B(R_t − 1)."""
        norms = [torch.linalg.vector_norm(at.theta[:, part], dim=1) for part in self.layers]
        needed = torch.stack(norms).amax(dim=0).double() + 1.0
        self.radius[:, 0].copy_(torch.maximum(self.radius[:, 0], needed))
        log_rate = -(self.first + self.power * self.radius[:, 0].log()).clamp(min=0.0)
        return Step(times(scaled(at), log_rate.exp() * at.share), log_rate=log_rate)
