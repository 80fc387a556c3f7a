"""The integrator of gradient flow that a network has."""

from __future__ import annotations

from math import log

import torch

from workbench.engine.programs.eager import EagerProgram
from workbench.engine.programs.flow.field import FlowField
from workbench.engine.programs.flow.kinked import KinkedField
from workbench.engine.programs.flow.place import Field
from workbench.engine.programs.flow.program import FlowProgram
from workbench.engine.programs.flow.two_layer import SquaredField
from workbench.errors import BadInput
from workbench.losses.registry import names_where
from workbench.models.repeatable import draws
from workbench.models.squared_relu import SquaredRelu
from workbench.models.two_layer_relu import TwoLayerRelu
from workbench.run.network import ConfiguredNetwork


def flow_program(
    network: ConfiguredNetwork, rows: EagerProgram, taken: str | None = None
) -> FlowProgram:
    """The flow of the network on the samples of the program that evaluates its `rows`.

    `taken`: the engine that took the run's steps so far, which it keeps.

    Raises:
        BadInput: the network has no such flow.
    """
    _require_flow(network)
    train = network.config.train
    field: Field | None = None
    if network.config.device.engine != "eager" and taken in (None, SquaredField.engine):
        field = _two_layer(network, rows)
    if field is None:
        smooth = network.structure.description.smooth_gates
        field = FlowField(
            network.model,
            rows.x,
            rows.y,
            loss=network.loss,
            reduction=rows.reduction,
            order=network.homogeneity.order,
            gate_width=0.0 if smooth else train.gate_width,
        )
    goal = None if train.until is None else train.until.log10_risk * log(10.0)
    return FlowProgram(field, rows, rtol=train.rtol, log_risk=goal)


def _two_layer(network: ConfiguredNetwork, rows: EagerProgram) -> Field | None:
    """The field in closed form, of the networks that have one."""
    model = network.model
    if rows.x.device.type != "cpu" or rows.x.dtype != torch.float64 or rows.x.ndim != 2:
        return None
    x, y = rows.x.numpy(), rows.y.numpy().astype(float)
    loss, reduction = network.loss, rows.reduction
    if loss.labels == "classes" or y.ndim == 2:
        return None
    if type(model) is SquaredRelu:
        signs = model.signs.numpy().copy()
        return SquaredField(x, y, signs=signs, leak=model.leak, loss=loss, reduction=reduction)
    if type(model) is TwoLayerRelu and model.leak < 1.0:
        return KinkedField(
            x, y, width=len(model.v), leak=model.leak, loss=loss, reduction=reduction
        )
    return None


def _require_flow(network: ConfiguredNetwork) -> None:
    """Refuse networks whose flow is not one of ordinary differential equations, or has no far chart."""
    kind, loss = network.config.model.kind, network.loss
    if draws(network.model):
        raise BadInput(
            f"train.rule 'flow' follows one risk, and the network of model.kind '{kind}' draws "
            "random numbers, another risk at every step; allowed here: the other rules."
        )
    if network.mixes_samples:
        raise BadInput(
            "train.rule 'flow' follows every sample by itself, and model.batch_norm = true mixes them; "
            "allowed here: the rules constant, normalized, loss-based."
        )
    if network.homogeneity.order is None and not loss.regression:
        raise BadInput(
            f"train.rule 'flow' with {loss.key} needs a homogeneous network, and model.kind "
            f"'{kind}' is not; allowed here: loss.kind {names_where(lambda loss: loss.regression)}, or the "
            "rules constant, normalized, loss-based."
        )
