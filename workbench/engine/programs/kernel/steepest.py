"""Steepest descent and along a momentum, in compiled code: how far a step goes, and the step itself.

See `engine/rules/steepest.py` and `steepest_momentum.py`, whose directions these are, number by number.
"""

from __future__ import annotations

from math import exp, inf, isfinite, log
from typing import Any

import numpy as np

from workbench.engine.programs.kernel.compiled import part

SIGN, COORDINATE, SIGNUM, SPECTRAL, MUON = range(4, 9)
"""Rules beside those of `rules.py`."""
LENGTH, NORMALIZED_STEPS, MOMENTUM = 0, 1, 1
"""`settings`: η; whether it is a step's length whatever the gradient (sign, coordinate, spectral); β of
signum and muon."""
SCALE, VELOCITY = 0, 1
"""`memory` of signum and muon: s, and from there on v over e^s."""
LARGEST_LOG = 709.0


@part
def mix(settings: Any, memory: Any, gradient: Any, log_scale: Any, share: Any) -> None:
    """v ← βv + ∇𝓛_B, over the scale of whichever is larger."""
    largest = 0.0
    for p in range(gradient.size):
        largest = max(largest, abs(memory[VELOCITY + p]))
    now = log_scale
    if 0.0 < largest < inf:
        now = max(log_scale, memory[SCALE] + log(largest))
    new = share * exp(min(log_scale - now, LARGEST_LOG))
    kept = settings[MOMENTUM] * exp(min(memory[SCALE] - now, LARGEST_LOG))
    for p in range(gradient.size):
        memory[VELOCITY + p] = new * gradient[p] + kept * memory[VELOCITY + p]
    memory[SCALE] = now


@part
def how_far(rule: Any, settings: Any, along: Any, scale: Any) -> Any:
    """How long a step is, 0 where what it goes along is 0; `scale`: of the gradient, where that counts."""
    total, largest = 0.0, 0.0
    for p in range(along.size):
        total += abs(along[p])
    if total == 0.0:
        return 0.0
    if rule == SIGNUM or settings[NORMALIZED_STEPS] != 0.0:
        return settings[LENGTH]
    if rule == SIGN:
        return settings[LENGTH] * scale * total
    for p in range(along.size):
        largest = max(largest, abs(along[p]))
    return settings[LENGTH] * scale * largest


@part
def step_along(rule: Any, along: Any, far: Any, theta: Any) -> None:
    """θ by the step that goes `far` in the direction of norm 1 against a gradient or a momentum."""
    spoilt = 0.0
    for p in range(along.size):
        # NaN where one is no number, else 0.
        spoilt += along[p] * 0.0
    if not isfinite(spoilt):
        # What is no number goes into θ as it is, where the engine sees it.
        for p in range(theta.size):
            theta[p] += far * along[p]
    elif rule == COORDINATE:
        place = 0
        for p in range(along.size):
            if abs(along[p]) > abs(along[place]):
                place = p
        theta[place] -= far * np.sign(along[place])
    else:
        for p in range(theta.size):
            theta[p] -= far * np.sign(along[p])
