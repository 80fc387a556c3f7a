"""The tensor code of M step rules of one kind, whose settings may differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from workbench.engine.programs.captured.rules.constant import ConstantOnDevice
from workbench.engine.programs.captured.rules.loss_based import LossBasedOnDevice
from workbench.engine.programs.captured.rules.normalized import NormalizedOnDevice
from workbench.engine.programs.captured.rules.rule import DeviceRule, stacked
from workbench.engine.programs.captured.rules.smoothness import SmoothnessOnDevice
from workbench.engine.programs.captured.rules.steepest import DIRECTIONS, SteepestOnDevice
from workbench.engine.rules.loss_based import LossBasedRule
from workbench.engine.rules.normalized import NormalizedRule
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.engine.rules.smoothness import SmoothnessRule
from workbench.engine.rules.steepest import SteepestRule


def rule_on_device(rules: Sequence[StepRule], theta: Tensor) -> DeviceRule:
    """For θ (M, P); raises ValueError for a kind that `rule_needs_host` names, or for several kinds."""

    def each(setting: Callable[[StepRule], float]) -> Tensor:
        return stacked([setting(rule) for rule in rules], theta.device)

    def every(name: str) -> Tensor:
        return each(lambda rule: float(getattr(rule, name)))

    first = rules[0]
    if any(type(rule) is not type(first) for rule in rules):
        raise ValueError("members step by one kind of rule")
    match first:
        case ConstantRule():
            return ConstantOnDevice(every("learning_rate"), every("weight_decay"))
        case NormalizedRule():
            return NormalizedOnDevice(every("learning_rate"), every("max_update"))
        case LossBasedRule():
            return LossBasedOnDevice(every("alpha"), every("floor"), every("log_n"), theta)
        case SmoothnessRule(layers=layers):
            return SmoothnessOnDevice(layers, every("longest"))
        case SteepestRule(norm=norm) if type(norm) in DIRECTIONS:
            return SteepestOnDevice(DIRECTIONS[type(norm)], every("length"))
    raise ValueError(f"no tensor code for {type(first).__name__}")
