"""H-AlexNet, the small homogeneous AlexNet of JT20 (App. A): PyTorch's CIFAR tutorial without biases."""

from __future__ import annotations

from workbench.config.models import AlexNetModel
from workbench.models.convolutional import (
    Convolution,
    Convolutional,
    Dense,
    Image,
    Pool,
    image_of,
)
from workbench.models.network import Needs

LEAST_SIDE = 16
"""Smallest side on which 5×5 filters without padding leave a pixel after both pools."""


def alexnet(
    image: Image, channels: tuple[int, int], widths: tuple[int, int], outputs: int
) -> Convolutional:
    """5×5 convolutions, pool, 5×5 convolutions, pool, three fully connected layers; 5-homogeneous.

    The tutorial's filters take no padding (32×32 becomes 16×5×5 before the dense layers); on pictures
    with a side below 16 they keep the picture's size instead (the 8×8 digits become 16×2×2).
    """
    padding = 0 if min(image[1:]) >= LEAST_SIDE else 2
    plan = (
        Convolution(channels[0], kernel=5, padding=padding),
        Pool(),
        Convolution(channels[1], kernel=5, padding=padding),
        Pool(),
        Dense(widths[0]),
        Dense(widths[1]),
        Dense(outputs),
    )
    return Convolutional(image, plan, "none")


def build(table: AlexNetModel, needs: Needs) -> Convolutional:
    """The network of its table; raises BadInput where the inputs are no pictures."""
    image = image_of(needs.input_shape, table.image, table.kind)
    return alexnet(image, table.channels, table.widths, needs.outputs)
