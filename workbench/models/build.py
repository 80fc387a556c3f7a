"""From the [model] table to an nn.Module in float64 on the CPU, its weights still to be set."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.config_models import (
    DeepReluModel,
    ModelConfig,
    SquaredReluModel,
    TorchModel,
    TwoLayerReluModel,
)
from workbench.errors import BadInput, clean_text, unknown
from workbench.models.deep_relu import DeepRelu
from workbench.models.squared_relu import SquaredRelu
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.models.two_trainable_relu import TwoTrainableRelu


def build_model(
    config: ModelConfig, input_shape: tuple[int, ...], outputs: int, seed: int
) -> nn.Module:
    """The network for inputs of that shape; `seed` draws fixed random signs.

    Raises BadInput when a `torch` class cannot be imported, built, or called on such inputs.
    """
    d = int(torch.Size(input_shape).numel())
    if isinstance(config, SquaredReluModel):
        return SquaredRelu(d, config.width, config.leak, _signs(config.signs, config.width, seed))
    if isinstance(config, TwoLayerReluModel):
        return TwoLayerRelu(d, config.width, config.leak)
    if isinstance(config, DeepReluModel):
        return DeepRelu(d, config.widths, outputs, config.leak)
    if isinstance(config, TorchModel):
        return _imported(config, input_shape, outputs, seed)
    return TwoTrainableRelu(
        d, config.widths, config.leak, _signs(config.signs, config.widths[1], seed)
    )


def _signs(kind: str, width: int, seed: int) -> Tensor:
    """Fixed output signs (H): all +1, seeded coin flips, or +1, −1, +1, …"""
    if kind == "plus":
        return torch.ones(width, dtype=torch.float64)
    if kind == "alternate":
        return 1.0 - 2.0 * (torch.arange(width) % 2).double()
    # A stream of its own, so that the signs do not move when the start is drawn otherwise.
    generator = torch.Generator().manual_seed(seed ^ 0x5165)
    return 1.0 - 2.0 * torch.randint(2, (width,), generator=generator).double()


def import_class(path: str) -> type[nn.Module]:
    """The nn.Module class at `package.module:Class`; the working folder is searched too."""
    module_name, _, class_name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise BadInput(
            f"model.class '{clean_text(path, 120)}' cannot be imported: {clean_text(str(error))}."
        ) from error
    found: object = module
    for part in class_name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(module).items() if isinstance(v, type)]
            raise unknown("class", class_name, names, f"model.class ({module_name})")
        found = getattr(found, part)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise BadInput(f"model.class '{clean_text(path, 120)}' is no torch.nn.Module class.")
    return found


def _imported(
    config: TorchModel, input_shape: tuple[int, ...], outputs: int, seed: int
) -> nn.Module:
    """A module of the user's, built under a seeded generator and tried once on zeros."""
    cls = import_class(config.class_path)
    where = f"model.class '{config.class_path}'"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = cls(**config.arguments)
        except (TypeError, ValueError) as error:
            raise BadInput(
                f"{where} with model.arguments {config.arguments} fails: {clean_text(str(error))}."
            ) from error
    model = model.double()
    if not any(p.requires_grad for p in model.parameters()):
        raise BadInput(f"{where} has no trainable parameters.")
    try:
        with torch.no_grad():
            out = model(torch.zeros(2, *input_shape, dtype=torch.float64))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise BadInput(
            f"{where} cannot take inputs of shape (n, {', '.join(map(str, input_shape))}): "
            f"{clean_text(str(error), 200)}."
        ) from error
    wanted = ((2,), (2, 1)) if outputs == 1 else ((2, outputs),)
    if not isinstance(out, Tensor) or tuple(out.shape) not in wanted:
        shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise BadInput(
            f"{where} gives {shape} for two samples; needed is {' or '.join(map(str, wanted))}."
        )
    return model
