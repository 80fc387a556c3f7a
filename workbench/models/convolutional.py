"""Convolutional ReLU networks from a plan of parts: what `cnn`, `alexnet` and `vgg` are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, max_pool2d

from workbench.errors import BadInput
from workbench.models.network import Network
from workbench.models.structure import (
    ConvolutionStage,
    Description,
    Layer,
    Matrix,
    PoolStage,
    Stage,
)

Biases = Literal["none", "first", "all"]
Image = tuple[int, int, int]


@dataclass(frozen=True)
class Convolution:
    """`channels` filters of kernel × kernel, stride 1, zeros around the picture (`padding`), then ReLU."""

    channels: int
    kernel: int
    padding: int


@dataclass(frozen=True)
class Pool:
    """Max-pooling, 2×2 with stride 2; an odd last row or column is pooled by itself, one pixel stays."""


@dataclass(frozen=True)
class Dense:
    """A fully connected layer of `width` units, then ReLU unless it is the last."""

    width: int


Part = Convolution | Pool | Dense


class Convolutional(Network):
    """The stages of a plan over pictures (channels, height, width), as TensorFlow's SAME pooling sizes them.

    Weights w_k, (channels_k, channels_{k−1}, kernel, kernel) or (width_k, inputs); biases b_k. Without
    biases after the first layer Φ is homogeneous of the number of layers, 1 by layers, the first layer's
    bias counted with its weights (LL20 App. J.1).
    """

    def __init__(self, image: Image, plan: Sequence[Part], biases: Biases) -> None:
        super().__init__()
        self.image = image
        self.plan = tuple(plan)
        self.biases = biases
        channels, height, width = image
        k, features = 0, 0
        for stage in self.plan:
            if isinstance(stage, Pool):
                height, width = -(-height // 2), -(-width // 2)
                continue
            k += 1
            if isinstance(stage, Convolution):
                shape: tuple[int, ...] = (stage.channels, channels, stage.kernel, stage.kernel)
                height += 2 * stage.padding - stage.kernel + 1
                width += 2 * stage.padding - stage.kernel + 1
                channels = stage.channels
                features = 0
            else:
                shape = (stage.width, features or channels * height * width)
                features = stage.width
            if min(height, width) < 1:
                raise ValueError(f"pictures of {image} are too small for layer {k}")
            self.register_parameter(f"w{k}", nn.Parameter(torch.zeros(shape, dtype=torch.float64)))
            if biases == "all" or (biases == "first" and k == 1):
                zeros = torch.zeros(shape[0], dtype=torch.float64)
                self.register_parameter(f"b{k}", nn.Parameter(zeros))
        self.depth = k

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n), or (n, C) with several, for inputs (n, …) of as many numbers as a picture has."""
        h = x.reshape(x.shape[0], *self.image)
        k = 0
        for stage in self.plan:
            if isinstance(stage, Pool):
                h = max_pool2d(h, 2, ceil_mode=True)
                continue
            k += 1
            weight: Tensor = getattr(self, f"w{k}")
            bias: Tensor | None = getattr(self, f"b{k}", None)
            if isinstance(stage, Convolution):
                h = conv2d(h, weight, bias, padding=stage.padding)
            else:
                h = h.flatten(1) @ weight.T
                h = h if bias is None else h + bias
            h = torch.relu(h) if k < self.depth else h
        return h[:, 0] if h.shape[1] == 1 else h

    def describe(self) -> Description:
        """w_k with its bias; no orders are declared where later layers have biases. No neurons: the papers
        look at layers here, not at single filters."""
        order = None if self.biases == "all" and self.depth > 1 else 1.0
        layers: list[Layer] = []
        stages: list[Stage] = []
        image = self.image
        for part in self.plan:
            if isinstance(part, Pool):
                stages.append(PoolStage())
                image = (image[0], -(-image[1] // 2), -(-image[2] // 2))
                continue
            name = f"w{len(layers) + 1}"
            bias = f"b{name[1:]}" if hasattr(self, f"b{name[1:]}") else None
            shape = self.get_parameter(name).shape
            matrix = None
            if isinstance(part, Convolution):
                stages.append(ConvolutionStage(name, bias, part.padding, image))
                grown = 2 * part.padding - part.kernel + 1
                image = (part.channels, image[1] + grown, image[2] + grown)
            else:
                last = len(layers) + 1 == self.depth
                matrix = Matrix(name, (shape[0], shape[1]), leak=1.0 if last else 0.0, bias=bias)
                stages.append(matrix)
            biases = () if bias is None else (bias,)
            fan_in = prod(shape[1:])
            layers.append(Layer(name, (name, *biases), order, fan_in, biases, matrix))
        return Description(layers=tuple(layers), stages=tuple(stages))


def image_of(input_shape: tuple[int, ...], given: Image | None, kind: str) -> Image:
    """(channels, height, width) of inputs (n, *input_shape).

    As `given`; else (c, h, w) itself, (h, w) as one channel, or d numbers as s² (one channel) or 3·s²
    (three). Raises BadInput when none of them fits.
    """
    d = prod(input_shape)
    if given is not None:
        if prod(given) != d:
            raise BadInput(
                f"model.image = {list(given)} is {prod(given)} numbers, and an input has {d}."
            )
        return given
    if len(input_shape) == 3:
        return (input_shape[0], input_shape[1], input_shape[2])
    if len(input_shape) == 2:
        return (1, input_shape[0], input_shape[1])
    for channels in (1, 3):
        side = isqrt(d // channels)
        if channels * side * side == d:
            return (channels, side, side)
    raise BadInput(
        f"model.kind '{kind}' needs pictures, and {d} numbers are neither s² nor 3·s²; "
        "set model.image = [channels, height, width]."
    )
