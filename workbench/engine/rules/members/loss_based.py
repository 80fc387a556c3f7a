"""LL20 App. K.1 for M members: every one has a line search of its own, over epochs of the same length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from workbench.arrays import Bool, Float
from workbench.engine.members import Members
from workbench.engine.rules.loss_based import (
    ALPHA,
    LOG_RISK,
    LOWER,
    RAISE,
    REFUSED,
    TIME_LOG,
)
from workbench.engine.rules.members.rule import EvaluatedMembers, LogRisks, Moves, scaled_down
from workbench.protocol.events import Ending
from workbench.protocol.status import RunStatus


@dataclass(frozen=True, eq=False)
class LossBasedRules:
    """`alpha` and `floor` (M); the rest and the memory, with the member in front, as in `LossBasedRule`."""

    alpha: Float[np.ndarray, " M"]
    floor: Float[np.ndarray, " M"]
    per_epoch: int
    log_n: float
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def begin(self, members: Members, log_risk: LogRisks) -> None:
        """Where nothing is held, hold every θ and its risk: all members begin together."""
        if "held" in members.memory:
            return
        search = np.zeros((members.count, 4))
        search[:, ALPHA] = self.alpha
        search[:, LOG_RISK], search[:, TIME_LOG] = log_risk(), members.time_log
        members.memory |= {
            "search": search,
            "held": members.theta.detach().cpu().numpy().copy(),
            "path": members.travelled()[:, None].copy(),
        }

    def move(self, members: Members, at: EvaluatedMembers) -> Moves:
        """θ ← θ − α ∇𝓛̄_B/𝓛̄(t−1), 𝓛̄_B the mean over the batch."""
        alpha, log_risk = members.memory["search"][:, :2].T
        number = alpha * scaled_down(at.log_scale, log_risk - self.log_n) / at.b
        return Moves(number, np.log(alpha) - log_risk)

    def finish(self, members: Members, log_risk: LogRisks) -> Bool[np.ndarray, " M"] | None:
        """At an epoch's end, every member keeps it or undoes it."""
        if members.step % self.per_epoch:
            return None
        now, going, walked = log_risk(), members.going, members.travelled()
        search = members.memory["search"].copy()
        better = going & np.isfinite(now) & (now < search[:, LOG_RISK])
        worse = going & ~better
        search[better, ALPHA] *= RAISE
        search[better, LOG_RISK] = now[better]
        search[better, TIME_LOG] = members.time_log[better]
        search[worse, ALPHA] /= LOWER
        search[worse, REFUSED] += 1.0
        held, path = members.memory["held"].copy(), members.memory["path"].copy()
        theta = members.theta
        with torch.no_grad():
            back = torch.from_numpy(np.flatnonzero(worse)).to(theta.device)
            theta[back] = torch.from_numpy(held[worse]).to(theta.device)
        held[better] = theta.detach().cpu().numpy()[better]
        path[better, 0] = walked[better]
        members.go_back(worse, path[:, 0])
        members.set_time_log(search[:, TIME_LOG], worse)
        members.memory |= {"search": search, "held": held, "path": path}
        return worse

    def ended(self, members: Members) -> tuple[Bool[np.ndarray, " M"], Ending] | None:
        """Stalled where α is below its floor."""
        search = members.memory.get("search")
        if search is None:
            return None
        stalled = members.going & ~(search[:, ALPHA] >= self.floor)
        return (stalled, RunStatus.STALLED) if stalled.any() else None
