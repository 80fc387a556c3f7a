"""From the [model] table to an nn.Module in float64 on the CPU, its weights still to be set."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from workbench.arrays import Array
from workbench.config.models import ModelTable, NtkModel, TorchModel
from workbench.errors import BadInput, clean_text
from workbench.models import (
    alexnet,
    cnn,
    deep_linear,
    deep_relu,
    diagonal,
    mexican_hat,
    residual,
    shared_patches,
    skip_linear,
    sparse,
    squared_relu,
    two_layer_relu,
    two_trainable_relu,
    vgg,
)
from workbench.models.few_weights import few_weights
from workbench.models.fixed import put_fixed
from workbench.models.imported import attempted, imported, outputs_of
from workbench.models.linearised import Linearised
from workbench.models.network import Needs, Network, flatten, structure_of
from workbench.models.repeatable import made_repeatable, tried
from workbench.models.start import first_theta

BUILDERS: dict[str, Callable[[Any, Needs], Network]] = {
    "squared-relu": squared_relu.build,
    "two-layer-relu": two_layer_relu.build,
    "deep-relu": deep_relu.build,
    "two-trainable-relu": two_trainable_relu.build,
    "deep-linear": deep_linear.build,
    "diagonal": diagonal.build,
    "sparse": sparse.build,
    "shared-patches": shared_patches.build,
    "skip-linear": skip_linear.build,
    "mexican-hat": mexican_hat.build,
    "cnn": cnn.build,
    "alexnet": alexnet.build,
    "vgg": vgg.build,
    "residual": residual.build,
}
"""By kind, what makes the network of a table of that kind."""
_BUILDING = threading.Lock()


def build_model(
    config: ModelTable,
    input_shape: tuple[int, ...],
    outputs: int,
    seed: int,
    fixed: Mapping[str, Array] | None = None,
) -> nn.Module:
    """The network for inputs of that shape; `seed` draws fixed random signs.

    `fixed`: what is not trained in it, where a run has kept that (`fixed_tensors`); model.start is then not
    read.

    Raises BadInput when the network does not fit the inputs, or a `torch` class cannot be imported,
    built, or called on them, or what was kept does not fit.
    """
    needs = Needs(tuple(input_shape), outputs, seed)
    if isinstance(config, TorchModel):
        model: nn.Module = _imported(config, needs)
    elif isinstance(config, NtkModel):
        model = _linearised(config, needs, drawn=fixed is None)
    else:
        with few_weights():
            model = BUILDERS[config.kind](config, needs)
    if fixed is not None:
        put_fixed(model, fixed)
    return model


def _linearised(config: NtkModel, needs: Needs, *, drawn: bool) -> Linearised:
    """The base network, at θ_0 as model.start draws it where it is to be `drawn`, linearised there."""
    with few_weights():
        base = BUILDERS[config.base.kind](config.base, needs)
    if drawn:
        start = first_theta(config.start, structure_of(base, needs.d))
        flatten(base, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(start))
    return Linearised(base, config.constant)


def _imported(config: TorchModel, needs: Needs) -> nn.Module:
    """A module of the user's that takes the inputs, has the outputs needed, and repeats itself."""
    input_shape, outputs, seed = needs.input_shape, needs.outputs, needs.seed
    # Torch's own generator belongs to the process: nobody else may build with it meanwhile.
    with _BUILDING:
        model = imported(config, seed)
    # First, as even a try may draw, and torch's generator is everybody's.
    made_repeatable(model, seed)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, *input_shape, generator=generator, dtype=torch.float64)
    found = tuple(outputs_of(model, x, config.class_path).shape)
    wanted = ((2,), (2, 1)) if outputs == 1 else ((2, outputs),)
    if found not in wanted:
        raise BadInput(
            f"model.class '{config.class_path}' gives {found} for two samples; "
            f"needed is {' or '.join(map(str, wanted))}."
        )
    attempted(
        lambda: tried(model, x),
        f"model.class '{clean_text(config.class_path, 120)}' cannot be trained on inputs of shape "
        f"(n, {', '.join(map(str, input_shape))})",
    )
    return model
