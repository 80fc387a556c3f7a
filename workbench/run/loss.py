"""The loss that [loss] asks for: one of the workbench's, or a class of the user's own."""

from __future__ import annotations

from workbench.config.run import LossConfig
from workbench.losses.loss import Loss
from workbench.losses.own import own_loss
from workbench.losses.registry import loss_of
from workbench.models.imported import attempted, imported_class


def loss_in(config: LossConfig) -> Loss:
    """The loss; raises BadInput where its class cannot be imported or made, or declares too little."""
    if config.class_path is None:
        return loss_of(config.kind)
    path, arguments = config.class_path, config.arguments or {}
    cls = imported_class(path, "loss.class")
    given = f" with loss.arguments {arguments}" if arguments else ""
    made = attempted(lambda: cls(**arguments), f"loss.class '{path}'{given} fails")
    return own_loss(made, path)
