"""How much a search does, counted in operations and not in seconds.

What a clock cuts ends elsewhere on another machine, under load, or in a run that is resumed. A count ends at
the same step always.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

STEP = 1e5
"""Operations that a step counts at least: its arithmetic is less than what calls it."""

ELEMENT = 60.0
"""Operations that an elementary function of a number counts: it goes through memory and not through cache."""


@dataclass
class Work:
    """Operations `done`, of `most`: multiplications with an addition, counted from the sizes of matrices.

    A call says whether to stop: when they are used up, or once `cancel` turns true, which is for somebody
    who waits no longer. Searches poll it between steps.
    """

    most: float = inf
    cancel: Callable[[], bool] | None = None
    done: float = 0.0

    def add(self, operations: float) -> None:
        """Count one step."""
        self.done += STEP + operations

    @property
    def spent(self) -> bool:
        """Whether the operations are used up."""
        return self.done >= self.most

    def __call__(self) -> bool:
        return self.spent or (self.cancel is not None and self.cancel())
