"""LL20 App. K.1: the loss-based learning rate, as `engine/rules/loss_based.py` has it, for M members."""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.engine.programs.captured.rules.rule import (
    At,
    Reached,
    Step,
    TakenBack,
    scaled_down,
    times,
    wide,
)
from workbench.engine.rules.loss_based import ALPHA, LOG_RISK, LOWER, RAISE, REFUSED, TIME_LOG


class LossBasedOnDevice:
    """`alpha`, `floor` and `log_n` (M) as in `LossBasedRule`; so are the names in `memory`."""

    of_batch = False
    of_epochs = True

    def __init__(self, alpha: Tensor, floor: Tensor, log_n: Tensor, theta: Tensor) -> None:
        self.alpha, self.floor, self.log_n = alpha, floor, log_n
        self.search = alpha.new_zeros(len(alpha), 4)
        self.held = torch.empty_like(theta)
        self.path = alpha.new_zeros(len(alpha), 1)
        self.memory = {"search": self.search, "held": self.held, "path": self.path}

    def hold(self, at: Reached, missing: frozenset[str]) -> None:
        """Where nothing is held (the first step, or θ was moved by hand), hold θ and its risk."""
        if "search" in missing:
            self.search.zero_()
            self.search[:, ALPHA].copy_(self.alpha)
        if "held" in missing:
            self.search[:, LOG_RISK].copy_(at.log_risk)
            self.search[:, TIME_LOG].copy_(at.time_log)
            self.held.copy_(at.theta)
        if "path" in missing or "held" in missing:
            self.path[:, 0].copy_(at.path)

    def step(self, at: At) -> Step:
        """θ ← θ − α ∇𝓛̄_B/𝓛̄(t−1), 𝓛̄_B the mean over the batch."""
        alpha, log_risk = self.search[:, ALPHA], self.search[:, LOG_RISK]
        number = alpha * scaled_down(at.log_scale, log_risk - self.log_n) / at.b
        return Step(times(at.gradient, number), log_rate=alpha.log() - log_risk)

    def finish(self, reached: Reached, alive: Tensor) -> TakenBack:
        """Keep the epoch where the risk has fallen; else take it back, and lower α."""
        now = reached.log_risk
        fell = now.isfinite() & (now < self.search[:, LOG_RISK]) & alive
        refused = alive & ~fell
        alpha = self.search[:, ALPHA]
        raised = torch.where(fell, alpha * RAISE, torch.where(refused, alpha / LOWER, alpha))
        self.search[:, ALPHA].copy_(raised)
        self.search[:, REFUSED].add_(refused)
        self._put(self.search[:, LOG_RISK], fell, now)
        self._put(self.search[:, TIME_LOG], fell, reached.time_log)
        self._put(self.path[:, 0], fell, reached.path)
        self._put(self.held, wide(fell), reached.theta)
        return TakenBack(refused, self.held, self.search[:, TIME_LOG], self.path[:, 0])

    def going_on(self) -> Tensor | None:
        """Those whose α is not below its floor."""
        return self.search[:, ALPHA] >= self.floor

    @staticmethod
    def _put(into: Tensor, where: Tensor, value: Tensor) -> None:
        into.copy_(torch.where(where, value, into))
