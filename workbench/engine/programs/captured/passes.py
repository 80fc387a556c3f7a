"""Outputs and gradients of M networks of one shape at once, as tensors that no number is read from.

One member is evaluated as the eager program does it, by a module whose parameters are views of θ, in blocks
of samples; several by `torch.func.vmap` over the members' weights, in one pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from workbench.engine.programs.blocks import (
    gradients_of,
    outputs_of,
    plain_outputs,
    samples_a_block,
)
from workbench.losses.loss import Loss

Found = tuple[Tensor, Tensor, Tensor | None]
"""Outputs (M, b, …), the weights' pull-back (M, P), and the scale's logarithm (M); None: a scale of one."""


class Passes(Protocol):
    """x is (M, b, …) and y (M, b); where all members share them, (1, b, …) and (1, b)."""

    def gradients(self, x: Tensor, y: Tensor) -> Found:
        """Those of the summed risk."""
        ...

    def outputs(self, x: Tensor) -> Tensor:
        """(M, b, …), without a graph."""
        ...


class OnePass:
    """A network alone; its parameters are views of its θ."""

    def __init__(self, model: nn.Module, loss: Loss, x: Tensor) -> None:
        self.model, self.loss = model, loss
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.block = samples_a_block(model, x)

    def gradients(self, x: Tensor, y: Tensor) -> Found:
        """See Passes."""
        outputs, parts, top = gradients_of(
            self.model, self.parameters, x[0], y[0], self.loss.cotangent, self.block
        )
        gradient = torch.cat([part.reshape(-1) for part in parts])
        return outputs[None], gradient[None], None if top is None else top[None]

    def outputs(self, x: Tensor) -> Tensor:
        """See Passes."""
        return outputs_of(self.model, x[0], self.block)[None]


class MemberPasses:
    """M networks: θ (M, P), and what else a member has of its own, `fixed` (M, …) by name.

    `a_pass`: how many members are evaluated at once, which bounds the memory; 0: all.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        theta: Tensor,
        fixed: Mapping[str, Tensor],
        a_pass: int = 0,
    ) -> None:
        self.model, self.loss = model, loss
        size = a_pass or len(theta)
        self.parts = [
            _Part(
                slice(start, start + size),
                _leaves(model, theta[start : start + size]),
                {name: values[start : start + size] for name, values in fixed.items()},
            )
            for start in range(0, len(theta), size)
        ]

    def gradients(self, x: Tensor, y: Tensor) -> Found:
        """See Passes."""
        found = [self._gradients(part, part.of(x), part.of(y)) for part in self.parts]
        if len(found) == 1:
            return found[0]
        outputs, gradients, tops = zip(*found, strict=True)
        top = None if tops[0] is None else torch.cat(tops)
        return torch.cat(outputs), torch.cat(gradients), top

    def outputs(self, x: Tensor) -> Tensor:
        """See Passes."""
        with torch.no_grad():
            return torch.cat([self._outputs(part, part.of(x)) for part in self.parts])

    def _gradients(self, part: _Part, x: Tensor, y: Tensor) -> Found:
        """Those of the members of a part."""
        with torch.enable_grad():
            outputs = self._outputs(part, x)
        held = outputs.detach()
        weights, top = self._weights(held, y)
        gradients = torch.autograd.grad(
            outputs,
            list(part.weights.values()),
            weights,
            allow_unused=True,
            materialize_grads=True,
        )
        return held, torch.cat([g.reshape(len(g), -1) for g in gradients], dim=1), top

    def _outputs(self, part: _Part, x: Tensor) -> Tensor:
        samples, along = _shared(x)

        def one(given: dict[str, Tensor], inputs: Tensor) -> Tensor:
            return plain_outputs(functional_call(self.model, given, (inputs,)))

        return vmap(one, in_dims=(0, along))({**part.weights, **part.fixed}, samples)

    def _weights(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """∂𝓛/∂Φ and its scale, member by member."""
        labels, along = _shared(y)
        scaled = True

        def one(held: Tensor, own: Tensor) -> tuple[Tensor, ...]:
            nonlocal scaled
            weights, top = self.loss.cotangent(held, own)
            scaled = top is not None
            return (weights,) if top is None else (weights, top)

        found = vmap(one, in_dims=(0, along))(outputs, labels)
        return found[0], found[1] if scaled else None


@dataclass(frozen=True)
class _Part:
    """Some of the members, their weights by name, where autograd begins, and what else is their own."""

    members: slice
    weights: dict[str, Tensor]
    fixed: dict[str, Tensor]

    def of(self, samples: Tensor) -> Tensor:
        """Their samples (M, …), or (1, …) where all members share them."""
        return samples if len(samples) == 1 else samples[self.members]


def _leaves(model: nn.Module, theta: Tensor) -> dict[str, Tensor]:
    """The trained weights of members by name, (M, …) each, in the very memory of θ (M, P)."""
    found, start = {}, 0
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        stop = start + parameter.numel()
        part = theta[:, start:stop].view(len(theta), *parameter.shape)
        found[name] = part.detach().requires_grad_(True)
        start = stop
    return found


def log_risks(loss: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """log of every member's summed risk (M), in float64 whatever the outputs are."""
    labels, along = _shared(y.double())
    own: Callable[[Tensor, Tensor], Tensor] = loss.log_risk_tensor
    return vmap(own, in_dims=(0, along))(outputs.double(), labels)


def _shared(samples: Tensor) -> tuple[Tensor, int | None]:
    """Samples (M, …) and their members' axis; (1, …) as one for all, without an axis."""
    return (samples[0], None) if len(samples) == 1 else (samples, 0)
