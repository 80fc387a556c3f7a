"""LL20 App. K.1: the loss-based learning rate, a line search over epochs in the log domain (K.2).

η(t) = α(t)/𝓛̄(t−1), 𝓛̄(t−1) the mean training loss at the end of the last epoch (eq. 26). After an epoch
at that rate: if 𝓛̄ fell, α ← r_u α, r_u = 2^{1/5}; else the weights of the epoch's start are restored,
α ← α/r_d, r_d = 2^{1/10}, and the epoch is run again.

A step of the run is one update that was tried: a repeated epoch takes steps of its own, and its batches
are drawn anew. With the full batch an epoch is one step, so that a refused step leaves θ where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, log

import numpy as np
import torch

from workbench.engine.rules.rule import Evaluated, Move, scaled_down
from workbench.engine.state import EngineState
from workbench.protocol.events import Ending
from workbench.protocol.status import RunStatus

RAISE = 2.0 ** (1.0 / 5.0)
LOWER = 2.0 ** (1.0 / 10.0)
ALPHA, LOG_RISK, TIME_LOG, REFUSED = 0, 1, 2, 3


@dataclass(frozen=True)
class LossBasedRule:
    """`alpha`: α(0). `floor`: α below which the run has stalled. `per_epoch`: steps an epoch.
    `log_n`: log n where the run's risk is a sum, 0 where it is a mean.

    Memory: `search` = (α, log 𝓛 at the epoch's start with the run's reduction, log time there, epochs
    refused), and, at the epoch's start, `held`: θ, and `path`: how far its direction has travelled.
    """

    alpha: float
    floor: float
    per_epoch: int
    log_n: float
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def begin(self, state: EngineState, log_risk: Callable[[], float]) -> None:
        """Where nothing is held (the first step, or θ was moved by hand), hold θ and its risk."""
        if "held" in state.memory:
            # A checkpoint of an earlier version knows no path of its epoch's start.
            state.memory.setdefault("path", np.array([state.travelled()]))
            return
        search = state.memory.get("search", np.array([self.alpha, 0.0, 0.0, 0.0])).copy()
        search[LOG_RISK], search[TIME_LOG] = log_risk(), state.time_log
        self._hold(state, search)

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """θ ← θ − α ∇𝓛̄_B/𝓛̄(t−1), 𝓛̄_B the mean over the batch."""
        alpha, log_risk = state.memory["search"][:2]
        log_mean = float(log_risk) - self.log_n
        number = float(alpha) * scaled_down(at.log_scale, log_mean) / at.b
        return Move(number, log_rate=log(alpha) - float(log_risk))

    def finish(self, state: EngineState, log_risk: Callable[[], float]) -> bool:
        """At an epoch's end, keep it or undo it."""
        if state.step % self.per_epoch:
            return False
        search = state.memory["search"].copy()
        now = log_risk()
        if isfinite(now) and now < search[LOG_RISK]:
            search[ALPHA] *= RAISE
            search[LOG_RISK], search[TIME_LOG] = now, state.time_log
            self._hold(state, search)
            return False
        with torch.no_grad():
            state.theta.copy_(torch.from_numpy(state.memory["held"]))
        state.go_back(float(state.memory["path"][0]))
        state.set_time_log(float(search[TIME_LOG]))
        search[ALPHA] /= LOWER
        search[REFUSED] += 1.0
        state.memory["search"] = search
        return True

    def ended(self, state: EngineState) -> tuple[Ending, str] | None:
        """Stalled where α is below its floor."""
        search = state.memory.get("search")
        if search is None or search[ALPHA] >= self.floor:
            return None
        return RunStatus.STALLED, (
            f"no step lowers the risk any more: the relative rate α = {search[ALPHA]:.1e} is below "
            f"train.floor = {self.floor:g} after {int(search[REFUSED]):,} refused epochs"
        )

    def _hold(self, state: EngineState, search: np.ndarray) -> None:
        """Remember this state as the one to go back to."""
        state.memory["search"] = search
        state.memory["held"] = state.theta.detach().cpu().numpy().copy()
        state.memory["path"] = np.array([state.travelled()])
