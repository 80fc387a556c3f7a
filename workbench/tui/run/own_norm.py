"""The norm whose margin a run's steps raise, beside ℓ2, on the charts. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from workbench.arrays import Float
from workbench.config.run import RunConfig
from workbench.measures.series.margin_norms import DUAL, NORMALIZED, SMOOTHED
from workbench.norms.registry import NORM_NAMES, norm_called, norm_of_rule
from workbench.record.history import History


@dataclass(frozen=True)
class OtherNorm:
    """A norm besides ℓ2 that a run's margins are measured in: its name, and whether it is the rule's."""

    name: str
    own: bool = True

    @classmethod
    def of(cls, config: RunConfig | None, history: History) -> Self | None:
        """That of the run's rule, where it was recorded; None for ℓ2."""
        name = "" if config is None else norm_of_rule(config.train.rule)
        return cls(name) if name in NORM_NAMES and history.has(DUAL + name) else None

    @classmethod
    def all_of(cls, config: RunConfig | None, history: History) -> list[Self]:
        """Every one that was recorded, the rule's first."""
        own = cls.of(config, history)
        others = [n for n in NORM_NAMES if history.has(DUAL + n) and (own is None or n != own.name)]
        return [*([own] if own else []), *(cls(name, own=False) for name in others)]

    @property
    def symbol(self) -> str:
        """How it is written."""
        return norm_called(self.name, ()).symbol

    @property
    def normalized(self) -> str:
        """The series of γ̄."""
        return NORMALIZED + self.name

    @property
    def smoothed(self) -> str:
        """The series of γ~."""
        return SMOOTHED + self.name

    @property
    def dual_alignment(self) -> str:
        """The series of a."""
        return DUAL + self.name


def scaled_to(
    values: Float[np.ndarray, " T"], beside: Float[np.ndarray, " T"]
) -> tuple[Float[np.ndarray, " T"], float]:
    """Values times the power of ten, and it, that brings their last one nearest to that of another curve."""
    last = [abs(float(v[-1])) if len(v) and np.isfinite(v[-1]) else 0.0 for v in (values, beside)]
    if min(last) == 0.0:
        return values, 1.0
    factor = 10.0 ** round(float(np.log10(last[1] / last[0])))
    return values * factor, factor
