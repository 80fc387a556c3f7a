"""A check of a candidate for a saddle that takes milliseconds: for the engine, between two chunks."""

from __future__ import annotations

import numpy as np

from workbench.inspector.correlation import correlation_of
from workbench.inspector.descent import descent_along_kkt
from workbench.inspector.groups import groups_of
from workbench.inspector.saddle import SLOW
from workbench.inspector.state import InspectedState

MOST_SAMPLES = 5_000
"""Samples up to which the KKT points of the plane take well below 100 ms."""


def quick_words(state: InspectedState) -> str | None:
    """Proof in words, "candidate" and why, or None where the state is certainly on its way.

    Exact for separable neurons in the plane (KH24 Theorem 5.5); elsewhere the inspector has to look.
    """
    if state.separable is None or state.x.shape[1] != 2 or state.n > MOST_SAMPLES:
        return "candidate: the inspector can tell more"
    groups = groups_of(state)
    correlation = correlation_of(state, groups)
    if correlation is None or not len(groups.small):
        return "candidate: no small neuron, the inspector's Hessian can tell more"
    descent = descent_along_kkt(state, groups, correlation)
    with np.errstate(over="ignore"):
        kappa = float(np.exp(2.0 * state.grad_norm_log - state.log_risk))
    rate = correlation.escape_rate()
    if descent is not None and descent.confirmed and kappa <= SLOW * rate:
        return (
            f"confirmed: max N = {correlation.highest:.4g}, small neurons grow at up to {rate:.3g}"
        )
    if kappa > rate > 0.0 and not groups.origin:
        return None
    return f"candidate: max N = {correlation.highest:.4g} of the residual"
