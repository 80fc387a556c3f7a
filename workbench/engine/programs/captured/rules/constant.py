"""θ ← θ − η (∇𝓛 + λθ) with a fixed learning rate η and weight decay λ of every member."""

from __future__ import annotations

from torch import Tensor

from workbench.engine.programs.captured.rules.rule import At, PlainDeviceRule, Step, scaled, times


class ConstantOnDevice(PlainDeviceRule):
    """`learning_rate` and `weight_decay` (M)."""

    def __init__(self, learning_rate: Tensor, weight_decay: Tensor) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.shrink = learning_rate * weight_decay
        self.decays = bool((weight_decay != 0.0).any())

    def step(self, at: At) -> Step:
        """η e^{log_scale}; time passes by η."""
        by = times(scaled(at), self.learning_rate * at.share)
        if self.decays:
            by = by + times(at.theta, self.shrink)
        return Step(by, time=self.learning_rate)
