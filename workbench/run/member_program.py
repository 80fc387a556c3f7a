"""The way to step M members that their configuration asks for: compiled, all at once, or one by one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.engine.member_program import MemberProgram
from workbench.engine.program import StepProgram
from workbench.engine.programs.eager import EagerProgram
from workbench.engine.programs.members.each import EachMember
from workbench.engine.programs.members.stacked import StackedEager, members_a_pass
from workbench.engine.rules.members.choose import member_rule
from workbench.models.network import lay_out
from workbench.models.repeatable import is_steady
from workbench.run.experiment import Experiment
from workbench.run.network import ConfiguredNetwork, network_of
from workbench.run.program import batches_of, program_of, rule_of


def member_program(
    first: Experiment, networks: Sequence[ConfiguredNetwork], theta: Tensor
) -> MemberProgram:
    """Steps of the members whose θ are the rows of `theta` (M, P); `first` is the run of member 0 alone.

    Compiled code steps each by the very program of a single run, in `device.threads` threads. Autograd steps
    all at once where the network depends on weights and inputs alone; one that draws random numbers, changes
    buffers or mixes samples, a flow, and a rule of the user's own are stepped one by one.
    """
    program = first.program
    if program.name == "kernel":
        programs = _compiled(first, networks)
        return EachMember(programs, first.config.device.threads)
    if isinstance(program, EagerProgram):
        stacked = _stacked(first, program, networks)
        if stacked is not None and _possible(stacked, theta):
            return stacked
    return EachMember(_one_by_one(first, networks, theta))


class _Samples:
    """Inputs and labels of the members on the device, each dataset once."""

    def __init__(self, like: Tensor) -> None:
        self.like = like
        self.made: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, dataset: Dataset) -> tuple[Tensor, Tensor]:
        """x (n, …) and y (n)."""
        if id(dataset) not in self.made:
            x, y = (torch.from_numpy(array).to(self.like) for array in (dataset.x, dataset.y))
            self.made[id(dataset)] = (x, y)
        return self.made[id(dataset)]


def _compiled(first: Experiment, networks: Sequence[ConfiguredNetwork]) -> list[StepProgram]:
    """A kernel program for every member; those who share a module share the kernel."""
    from workbench.engine.programs.kernel.choose import kernel_of
    from workbench.engine.programs.kernel.program import KernelProgram

    size, samples = first.structure.size, _Samples(first.state.theta)
    kernels = {}
    found: list[StepProgram] = []
    for network in networks:
        if id(network.model) not in kernels:
            kernels[id(network.model)] = kernel_of(network.model, network.structure)
        kernel = kernels[id(network.model)]
        if kernel is None:
            raise RuntimeError("a member's network has no kernel, and that of the first has one")
        x, y = samples.of(network.dataset)
        batches = batches_of(network.config, x)
        found.append(
            KernelProgram(
                kernel,
                size,
                x,
                y,
                loss=network.loss,
                reduction=network.config.loss.reduction,
                rule=rule_of(network, x, batches),
                batches=batches,
            )
        )
    return found


def _stacked(
    first: Experiment, program: EagerProgram, networks: Sequence[ConfiguredNetwork]
) -> StackedEager | None:
    """All members at once, or None where the network or the rule does not allow it."""
    if (
        not is_steady(first.model)
        or first.network.mixes_samples
        or program.block < len(program.x)
        or first.config.train.rule == "torch"
    ):
        return None
    samples = _Samples(first.state.theta)
    pairs = [samples.of(network.dataset) for network in networks]
    batches = [batches_of(n.config, x) for n, (x, _) in zip(networks, pairs, strict=True)]
    drawn = [each for each in batches if each is not None]
    rules = [
        rule_of(network, x, each)
        for network, (x, _), each in zip(networks, pairs, batches, strict=True)
    ]
    rule = member_rule(rules)
    if rule is None:
        return None
    x, y = pairs[0]
    if len(samples.made) > 1:
        x, y = (torch.stack([pair[part] for pair in pairs]) for part in (0, 1))
    return StackedEager(
        first.model,
        x,
        y,
        count=len(networks),
        loss=first.network.loss,
        reduction=first.config.loss.reduction,
        rule=rule,
        batches=drawn or None,
        fixed=_fixed(networks, first.state.theta),
        a_pass=members_a_pass(first.model, pairs[0][0]),
    )


def _fixed(networks: Sequence[ConfiguredNetwork], like: Tensor) -> dict[str, Tensor]:
    """What is not trained and differs between members, by name, (M, …) each."""
    if all(network.model is networks[0].model for network in networks):
        return {}
    each = [_untrained(network) for network in networks]
    stacked = {name: torch.stack([one[name] for one in each]) for name in each[0]}
    return {
        name: values.to(like) if values.is_floating_point() else values.to(like.device)
        for name, values in stacked.items()
        if not bool((values == values[0]).all())
    }


def _untrained(network: ConfiguredNetwork) -> dict[str, Tensor]:
    frozen = {n: p.detach() for n, p in network.model.named_parameters() if not p.requires_grad}
    return {n: t.detach().cpu() for n, t in (frozen | dict(network.model.named_buffers())).items()}


def _possible(program: StackedEager, theta: Tensor) -> bool:
    """Whether torch can step the network so."""
    try:
        program.tried(theta)
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        # As where Python decides by a number, or the network differentiates inside its forward pass.
        return False
    return True


def _one_by_one(
    first: Experiment, networks: Sequence[ConfiguredNetwork], theta: Tensor
) -> list[StepProgram]:
    """The program of every member's own run, on a network of its own whose weights are its row of θ."""
    samples = _Samples(theta)
    found = []
    for network, row in zip(networks, theta, strict=True):
        own = network_of(network.config, network.dataset)
        if first.config.train.rule == "flow":
            # Measured once: members have the same orders.
            own.__dict__["homogeneity"] = first.homogeneity
        lay_out(own.model, row)
        x, y = samples.of(network.dataset)
        program, _ = program_of(own, row, x, y, first.program.name)
        found.append(program)
    return found
