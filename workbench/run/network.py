"""From a configuration and its samples to a network and its risk: all that looking at a state needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from workbench.arrays import Array, Float
from workbench.config.models import NtkModel
from workbench.config.run import RunConfig
from workbench.data.dataset import Dataset
from workbench.errors import BadInput
from workbench.inspector.risk_model import RiskModel
from workbench.inspector.state import InspectedState
from workbench.losses.loss import Loss
from workbench.models.build import build_model
from workbench.models.homogeneity import Homogeneity, measure_homogeneity
from workbench.models.network import structure_of
from workbench.models.repeatable import is_steady, still_copy
from workbench.models.structure import Structure
from workbench.norms.norm import Norm
from workbench.norms.registry import EUCLIDEAN, norm_called, norm_of_rule
from workbench.run.loss import loss_in


@dataclass(frozen=True, eq=False)
class ConfiguredNetwork:
    """The network of a configuration for some samples. Its `outputs`: 1, C with an output a class, or k for k
    targets a sample."""

    config: RunConfig
    dataset: Dataset
    model: nn.Module
    structure: Structure
    loss: Loss
    outputs: int

    @cached_property
    def homogeneity(self) -> Homogeneity:
        """The orders of Φ and of its layers, measured on the samples."""
        return measure_homogeneity(self.model, self.structure, torch.from_numpy(self.dataset.x))

    def alike(self, config: RunConfig, dataset: Dataset) -> ConfiguredNetwork:
        """The same module for another run; what was measured of it on the same samples is not again."""
        found = replace(self, config=config, dataset=dataset)
        if dataset is self.dataset and "homogeneity" in vars(self):
            vars(found)["homogeneity"] = self.homogeneity
        return found

    @property
    def classifies(self) -> bool:
        """Whether the labels are classes: −1 and 1, or with an output a class."""
        return self.dataset.labels == "binary" or self.loss.labels == "classes"

    @property
    def mixes_samples(self) -> bool:
        """Whether an output depends on the other samples, as with batch statistics."""
        return self.structure.description.mixes_samples

    def norm(self, name: str) -> Norm:
        """The norm of θ of that name, see `norms.registry`."""
        return norm_called(name, self.structure.shapes)

    def risk(self, step: int = 0, memory: Mapping[str, Array] | None = None) -> RiskModel:
        """The risk as a function of θ, on a copy of the network that belongs to one thread at a time.

        `step` and `memory` say with which random numbers and buffers, where the network has any.
        """
        model = self.model
        if not is_steady(model):
            model = still_copy(model, step, memory or {})
        return RiskModel(
            model, self.dataset.x, self.dataset.y, self.loss, self.config.loss.reduction
        )

    def state(
        self,
        theta: Float[Array, " P"],
        *,
        step: int = 0,
        time: float = 0.0,
        step_size: float | None = None,
        risk: RiskModel | None = None,
        memory: Mapping[str, Array] | None = None,
    ) -> InspectedState:
        """θ (P) for the inspector.

        `time`: of the flow. `step_size`: η of the step taken here, None: the configured one. `risk` saves a
        copy of the network, where its outputs depend on θ alone; `memory`: its buffers where they do not.

        Raises:
            BadInput: θ does not fit the network.
        """
        if theta.shape != (self.structure.size,):
            raise BadInput(
                f"θ has {theta.size:,} numbers, and the network of model.kind '{self.config.model.kind}' "
                f"{self.structure.size:,} parameters."
            )
        if risk is None or not is_steady(self.model):
            risk = self.risk(step, memory)
        train = self.config.train
        # With an ε against which the gradient vanishes Adam descends in ℓ2 at last.
        smooth = train.rule == "adam" and train.epsilon > 0
        return InspectedState.of(
            risk,
            self.structure,
            theta,
            order=self.homogeneity.order,
            learning_rate=train.lr if step_size is None else step_size,
            step=step,
            time=time,
            last_step=train.steps,
            norm=self.norm(EUCLIDEAN if smooth else norm_of_rule(train.rule)),
        )


def network_of(
    config: RunConfig, dataset: Dataset, fixed: Mapping[str, Array] | None = None
) -> ConfiguredNetwork:
    """The network that [model] asks for, with fixed signs of init.seed and its weights not set.

    `fixed`: what is not trained in it, where a run has kept that.

    Raises:
        BadInput: it does not fit the samples, or its class cannot be imported or built.
    """
    loss = loss_in(config.loss)
    outputs = loss.outputs(dataset.y)
    table = config.model.base if isinstance(config.model, NtkModel) else config.model
    if loss.labels == "classes" and table.single_output:
        raise BadInput(
            f"{loss.key} needs one output a class, and model.kind '{table.kind}' has one output; allowed "
            "here: a loss of labels −1 and 1, or of values."
        )
    if outputs > 1 and table.single_output:
        raise BadInput(
            f"{dataset.name} has {outputs} targets a sample, and model.kind '{table.kind}' has one output; "
            "allowed here: one target, or a network of as many outputs, such as 'deep-linear'."
        )
    model = build_model(config.model, dataset.x.shape[1:], outputs, config.init.seed, fixed)
    return ConfiguredNetwork(config, dataset, model, structure_of(model, dataset.d), loss, outputs)
