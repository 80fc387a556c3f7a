"""The step rules of `workbench.engine.rules` in compiled code: by how much of its gradient a step moves θ.

A rule of its own is a number, its settings in `rule_kernel`, and a case in the parts that it needs. What a
rule remembers is one array of numbers here, `memory`, made of `state.memory` and put back there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, isfinite, isnan, log, sqrt
from typing import Any

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.engine.programs.kernel.compiled import part
from workbench.engine.programs.kernel.copying import copy
from workbench.engine.programs.kernel.polar import MOST_SIDE, polar_factors, room_for
from workbench.engine.programs.kernel.steepest import (
    COORDINATE,
    LENGTH,
    MUON,
    NORMALIZED_STEPS,
    SCALE,
    SIGN,
    SIGNUM,
    SPECTRAL,
    VELOCITY,
    how_far,
    mix,
    step_along,
)
from workbench.engine.rules.loss_based import LOWER, RAISE, LossBasedRule
from workbench.engine.rules.normalized import NormalizedRule
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.engine.rules.smoothness import SmoothnessRule
from workbench.engine.rules.steepest import SteepestRule, UnnormalizedSteepestRule
from workbench.engine.rules.steepest_momentum import SteepestMomentumRule
from workbench.norms.l1 import L1
from workbench.norms.linf import LInf
from workbench.norms.spectral import Spectral, matrix_shape

CONSTANT, NORMALIZED, LOSS_BASED, SMOOTHNESS = range(4)
LEARNING_RATE, MOST_UPDATE = 0, 1
"""`settings` of constant and normalized."""
SHRINK = 1
"""`settings` of constant: by what part weight decay makes θ shorter at a step."""
FLOOR, LOG_N, PER_EPOCH, RAISED_BY, LOWERED_BY, FIRST_ALPHA = range(6)
"""`settings` of loss-based."""
LOG_SMOOTH, POWER = 0, 1
"""`settings` of smoothness: log β(R) = LOG_SMOOTH + POWER log R."""
ALPHA, LOG_RISK, TIME_LOG, REFUSED, PATH, HOLDS, HELD = range(7)
"""`memory` of loss-based: its search, the path length there, whether a θ is held, that θ from HELD on."""
RADIUS = 0
"""`memory` of smoothness; NaN before the first step."""

TIME, CLOCK_LOG, RATE_LOG, PATH_LENGTH = range(4)
"""`clock`: what a state says of itself beside θ: time, log time, log η, the path's length."""
LARGEST_LOG = 709.0


@dataclass(frozen=True, eq=False)
class RuleKernel:
    """A rule for compiled code. `layers` (m, …): where each layer starts and stops in θ, or where each matrix
    starts, its rows and columns; `room`: how many numbers it works with."""

    code: int
    settings: Float[np.ndarray, " s"]
    layers: Int[np.ndarray, "m k"]
    room: int = 0

    def taken(self, memory: Mapping[str, Array], size: int) -> Float[np.ndarray, " k"]:
        """What `state.memory` holds of it, as numbers; θ has `size` of them."""
        if self.code == SMOOTHNESS:
            return np.array(memory.get("radius", [np.nan]), dtype=np.float64)
        if self.code in (SIGNUM, MUON):
            held = memory.get("velocity", np.zeros(size))
            return np.concatenate([memory.get("velocity_scale", [-inf]), held])
        if self.code != LOSS_BASED:
            return np.empty(0)
        numbers = np.zeros(HELD + size)
        first = [self.settings[FIRST_ALPHA], 0.0, 0.0, 0.0]
        numbers[: REFUSED + 1] = memory.get("search", first)
        if "held" in memory:
            numbers[HOLDS], numbers[HELD:] = 1.0, memory["held"]
            numbers[PATH] = memory["path"][0] if "path" in memory else np.nan
        return numbers

    def given(self, numbers: Float[np.ndarray, "... k"]) -> dict[str, Array]:
        """The same for `state.memory`, or of many rows: parts of `numbers`, which nobody writes any more."""
        if self.code == SMOOTHNESS:
            return {"radius": numbers}
        if self.code in (SIGNUM, MUON):
            return {
                "velocity": numbers[..., VELOCITY:],
                "velocity_scale": numbers[..., SCALE : SCALE + 1],
            }
        if self.code != LOSS_BASED:
            return {}
        return {
            "search": numbers[..., : REFUSED + 1],
            "held": numbers[..., HELD:],
            "path": numbers[..., PATH : PATH + 1],
        }


def rule_kernel(rule: StepRule) -> RuleKernel | None:
    """That of a rule, None where compiled code does not know it."""
    layers = np.empty((0, 2), dtype=np.int64)
    if type(rule) is ConstantRule:
        return RuleKernel(
            CONSTANT, np.array([rule.learning_rate, rule.learning_rate * rule.weight_decay]), layers
        )
    if type(rule) is NormalizedRule:
        return RuleKernel(NORMALIZED, np.array([rule.learning_rate, rule.max_update]), layers)
    if type(rule) is LossBasedRule:
        numbers = [rule.floor, rule.log_n, float(rule.per_epoch), RAISE, LOWER, rule.alpha]
        return RuleKernel(LOSS_BASED, np.array(numbers), layers)
    if type(rule) is SmoothnessRule:
        layers = np.array([[part.start, part.stop] for part in rule.layers], dtype=np.int64)
        return RuleKernel(SMOOTHNESS, np.array([rule.log_smooth, rule.power]), layers)
    return _steepest_kernel(rule, layers)


def _steepest_kernel(rule: StepRule, layers: Int[np.ndarray, "m 2"]) -> RuleKernel | None:
    """That of steepest descent; None where a matrix is too large for singular values in compiled code."""
    codes = {LInf: SIGN, L1: COORDINATE, Spectral: SPECTRAL}
    if type(rule) is SteepestRule:
        norm, settings = rule.norm, [rule.length, 1.0]
    elif type(rule) is UnnormalizedSteepestRule:
        norm, settings = rule.norm, [rule.learning_rate, 0.0]
    elif type(rule) is SteepestMomentumRule:
        norm, settings = rule.norm, [rule.length, rule.momentum]
        codes = {LInf: SIGNUM, Spectral: MUON}
    else:
        return None
    code, room = codes.get(type(norm)), 0
    if code is not None and isinstance(norm, Spectral):
        shapes = [matrix_shape(shape) for shape in norm.shapes]
        if any(min(shape) > MOST_SIDE for shape in shapes):
            return None
        sizes = np.array([rows * columns for rows, columns in shapes])
        layers = np.ascontiguousarray(np.column_stack([np.cumsum(sizes) - sizes, shapes]))
        room = room_for(shapes, int(sizes.sum()))
    return None if code is None else RuleKernel(code, np.array(settings), layers, room)


@part
def asks_before(rule: Any, memory: Any) -> Any:
    """Whether `begin` asks for the whole risk."""
    return rule == LOSS_BASED and memory[HOLDS] == 0.0


@part
def asks_after(rule: Any, settings: Any, step: Any) -> Any:
    """Whether `finish` does, `step` being that of the state a step has led to."""
    return rule == LOSS_BASED and step % int(settings[PER_EPOCH]) == 0


@part
def begin(rule: Any, layers: Any, memory: Any, theta: Any, clock: Any, risk: Any) -> None:
    """Before a step; `risk`: log 𝓛 of the whole risk where it was asked for."""
    if rule == SMOOTHNESS:
        needed = -inf
        for k in range(layers.shape[0]):
            length = norm(theta[layers[k, 0] : layers[k, 1]])
            if length > needed or isnan(length):
                needed = length
        if isnan(memory[RADIUS]) or needed + 1.0 > memory[RADIUS]:
            memory[RADIUS] = needed + 1.0
    elif asks_before(rule, memory):
        _hold(memory, theta, clock, risk)
    elif rule == LOSS_BASED and isnan(memory[PATH]):
        memory[PATH] = clock[PATH_LENGTH]


@part
def move(
    rule: Any,
    settings: Any,
    layers: Any,
    memory: Any,
    gradient: Any,
    log_scale: Any,
    risk: Any,
    samples: Any,
    share: Any,
    clock: Any,
    room: Any,
) -> Any:
    """The factor of a step θ ← θ − factor · gradient, or how far `step_by` goes, and time passes by it.

    `risk`: log of the batch's summed risk, where `rule` is normalized; `share`: see `rules.rule.Evaluated`;
    `room` (P at its start): what spectral descent and muon go along.
    """
    if rule == CONSTANT:
        clock[TIME] += settings[LEARNING_RATE]
        return settings[LEARNING_RATE] * share * exp(log_scale)
    if rule == NORMALIZED:
        if risk == -inf:
            _pass_time(clock, -inf)
            return 0.0
        number = settings[LEARNING_RATE] * _scaled_down(log_scale, risk)
        length = number * norm(gradient)
        shorter = min(1.0, settings[MOST_UPDATE] / length) if length > 0.0 else 1.0
        _pass_time(clock, log(settings[LEARNING_RATE] * shorter) - risk - log(share))
        return number * shorter
    if rule == LOSS_BASED:
        log_mean = memory[LOG_RISK] - settings[LOG_N]
        _pass_time(clock, log(memory[ALPHA]) - memory[LOG_RISK])
        return memory[ALPHA] * _scaled_down(log_scale, log_mean) / samples
    if rule >= SIGN:
        if rule in (SIGNUM, MUON):
            mix(settings, memory, gradient, log_scale, share)
        scale, total = share * exp(log_scale), 0.0
        if rule == MUON:
            total = polar_factors(layers, memory[VELOCITY:], room)
        elif rule == SPECTRAL:
            total = polar_factors(layers, gradient, room)
        if rule >= SPECTRAL:
            far = settings[LENGTH] if total != 0.0 else 0.0
            if rule == SPECTRAL and settings[NORMALIZED_STEPS] == 0.0:
                far *= scale * total
        elif rule == SIGNUM:
            far = how_far(rule, settings, memory[VELOCITY:], 1.0)
        else:
            far = how_far(rule, settings, gradient, scale)
        if rule not in (SIGNUM, MUON) and settings[NORMALIZED_STEPS] == 0.0:
            clock[TIME] += settings[LEARNING_RATE]
            return far
        _pass_time(clock, log(far) if far > 0.0 else -inf)
        return far
    log_rate = min(0.0, -(settings[LOG_SMOOTH] + settings[POWER] * log(memory[RADIUS])))
    _pass_time(clock, log_rate)
    return exp(log_rate) * share * exp(log_scale)


@part
def step_by(rule: Any, memory: Any, gradient: Any, factor: Any, theta: Any, room: Any) -> None:
    """θ by the step that `move` gave the factor of."""
    if rule >= SPECTRAL:
        for p in range(theta.size):
            theta[p] -= factor * room[p]
    elif rule == SIGNUM:
        step_along(rule, memory[VELOCITY:], factor, theta)
    elif rule >= SIGN:
        step_along(rule, gradient, factor, theta)
    else:
        for p in range(theta.size):
            theta[p] -= factor * gradient[p]


@part
def decay(rule: Any, settings: Any, theta: Any) -> None:
    """What weight decay takes of θ before a step."""
    if rule == CONSTANT and settings[SHRINK] != 0.0:
        for p in range(theta.size):
            theta[p] *= 1.0 - settings[SHRINK]


@part
def finish(settings: Any, memory: Any, theta: Any, clock: Any, risk: Any) -> Any:
    """After the last step of an epoch, where `asks_after`; whether θ is again that of the epoch's start."""
    if isfinite(risk) and risk < memory[LOG_RISK]:
        memory[ALPHA] *= settings[RAISED_BY]
        _hold(memory, theta, clock, risk)
        return False
    copy(memory[HELD:], theta)
    clock[PATH_LENGTH] = memory[PATH]
    _set_time_log(clock, memory[TIME_LOG])
    memory[ALPHA] /= settings[LOWERED_BY]
    memory[REFUSED] += 1.0
    return True


@part
def ended(rule: Any, settings: Any, memory: Any) -> Any:
    """Whether the rule itself ends the run."""
    return rule == LOSS_BASED and not memory[ALPHA] >= settings[FLOOR]


@part
def norm(values: Any) -> Any:
    """ℓ2, of numbers whose squares are floats."""
    total = 0.0
    for i in range(values.size):
        total += values[i] * values[i]
    return sqrt(total)


@part
def _hold(memory: Any, theta: Any, clock: Any, risk: Any) -> None:
    """Remember this state as the one to go back to."""
    memory[LOG_RISK], memory[TIME_LOG] = risk, clock[CLOCK_LOG]
    memory[PATH], memory[HOLDS] = clock[PATH_LENGTH], 1.0
    copy(theta, memory[HELD:])


@part
def _scaled_down(log_scale: Any, log_by: Any) -> Any:
    """exp(log_scale − log_by): both may be −10^5, their difference is of order one."""
    difference = log_scale - log_by
    return exp(difference) if difference < LARGEST_LOG else inf


@part
def _pass_time(clock: Any, log_rate: Any) -> None:
    """Let e^{log_rate} of the flow's time pass, see `EngineState.add_time`."""
    clock[RATE_LOG] = log_rate
    if clock[CLOCK_LOG] == -inf and 0.0 < clock[TIME] < inf:
        clock[CLOCK_LOG] = log(clock[TIME])
    _set_time_log(clock, np.logaddexp(clock[CLOCK_LOG], log_rate))


@part
def _set_time_log(clock: Any, time_log: Any) -> None:
    """Set the time by its logarithm."""
    clock[CLOCK_LOG] = time_log
    clock[TIME] = exp(time_log) if time_log < LARGEST_LOG else inf
