"""A stored state by the names of its network: arrays that a `state_dict` takes, or the module itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import torch

from workbench.arrays import Array, Float
from workbench.errors import StorageError, clean_text
from workbench.models.network import flatten
from workbench.models.repeatable import still_copy
from workbench.record.start import NamedPart
from workbench.run.sources import named_parts

if TYPE_CHECKING:
    from torch import nn

    from workbench.run.stored import StoredRun


def parts_of(run: StoredRun, trust: bool) -> tuple[NamedPart, ...]:
    """The run's names: those of its file, or of its configuration's network where it keeps none.

    Raises BadInput where a class would have to be imported that is not trusted.
    """
    return run.start.parameters or named_parts(run.network(trust=trust).structure)


def tensors_of(
    theta: Float[np.ndarray, " P"], parts: Sequence[NamedPart], name: str
) -> dict[str, Array]:
    """Views of θ by name, in their own shapes; raises StorageError where they are not all of θ."""
    stop = 0
    for part in parts:
        if part.offset != stop:
            break
        stop += prod(part.shape)
    if stop != theta.size or not parts:
        raise StorageError(
            f"run {clean_text(name, 120)} has {theta.size:,} parameters, and its names are not of them."
        )
    return {
        part.name: theta[part.offset : part.offset + prod(part.shape)].reshape(part.shape)
        for part in parts
    }


def module_at(run: StoredRun, step: int, trust: bool) -> nn.Module:
    """The run's network in float64, on the CPU, with the weights and buffers of a step."""
    network = run.network(trust=trust)
    theta = run.theta(step)
    if theta.size != network.structure.size:
        raise StorageError(
            f"run {clean_text(run.folder.name, 120)} has {theta.size:,} parameters and its configuration "
            f"{network.structure.size:,}."
        )
    module = still_copy(network.model, step, run.buffers(step, network.model))
    with torch.no_grad():
        flatten(module, torch.float64, torch.device("cpu")).copy_(torch.from_numpy(theta))
    return module
