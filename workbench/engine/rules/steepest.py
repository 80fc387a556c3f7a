"""Steepest descent in a norm, in steps of one length: sign descent, coordinate descent, spectral descent."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np
import torch

from workbench.arrays import Float
from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.state import EngineState
from workbench.norms.norm import Norm

STEEPEST = frozenset({"sign", "coordinate", "spectral"})
"""The names of train.rule whose steps are steepest in the norm that `norms.registry` has for them."""


@dataclass(frozen=True)
class SteepestRule(PlainRule):
    """θ ← θ + length · d, d the direction of norm 1 along which the batch's risk falls fastest.

    A step has `length` in the rule's norm whatever the gradient's size, and as much time passes; where the
    gradient vanishes it rests.
    """

    norm: Norm
    length: float
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """The direction of the scaled gradient, which is that of the gradient."""
        return along(self.norm, _flat(at), self.length, state)


@dataclass(frozen=True)
class UnnormalizedSteepestRule(PlainRule):
    """θ ← θ + η ‖∇𝓛_B‖_* d, d as in `SteepestRule`: explicit steps of θ̇ = ‖∇𝓛‖_* d, which is gradient descent
    for ℓ2. Time passes by η."""

    norm: Norm
    learning_rate: float

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """η e^{log_scale} times the dual norm of the scaled gradient."""
        gradient = _flat(at)
        state.time += self.learning_rate
        scale = 1.0 if at.log_scale is None else float(at.log_scale.exp())
        length = self.learning_rate * at.share * scale * float(self.norm.dual(gradient))
        move = along(self.norm, gradient, length, state)
        return Move(move.number, direction=move.direction)


def along(norm: Norm, gradient: Float[np.ndarray, " P"], length: float, state: EngineState) -> Move:
    """A step of this length in the norm's direction for a gradient; none where that is 0."""
    # What is no number goes into θ as it is, where the engine sees it.
    found = norm.direction(gradient) if np.isfinite(gradient).all() else gradient
    direction = torch.from_numpy(found)
    moved = length if bool((direction != 0.0).any()) else 0.0
    log_rate = log(moved) if moved > 0.0 else -inf
    return Move(moved, log_rate=log_rate, direction=direction.to(state.theta))


def _flat(at: Evaluated) -> Float[np.ndarray, " P"]:
    """The batch's scaled gradient."""
    return torch.cat([g.reshape(-1) for g in at.gradients]).cpu().numpy()
