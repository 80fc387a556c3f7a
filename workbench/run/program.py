"""The way to step that [train] asks for."""

from __future__ import annotations

from math import log

from torch import Tensor

from workbench.config.run import Engine, RunConfig
from workbench.engine.batches import Minibatches
from workbench.engine.program import StepProgram
from workbench.engine.programs.eager import EagerProgram
from workbench.engine.rules.adam import AdamRule
from workbench.engine.rules.loss_based import LossBasedRule
from workbench.engine.rules.momentum import MomentumRule
from workbench.engine.rules.normalized import NormalizedRule
from workbench.engine.rules.own import own_rule
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.engine.rules.smoothness import SmoothnessRule
from workbench.engine.rules.steepest import STEEPEST, SteepestRule, UnnormalizedSteepestRule
from workbench.engine.rules.steepest_momentum import STEEPEST_MOMENTUM, SteepestMomentumRule
from workbench.norms.registry import norm_of_rule
from workbench.run.captured import CAPTURED, captured_or_eager, not_captured
from workbench.run.flow import flow_program
from workbench.run.kernel import KERNEL, kernel_or_eager, no_kernel
from workbench.run.network import ConfiguredNetwork

ENGINES: tuple[Engine, ...] = ("eager", "kernel", "captured")
"""What takes the steps of a rule; "auto" is one of them."""


def program_of(
    network: ConfiguredNetwork, theta: Tensor, x: Tensor, y: Tensor, taken: str | None = None
) -> tuple[StepProgram, tuple[str, ...]]:
    """Steps of the network, whose flat θ is on the device of the samples x (n, …) and labels y (n).

    `taken`: the engine that took the run's steps so far, which it keeps. Beside the program: what there is to
    say of its choice, in sentences.

    Raises:
        BadInput: the network does not allow the rule, the batch is larger than the samples, or there is no
            engine of the kind that was asked for.
    """
    config = network.config
    train, reduction = config.train, config.loss.reduction
    batches = batches_of(config, x)
    rule = rule_of(network, x, batches)
    eager = EagerProgram(
        network.model, x, y, loss=network.loss, reduction=reduction, rule=rule, batches=batches
    )
    engine = taken if taken in ENGINES else config.device.engine
    if train.rule != "flow":
        if engine == CAPTURED or (engine == "auto" and x.device.type == "cuda"):
            return captured_or_eager(network, eager, taken)
        return (eager, ()) if engine == "eager" else kernel_or_eager(network, theta, eager, taken)
    if engine == CAPTURED:
        raise not_captured("train.rule 'flow' decides every step on the host", taken)
    if engine == KERNEL:
        raise no_kernel("train.rule 'flow' has integrators of its own", taken)
    return flow_program(network, eager, taken), ()


def batches_of(config: RunConfig, x: Tensor) -> Minibatches | None:
    """The batches of the samples x (n, …), None: all of them at every step."""
    size, n = config.train.batch, len(x)
    return Minibatches(n, size, config.init.seed, x.device) if 0 < size < n else None


def rule_of(network: ConfiguredNetwork, x: Tensor, batches: Minibatches | None) -> StepRule:
    """How far a step goes; a flow's rows are evaluated by a program with the constant rule."""
    train = network.config.train
    if train.rule == "normalized":
        return NormalizedRule(train.lr, train.max_update)
    if train.rule == "loss-based":
        log_n = log(len(x)) if network.config.loss.reduction == "sum" else 0.0
        per_epoch = batches.per_epoch if batches is not None else 1
        return LossBasedRule(train.lr, train.floor, per_epoch, log_n)
    norm = network.norm(norm_of_rule(train.rule))
    if train.rule in STEEPEST:
        made = SteepestRule if train.normalized else UnnormalizedSteepestRule
        return made(norm, train.lr)
    if train.rule in STEEPEST_MOMENTUM:
        return SteepestMomentumRule(norm, train.lr, train.momentum)
    if train.rule == "momentum":
        return MomentumRule(train.lr, train.momentum, train.weight_decay)
    if train.rule == "adam":
        return AdamRule(train.lr, train.beta1, train.beta2, train.epsilon, train.weight_decay)
    if train.rule == "torch":
        return own_rule(train.class_path or "", train.arguments or {})
    if train.rule == "smoothness":
        parts = tuple(slice(p.start, p.stop) for p in network.structure.parameters)
        return SmoothnessRule(parts, float(x.flatten(1).norm(dim=1).max()))
    return ConstantRule(train.lr, train.weight_decay)
