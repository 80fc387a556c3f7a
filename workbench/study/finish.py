"""What is asked of a member's end: the inspector's verdict and certificate, and whether it is optimal."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from workbench.errors import BadInput, clean_text
from workbench.inspector.inspect import certified, inspect_state
from workbench.inspector.optimality import optimality_verdict
from workbench.inspector.state import InspectedState

REASON = 400
"""Characters of a reason that is kept."""
NUMBERS = {
    "inspect": ("margin_kkt_epsilon", "margin_kkt_delta", "margin_kkt_polished"),
    "optimal": ("optimality_norm2",),
}
TEXTS = {
    "inspect": ("verdict", "verdict_reason"),
    "optimal": ("optimality", "optimality_reason"),
}


def ending(state: InspectedState, finish: Collection[str]) -> dict[str, float | str]:
    """The values that `finish` asks for.

    inspect: `verdict` of the inspector with its first reason; the (ε, δ) of the best multipliers of (P) at
    the paper's δ, and whether a KKT point was found by polishing (1 or 0), NaN where (P) says nothing.
    optimal: `optimality` (global, local, not local, undecided) of the polished point, ‖θ~‖² of it, and why.
    """
    found: dict[str, float | str] = {}
    if "inspect" in finish:
        found |= _inspected(state)
    if "optimal" in finish:
        found |= _optimal(state)
    return found


def _inspected(state: InspectedState) -> dict[str, float | str]:
    seen = certified(inspect_state(state), state)
    margin = seen.margin
    epsilon = delta = polished = np.nan
    if margin is not None:
        best = margin.uniform.best
        epsilon, delta = best.epsilon, best.delta
        polished = float(margin.polished is not None and margin.polished.outcome.converged)
    reasons = " ".join(seen.judgement.reasons)
    return {
        "verdict": seen.judgement.verdict,
        "verdict_reason": clean_text(reasons, REASON),
        "margin_kkt_epsilon": epsilon,
        "margin_kkt_delta": delta,
        "margin_kkt_polished": polished,
    }


def _optimal(state: InspectedState) -> dict[str, float | str]:
    try:
        found = optimality_verdict(state)
    except BadInput as error:
        return _undecided(str(error))
    return {
        "optimality": found.verdict,
        "optimality_reason": clean_text(found.reason, REASON),
        "optimality_norm2": float(found.norm2),
    }


def _undecided(reason: str) -> dict[str, float | str]:
    return {
        "optimality": "undecided",
        "optimality_reason": clean_text(reason, REASON),
        "optimality_norm2": np.nan,
    }
