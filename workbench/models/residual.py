"""Residual networks with biases and batch normalization: outside JT20's theory, as in its Fig. 2b and 3."""

from __future__ import annotations

from math import prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from workbench.config.models import ResidualModel
from workbench.models.convolutional import Image, image_of
from workbench.models.network import Needs, Network
from workbench.models.structure import Description, Layer

Filters = Literal["dense", "convolution"]
EPSILON = 1e-5
"""Added to every variance, as torch.nn.BatchNorm does."""
KERNEL = 3


class Residual(Network):
    """h_0 = w_0 x + b_0, h_k = h_{k−1} + w_{2k} σ(B(w_{2k−1} h_{k−1})), Φ = w_L σ(h_blocks) + b_L.

    σ is the ReLU, B(s) = (1 + gain)(s − mean)/√(variance + 1e−5) + b with `batch_norm`, else s + b; all b
    absent without `biases`. Dense layers of `width` units; or 3×3 convolutions of `width` channels that keep
    the picture's size, mean and variance then over samples and pixels, and the last layer sees each
    channel's mean.
    Not homogeneous.

    Mean and variance are always those of the samples in the call: a step's are its batch's, a record's are
    those of all samples. Nothing is averaged over steps, so θ and the samples are the whole state. New
    inputs are predicted with the statistics of `reference`, the samples.
    """

    def __init__(
        self,
        shape: Image | int,
        width: int,
        blocks: int,
        outputs: int,
        *,
        biases: bool,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.shape = shape if isinstance(shape, tuple) else (shape,)
        self.blocks = blocks
        self.biases = biases
        self.batch_norm = batch_norm
        self.depth = 2 * blocks + 2
        kernel = (KERNEL, KERNEL) if len(self.shape) == 3 else ()
        for k in range(self.depth):
            fan_out = outputs if k == self.depth - 1 else width
            fan_in = self.shape[0] if k == 0 else width
            window = kernel if k < self.depth - 1 else ()
            self._add(f"w{k}", (fan_out, fan_in, *window))
            if self._inner(k) and batch_norm:
                self._add(f"gain{k}", (fan_out,))
            if biases and (self._inner(k) or k in (0, self.depth - 1)):
                self._add(f"b{k}", (fan_out,))

    def _add(self, name: str, shape: tuple[int, ...]) -> None:
        self.register_parameter(name, nn.Parameter(torch.zeros(shape, dtype=torch.float64)))

    def _inner(self, k: int) -> bool:
        """Whether layer k is the first of a block."""
        return k % 2 == 1 and k < self.depth - 1

    def forward(self, x: Tensor, reference: Tensor | None = None) -> Tensor:
        """Outputs (n), or (n, C) with several, for inputs (n, …), by the statistics of `reference` (m, …),
        or of x itself."""
        held = 0 if reference is None else reference.shape[0]
        h = x if reference is None else torch.cat([reference, x])
        h = h.reshape(h.shape[0], *self.shape)
        h = self._shifted(self._linear(h, 0), 0)
        for k in range(1, self.depth - 1, 2):
            inner = self._normalized(self._linear(h, k), k, held or h.shape[0])
            h = h + self._linear(torch.relu(inner), k + 1)
        h = torch.relu(h)
        if h.ndim == 4:
            h = h.mean(dim=(2, 3))
        h = self._shifted(self._linear(h, self.depth - 1), self.depth - 1)[held:]
        return h[:, 0] if h.shape[1] == 1 else h

    def _linear(self, h: Tensor, k: int) -> Tensor:
        weight: Tensor = getattr(self, f"w{k}")
        if weight.ndim == 4:
            return conv2d(h, weight, padding=KERNEL // 2)
        return h @ weight.T

    def _normalized(self, s: Tensor, k: int, count: int) -> Tensor:
        """B(s), mean and variance over the first `count` rows."""
        if self.batch_norm:
            gain: Tensor = getattr(self, f"gain{k}")
            over = [0] if s.ndim == 2 else [0, 2, 3]
            seen = s[:count]
            mean = seen.mean(dim=over, keepdim=True)
            variance = (seen - mean).square().mean(dim=over, keepdim=True)
            s = (s - mean) * (1.0 + _along(gain, s)) / (variance + EPSILON).sqrt()
        return self._shifted(s, k)

    def _shifted(self, s: Tensor, k: int) -> Tensor:
        """s + b_k, where there is one."""
        bias: Tensor | None = getattr(self, f"b{k}", None)
        return s if bias is None else s + _along(bias, s)

    def describe(self) -> Description:
        """w_k with its gain and bias; none has an order. No neurons: a direction of the first layer means
        little behind skips and normalization."""
        found = []
        for k in range(self.depth):
            also = tuple(name for name in (f"gain{k}", f"b{k}") if hasattr(self, name))
            fan_in = prod(self.get_parameter(f"w{k}").shape[1:])
            found.append(Layer(f"w{k}", (f"w{k}", *also), None, fan_in, also))
        return Description(layers=tuple(found), mixes_samples=self.batch_norm)


def build(table: ResidualModel, needs: Needs) -> Residual:
    """The network of its table, over vectors, or over pictures where its filters are convolutions."""
    shape: Image | int = needs.d
    if table.filters == "convolution":
        shape = image_of(needs.input_shape, table.image, table.kind)
    return Residual(
        shape,
        table.width,
        table.blocks,
        needs.outputs,
        biases=table.biases == "all",
        batch_norm=table.batch_norm,
    )


def _along(vector: Tensor, s: Tensor) -> Tensor:
    """A number a unit or channel, in a shape that broadcasts over s."""
    return vector if s.ndim == 2 else vector[None, :, None, None]
