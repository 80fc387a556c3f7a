"""The records of a chunk through the watch for saddles, in compiled code: see `engine.saddle_watch`.

The watch's state is a vector of its fields in the order of `FIELDS`. Every operation is rounded in its order,
so that it stays the same to the last bit however records are cut into chunks.
"""

from __future__ import annotations

from math import exp, inf, isfinite, isnan, log, nan
from typing import Any

import numba
from numba import types

from workbench.engine.programs.kernel.compiled import compiled
from workbench.engine.programs.kernel.wide_chord import EXACT

FIELDS = (
    "fresh", "first_step", "step", "log_risk", "kappa", "top", "at_origin",
    "falling", "edge", "edge_step", "last_gradient", "jump",
    "level", "due", "stood",
    "told_risk", "lowest", "noise", "peak",
    "refused_kappa", "refused_risk", "refused_step", "rate", "wait", "waited",
)  # fmt: skip
(
    FRESH, FIRST_STEP, STEP, LOG_RISK, KAPPA, TOP, AT_ORIGIN,
    FALLING, EDGE, EDGE_STEP, LAST_GRADIENT, JUMP,
    LEVEL, DUE, STOOD,
    TOLD_RISK, LOWEST, NOISE, PEAK,
    REFUSED_KAPPA, REFUSED_RISK, REFUSED_STEP, RATE, WAIT, WAITED,
) = range(len(FIELDS))  # fmt: skip
NOTHING, NO_GRADIENT, ORIGIN, APPROACH, LEVELLED = range(5)
"""What is seen at a record."""

AT_ZERO = 0.01
"""Most |log 𝓛 − log 𝓛(0)| near the origin."""
SETTLED = 0.99
LAST_CALL = 0.01
START_SHARE = 0.05
"""Most s at the first record of a run that is to count as starting near the origin."""
TURN = log(1.1)
"""Rise, or fall, of log ‖∇𝓛‖ that is a turn; the largest rise between two records does not count, as
the gradient jumps where an activation changes."""
LEFT = 0.01
"""Least fall of log 𝓛 after which a saddle has been left: the share at which a neuron has."""
NOISES = 3.0
"""Times the largest rise of log 𝓛 since a saddle was told that the fall must be as well."""
BUMP = log(2.0)
"""Fall of log ‖∇𝓛‖ below its highest since a saddle was told that may be the approach to another."""
DEEPER = 2.0 * log(2.0)
"""Fall of log κ below that at the last refusal after which it is worth to ask again at once."""
NEWS = 0.05
"""Change of log 𝓛 after which it is too."""
HOPELESS = log(10.0)
"""Not asked while κ is this much above the rate that the last verdict found, unless that is old."""
LONG = 100.0
"""Least records for which the risk has been level when that alone is a reason to ask."""
ROUNDING = 1e3
"""Gradients below this many machine epsilons of the highest peak are rounding."""
FLOOR = 1e3
"""A gradient of exactly 0 counts as e^{−FLOOR}."""


def _part(function: Any) -> Any:
    return numba.njit(**EXACT)(function)


@_part
def _begin(s: Any, step: Any, log_risk: Any, gradient: Any, share: Any, zero: Any, eps: Any) -> Any:
    """The first record, or the first after a perturbation."""
    # No comparison with NaN, where there is no zero, holds.
    s[AT_ORIGIN] = 1.0 if abs(log_risk - zero) <= AT_ZERO and share <= START_SHARE else 0.0
    s[FRESH], s[FALLING], s[JUMP] = 0.0, 1.0, 0.0
    s[EDGE], s[EDGE_STEP], s[LAST_GRADIENT] = gradient, step, gradient
    if isnan(s[FIRST_STEP]):
        s[FIRST_STEP] = step
    # Near the origin a gradient is tiny and no rounding, unless it vanishes.
    exact = share == 0.0 if s[AT_ORIGIN] else share <= ROUNDING * eps
    return NO_GRADIENT if exact else NOTHING


@_part
def _origin(s: Any, log_risk: Any, alignment: Any, share: Any, zero: Any) -> Any:
    """Near the origin, once the directions have settled."""
    if not s[AT_ORIGIN] or isnan(zero):
        return NOTHING
    if abs(log_risk - zero) > AT_ZERO:
        s[AT_ORIGIN] = 0.0
        return NOTHING
    due = alignment >= SETTLED or (share >= LAST_CALL and alignment > 0.0)
    return ORIGIN if due else NOTHING


@_part
def _put_edge(s: Any, step: Any, gradient: Any, falling: Any) -> None:
    """The gradient is at its lowest, or highest, since it turned."""
    s[FALLING], s[EDGE], s[EDGE_STEP], s[JUMP] = falling, gradient, step, 0.0


@_part
def _turned(s: Any, step: Any, gradient: Any) -> Any:
    """‖∇𝓛‖ rises again after it fell: the step of the closest approach, else −1."""
    rise = gradient - s[LAST_GRADIENT]
    s[LAST_GRADIENT] = gradient
    if not s[FALLING]:
        if gradient > s[EDGE]:
            s[EDGE], s[EDGE_STEP] = gradient, step
        elif gradient < s[EDGE] - TURN:
            _put_edge(s, step, gradient, 1.0)
        return -1.0
    if gradient < s[EDGE]:
        _put_edge(s, step, gradient, 1.0)
        return -1.0
    s[JUMP] = max(s[JUMP], rise)
    if gradient - s[JUMP] <= s[EDGE] + TURN:
        return -1.0
    at = s[EDGE_STEP]
    _put_edge(s, step, gradient, 0.0)
    return at


@_part
def _level(s: Any, step: Any, log_risk: Any) -> Any:
    """The risk has been level for half as long as all the time before, and each time that doubles."""
    ran = step - s[FIRST_STEP]
    if isnan(s[LEVEL]) or abs(log_risk - s[LEVEL]) > LEFT:
        s[LEVEL], s[DUE], s[STOOD] = log_risk, 1.5 * ran, 0.0
        return NOTHING
    s[STOOD] += 1.0
    if ran < s[DUE] or s[STOOD] < LONG:
        return NOTHING
    s[DUE] = 2.0 * ran
    return LEVELLED


@_part
def _another(s: Any, log_risk: Any, gradient: Any) -> Any:
    """Whether a saddle here would be another one than was told last."""
    if isnan(s[TOLD_RISK]):
        return True
    s[NOISE] = max(s[NOISE], log_risk - s[LOWEST])
    s[LOWEST] = min(s[LOWEST], log_risk)
    s[PEAK] = max(s[PEAK], gradient)
    left = s[LOWEST] < s[TOLD_RISK] - max(LEFT, NOISES * s[NOISE])
    return left and gradient <= s[PEAK] - BUMP


@_part
def _worth_asking(s: Any, step: Any) -> Any:
    """Not again and again at the same place: from refusal to refusal the wait doubles."""
    s[WAITED] += 1.0
    if isnan(s[REFUSED_RISK]):
        return True
    old = step >= 2.0 * s[REFUSED_STEP]
    if s[RATE] > 0.0 and s[KAPPA] > log(s[RATE]) + HOPELESS and not old:
        return False
    news = abs(s[LOG_RISK] - s[REFUSED_RISK]) > NEWS
    return news or s[KAPPA] <= s[REFUSED_KAPPA] - DEEPER or s[WAITED] > s[WAIT]


@_part
def _take(
    s: Any, step: Any, log_risk: Any, gradient: Any, alignment: Any, rho: Any, zero: Any, eps: Any
) -> Any:
    """What is seen at one record that is to be asked about, and the step of the closest approach."""
    if not isfinite(log_risk) or isnan(gradient) or gradient == inf:
        return NOTHING, nan
    gradient = max(gradient, -FLOOR)
    s[STEP], s[LOG_RISK], s[KAPPA] = step, log_risk, 2.0 * gradient - log_risk
    share = exp(min(gradient - log_risk, 700.0)) * rho if gradient > -FLOOR else 0.0
    s[TOP] = max(s[TOP], gradient)
    seen = NOTHING
    if s[FRESH]:
        seen = _begin(s, step, log_risk, gradient, share, zero, eps)
    gradient = max(gradient, s[TOP] + log(ROUNDING * eps))
    at = _turned(s, step, gradient)
    if seen == NOTHING:
        seen = _origin(s, log_risk, alignment, share, zero)
    if not s[AT_ORIGIN] and seen == NOTHING and at >= 0.0:
        seen = APPROACH
    level = _level(s, step, log_risk)
    # Near the origin directions may yet settle, unless θ shrinks.
    if level != NOTHING and (not s[AT_ORIGIN] or alignment <= 0.0):
        seen = level
    if _another(s, log_risk, gradient) and _worth_asking(s, step):
        return seen, at
    return NOTHING, at


F = types.float64[::1]


@compiled(types.UniTuple(types.float64, 3)(F, F, F, F, F, F, types.float64, types.float64), EXACT)
def scan(
    state: Any,
    steps: Any,
    log_risk: Any,
    gradient: Any,
    alignment: Any,
    rho: Any,
    zero: Any,
    eps: Any,
) -> Any:
    """Take in records up to and including the first that is to be asked about: how many of them, what was
    seen there, and the step of the closest approach. `zero`: log 𝓛 at θ = 0, NaN where there is none."""
    for row in range(steps.size):
        seen, at = _take(
            state, steps[row], log_risk[row], gradient[row], alignment[row], rho[row], zero, eps
        )
        if seen != NOTHING:
            return row + 1.0, float(seen), at
    return float(steps.size), float(NOTHING), nan
