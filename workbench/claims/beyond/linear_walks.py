"""The workbench's step rules on a linear predictor of four samples, in steps of 0.3/√t, or of one length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Float
from workbench.engine.rules.rule import Evaluated, Move, StepRule
from workbench.engine.state import EngineState
from workbench.norms.norm import Norm

Z = np.array([[1.0, 0.2, -0.1], [0.3, 1.0, 0.4], [0.8, -0.5, 0.6], [0.2, 0.7, -0.3]])
"""y_i x_i, a sample a row: solutions of ℓ1, ℓ2 and ℓ∞ differ."""
FIRST = 0.3
"""Length of the first step."""

RuleOf = Callable[[float], StepRule]
"""The rule whose next step has a given length, or learning rate."""


@dataclass(frozen=True, eq=False)
class Walk:
    """θ (K, d) after every fourfold of steps, the last after all of them, `steps` (K); `fall`: the largest
    relative fall of γ~ in the norm from a step to the next, once 𝓛 < 1."""

    steps: tuple[int, ...]
    theta: Float[np.ndarray, "K d"]
    fall: float

    def margins(self, norm: Norm) -> Float[np.ndarray, " K"]:
        """γ̄ of each in a norm."""
        return np.asarray((self.theta @ Z.T).min(axis=1) / norm.norm(self.theta))


def walk(
    rule_of: RuleOf, norm: Norm, steps: int, *, of_log: bool = False, power: float = 0.5
) -> Walk:
    """From θ = 0 under the summed exponential risk, step t of length 0.3 t^{−power}; with `of_log` the rule
    is given ∇log 𝓛 for ∇𝓛."""
    state = EngineState(torch.zeros(Z.shape[1], dtype=torch.float64))
    kept = {steps // 16, steps // 4, steps}
    found, last, fall = {}, -np.inf, 0.0
    for t in range(1, steps + 1):
        q = Z @ state.theta.numpy()
        least = float(q.min())
        share = np.exp(least - q)
        total = float(share.sum())
        log_risk = float(np.log(total)) - least
        smoothed = -log_risk / float(norm.norm(state.theta.numpy())) if log_risk < 0 else -np.inf
        if last > -np.inf:
            fall = max(fall, (last - smoothed) / last)
        last = smoothed
        slope = torch.from_numpy(-(share / total) @ Z)
        scale = None if of_log else torch.tensor(log_risk, dtype=torch.float64)
        at = Evaluated((slope,), scale, partial(float, log_risk), len(Z), 1.0)
        move = rule_of(FIRST * t**-power).move(state, at)
        state.theta = state.theta + moved(move, slope)
        state.step += 1
        if t in kept:
            found[t] = state.theta.numpy().copy()
    return Walk(tuple(sorted(found)), np.array([found[t] for t in sorted(found)]), fall)


def moved(move: Move, gradient: Tensor) -> Tensor:
    """Δθ of a step, as the engine takes it."""
    if move.direction is not None:
        return move.number * move.direction
    return -move.number * gradient if move.scale is None else -move.number * move.scale * gradient


def limit(values: Float[np.ndarray, " K"]) -> float:
    """Of values after every fourfold of steps, whose distance from it falls like 1/√steps."""
    return float(2.0 * values[-1] - values[-2])
