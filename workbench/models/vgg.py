"""LL20's VGGNet-16 for CIFAR-10 (App. J): thirteen 3×3 convolutions and one dense layer."""

from __future__ import annotations

from workbench.config.models import VggModel
from workbench.models.convolutional import (
    Biases,
    Convolution,
    Convolutional,
    Dense,
    Image,
    Part,
    Pool,
    image_of,
)
from workbench.models.network import Needs

BLOCKS = (2, 2, 3, 3, 3)
"""Convolutions before each pool."""


def vgg(
    image: Image, channels: tuple[int, int, int, int, int], outputs: int, biases: Biases
) -> Convolutional:
    """Blocks of 2, 2, 3, 3, 3 size-keeping 3×3 convolutions, each block pooled, then fc `outputs`.

    14-homogeneous unless `biases` is "all". A 32×32 picture is one pixel at the end; a smaller one is one
    pixel before it, and the last pools change nothing.
    """
    plan: list[Part] = []
    for count, width in zip(BLOCKS, channels, strict=True):
        plan += [Convolution(width, kernel=3, padding=1)] * count + [Pool()]
    return Convolutional(image, (*plan, Dense(outputs)), biases)


def build(table: VggModel, needs: Needs) -> Convolutional:
    """The network of its table; raises BadInput where the inputs are no pictures."""
    image = image_of(needs.input_shape, table.image, table.kind)
    return vgg(image, table.channels, needs.outputs, table.biases)
