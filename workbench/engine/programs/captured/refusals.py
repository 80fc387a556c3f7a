"""Why a network or a rule cannot be stepped by the device alone, in a clause; None: it can."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.engine.programs.blocks import plain_outputs
from workbench.engine.programs.captured.host_reads import host_reads
from workbench.engine.programs.captured.rules.steepest import DIRECTIONS
from workbench.engine.rules.loss_based import LossBasedRule
from workbench.engine.rules.normalized import NormalizedRule
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.engine.rules.smoothness import SmoothnessRule
from workbench.engine.rules.steepest import SteepestRule
from workbench.models.repeatable import changes_buffers, draws, looking


def network_needs_host(model: nn.Module, x: Tensor) -> str | None:
    """What of the network needs the host at every step; tried on two of the samples x (n, …)."""
    if draws(model):
        return "the network draws random numbers at every step"
    if changes_buffers(model):
        return "the network changes its buffers at every step"
    parameters = [p for p in model.parameters() if p.requires_grad]
    with looking(model), host_reads() as reads, torch.enable_grad():
        outputs = plain_outputs(model(x[:2]))
        torch.autograd.grad(outputs.sum(), parameters, allow_unused=True)
    return f"the network reads numbers back at every pass ({reads[0]})" if reads else None


def rule_needs_host(rule: StepRule) -> str | None:
    """What of a step rule needs the host at every step."""
    if isinstance(rule, SteepestRule):
        if type(rule.norm) in DIRECTIONS:
            return None
        return f"the direction of the {rule.norm.symbol} norm is found by iterations that the host follows"
    if isinstance(rule, ConstantRule | NormalizedRule | LossBasedRule | SmoothnessRule):
        return None
    return f"the step rule {type(rule).__name__} decides in Python"
