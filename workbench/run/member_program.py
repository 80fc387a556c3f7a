"""The way to step M members that their configuration asks for: compiled, all at once, or one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import torch
from torch import Tensor

from workbench.data.dataset import Dataset
from workbench.engine.batches import Minibatches
from workbench.engine.member_program import MemberProgram
from workbench.engine.program import StepProgram
from workbench.engine.programs.eager import EagerProgram
from workbench.engine.programs.members.each import EachMember
from workbench.engine.programs.members.stacked import StackedEager, members_a_pass
from workbench.engine.rules.members.choose import member_rule
from workbench.engine.rules.rule import StepRule
from workbench.losses.own import OwnLoss
from workbench.models.network import lay_out
from workbench.models.repeatable import is_steady
from workbench.run.captured import CAPTURED
from workbench.run.experiment import Experiment
from workbench.run.network import ConfiguredNetwork, network_of
from workbench.run.program import batches_of, program_of, rule_of

if TYPE_CHECKING:
    from workbench.engine.programs.captured.members import CapturedMembers

GPU_NUMBERS = 500_000_000
"""Most numbers that the backward pass of members evaluated at once holds on a GPU: 4 GB in float64."""


def member_program(
    first: Experiment, networks: Sequence[ConfiguredNetwork], theta: Tensor
) -> MemberProgram:
    """Steps of the members whose θ are the rows of `theta` (M, P); `first` is the run of member 0 alone.

    Compiled code steps each by the very program of a single run, in `device.threads` threads. A GPU steps all
    in one graph. Autograd steps all at once where the network depends on weights and inputs alone; one that
    draws random numbers, changes buffers or mixes samples, a flow, a rule that remembers a direction
    (momentum, signum, Muon, Adam), steepest descent not normalized, a rule or a loss of the user's own,
    and several targets a sample are stepped one by one.
    """
    program = first.program
    if program.name == "kernel":
        return EachMember(_Compiled(first, networks), first.config.device.threads)
    if program.name == CAPTURED:
        captured = _captured(first, networks)
        if _possible(captured, theta):
            return captured
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


class _Compiled(Sequence[StepProgram]):
    """A kernel program for every member, made when it is asked for: it has room for a pass of its own, which
    for many members of a wide network is more than there is."""

    def __init__(self, first: Experiment, networks: Sequence[ConfiguredNetwork]) -> None:
        from workbench.engine.programs.kernel.choose import kernel_of

        self.networks, self.size = networks, first.structure.size
        samples = _Samples(first.state.theta)
        self.samples = [samples.of(network.dataset) for network in networks]
        models = {id(network.model): network for network in networks}
        self.kernels = {
            key: kernel_of(network.model, network.structure) for key, network in models.items()
        }

    def __len__(self) -> int:
        return len(self.networks)

    @overload
    def __getitem__(self, member: int) -> StepProgram: ...

    @overload
    def __getitem__(self, member: slice) -> Sequence[StepProgram]: ...

    def __getitem__(self, member: int | slice) -> StepProgram | Sequence[StepProgram]:
        if isinstance(member, slice):
            return [self[k] for k in range(len(self))[member]]
        from workbench.engine.programs.kernel.program import KernelProgram

        network, (x, y) = self.networks[member], self.samples[member]
        kernel = self.kernels[id(network.model)]
        if kernel is None:
            raise RuntimeError("a member's network has no kernel, and that of the first has one")
        batches = batches_of(network.config, x)
        return KernelProgram(
            kernel,
            self.size,
            x,
            y,
            loss=network.loss,
            reduction=network.config.loss.reduction,
            rule=rule_of(network, x, batches),
            batches=batches,
        )


def _stacked(
    first: Experiment, program: EagerProgram, networks: Sequence[ConfiguredNetwork]
) -> StackedEager | None:
    """All members at once, or None where the network or the rule does not allow it."""
    if (
        not is_steady(first.model)
        or first.network.mixes_samples
        or program.block < len(program.x)
        or isinstance(first.network.loss, OwnLoss)
        or first.dataset.targets > 1
    ):
        return None
    together = _together(first, networks)
    rule = member_rule(together.rules)
    if rule is None:
        return None
    return StackedEager(
        first.model,
        together.x,
        together.y,
        count=len(networks),
        loss=first.network.loss,
        reduction=first.config.loss.reduction,
        rule=rule,
        batches=together.batches,
        fixed=_fixed(networks, first.state.theta),
        a_pass=members_a_pass(first.model, first.program.x),
    )


def _captured(first: Experiment, networks: Sequence[ConfiguredNetwork]) -> CapturedMembers:
    """All members in one graph."""
    from workbench.engine.programs.captured.members import CapturedMembers

    together = _together(first, networks)
    return CapturedMembers(
        first.model,
        together.x,
        together.y,
        loss=first.network.loss,
        reduction=first.config.loss.reduction,
        rules=together.rules,
        batches=together.batches,
        fixed=_fixed(networks, first.state.theta),
        a_pass=members_a_pass(first.model, first.program.x, GPU_NUMBERS),
    )


@dataclass(frozen=True)
class _Together:
    """What members are stepped with: x (n, …) and y (n), or with the member's axis in front where they
    have samples of their own; a rule and a drawing of minibatches each."""

    x: Tensor
    y: Tensor
    rules: list[StepRule]
    batches: list[Minibatches] | None


def _together(first: Experiment, networks: Sequence[ConfiguredNetwork]) -> _Together:
    samples = _Samples(first.state.theta)
    pairs = [samples.of(network.dataset) for network in networks]
    batches = [batches_of(n.config, x) for n, (x, _) in zip(networks, pairs, strict=True)]
    drawn = [each for each in batches if each is not None]
    rules = [
        rule_of(network, x, each)
        for network, (x, _), each in zip(networks, pairs, batches, strict=True)
    ]
    x, y = pairs[0]
    if len(samples.made) > 1:
        x, y = (torch.stack([pair[part] for pair in pairs]) for part in (0, 1))
    return _Together(x, y, rules, drawn or None)


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


def _possible(program: StackedEager | CapturedMembers, theta: Tensor) -> bool:
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
