"""θ ← θ − η ∇𝓛 with a fixed learning rate η of every member."""

from __future__ import annotations

from torch import Tensor

from workbench.engine.programs.captured.rules.rule import At, PlainDeviceRule, Step, scaled, times


class ConstantOnDevice(PlainDeviceRule):
    """`learning_rate` (M)."""

    def __init__(self, learning_rate: Tensor) -> None:
        super().__init__()
        self.learning_rate = learning_rate

    def step(self, at: At) -> Step:
        """η e^{log_scale}; time passes by η."""
        return Step(times(scaled(at), self.learning_rate * at.share), time=self.learning_rate)
