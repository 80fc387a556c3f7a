"""Better feasible points of (P) anywhere: descent from many starts, each end checked in exact arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

from workbench.arrays import Array
from workbench.theory.margin.descent import begin, descend
from workbench.theory.optimality.exact_margins import exact_norm2, made_feasible, rounded_up
from workbench.theory.optimality.point import Candidate
from workbench.theory.optimality.result import Better

STEPS = 60
"""Most steps of a descent."""
RESTS = 1e-6
"""Relative move at which it is given up."""
DRAWS = 400
"""Random points among which starts that separate are looked for."""
Cancel = Callable[[], bool] | None


def far_better(point: Candidate, starts: int, cancel: Cancel = None) -> Better | None:
    """The best of `starts` descents, or None where none ends below θ~'s norm by more than rounding."""
    network, best = point.network, None
    whole = np.ones(network.size)
    for start in _starts(point, starts):
        if cancel is not None and cancel():
            break
        feasible = made_feasible(network, _descended(point, start), whole, network.order)
        if feasible is None or not exact_norm2(feasible) < point.norm2_low:
            continue
        if best is None or exact_norm2(feasible) < exact_norm2(best):
            best = feasible
    if best is None:
        return None
    return Better(
        theta=best[None],
        norm2=np.array([rounded_up(exact_norm2(best))]),
        distances=np.array([np.linalg.norm(best - point.theta)]),
        family="by descent from random starts",
    )


def _starts(point: Candidate, count: int) -> Iterator[Float[Array, " P"]]:
    """Random points with margins above 0, and θ~ moved so far as it stays so, by turns; seeded."""
    random, network = np.random.default_rng(0), point.network
    given = 0
    for draw in range(DRAWS):
        if given == count:
            return
        noise = random.normal(size=network.size)
        noise *= point.size / np.linalg.norm(noise)
        start = noise if draw % 2 else point.theta + (0.25 + draw % 7) * noise / 2.0
        if network.true_margins(start).min() > 0:
            given += 1
            yield start


def _descended(point: Candidate, start: Float[Array, " P"]) -> Float[Array, " P"]:
    """Where descent of (P) from a start leads."""
    network = point.network
    q_min = float(network.true_margins(start).min())
    at = begin(network, start * q_min ** (-1.0 / network.order))
    for _ in range(STEPS):
        further = descend(network, at)
        if further is None:
            break
        at = further
        if at.moved <= RESTS:
            break
    return at.face.theta
