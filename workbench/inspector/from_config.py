"""A state for the inspector from a configuration, its samples and a θ, without a run or its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.arrays import Float
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.registry import loss_of

if TYPE_CHECKING:
    from workbench.config.run import RunConfig
    from workbench.data.dataset import Dataset


def state_of(
    config: RunConfig, dataset: Dataset, theta: Float[np.ndarray, " P"], step: int = 0
) -> InspectedState:
    """The state at θ of the configuration's network and risk on the samples.

    Raises:
        BadInput: the network does not fit the samples, or θ not the network.
    """
    import torch

    from workbench.errors import BadInput
    from workbench.models.build import build_model
    from workbench.models.homogeneity import measure_homogeneity
    from workbench.models.network import structure_of

    loss = loss_of(config.loss.kind)
    model = build_model(
        config.model, dataset.x.shape[1:], loss.outputs(dataset.y), config.init.seed
    )
    structure = structure_of(model, dataset.d)
    if theta.shape != (structure.size,):
        raise BadInput(
            f"θ has {theta.size:,} numbers, and the network of model.kind '{config.model.kind}' "
            f"{structure.size:,} parameters."
        )
    homogeneity = measure_homogeneity(model, structure, torch.from_numpy(dataset.x))
    risk = RiskModel(model, dataset.x, dataset.y, loss, config.loss.reduction)
    return InspectedState.of(
        risk,
        structure,
        theta,
        order=homogeneity.order,
        learning_rate=config.train.lr,
        step=step,
    )
