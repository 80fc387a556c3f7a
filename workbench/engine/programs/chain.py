"""Outputs and gradients of convolutional networks without a graph: the bits of autograd in fewer passes.

The same operations as `models.convolutional` and its backward pass, in the same order, but for ReLU and
pooling, which are one compiled pass (`kernel/pooling.py`). Measured in float32 on 28×28 pictures, those take
torch a quarter to a half of a step, and here a tenth of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from workbench.engine.programs.blocks import Cotangent, Gradients, plain_outputs
from workbench.engine.programs.kernel.pooling import (
    pool_double,
    pool_single,
    spread_double,
    spread_single,
)
from workbench.models.convolutional import Convolution, Convolutional, Pool

POOLS = {
    torch.float32: (pool_single, spread_single),
    torch.float64: (pool_double, spread_double),
}


@dataclass(frozen=True, eq=False)
class _Stage:
    """A layer: its weights and biases where they have any, and whether ReLU and a pool stand behind it."""

    weight: Tensor
    bias: Tensor | None
    padding: int | None
    relu: bool
    pools: bool


@dataclass(frozen=True, eq=False)
class _Kept:
    """What a stage's pull-back needs: the shape and the values it was given, the shape before ReLU and pool,
    and what those two remember."""

    came: torch.Size
    input: Tensor
    shape: torch.Size
    gate: Tensor


class ConvolutionalChain:
    """Φ of a `Convolutional` and its pull-back, on the processor."""

    def __init__(self, model: Convolutional) -> None:
        self.image = model.image
        self.stages = _stages(model)

    def __call__(self, x: Tensor) -> Tensor:
        """Φ(x_i), (n) or (n, C)."""
        with torch.no_grad():
            return plain_outputs(self._forward(x, None))

    def gradients_by(self, cotangent: Cotangent) -> Callable[[Tensor, Tensor], Gradients]:
        """What gives the gradients of samples x (b, …) with labels y (b), as `blocks.gradients_of` does."""
        return lambda x, y: self._gradients(x, y, cotangent)

    def _gradients(self, x: Tensor, y: Tensor, cotangent: Cotangent) -> Gradients:
        kept: list[_Kept] = []
        with torch.no_grad():
            outputs = self._forward(x, kept)
            held = plain_outputs(outputs)
            weights, scale = cotangent(held, y)
            return held, self._backward(weights.reshape(outputs.shape), kept), scale

    def _forward(self, x: Tensor, kept: list[_Kept] | None) -> Tensor:
        """Outputs (n, C); what every stage's pull-back needs is appended to `kept`."""
        h = x.reshape(x.shape[0], *self.image)
        for stage in self.stages:
            before = h if stage.padding is not None else h.flatten(1)
            if stage.padding is None:
                z = before @ stage.weight.T
                z = z if stage.bias is None else z + stage.bias
            else:
                z = torch.conv2d(before, stage.weight, stage.bias, padding=stage.padding)
            if stage.pools:
                after, gate = _pooled(z)
            elif stage.relu:
                after = gate = torch.relu_(z)
            else:
                after = gate = z
            if kept is not None:
                kept.append(_Kept(h.shape, before, z.shape, gate))
            h = after
        return h

    def _backward(self, g: Tensor, kept: Sequence[_Kept]) -> tuple[Tensor, ...]:
        """The pull-back of g (n, C): a tensor a parameter, in their order."""
        found: list[Tensor] = []
        for stage, at in zip(reversed(self.stages), reversed(kept), strict=True):
            if stage.pools:
                g = _spread(g, at.gate, at.shape)
            elif stage.relu:
                g = torch.ops.aten.threshold_backward(g, at.gate, 0)
            first = stage is self.stages[0]
            weight, bias = None, None
            if stage.padding is None:
                weight = g.t().mm(at.input)
                bias = None if stage.bias is None else g.sum(0)
                g = g if first else g.mm(stage.weight).reshape(at.came)
            else:
                sizes = None if stage.bias is None else [len(stage.bias)]
                padding, mask = [stage.padding] * 2, [not first, True, stage.bias is not None]
                g, weight, bias = torch.ops.aten.convolution_backward(
                    g,
                    at.input,
                    stage.weight,
                    sizes,
                    [1, 1],
                    padding,
                    [1, 1],
                    False,
                    [0, 0],
                    1,
                    mask,
                )
            found += [weight] if bias is None else [bias, weight]
        return tuple(reversed(found))


def chain_of(model: nn.Module, x: Tensor) -> ConvolutionalChain | None:
    """The chain of a convolutional network whose samples x are on the processor; None for others."""
    if type(model) is not Convolutional or x.device.type != "cpu" or x.dtype not in POOLS:
        return None
    before = [None, *model.plan]
    for previous, stage in zip(before, model.plan, strict=False):
        if isinstance(stage, Pool) and not isinstance(previous, Convolution):
            return None
    return ConvolutionalChain(model)


def _stages(model: Convolutional) -> tuple[_Stage, ...]:
    found: list[_Stage] = []
    for part, behind in zip(model.plan, (*model.plan[1:], None), strict=True):
        if isinstance(part, Pool):
            continue
        k = len(found) + 1
        padding = part.padding if isinstance(part, Convolution) else None
        bias: Tensor | None = getattr(model, f"b{k}", None)
        weight: Tensor = getattr(model, f"w{k}")
        relu = k < model.depth
        found.append(_Stage(weight, bias, padding, relu, isinstance(behind, Pool)))
    return tuple(found)


def _pooled(z: Tensor) -> tuple[Tensor, Tensor]:
    """ReLU and pool of z (n, c, h, w), and where in its window each number was."""
    n, c, height, width = z.shape
    shape = (n * c, -(-height // 2), -(-width // 2))
    after = z.new_empty(shape)
    place = torch.empty(shape, dtype=torch.uint8)
    pictures = z.contiguous().reshape(n * c, height, width)
    POOLS[z.dtype][0](pictures.numpy(), after.numpy(), place.numpy())
    return after.reshape(n, c, *shape[1:]), place


def _spread(g: Tensor, place: Tensor, shape: torch.Size) -> Tensor:
    """g (n, c, …) behind the pool to where its numbers came from, of that shape."""
    gradient = g.new_empty(shape)
    flat = gradient.view(-1, *shape[2:])
    POOLS[g.dtype][1](g.contiguous().view(place.shape).numpy(), place.numpy(), flat.numpy())
    return gradient
