"""When to pause: steps and risks set by the configuration or asked for on the way."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float


class Goals:
    """Standing goals (each reached once) and the one that StepN or RunUntil asks for."""

    def __init__(self, pause_at: tuple[int, ...], pause_log_risk: float | None) -> None:
        self.steps = sorted(pause_at)
        self.log_risk = pause_log_risk
        self.asked_step: int | None = None
        self.asked_log_risk: float | None = None
        self.asked_saddle = False

    def until(
        self, *, step: int | None = None, log_risk: float | None = None, saddle: bool = False
    ) -> None:
        """Replace what was asked for."""
        self.asked_step, self.asked_log_risk, self.asked_saddle = step, log_risk, saddle

    def clear(self) -> None:
        """Forget what was asked for."""
        self.until()

    def next_step(self, step: int, default: int) -> int:
        """The first step past `step` at which a pause is due."""
        ahead = [s for s in (*self.steps, self.asked_step) if s is not None and s > step]
        return min(ahead, default=default)

    def due(self, step: int) -> str | None:
        """The reason to pause at this step, if any."""
        if self.asked_step is not None and step >= self.asked_step:
            return "step"
        return "step" if step in self.steps else None

    def risk_reached(self, log_risk: Float[np.ndarray, " T"]) -> int | None:
        """Index of the first record whose risk is low enough."""
        targets = [t for t in (self.log_risk, self.asked_log_risk) if t is not None]
        if not targets:
            return None
        found = np.flatnonzero(log_risk <= max(targets))
        return int(found[0]) if found.size else None

    def reached(self, step: int, log_risk: float | None = None) -> None:
        """A pause happened here: the goals that led to it are done."""
        self.steps = [s for s in self.steps if s > step]
        if log_risk is not None and self.log_risk is not None and log_risk <= self.log_risk:
            self.log_risk = None
        self.clear()
