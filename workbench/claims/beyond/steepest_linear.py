"""Steepest descent of a linear predictor (Tsilivis et al. 2025): each rule goes to the largest margin of its
own norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.arrays import Float
from workbench.claims.beyond.implicit_flow import Flow, implicit_flow
from workbench.claims.beyond.linear_walks import RuleOf, Walk, Z, limit, walk
from workbench.claims.checks import Bound, judged, least, most
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.engine.rules.normalized import NormalizedRule
from workbench.engine.rules.steepest import SteepestRule
from workbench.norms.l1 import L1
from workbench.norms.l2 import L2
from workbench.norms.linf import LInf
from workbench.norms.norm import Norm
from workbench.norms.spectral import Spectral
from workbench.theory.margin.linear_margin import LinearMargin, linear_margin
from workbench.theory.numerics.separability import Inseparable

RULES: Mapping[str, tuple[Norm, RuleOf]] = {
    "sign": (LInf(), lambda length: SteepestRule(LInf(), length)),
    "coordinate": (L1(), lambda length: SteepestRule(L1(), length)),
    # ∇log 𝓛 is nowhere shorter than the margin, so that a rate of 1 is always cut to the length.
    "normalized": (L2(), lambda length: NormalizedRule(1.0, length)),
    "spectral": (L2(), lambda length: SteepestRule(Spectral(((1, 3),)), length)),
}
"""By name: the norm that a rule is steepest in, and the rule. Of one row the spectral norm is ℓ2."""
NORMS: tuple[Norm, ...] = (LInf(), L1(), L2())
STEPS: Mapping[Size, int] = {"quick": 16_000, "full": 400_000}
AT = 400_000
"""Steps after which a margin is to be within `SHORT` of the largest; before, what it is short of falls like
1/√steps."""
SHORT = 1e-3
FLOWS: Mapping[Size, tuple[float, int]] = {"quick": (0.5, 300), "full": (0.05, 6_000)}
"""Length of an implicit step, and how many."""
FAR = 1e10
"""Length that a flow goes on along its last velocity, which is steady by then."""
EXACT = 1e-8
CERTIFIED = 1e-10
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Evidence:
    """`largest`: the exact solutions of the norms; `walks`: of the rules, with the norm each is after;
    `flows`: of the norms."""

    largest: tuple[LinearMargin, ...]
    walks: tuple[tuple[Norm, Walk], ...]
    flows: tuple[Flow, ...]


def evidence(
    size: Size,
    rules: Mapping[str, tuple[Norm, RuleOf]] = RULES,
    flow: Callable[[Float[np.ndarray, "n d"], Norm, float, int], Flow] = implicit_flow,
) -> Evidence:
    """All walks and flows, on the same four samples.

    Raises:
        ValueError: a solver gave up.
    """
    length, count = FLOWS[size]
    return Evidence(
        tuple(largest(norm) for norm in NORMS),
        tuple((norm, walk(rule, norm, STEPS[size])) for norm, rule in rules.values()),
        tuple(flow(Z, norm, length, count) for norm in NORMS),
    )


def largest(norm: Norm) -> LinearMargin:
    """The exact solution on the four samples.

    Raises:
        ValueError: they do not separate, or a solver gave up.
    """
    found = linear_margin(Z, norm)
    if isinstance(found, Inseparable):
        raise ValueError(found.sentence)
    return found


GAP = "gap between an exact margin and its dual bound, relative, largest"
OWN = f"margin short of its norm's largest, times √(steps/{AT:,}), largest"
OWN_LIMIT = "limit of the margin off its norm's largest, largest"
OTHERS = "limit of the margin short of another norm's largest, least"
FALL = "fall of γ~ in the rule's norm in a step, relative, largest"
FLOW_MARGIN = "margin of the flow short of its norm's largest, largest"
FLOW_FALL = "fall of γ~ along the flow, relative, largest"
FLOW_OFF = "⟨−∇log 𝓛, θ̇⟩ off ‖∇log 𝓛‖_* along the flow, relative, largest"


def measure(found: Evidence) -> Measured:
    """Margins of walks and flows over the exact ones."""
    best = {norm: solution.margin for norm, solution in zip(NORMS, found.largest, strict=True)}
    own, off, others = [], [], []
    for norm, one in found.walks:
        short = best[norm] - float(one.margins(norm)[-1])
        own.append(short * np.sqrt(one.steps[-1] / AT))
        off.append(abs(best[norm] - limit(one.margins(norm))))
        others += [best[n] - limit(one.margins(n)) for n in NORMS if n != norm]
    flow_short, falls = [], []
    for norm, flow in zip(NORMS, found.flows, strict=True):
        theta = flow.theta[-1] + FAR * flow.velocity[-1]
        flow_short.append(abs(best[norm] - float((Z @ theta).min()) / float(norm.norm(theta))))
        falls += [max(0.0, (a - b) / abs(a)) for a, b in pairwise(flow.smoothed)]
    return Measured(
        {
            GAP: most(abs(solution.gap) for solution in found.largest),
            OWN: most(own),
            OWN_LIMIT: most(off),
            OTHERS: least(others),
            FALL: most(one.fall for _, one in found.walks),
            FLOW_MARGIN: most(flow_short),
            FLOW_FALL: most(falls),
            FLOW_OFF: most(flow.off for flow in found.flows),
        },
        {
            "steps of every rule": float(found.walks[0][1].steps[-1]),
            **{f"largest margin in {norm.symbol}": best[norm] for norm in NORMS},
            **{
                f"margin in {norm.symbol}, {name}": float(one.margins(norm)[-1])
                for name, (norm, one) in zip(RULES, found.walks, strict=False)
            },
            "length of the flow in the norm": float(np.abs(found.flows[0].theta[-1]).max()),
        },
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """Own margins are reached, others' are not, and γ~ never falls."""
    bounds: list[Bound] = [
        (GAP, "≤", CERTIFIED, ""),
        (OWN, "≤", SHORT, ""),
        (OWN_LIMIT, "≤", SHORT, ""),
        (OTHERS, "≥", SHORT, ""),
        (FALL, "≤", ROUNDING, ""),
        (FLOW_MARGIN, "≤", EXACT, ""),
        (FLOW_FALL, "≤", ROUNDING, ""),
        (FLOW_OFF, "≤", ROUNDING, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="TG25-LINEAR",
        paper="TG25",
        place="linear predictors",
        statement="Steepest descent of a linear predictor goes to the largest margin of its own norm and "
        "of no other: sign descent to ℓ∞'s, coordinate descent to ℓ1's, normalized gradient and, of one row, "
        "spectral descent to ℓ2's; and −log 𝓛/‖θ‖ in that norm never falls.",
        method="Four samples in space whose solutions differ, exact by linear programs and the SVM with dual "
        "bounds. The workbench's rules from 0 with steps of length 0.3/√t; the limit of a margin from two "
        "numbers of steps, as it is approached like 1/√steps. The flow in each norm by implicit steps, then "
        "on along its velocity, which is steady.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
