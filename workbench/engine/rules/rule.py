"""Step rules: how far along −∇𝓛 a step goes, and what is decided after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp
from typing import Protocol

from torch import Tensor

from workbench.engine.state import EngineState
from workbench.protocol.events import Ending


@dataclass(frozen=True)
class Evaluated:
    """A batch of b samples at the present θ: ∇(its summed risk) = exp(log_scale) · gradients.

    `log_scale` None stands for a scale of one. `log_risk()` is log of its summed risk. `share` is by how
    much that sum is scaled to estimate the run's risk, 1/b or n/b as it is averaged or summed over n.
    """

    gradients: tuple[Tensor, ...]
    log_scale: Tensor | None
    log_risk: Callable[[], float]
    b: int
    share: float


@dataclass(frozen=True)
class Move:
    """θ ← θ − number · scale · gradients; `scale` is a tensor of one number, None: one. Where there is a
    `direction` (P): θ ← θ + number · direction. Before either, θ is made shorter by the part `shrink`.

    `log_rate` is log η, None where the flow's time is not kept as a logarithm.
    """

    number: float
    scale: Tensor | None = None
    log_rate: float | None = None
    direction: Tensor | None = None
    shrink: float = 0.0


class StepRule(Protocol):
    """What a rule remembers lies in `state.memory`, in arrays that are replaced, never written into."""

    @property
    def series(self) -> tuple[str, ...]:
        """The series it records besides those of every run."""
        ...

    def begin(self, state: EngineState, log_risk: Callable[[], float]) -> None:
        """Before a step; `log_risk()` is log 𝓛 of the whole risk at the present θ."""
        ...

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """The step to take."""
        ...

    def finish(self, state: EngineState, log_risk: Callable[[], float]) -> bool:
        """After a step, `state.step` being that of the state it led to; whether it restored the θ at the
        start of the epoch, with the full batch that before the step."""
        ...

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """Whether the rule itself ends the run, and why in a sentence."""
        ...


class PlainRule:
    """A rule without memory or decisions."""

    series: tuple[str, ...] = ()

    def begin(self, state: EngineState, log_risk: Callable[[], float]) -> None:
        """Nothing."""

    def finish(self, state: EngineState, log_risk: Callable[[], float]) -> bool:
        """Nothing."""
        return False

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """Never."""
        return None


@dataclass(frozen=True)
class ConstantRule(PlainRule):
    """θ ← θ − η (∇𝓛 + λθ) with a fixed learning rate η and weight decay λ."""

    learning_rate: float
    weight_decay: float = 0.0

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """η e^{log_scale}; time passes by η."""
        state.time += self.learning_rate
        scale = None if at.log_scale is None else at.log_scale.exp()
        shrink = self.learning_rate * self.weight_decay
        return Move(self.learning_rate * at.share, scale, shrink=shrink)


def scaled_down(log_scale: Tensor | None, log_by: float) -> float:
    """exp(log_scale − log_by) as a number: both may be −10^5, their difference is of order one."""
    top = 0.0 if log_scale is None else float(log_scale)
    difference = top - log_by
    return exp(difference) if difference < 709.0 else float("inf")
