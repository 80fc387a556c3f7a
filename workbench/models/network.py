"""The base of the workbench's own networks, and the flat θ that any nn.Module is trained through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from workbench.models.structure import Description, Layer, Neurons, Parameter, Structure


class Network(nn.Module, ABC):
    """An nn.Module that describes itself; forward maps x (n, …) to (n) or (n, C)."""

    @abstractmethod
    def describe(self) -> Description:
        """Layers, neurons, and what else is known of the network; the same at every θ."""


@dataclass(frozen=True)
class Needs:
    """What a network is built for: inputs (n, *input_shape), `outputs` numbers for each, and a seed that
    draws what stays fixed."""

    input_shape: tuple[int, ...]
    outputs: int
    seed: int

    @property
    def d(self) -> int:
        """Numbers of one input."""
        return prod(self.input_shape)


def described(model: nn.Module) -> Description | None:
    """What a module says of itself; None for those of the user, which say nothing."""
    return model.describe() if isinstance(model, Network) else None


def leaky(s: Tensor, leak: float) -> Tensor:
    """σ(s) = max(s, leak·s), for leak ≤ 1; relu where leak is 0."""
    if leak == 0.0:
        return torch.relu(s)
    return torch.nn.functional.leaky_relu(s, leak)


def activate(s: Tensor, activation: str) -> Tensor:
    """σ(s): s itself for "linear", max(0, s) for "relu"."""
    return s if activation == "linear" else torch.relu(s)


def structure_of(model: nn.Module, d: int) -> Structure:
    """Trained parameters, layers and neurons of any module; what it does not declare is read off.

    An undeclared module's layers are the submodules that own parameters; its neurons are the rows of
    the first weight matrix with d columns, if there is one.
    """
    parameters = []
    start = 0
    for name, tensor in model.named_parameters():
        if not tensor.requires_grad or not tensor.numel():
            continue
        parameters.append(Parameter(name, tuple(tensor.shape), start))
        start = parameters[-1].stop
    found = described(model)
    if found is not None:
        return Structure(tuple(parameters), found)
    owners: dict[str, list[str]] = {}
    for parameter in parameters:
        # A parameter held by the root module is a layer of its own.
        owner = parameter.name.rpartition(".")[0] or parameter.name
        owners.setdefault(owner, []).append(parameter.name)
    layers = tuple(Layer(owner, tuple(names)) for owner, names in owners.items())
    rows = next((p for p in parameters if len(p.shape) == 2 and p.shape[1] == d), None)
    neurons = Neurons(rows.name) if rows else None
    return Structure(tuple(parameters), Description(layers, neurons))


def flatten(model: nn.Module, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Move every trained parameter into one flat vector θ (P) and make the parameters views of it.

    Whoever writes θ in place moves the model, without any copying; gradients are asked of the
    parameters. Buffers and frozen parameters follow to the device.
    """
    model.to(device=device, dtype=dtype)
    theta = torch.cat([p.detach().reshape(-1) for p in model.parameters() if p.requires_grad])
    _view(model, theta)
    return theta


def lay_out(model: nn.Module, theta: Tensor) -> None:
    """Make every trained parameter a view of a given θ (P), of its type and on its device; buffers and
    frozen parameters follow there."""
    model.to(device=theta.device, dtype=theta.dtype)
    _view(model, theta)


def _view(model: nn.Module, theta: Tensor) -> None:
    start = 0
    for parameter in model.parameters():
        if parameter.requires_grad:
            stop = start + parameter.numel()
            parameter.data = theta[start:stop].view_as(parameter)
            start = stop
