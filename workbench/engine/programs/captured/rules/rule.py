"""Step rules as tensor code: the decisions of `engine/rules`, for M members at once, without a branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class At:
    """A batch of b samples at the present θ (M, P): ∇(its summed risk) = exp(log_scale) · gradient.

    `gradient` (M, P); `log_scale` (M), None: a scale of one. `log_risk` (M), log of the batch's summed
    risk, where the rule asks for it. `share`: by how much the sum is scaled to estimate the run's risk.
    """

    theta: Tensor
    gradient: Tensor
    log_scale: Tensor | None
    log_risk: Tensor | None
    b: int
    share: float


@dataclass(frozen=True)
class Step:
    """θ ← θ + by (M, P); `time` (M) passes, or `log_rate` (M) is its logarithm."""

    by: Tensor
    time: Tensor | None = None
    log_rate: Tensor | None = None


@dataclass(frozen=True)
class Reached:
    """What a step has led to: θ (M, P), log 𝓛 (M) with the run's reduction, log time (M), path (M)."""

    theta: Tensor
    log_risk: Tensor
    time_log: Tensor
    path: Tensor


@dataclass(frozen=True)
class TakenBack:
    """The members `which` (M) are where an epoch began: θ (M, P), log time (M), path (M)."""

    which: Tensor
    theta: Tensor
    time_log: Tensor
    path: Tensor


class DeviceRule(Protocol):
    """`memory` holds (M, …) tensors that stay where they are, named as in a checkpoint of the run.

    `of_batch`: whether a step needs the batch's risk. `of_epochs`: whether an epoch's end needs the whole
    risk, and may take the epoch back.
    """

    of_batch: bool
    of_epochs: bool
    memory: dict[str, Tensor]

    def hold(self, at: Reached, missing: frozenset[str]) -> None:
        """At a chunk's start, where the state remembers none of `missing`."""
        ...

    def step(self, at: At) -> Step:
        """The step to take."""
        ...

    def finish(self, reached: Reached, alive: Tensor) -> TakenBack:
        """At an epoch's end of the members that are `alive` (M): which of them it takes back."""
        ...

    def going_on(self) -> Tensor | None:
        """Which members (M) the rule lets go on; None: all, whatever happens."""
        ...


class PlainDeviceRule:
    """A rule that remembers nothing and takes nothing back."""

    of_batch = False
    of_epochs = False

    def __init__(self) -> None:
        self.memory: dict[str, Tensor] = {}

    def hold(self, at: Reached, missing: frozenset[str]) -> None:
        """Nothing."""

    def finish(self, reached: Reached, alive: Tensor) -> TakenBack:
        """None."""
        none = torch.zeros_like(alive)
        return TakenBack(none, reached.theta, reached.time_log, reached.path)

    def going_on(self) -> Tensor | None:
        """All."""
        return None


def scaled(at: At) -> Tensor:
    """The batch's gradient itself (M, P); 0 where it underflows."""
    return at.gradient if at.log_scale is None else at.gradient * wide(at.log_scale.exp())


def times(gradient: Tensor, number: Tensor) -> Tensor:
    """−number · gradient, number (M) rounded to the precision of θ."""
    return gradient * wide(-number).to(gradient.dtype)


def scaled_down(log_scale: Tensor | None, log_by: Tensor) -> Tensor:
    """exp(log_scale − log_by) (M) in float64: both may be −10^5, their difference is of order one."""
    top = torch.zeros_like(log_by) if log_scale is None else log_scale.double()
    return (top - log_by).exp()


def wide(numbers: Tensor) -> Tensor:
    """(M) as (M, 1)."""
    return numbers[:, None]


def stacked(numbers: list[float], device: torch.device) -> Tensor:
    """A setting of every member, (M)."""
    return torch.tensor(numbers, dtype=torch.float64, device=device)
