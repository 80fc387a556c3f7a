"""A module of the user's made repeatable: its random numbers are the run's, and a look leaves no trace.

*Random numbers.* Dropout and noise draw from torch's generator, which all threads of a process share. Here
every random operation of a forward pass is given a generator of the module's own instead, by a mode that
belongs to the thread of the pass, seeded by (seed, step). Nothing of the process is read or written: what
other threads draw, or how often somebody looks, changes no bit, and the step is all its state.

*Buffers* (running statistics, counters) are part of the run's state. A pass outside of `stepping` works on
copies of them. One pass at a time: whoever copies the module waits for it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from workbench.arrays import Array
from workbench.errors import BadInput

BUFFER = "buffer/"
"""Prefix of a buffer's name among the arrays that a run remembers."""


class Passes:
    """How a module is called: `step` is the one whose random numbers a pass draws; `draws` and `changes` say
    whether it draws any and whether it changes its buffers."""

    def __init__(self, seed: int) -> None:
        self.seed, self.step = seed, 0
        self.draws, self.changes = True, True
        self.lock = threading.RLock()
        self.inside = False
        self.forward = 0
        self._generators: dict[torch.device, torch.Generator] = {}

    def copied(self) -> Passes:
        """For a copy of the module."""
        found = Passes(self.seed)
        found.step, found.draws, found.changes = self.step, self.draws, self.changes
        return found

    def begin(self) -> None:
        """Every generator anew at the next draw."""
        self._generators.clear()

    def generator(self, device: torch.device) -> torch.Generator:
        """That of a device, seeded by (seed, step) at its first draw of a pass."""
        found = self._generators.get(device)
        if found is None:
            found = torch.Generator(device)
            # The golden-ratio multiple keeps neighbouring seeds apart, the other constant the batches'.
            mixed = (self.seed * 0x9E3779B97F4A7C15 + self.step * 0xD1B54A32D192ED03 + 1) % 2**63
            self._generators[device] = found.manual_seed(mixed)
        return found


class _Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Random operations with the passes' generator, in the thread that enters it."""

    def __init__(self, passes: Passes) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.passes = passes
        self.drawn = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **named)
        self.drawn = True
        if not self.passes.forward:
            raise BadInput(
                f"the network draws random numbers ({func}) in its backward pass, as checkpointing "
                "of activations does, and they would be others than those of its forward pass."
            )
        tensors = [a for a in (*args, *named.values()) if isinstance(a, Tensor)]
        device = tensors[0].device if tensors else torch.device(named.get("device") or "cpu")
        generator = self.passes.generator(device)
        if func is torch.ops.aten.native_dropout.default:
            return _dropout(generator, *args)
        given = _with_generator(func)
        if given is None:
            raise BadInput(
                f"the network draws random numbers by '{func}', which takes no generator, so that a run "
                "could not repeat them."
            )
        return given(*args, **{**named, "generator": generator})


@cache
def _with_generator(func: Any) -> Any:
    """The same operation with an argument `generator`; None where there is none."""
    names = [a.name for a in func._schema.arguments]
    if "generator" in names:
        return func
    for overload in func.overloadpacket.overloads():
        other = getattr(func.overloadpacket, overload)
        theirs = [a.name for a in other._schema.arguments]
        if "generator" in theirs and [n for n in theirs if n != "generator"] == names:
            return other
    return None


def _dropout(
    generator: torch.Generator, x: Tensor, p: float, train: bool | None
) -> tuple[Tensor, Tensor]:
    """aten::native_dropout, which on a GPU stands for dropout and takes no generator."""
    if train is False or p == 0.0:
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    mask = torch.empty_like(x).bernoulli_(1.0 - p, generator=generator)
    return x * mask * (0.0 if p == 1.0 else 1.0 / (1.0 - p)), mask.bool()


class _Repeatable(nn.Module):
    """Put before a module's own class: every call of it is a pass."""

    passes: Passes

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's own forward, as a look unless a pass is under way."""
        with looking(self):
            self.passes.forward += 1
            try:
                return super().forward(*args, **kwargs)
            finally:
                self.passes.forward -= 1

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy with the buffers of the state, never those of a pass under way elsewhere."""
        with self.passes.lock:
            copied = type(self).__new__(type(self))
            memo[id(self)] = copied
            memo[id(self.passes)] = self.passes.copied()
            for name, value in self.__dict__.items():
                copied.__dict__[name] = copy.deepcopy(value, memo)
        return copied


def made_repeatable(model: nn.Module, seed: int) -> nn.Module:
    """The module itself, of a class that adds this to its own; raises BadInput for a compiled module."""
    own = type(model)
    try:
        model.__class__ = type(own.__name__, (_Repeatable, own), {"__module__": own.__module__})
    except TypeError as error:
        raise BadInput(
            f"a {own.__name__} cannot be trained: it is compiled, and its random numbers and buffers are "
            "out of reach; give the nn.Module it was made from."
        ) from error
    object.__setattr__(model, "passes", Passes(seed))
    return model


def is_steady(model: nn.Module) -> bool:
    """Whether an output depends on weights and inputs alone, however often one asks."""
    return not isinstance(model, _Repeatable) or not (model.passes.draws or model.passes.changes)


def draws(model: nn.Module) -> bool:
    """Whether a pass draws random numbers."""
    return isinstance(model, _Repeatable) and model.passes.draws


def changes_buffers(model: nn.Module) -> bool:
    """Whether a pass changes the module's buffers."""
    return isinstance(model, _Repeatable) and model.passes.changes


def looking(model: nn.Module, step: int | None = None) -> AbstractContextManager[None]:
    """A pass that changes nothing, with the random numbers of `step`, else of the last one."""
    return _pass(model, step, keep=False) if isinstance(model, _Repeatable) else nullcontext()


def stepping(model: nn.Module, step: int) -> AbstractContextManager[None]:
    """The pass of a step: what it changes in the buffers stays."""
    return _pass(model, step, keep=True) if isinstance(model, _Repeatable) else nullcontext()


@contextmanager
def _pass(model: _Repeatable, step: int | None, *, keep: bool) -> Iterator[None]:
    passes = model.passes
    with passes.lock:
        if passes.inside:
            yield
            return
        if step is not None:
            passes.step = step
        passes.begin()
        held = [] if keep or not passes.changes else _lent(model)
        passes.inside = True
        try:
            with _Draws(passes) if passes.draws else nullcontext():
                yield
        finally:
            passes.inside = False
            for owner, buffers in held:
                owner.clear()
                owner.update(buffers)


def _lent(model: nn.Module) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Copies in the place of all buffers, and what to put back."""
    held = []
    for module in model.modules():
        if module._buffers:
            held.append((module._buffers, dict(module._buffers)))
            for name, buffer in module._buffers.items():
                module._buffers[name] = None if buffer is None else buffer.clone()
    return held


def still_copy(model: nn.Module, step: int, arrays: Mapping[str, Array]) -> nn.Module:
    """A copy that stays as the run's network is at `step`, with the buffers in `arrays`."""
    copied = copy.deepcopy(model)
    put_buffers(copied, arrays)
    if isinstance(copied, _Repeatable):
        copied.passes.step = step
    return copied


def buffers_of(model: nn.Module) -> dict[str, Array]:
    """The buffers that passes change, as arrays by `BUFFER` + name; none for a network that changes none."""
    if not changes_buffers(model):
        return {}
    return {
        f"{BUFFER}{name}": buffer.detach().cpu().numpy().copy()
        for name, buffer in model.named_buffers()
    }


def put_buffers(model: nn.Module, arrays: Mapping[str, Array]) -> None:
    """Those arrays back into the module; what else is in `arrays`, or not there, is left alone."""
    if not changes_buffers(model):
        return
    for key, array in arrays.items():
        if not key.startswith(BUFFER):
            continue
        owner, _, name = key.removeprefix(BUFFER).rpartition(".")
        buffers = model.get_submodule(owner)._buffers
        old = buffers.get(name)
        fresh = torch.from_numpy(np.array(array))
        buffers[name] = fresh if old is None else fresh.to(device=old.device, dtype=old.dtype)


def tried(model: nn.Module, x: Tensor) -> Tensor:
    """Φ(x), and `draws` and `changes` found out; raises BadInput where a pass repeated is another."""
    if not isinstance(model, _Repeatable):
        raise TypeError("only a module made repeatable can be tried")
    passes = model.passes
    held = _lent(model)
    before = [b.clone() for b in model.buffers()]
    mode = _Draws(passes)
    found = []
    with passes.lock:
        passes.inside = True
        try:
            for _ in range(2):
                passes.begin()
                with torch.no_grad(), mode:
                    found.append((model(x), [b.clone() for b in model.buffers()]))
                for owner, buffers in held:
                    owner.clear()
                    owner.update({n: None if b is None else b.clone() for n, b in buffers.items()})
        finally:
            passes.inside = False
            for owner, buffers in held:
                owner.clear()
                owner.update(buffers)
    passes.draws = mode.drawn
    passes.changes = not _same(before, found[0][1])
    outputs: Tensor = found[0][0]
    if isinstance(outputs, Tensor) and not _same(
        [outputs, *found[0][1]], [found[1][0], *found[1][1]]
    ):
        raise BadInput(
            "the network gives other outputs when it is called again with the same weights, inputs and "
            "buffers: random numbers must be torch's, and what it counts a registered buffer."
        )
    return outputs


def _same(a: list[Tensor], b: list[Tensor]) -> bool:
    """Whether two lists hold the same tensors, NaN equal to itself."""
    return len(a) == len(b) and all(
        p.shape == q.shape and torch.equal(torch.nan_to_num(p), torch.nan_to_num(q))
        for p, q in zip(a, b, strict=True)
    )
