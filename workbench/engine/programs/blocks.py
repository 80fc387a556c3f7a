"""Outputs and gradients over many samples at bounded memory: one block of samples after the other.

How many samples a block has depends on the network and the shape of an input only, never on the machine
or on time, so that a resumed run repeats the same bits. A network that fits in one block is evaluated in
one pass. The pull-back of a block is scaled by its own largest weight (`Loss.cotangent`); sums over blocks
are kept relative to the largest so far, so that nothing underflows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import grad
from torch.autograd.graph import saved_tensors_hooks

from workbench.models.network import described
from workbench.models.repeatable import changes_buffers

BLOCK_NUMBERS = 16_000_000
"""Most numbers that the backward pass over one block holds: 128 MB in float64."""

Cotangent = Callable[[Tensor, Tensor], tuple[Tensor, Tensor | None]]
"""Outputs and labels to ∂𝓛/∂Φ, as `Loss.cotangent` gives it."""

Gradients = tuple[Tensor, tuple[Tensor, ...], Tensor | None]
"""Outputs, the weights' pull-back through the network, and the scale's logarithm (None: one)."""


def plain_outputs(outputs: Tensor) -> Tensor:
    """(n) where a network gives (n, 1)."""
    return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs


def samples_a_block(model: nn.Module, x: Tensor, numbers: int = BLOCK_NUMBERS) -> int:
    """How many of the samples x (n, …) one block takes, from 1 to n.

    Counted are the numbers a sample adds to what the backward pass keeps. A network with batch
    statistics, or one that changes its buffers, does not treat samples one by one, and is never cut.
    """
    n = len(x)
    found = described(model)
    if (
        n < 2
        or (found is not None and found.mixes_samples)
        or changes_buffers(model)
        or any(isinstance(m, nn.modules.batchnorm._NormBase) for m in model.modules())
    ):
        return n
    return _fitting(model, x, numbers)


def samples_a_block_asked(model: nn.Module, x: Tensor) -> int:
    """The same for a network that is only asked: batch statistics are its buffers', so that it is cut."""
    found = described(model)
    mixes = found is not None and found.mixes_samples
    return len(x) if len(x) < 2 or mixes else _fitting(model, x, BLOCK_NUMBERS)


def _fitting(model: nn.Module, x: Tensor, numbers: int) -> int:
    a_sample, n = numbers_a_sample(model, x), len(x)
    return n if a_sample <= 0 else max(1, min(n, numbers // a_sample))


def numbers_a_sample(model: nn.Module, x: Tensor) -> int:
    """How many numbers one of the samples x (n, …), n ≥ 2, adds to what the backward pass keeps."""
    found = described(model)
    counted, times = model, 1
    if found is not None and found.counted[0]:
        # A network that differentiates inside its forward pass allows no hooks on what is kept.
        name, times = found.counted
        counted = copy.deepcopy(model.get_submodule(name)).requires_grad_(True)
    return times * (_kept(counted, x[:2]) - _kept(counted, x[:1]))


def _kept(model: nn.Module, x: Tensor) -> int:
    """Numbers in the tensors that a backward pass over x would need."""
    count = 0

    def note(tensor: Tensor) -> Tensor:
        nonlocal count
        count += tensor.numel()
        return tensor

    def same(tensor: Any) -> Any:
        return tensor

    with torch.enable_grad(), saved_tensors_hooks(note, same):
        model(x)
    return count


def outputs_of(model: Callable[[Tensor], Tensor], x: Tensor, size: int) -> Tensor:
    """Φ(x_i), (n) or (n, C), without a graph."""
    with torch.no_grad():
        if size >= len(x):
            return plain_outputs(model(x))
        return torch.cat([plain_outputs(model(part)) for part in torch.split(x, size)])


def gradients_of(
    model: nn.Module,
    parameters: Sequence[Tensor],
    x: Tensor,
    y: Tensor,
    cotangent: Cotangent,
    size: int,
) -> Gradients:
    """The gradient of the summed risk as exp(log scale) · pull-back, over blocks of `size` samples."""

    def of_block(part: Tensor, labels: Tensor) -> Gradients:
        return pulled(plain_outputs(model(part)), parameters, labels, cotangent)

    return summed(of_block, x, y, size)


def summed(
    of_block: Callable[[Tensor, Tensor], Gradients], x: Tensor, y: Tensor, size: int
) -> Gradients:
    """The same from the gradients of one block, its samples and labels given."""
    if size >= len(x):
        return of_block(x, y)
    outputs: list[Tensor] = []
    total: tuple[Tensor, ...] = ()
    top: Tensor | None = None
    for part, labels in zip(torch.split(x, size), torch.split(y, size), strict=True):
        held, gradients, scale = of_block(part, labels)
        outputs.append(held)
        if not total:
            total, top = gradients, scale
            continue
        if scale is not None and top is not None:
            larger = torch.maximum(top, scale)
            torch._foreach_mul_(total, (top - larger).exp())
            torch._foreach_mul_(gradients, (scale - larger).exp())
            top = larger
        torch._foreach_add_(total, gradients)
    return torch.cat(outputs), total, top


def pulled(
    outputs: Tensor, parameters: Sequence[Tensor], y: Tensor, cotangent: Cotangent
) -> Gradients:
    """The same from outputs that hold their graph; the graph is freed."""
    held = outputs.detach()
    weights, scale = cotangent(held, y)
    gradients = grad(outputs, parameters, weights, allow_unused=True, materialize_grads=True)
    return held, gradients, scale
