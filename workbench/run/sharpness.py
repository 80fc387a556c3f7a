"""What a run's configuration asks of its sharpness, and the bound that its steps have."""

from __future__ import annotations

from workbench.config.run import RunConfig
from workbench.errors import BadInput
from workbench.measures.sharpness import Sharpness, Stability
from workbench.models.repeatable import is_steady
from workbench.run.network import ConfiguredNetwork

FACTOR_OVER_THE_RATE = ("constant", "normalized", "loss-based", "smoothness")
"""The rules whose step is −η∇𝓛 for some η."""


def sharpness_of(network: ConfiguredNetwork) -> Sharpness | None:
    """The Hessian to measure, None where measures.sharpness_every is 0.

    Raises:
        BadInput: an output of the network depends on more than weights and inputs.
    """
    config, dataset = network.config, network.dataset
    every = config.measures.sharpness_every
    if not every:
        return None
    if not is_steady(network.model):
        raise BadInput(
            f"measures.sharpness_every = {every} needs outputs that depend on weights and inputs alone, and "
            f"the network of model.kind '{config.model.kind}' draws random numbers or changes buffers at a "
            "pass; allowed here: 0."
        )
    return Sharpness(
        network.model, dataset.x, dataset.y, network.loss, config.loss.reduction, every
    )


def stability_of(config: RunConfig) -> Stability | None:
    """What sharpness a step is stable below; None for rules whose step is no multiple of the gradient."""
    train = config.train
    if train.rule == "momentum":
        return Stability(2.0 * (1.0 + train.momentum), train.lr, train.weight_decay)
    if train.rule not in FACTOR_OVER_THE_RATE:
        return None
    return Stability(2.0, train.lr if train.rule == "constant" else None, train.weight_decay)
