"""From the rules of single runs to one for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from workbench.engine.rules.loss_based import LossBasedRule
from workbench.engine.rules.members.constant import ConstantRules
from workbench.engine.rules.members.loss_based import LossBasedRules
from workbench.engine.rules.members.normalized import NormalizedRules
from workbench.engine.rules.members.rule import MemberRule
from workbench.engine.rules.members.smoothness import SmoothnessRules
from workbench.engine.rules.members.steepest import SteepestRules
from workbench.engine.rules.normalized import NormalizedRule
from workbench.engine.rules.rule import ConstantRule, StepRule
from workbench.engine.rules.smoothness import SmoothnessRule
from workbench.engine.rules.steepest import SteepestRule


def member_rule(rules: Sequence[StepRule]) -> MemberRule | None:
    """The rule of M members from theirs, which are of one kind; None for one that has no such code."""
    made: dict[type, Callable[[Sequence[Any]], MemberRule]] = {
        ConstantRule: lambda all_of: ConstantRules(
            _column(all_of, "learning_rate"), _column(all_of, "weight_decay")
        ),
        NormalizedRule: lambda all_of: NormalizedRules(
            _column(all_of, "learning_rate"), _column(all_of, "max_update")
        ),
        LossBasedRule: lambda all_of: LossBasedRules(
            _column(all_of, "alpha"),
            _column(all_of, "floor"),
            all_of[0].per_epoch,
            all_of[0].log_n,
        ),
        SmoothnessRule: lambda all_of: SmoothnessRules(tuple(all_of)),
        SteepestRule: lambda all_of: SteepestRules(all_of[0].norm, _column(all_of, "length")),
    }
    found = made.get(type(rules[0]))
    return None if found is None else found(rules)


def _column(rules: Sequence[Any], name: str) -> np.ndarray:
    return np.array([getattr(rule, name) for rule in rules], dtype=np.float64)
