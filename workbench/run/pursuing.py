"""Neuron pursuit of what a configuration trains: its problem, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.config.run import RunConfig
from workbench.config.toml import to_toml
from workbench.data.dataset import Dataset
from workbench.data.load import load_dataset
from workbench.errors import BadInput
from workbench.inspector.correlation import MANY, WIDE
from workbench.inspector.state import InspectedState
from workbench.losses.registry import LOSSES, names_where
from workbench.record.pursuit_file import KeptPursuit
from workbench.run.network import network_of
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.merged_lines import out_of_range
from workbench.theory.ncf.pursuit import Stage


@dataclass(frozen=True, eq=False)
class Pursuing:
    """What is pursued: the problem, its neurons by output sign, and the configuration that it is of.

    `factor`: the run's risk over the summed one, 1 or 1/n.
    """

    config: RunConfig
    problem: ActiveProblem
    available: dict[float, int]
    factor: float
    name: str

    @classmethod
    def of(
        cls,
        config: RunConfig,
        name: str,
        dataset: Dataset | None = None,
        what: str = "neuron pursuit",
    ) -> Pursuing:
        """Of a configuration; `name`: what it is called where it has no name of its own; `dataset`: the
        samples, None: those of [data]; `what`: who asks, for the sentence.

        Raises:
            BadInput: neuron pursuit says nothing of this network, loss or data; a sentence says why.
        """
        dataset = dataset or load_dataset(config.data)
        network = network_of(config, dataset)
        state = network.state(np.zeros(network.structure.size))
        refused = why_not(config, state, what)
        if refused is not None:
            raise BadInput(refused)
        neurons = state.separable
        assert neurons is not None
        problem = ActiveProblem(state.x, state.y, state.kind, neurons.leak)
        signs, counts = np.unique(state.sees, return_counts=True)
        available = {float(s): int(c) for s, c in zip(signs[::-1], counts[::-1], strict=True)}
        return cls(config, problem, available, state.flow_factor, config.name or name)

    def kept(self, stages: tuple[Stage, ...], end: str, delta: float) -> KeptPursuit:
        """Stages with what they are of, as they are kept."""
        kind = self.problem.kind.value
        return KeptPursuit(self.name, to_toml(self.config), kind, self.factor, delta, end, stages)


def why_not(config: RunConfig, state: InspectedState, what: str = "neuron pursuit") -> str | None:
    """Why there is no neuron pursuit of a network, loss and data, in a sentence, or None."""
    loss = LOSSES.get(config.loss.kind)
    if loss is None or not loss.regression:
        return (
            f"{what} goes from stationary point to stationary point, which loss.kind "
            f"'{config.loss.kind}' has none of once the samples are separated; allowed: "
            f"{names_where(lambda one: one.regression)}."
        )
    if config.train.weight_decay > 0.0:
        return (
            f"train.weight_decay = {config.train.weight_decay:g} has stationary points of its own; allowed "
            f"for {what}: 0."
        )
    if state.separable is None or state.apart or state.order != 2.0:
        return (
            f"{what} is of single neurons of order 2, and model.kind '{config.model.kind}' here is no "
            "sum over such; allowed: 'squared-relu', 'two-layer-relu', and 'deep-linear' or 'deep-relu' of "
            "two layers, with one output."
        )
    n, d = state.x.shape
    linear = state.kind.value == "two-layer-relu" and state.separable.leak == 1.0
    if (d > WIDE and not linear) or n > MANY:
        return f"KKT points are searched for up to {WIDE} inputs, {MANY:,} samples; here are {d:,}, {n:,}."
    return out_of_range(state.x, state.y)
