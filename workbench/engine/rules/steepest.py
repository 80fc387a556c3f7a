"""Steepest descent in a norm, in steps of one length: sign descent, coordinate descent, spectral descent."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log

import numpy as np
import torch

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
        gradient = torch.cat([g.reshape(-1) for g in at.gradients]).cpu().numpy()
        # What is no number goes into θ as it is, where the engine sees it.
        found = self.norm.direction(gradient) if np.isfinite(gradient).all() else gradient
        direction = torch.from_numpy(found)
        length = self.length if bool((direction != 0.0).any()) else 0.0
        log_rate = log(length) if length > 0.0 else -inf
        return Move(length, log_rate=log_rate, direction=direction.to(state.theta))
