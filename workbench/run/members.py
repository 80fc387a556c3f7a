"""From one configuration and what M members change of it to M networks on their device, ready to be stepped.

Members have equal shapes and one way to step; they may differ in their start, their samples, and their rates.
What is the same for all is made once: the network, its structure and orders, what is measured. A member costs
its start, its fixed signs, and its samples where they are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from workbench.arrays import Float
from workbench.config.run import RunConfig
from workbench.config.toml import parse_config
from workbench.data.dataset import Dataset
from workbench.data.load import load_dataset
from workbench.engine.member_program import MemberProgram
from workbench.engine.members import Members
from workbench.errors import BadInput, clean_text
from workbench.models.fixed import fixed_tensors
from workbench.models.start import first_theta
from workbench.run.experiment import Experiment, experiment_of
from workbench.run.member_program import member_program
from workbench.run.memory import enough_memory
from workbench.run.network import ConfiguredNetwork, network_of

FREE_TABLES = ("data", "init")
FREE_RATES = ("lr", "max_update", "floor", "weight_decay")
"""Of [train]; weight decay where no member or every one has it: it is a series of their own."""
ALLOWED = (
    "members may differ in data.*, init.*, train.lr, train.max_update, train.floor and, where none has 0, "
    "train.weight_decay"
)


@dataclass(frozen=True, eq=False)
class MemberBlock:
    """M runs of equal shapes, ready to be stepped together.

    `networks` (M): of every member, sharing one module where nothing fixed in it differs. `first` is the
    experiment that member 0 would be alone; its network and its measures serve the others. `starts` (M, P):
    every θ(0), which some measures look back at.
    """

    first: Experiment
    networks: tuple[ConfiguredNetwork, ...]
    members: Members
    program: MemberProgram
    starts: Float[np.ndarray, "M P"]

    @property
    def count(self) -> int:
        """M."""
        return len(self.networks)

    @property
    def config(self) -> RunConfig:
        """Member 0's, from which the others differ as said above."""
        return self.first.config

    @cached_property
    def one_dataset(self) -> bool:
        """Whether all have the same samples."""
        return all(network.dataset is self.networks[0].dataset for network in self.networks)


def members_of(config: RunConfig, overrides: Sequence[Mapping[str, Any]]) -> MemberBlock:
    """M members of a configuration; `overrides` has, for each, values by key, as {"init.seed": 3}.

    Raises:
        BadInput: a key does not fit, or differs where members may not; member and key are named.
    """
    return block_of(member_configs(config, overrides))


def block_of(configs: Sequence[RunConfig]) -> MemberBlock:
    """The members that have these configurations; raises BadInput as `members_of`."""
    for k, config in enumerate(configs[1:], 1):
        _require_alike(configs[0], config, k)
    with enough_memory(configs[0]):
        datasets = _datasets(configs)
        first = experiment_of(configs[0], datasets[0], members=len(configs))
        networks = _networks(first, configs, datasets)
        starts = np.stack([first_theta(n.config.init, n.structure) for n in networks])
        theta = torch.from_numpy(starts).to(first.state.theta, copy=True)
        members = Members(theta)
        block = MemberBlock(
            first, networks, members, member_program(first, networks, theta), starts
        )
        return block


def member_configs(
    config: RunConfig, overrides: Sequence[Mapping[str, Any]]
) -> tuple[RunConfig, ...]:
    """The configuration of every member; raises BadInput as `members_of`."""
    if not overrides:
        raise BadInput("there are no members; needed is at least one.")
    base = config.model_dump(mode="python", by_alias=True, exclude_none=True)
    found: list[RunConfig] = []
    for k, changes in enumerate(overrides):
        values = dict(base)
        for key, value in changes.items():
            _set(values, key, value, k)
        found.append(parse_config(values, f"member {k}"))
    return tuple(found)


def _set(values: dict[str, Any], key: str, value: object, member: int) -> None:
    """One key of a member's table; tables on the way are copied, as members share them."""
    *path, name = key.split(".")
    table = values
    for part in path:
        inner = table.get(part, {})
        if not isinstance(inner, dict):
            raise BadInput(f"member {member}: '{clean_text(part, 60)}' in '{key}' is not a table.")
        table[part] = table = dict(inner)
    table[name] = value


def _require_alike(first: RunConfig, member: RunConfig, k: int) -> None:
    """Refuse what makes another network, or another way to step, of a member than of the first."""
    for section in type(first).model_fields:
        one, other = getattr(first, section), getattr(member, section)
        if section in ("name", "description") or one == other:
            continue
        names = sorted(type(one).model_fields.keys() | type(other).model_fields.keys())
        if section in FREE_TABLES and one.kind == other.kind:
            continue
        for name in ["kind", *names]:
            a, b = getattr(one, name, None), getattr(other, name, None)
            free = section == "train" and name in FREE_RATES
            if a == b or (free and (name != "weight_decay" or (a and b))):
                continue
            raise BadInput(
                f"member {k}: {section}.{name} is {_shown(b)}, and {_shown(a)} for member 0; "
                f"{ALLOWED}, of the same kind."
            )


def _shown(value: object) -> str:
    return clean_text(repr(value), 60)


def _datasets(configs: Sequence[RunConfig]) -> list[Dataset]:
    """The samples of every member, each table read once."""
    made: dict[str, Dataset] = {}
    found: list[Dataset] = []
    for k, config in enumerate(configs):
        table = config.data.model_dump_json()
        if table not in made:
            made[table] = load_dataset(config.data)
        found.append(made[table])
        _require_fitting(found[0], made[table], k)
    return found


def _require_fitting(first: Dataset, dataset: Dataset, k: int) -> None:
    """Refuse samples of other shapes, or labels of another kind."""
    if dataset is first:
        return
    if dataset.x.shape != first.x.shape:
        raise BadInput(
            f"member {k}: data gives inputs of shape {dataset.x.shape}, and {first.x.shape} for member 0; "
            "members have equal shapes."
        )
    if (dataset.test is None) != (first.test is None):
        raise BadInput(
            f"member {k}: data.test holds samples out {'for member 0' if dataset.test is None else 'here'} "
            "only; either all members have such samples or none."
        )
    if dataset.labels != first.labels or (
        dataset.labels == "classes" and dataset.n_classes != first.n_classes
    ):
        raise BadInput(
            f"member {k}: data gives labels that are {dataset.labels}, and {first.labels} for member 0, or "
            "another number of classes; members have equal shapes."
        )
    if dataset.targets != first.targets:
        raise BadInput(
            f"member {k}: data gives {dataset.targets} targets a sample, and {first.targets} for member 0; "
            "members have equal shapes."
        )


def _networks(
    first: Experiment, configs: Sequence[RunConfig], datasets: Sequence[Dataset]
) -> tuple[ConfiguredNetwork, ...]:
    """Every member's network; the module is the first one's where nothing in it is fixed by a seed."""
    found = [first.network]
    has_fixed = bool(fixed_tensors(first.model))
    made = {configs[0].init.seed: first.network}
    for config, dataset in zip(configs[1:], datasets[1:], strict=True):
        seed = config.init.seed if has_fixed else configs[0].init.seed
        if seed not in made:
            made[seed] = network_of(config, dataset)
        found.append(made[seed].alike(config, dataset))
    return tuple(found)
