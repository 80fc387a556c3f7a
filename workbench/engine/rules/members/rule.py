"""Step rules for M members at once: the rules of `workbench.engine.rules` with an axis of members in front.

A member's numbers are those of its own rule up to rounding: norms and risks are sums over other layouts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from workbench.arrays import Bool, Float
from workbench.engine.members import Members
from workbench.protocol.events import Ending

LogRisks = Callable[[], Float[np.ndarray, " M"]]
"""log 𝓛 of every member."""
LARGEST_LOG = 709.0


@dataclass(frozen=True, eq=False)
class EvaluatedMembers:
    """Batches of b samples at the members' θ: ∇(the summed risk of member k) = exp(log_scale_k) · gradient_k.

    `gradient` (M, P); `log_scale` (M), 0 where the loss has none; the rest as in `rules.rule.Evaluated`.
    """

    gradient: Tensor
    log_scale: Float[np.ndarray, " M"]
    log_risk: LogRisks
    b: int
    share: float


@dataclass(frozen=True, eq=False)
class Moves:
    """θ_k ← θ_k − number_k · gradient_k; where there is a `direction` (M, P), θ_k + number_k · direction_k.
    Before either, θ_k is made shorter by the part `shrink` (M).

    `log_rate` (M) is log η, None where the flow's time is not kept as a logarithm; `time` (M) is what passes
    then.
    """

    number: Float[np.ndarray, " M"]
    log_rate: Float[np.ndarray, " M"] | None = None
    time: Float[np.ndarray, " M"] | None = None
    direction: Tensor | None = None
    shrink: Float[np.ndarray, " M"] | None = None


class MemberRule(Protocol):
    """The methods of `StepRule` for all members; those who rest are left alone."""

    @property
    def series(self) -> tuple[str, ...]:
        """The series it records besides those of every run."""
        ...

    def begin(self, members: Members, log_risk: LogRisks) -> None:
        """Before a step."""
        ...

    def move(self, members: Members, at: EvaluatedMembers) -> Moves:
        """The step to take."""
        ...

    def finish(self, members: Members, log_risk: LogRisks) -> Bool[np.ndarray, " M"] | None:
        """After a step; which members' θ it has put back, None: nobody's."""
        ...

    def ended(self, members: Members) -> tuple[Bool[np.ndarray, " M"], Ending] | None:
        """Which of those who go on the rule itself ends, and how; None: nobody."""
        ...


class PlainMemberRule:
    """A rule without memory or decisions."""

    series: tuple[str, ...] = ()

    def begin(self, members: Members, log_risk: LogRisks) -> None:
        """Nothing."""

    def finish(self, members: Members, log_risk: LogRisks) -> Bool[np.ndarray, " M"] | None:
        """Nobody's."""
        return None

    def ended(self, members: Members) -> tuple[Bool[np.ndarray, " M"], Ending] | None:
        """Never."""
        return None


def scaled_down(
    log_scale: Float[np.ndarray, " M"], log_by: Float[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """exp(log_scale − log_by): both may be −10^5, their difference is of order one."""
    difference = log_scale - log_by
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(difference < LARGEST_LOG, np.exp(difference), np.inf)
