"""Step rules: how far along −∇𝓛 a step goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class StepRule(Protocol):
    """θ ← θ − factor · gradient, where ∇𝓛 = exp(log_scale) · gradient."""

    def factor(self, log_scale: Tensor | None, extra: float) -> tuple[float, Tensor | None]:
        """A number, and a tensor of one number to multiply with it (None: one)."""
        ...

    def elapsed(self) -> float:
        """The flow time one step stands for."""
        ...


@dataclass(frozen=True)
class ConstantRule:
    """θ ← θ − η ∇𝓛 with a fixed learning rate η."""

    learning_rate: float

    def factor(self, log_scale: Tensor | None, extra: float) -> tuple[float, Tensor | None]:
        """η e^{log_scale}, `extra` being the constant part of the scale's logarithm."""
        from math import exp

        number = self.learning_rate * exp(extra)
        return number, None if log_scale is None else log_scale.exp()

    def elapsed(self) -> float:
        """η."""
        return self.learning_rate
