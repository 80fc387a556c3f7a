"""What is not trained in a network: buffers, frozen weights, fixed signs. A run keeps it from its start."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Array
from workbench.errors import BadInput, clean_text


def fixed_tensors(model: nn.Module) -> dict[str, Array]:
    """Copies of the buffers and of the parameters without gradient, by name."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in _fixed(model).items()}


def put_fixed(model: nn.Module, kept: Mapping[str, Array]) -> None:
    """Put them back into a network built anew; raises BadInput where names or shapes are others now."""
    found = _fixed(model)
    if found.keys() != kept.keys():
        names = ", ".join(clean_text(name, 60) for name in sorted(found.keys() ^ kept.keys())[:5])
        raise BadInput(
            f"the network has other buffers or frozen weights than at the run's start: {names}."
        )
    with torch.no_grad():
        for name, tensor in found.items():
            array = kept[name]
            if tuple(tensor.shape) != array.shape:
                raise BadInput(
                    f"the network's '{clean_text(name, 60)}' has shape {tuple(tensor.shape)}, and at the "
                    f"run's start it had {array.shape}."
                )
            tensor.copy_(torch.from_numpy(np.array(array)))


def _fixed(model: nn.Module) -> dict[str, Tensor]:
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    return frozen | dict(model.named_buffers())
