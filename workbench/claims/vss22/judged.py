"""What VSS22's claims measure of a verdict: how often it is the stated one, and its certificate anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.claims.checks import Bound, most
from workbench.claims.vss22.certificates import Family, family, made_feasible
from workbench.claims.vss22.limit import LIMIT, Reached

NEAR_ENOUGH = 1e-4
"""Distance within which a shorter point must lie where a point is called no local optimum: the claims'
finite stand-in for every ε."""
NOWHERE = Family(float("nan"), float("nan"), float("nan"))


def same_limit(reached: Sequence[Reached]) -> dict[str, float]:
    """The flow goes to the limit of the statement."""
    return {
        "log10 of the risk, largest": most(r.log10_risk for r in reached),
        "polished point off the limit, over its norm": most(r.off for r in reached),
        "the flow's angle to the limit, over that at a tenth of the log-risk": most(
            r.still_turning for r in reached
        ),
    }


LIMIT_BOUNDS: tuple[Bound, ...] = (
    ("log10 of the risk, largest", "≤", -800.0, ""),
    ("polished point off the limit, over its norm", "≤", LIMIT, ""),
    ("the flow's angle to the limit, over that at a tenth of the log-risk", "<", 1.0, ""),
)


def others(reached: Sequence[Reached], *verdicts: str) -> float:
    """How many verdicts are none of these."""
    return float(sum(r.verdict is None or r.verdict.verdict not in verdicts for r in reached))


def shorter(reached: Reached) -> Family:
    """The verdict's better points, evaluated exactly."""
    found = None if reached.verdict is None else reached.verdict.better
    if found is None or reached.goal is None:
        return NOWHERE
    return family(reached.network, found.theta.tolist(), reached.goal, reached.start.norm2)


def shortest(reached: Reached) -> Family:
    """The points of the verdict that its ratio compares with, evaluated exactly."""
    verdict = reached.verdict
    if verdict is None or verdict.far is None or reached.goal is None:
        return shorter(reached)
    points = verdict.far.theta.tolist()
    return family(reached.network, points, reached.goal, reached.start.norm2)


def shorter_by_the_paper(reached: Reached) -> Family:
    """The points of the paper's proof, evaluated exactly."""
    start = reached.start
    if start.better is None or reached.goal is None:
        return NOWHERE
    try:
        points = [made_feasible(reached.network, np.array(start.better(e))) for e in start.small]
    except ValueError:
        return NOWHERE
    return family(reached.network, points, reached.goal, start.norm2)


def families(who: str, found: Sequence[Family]) -> dict[str, float]:
    """The worst of some families: least feasible, least shorter, farthest."""
    return {
        f"{who}: 1 − least margin": most(f.infeasible for f in found),
        f"{who}: ‖θ'‖² over the limit's, largest": most(f.ratio for f in found),
        f"{who}: distance of the nearest": most(f.nearest for f in found),
    }


def family_bounds(who: str, nearest: float = NEAR_ENOUGH) -> tuple[Bound, ...]:
    """Feasible, shorter, and near."""
    return (
        (f"{who}: 1 − least margin", "=", 0.0, ""),
        (f"{who}: ‖θ'‖² over the limit's, largest", "<", 1.0, ""),
        (f"{who}: distance of the nearest", "≤", nearest, ""),
    )
