"""The CNN that LL20 trains on MNIST (App. J): conv, pool, conv, pool, two fully connected layers."""

from __future__ import annotations

from workbench.config.models import CnnModel
from workbench.models.convolutional import (
    Biases,
    Convolution,
    Convolutional,
    Dense,
    Image,
    Pool,
    image_of,
)
from workbench.models.network import Needs


def cnn(
    image: Image, channels: tuple[int, int], width: int, outputs: int, biases: Biases
) -> Convolutional:
    """5×5 convolutions, pool, 3×3 convolutions, pool, fc `width`, fc `outputs`; 4-homogeneous unless
    `biases` is "all".

    Both convolutions keep the picture's size (SAME padding, as in LL20's code) and both pools halve it, so
    every size has a place: 28×28 becomes 64×7×7 before the dense layers, the 8×8 digits 64×2×2.
    LL20's "without bias" keeps the first layer's: `biases` "first".
    """
    plan = (
        Convolution(channels[0], kernel=5, padding=2),
        Pool(),
        Convolution(channels[1], kernel=3, padding=1),
        Pool(),
        Dense(width),
        Dense(outputs),
    )
    return Convolutional(image, plan, biases)


def build(table: CnnModel, needs: Needs) -> Convolutional:
    """The network of its table; raises BadInput where the inputs are no pictures."""
    image = image_of(needs.input_shape, table.image, table.kind)
    return cnn(image, table.channels, table.width, needs.outputs, table.biases)
