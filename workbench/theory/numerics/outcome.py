"""How an iteration ended: every result of something that iterates carries one as `.outcome`.

"Not converged" is a finding and no exception; who cannot go on without a solution raises at the edge, with
`Outcome.why_not`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """What ended an iteration, as a plain sentence without its full stop."""

    CONVERGED = "the tolerance was met"
    AT_ROUNDING = "no step improved it any more: what is left is rounding"
    STALLED = "no step improved it any more"
    OUT_OF_STEPS = "the allowed steps ran out"
    CANCELLED = "cancelled"
    NOT_ACCEPTED = "what was reached is not what was sought"


@dataclass(frozen=True)
class Outcome:
    """How an iteration ended, after how many `iterations`, and the `residual` reached.

    `iterations`: of the loop that the docstring of the function names; None where they are not counted.
    `residual`: in the units that it states; NaN where none is measured. `reason`: why it did not converge,
    where there is more to say than `end` does.
    """

    end: End
    iterations: int | None
    residual: float = float("nan")
    reason: str = ""

    @property
    def converged(self) -> bool:
        """Whether the value is what was sought, up to rounding or the tolerance."""
        return self.end in (End.CONVERGED, End.AT_ROUNDING)

    @property
    def cancelled(self) -> bool:
        """Whether the caller's `cancel` ended it."""
        return self.end is End.CANCELLED

    @property
    def why_not(self) -> str:
        """Why it did not converge, in a sentence without its full stop; "" where it did."""
        return "" if self.converged else self.reason or self.end.value


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """Several iterations as one: the first end that is no convergence, all steps, the largest residual."""
    each = list(outcomes)
    if not each:
        return Outcome(End.CONVERGED, 0)
    told = next((one for one in each if not one.converged), each[0])
    known = [one.residual for one in each if one.residual == one.residual]
    steps = [one.iterations for one in each if one.iterations is not None]
    return Outcome(
        told.end,
        sum(steps) if len(steps) == len(each) else None,
        max(known, default=float("nan")),
        told.reason,
    )
