"""A step rule of the user's own: the gradient in, a direction and a length out.

    class SignDescent:
        def __init__(self, length=1e-3):
            self.length = length

        def move(self, at, memory):
            return -at.gradient.sign(), self.length

θ ← θ + length · direction, and `length` of time passes. What a rule remembers from step to step lies in
`memory`, named tensors that are part of every checkpoint; an attribute that changes is refused, as a
resumed run would not have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log
from typing import Any, Protocol
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array
from workbench.engine.rules.rule import Evaluated, Move, PlainRule
from workbench.engine.state import EngineState
from workbench.errors import BadInput, clean_text
from workbench.models.imported import imported_class

OWN = "own/"
"""Prefix, in a state's memory, of what a rule of the user's remembers."""


@dataclass(frozen=True, eq=False)
class At:
    """Where a step is taken: θ (P) at `step`, not to be written into, and ∇𝓛 = exp(log_scale) · gradient
    (P), estimated by the batch where there is one. Late in training ∇𝓛 itself is beyond a float."""

    step: int
    theta: Tensor
    gradient: Tensor
    log_scale: float

    @property
    def risk_gradient(self) -> Tensor:
        """∇𝓛 (P); 0 where it underflows."""
        return self.gradient * float(np.exp(self.log_scale))


class OwnRule(Protocol):
    """What a class in train.class provides; it is made as `Class(**train.arguments)`."""

    def move(self, at: At, memory: dict[str, Tensor]) -> tuple[Tensor, float]:
        """(direction (P), length ≥ 0) of the step; `memory` is read, and changed for the next step."""
        ...


class OwnStepRule(PlainRule):
    """An `OwnRule` as the engine's step rule."""

    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def __init__(self, rule: OwnRule, path: str) -> None:
        self.rule, self.path = rule, path
        self._attributes = _attributes(rule)

    def move(self, state: EngineState, at: Evaluated) -> Move:
        """The user's step; BadInput naming the class where it fails or gives what is no step."""
        theta = state.theta
        gradient = torch.cat([g.reshape(-1) for g in at.gradients]).mul_(at.share)
        log_scale = 0.0 if at.log_scale is None else float(at.log_scale)
        memory = {
            name.removeprefix(OWN): torch.from_numpy(array.copy()).to(theta.device)
            for name, array in state.memory.items()
            if name.startswith(OWN)
        }
        try:
            with torch.no_grad():
                found: Any = self.rule.move(At(state.step, theta, gradient, log_scale), memory)
        except Exception as error:
            raise self._refused(state, f"fails: {type(error).__name__}: {error}") from error
        direction, length = self._checked(state, found)
        if _attributes(self.rule) != self._attributes:
            raise self._refused(
                state,
                "has changed an attribute of its own, which no checkpoint holds: what it remembers belongs "
                "in `memory`",
            )
        for name in [n for n in state.memory if n.startswith(OWN)]:
            del state.memory[name]
        state.memory.update(self._kept(state, memory))
        log_rate = log(length) if length > 0.0 else -inf
        return Move(length, log_rate=log_rate, direction=direction.to(theta))

    def _checked(self, state: EngineState, found: Any) -> tuple[Tensor, float]:
        """A direction of θ's size and a length."""
        pair = isinstance(found, tuple) and len(found) == 2
        if not pair or not isinstance(found[0], Tensor) or found[0].shape != state.theta.shape:
            raise self._refused(
                state,
                f"gives {_named(found)}, and a pair is needed: a direction of shape "
                f"({state.theta.numel()},), and a length",
            )
        try:
            length = float(found[1])
        except (TypeError, ValueError, RuntimeError):
            length = -1.0
        if not (isfinite(length) and length >= 0.0):
            raise self._refused(state, f"gives the length {found[1]}; allowed: a number from 0")
        return found[0].detach(), length

    def _kept(self, state: EngineState, memory: dict[str, Tensor]) -> dict[str, Array]:
        """The memory as arrays for the checkpoint."""
        kept = {}
        for name, value in memory.items():
            plain = name and not {"", ".", ".."} & set(name.split("/"))
            if not isinstance(value, Tensor) or not plain or value.dtype is torch.bfloat16:
                raise self._refused(
                    state, f"remembers '{name}' = {_named(value)}; allowed: named tensors"
                )
            kept[f"{OWN}{name}"] = value.detach().cpu().numpy().copy()
        return kept

    def _refused(self, state: EngineState, why: str) -> BadInput:
        return BadInput(f"train.class '{self.path}' at step {state.step:,} {clean_text(why)}.")


def own_rule(path: str, arguments: dict[str, Any]) -> OwnStepRule:
    """The rule at `package.module:Class`; raises BadInput when it cannot be made or has no `move`."""
    cls = imported_class(path, "train.class")
    if not callable(getattr(cls, "move", None)):
        raise BadInput(
            f"train.class '{path}' has no method move(at, memory), which gives a step's direction and "
            "length."
        )
    try:
        rule = cls(**arguments)
    except Exception as error:
        raise BadInput(
            f"train.class '{path}' with train.arguments {arguments} fails: {clean_text(str(error))}."
        ) from error
    return OwnStepRule(rule, path)


def _attributes(rule: object) -> dict[str, tuple[int, object]]:
    """What tells a changed attribute: which object it is, and what it holds."""
    return {
        name: (id(value), _held(value)) for name, value in getattr(rule, "__dict__", {}).items()
    }


def _held(value: Any) -> object:
    """What changes when an array or a container is written into."""
    match value:
        case Tensor():
            return value._version
        case np.ndarray():
            return crc32(np.ascontiguousarray(value).view(np.uint8).data)
        case dict():
            return tuple((key, id(inner)) for key, inner in value.items())
        case list() | set():
            return tuple(map(id, value))
    return None


def _named(value: Any) -> str:
    """A value by its type and shape."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_named, value))})"
    return f"a {type(value).__name__}"
