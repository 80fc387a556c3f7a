"""Which network has a kernel."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from workbench.engine.programs.kernel.network import NetworkKernel
from workbench.engine.programs.kernel.networks import (
    cnn,
    deep_linear,
    deep_relu,
    diagonal,
    shared_patches,
    skip_linear,
    sparse,
    squared_relu,
    two_layer_relu,
    two_trainable_relu,
)
from workbench.models.structure import Structure

FAMILIES: tuple[Callable[[nn.Module, Structure], NetworkKernel | None], ...] = (
    squared_relu.kernel,
    two_layer_relu.kernel,
    deep_relu.kernel,
    two_trainable_relu.kernel,
    deep_linear.kernel,
    diagonal.kernel,
    sparse.kernel,
    shared_patches.kernel,
    skip_linear.kernel,
    cnn.kernel,
)
"""Each gives the kernel of the networks it is for and None for all others, a subclass of theirs included."""


def kernel_of(model: nn.Module, structure: Structure) -> NetworkKernel | None:
    """The kernel of a network, None where there is none."""
    return next((found for of in FAMILIES if (found := of(model, structure)) is not None), None)
