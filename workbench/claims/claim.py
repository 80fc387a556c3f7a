"""A claim: a statement of a paper, how to run it, what is measured, and when it holds.

Measuring and judging are apart from training, and pure: a test can feed them a broken dynamic and
must see `fails`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from workbench.claims.lab import Lab

Size = Literal["quick", "full"]
Relation = Literal["<", "≤", "≥", "="]
Verdict = Literal["holds", "fails", "holds corrected", "not testable here"]

_COMPARE: Mapping[Relation, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "≤": operator.le,
    "≥": operator.ge,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Check:
    """One measured number against the bound the statement sets; NaN never holds."""

    quantity: str
    measured: float
    relation: Relation
    bound: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the measured number respects the bound."""
        return bool(_COMPARE[self.relation](self.measured, self.bound))


@dataclass(frozen=True)
class Measured:
    """What a claim measured.

    `quantities` are judged, `observed` are shown beside them. Names are short phrases.
    """

    quantities: Mapping[str, float]
    observed: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """A claim that was run: its checks, its verdict, what it left behind, and how long that took."""

    claim: Claim
    verdict: Verdict
    checks: tuple[Check, ...] = ()
    observed: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    run: Path | None = None
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the claim does not hold."""
        return self.verdict == "fails"


@dataclass(frozen=True)
class Claim:
    """A statement that can be checked.

    `statement` is one sentence; `place` the theorem or figure; `method` how it is run. `experiment`
    trains and returns evidence, with the run to look at first; `measure` and `criterion` are pure.
    `figure` names the figure that shows it on that run. `erratum` says what the paper's text needs
    for the statement to hold, empty where it holds as printed. `untestable` is the reason why
    nothing can be run here.
    """

    id: str
    paper: str
    place: str
    statement: str
    method: str
    experiment: Callable[[Lab, Size], tuple[Any, Path | None]]
    measure: Callable[[Any], Measured]
    criterion: Callable[[Measured], tuple[Check, ...]]
    figure: str = ""
    erratum: str = ""
    untestable: str = ""

    def run(self, lab: Lab, size: Size) -> Result:
        """Train, measure, judge.

        Raises:
            WorkbenchError: a run failed, or cannot be stored.
        """
        if self.untestable:
            return Result(self, "not testable here", note=self.untestable)
        evidence, folder = self.experiment(lab, size)
        measured = self.measure(evidence)
        checks = self.criterion(measured)
        return Result(
            self, self.verdict(checks), checks, dict(measured.observed), self.erratum, folder
        )

    def verdict(self, checks: tuple[Check, ...]) -> Verdict:
        """`fails` unless there are checks and all hold."""
        if not checks or not all(check.holds for check in checks):
            return "fails"
        return "holds corrected" if self.erratum else "holds"


def untrained(evidence: Callable[[Size], Any]) -> Callable[[Lab, Size], tuple[Any, None]]:
    """The experiment of a claim that trains nothing and leaves no run: `evidence` of the size alone."""

    def experiment(lab: Lab, size: Size) -> tuple[Any, None]:
        del lab
        return evidence(size), None

    return experiment
