"""Steepest descent along a momentum: signum in ℓ∞, Muon in the spectral norm."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log

import numpy as np
import torch

from workbench.arrays import Float
from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.rules.steepest import along
from workbench.engine.state import LARGEST_LOG, EngineState
from workbench.norms.norm import Norm

STEEPEST_MOMENTUM = frozenset({"signum", "muon"})
"""The names of train.rule that are this in the norm that `norms.registry` has for them."""


@dataclass(frozen=True)
class SteepestMomentumRule(PlainRule):
    """v ← βv + ∇𝓛_B, θ ← θ + length · d, d the direction of norm 1 along which −v reaches furthest.

    In ℓ∞ d = −sign(v) (Bernstein et al. 2018, Algorithm 2); in the spectral norm it is −U Vᵀ of every matrix
    of v by its singular values (Muon, Jordan et al. 2024, which takes Newton–Schulz steps towards it).

    The memory, in float64: `velocity` (P), v over e^s, and `velocity_scale` (1), s. s is 0 for a loss without
    a scale; else it follows the gradient's, so that v is of order one in its largest coordinate at risks
    below any float.
    """

    norm: Norm
    length: float
    momentum: float
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """Along the direction of the new v; a step lasts its length, none where v vanishes."""
        gradient = torch.cat([g.reshape(-1) for g in at.gradients]).cpu().double().numpy()
        velocity = gradient * at.share
        held = state.memory.get("velocity", np.zeros_like(velocity))
        now = 0.0
        if at.log_scale is not None:
            scale = float(state.memory.get("velocity_scale", [-inf])[0])
            now = _scale(float(at.log_scale), scale, held)
            velocity *= exp(min(float(at.log_scale) - now, LARGEST_LOG))
            held = held * exp(min(scale - now, LARGEST_LOG))
        velocity += self.momentum * held
        state.memory["velocity"] = velocity
        state.memory["velocity_scale"] = np.array([now])
        return along(self.norm, velocity, self.length, state)


def _scale(log_scale: float, held_scale: float, held: Float[np.ndarray, " P"]) -> float:
    """s: that of the gradient, or of v's largest coordinate before it, whichever is larger."""
    largest = float(np.abs(held).max(initial=0.0))
    return max(log_scale, held_scale + log(largest)) if 0.0 < largest < inf else log_scale
