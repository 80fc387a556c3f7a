"""Steepest descent in a norm for M members, in steps of one length a member."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from workbench.arrays import Float
from workbench.engine.members import Members
from workbench.engine.rules.members.rule import EvaluatedMembers, Moves, PlainMemberRule
from workbench.norms.norm import Norm


@dataclass(frozen=True, eq=False)
class SteepestRules(PlainMemberRule):
    """`length` (M); see `rules.steepest.SteepestRule`."""

    norm: Norm
    length: Float[np.ndarray, " M"]
    series: tuple[str, ...] = ("time_log", "learning_rate_log")

    def move(self, members: Members, at: EvaluatedMembers) -> Moves:
        """The direction of every member's scaled gradient; one whose gradient vanishes stands still."""
        gradients = at.gradient.cpu().double().numpy()
        found = np.stack([self.norm.direction(g) if np.isfinite(g).all() else g for g in gradients])
        length = np.where((found != 0.0).any(axis=1), self.length, 0.0)
        with np.errstate(divide="ignore"):
            log_rate = np.log(length)
        return Moves(length, log_rate, direction=torch.from_numpy(found).to(members.theta))
