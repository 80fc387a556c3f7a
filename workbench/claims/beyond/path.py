"""Beyond the origin (Kumar, Haupt, arXiv 2502.15952): from δu_0 the escape follows the path that leaves 0
along a KKT point u*, to the first saddle.

The flow of the constrained NCF from u_0 goes to u*. The path is the gradient flow from a far smaller δu*,
which in the limit is the one that leaves 0 along u*; it comes to rest at the first saddle. What is 0 in u*
is 0 on all of it, for squared-ReLU neurons of weight 0 have no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.checks import Bound, judged, least, most, worst_ratio
from workbench.claims.claim import Check, Claim, Measured, Size, untrained
from workbench.data.synthetic import circle
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.escape_path import ORIGIN, EscapeProblem, distances
from workbench.theory.ncf.neuron import NeuronKind

SIGNS = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])
"""Output signs of the neurons."""
DELTAS: dict[Size, tuple[float, ...]] = {
    "quick": (1e-1, 1e-2, 1e-3),
    "full": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5),
}
SEEDS: dict[Size, range] = {"quick": range(2), "full": range(40)}
BEYOND = 1.5
"""Flow time over 1/N for which a run is followed after the path's is over."""
LOOKS = 400
"""Points of a run."""
ABSENT = 1e-3
"""Norm in u* below which a neuron counts as 0 there."""


@dataclass(frozen=True, eq=False)
class Escape:
    """One start. By δ (D): `apart`, the largest distance of the run from the path until it is nearest to the
    first saddle; `saddle`, that nearest distance; `absent`, the largest norm until then of neurons that are
    0 in u*, NaN where there are none. `reach`: ‖θ‖ of the saddle."""

    apart: Float[np.ndarray, " D"]
    saddle: Float[np.ndarray, " D"]
    absent: Float[np.ndarray, " D"]
    reach: float


Choose = Callable[[Array], Array]
"""(u*) to the direction along which the path leaves instead."""


def evidence(size: Size, choose: Choose | None = None) -> list[Escape]:
    """On KH24's circle, from random directions of norm 1 with a KKT point that they go to."""
    data = circle(20, 0.1)
    problem = EscapeProblem(ActiveProblem(data.x, data.y, NeuronKind.SQUARED_RELU), SIGNS)
    found: list[Escape] = []
    seed = 0
    while len(found) < len(SEEDS[size]):
        start = np.random.default_rng([seed, 15]).standard_normal(2 * len(SIGNS))
        start /= np.linalg.norm(start)
        seed += 1
        limit, height = problem.limit(start)
        if np.isfinite(height):
            along = limit if choose is None else choose(limit)
            found.append(_escape(problem, start, along, height, DELTAS[size]))
    return found


def _escape(
    problem: EscapeProblem, start: Array, along: Array, height: float, deltas: Sequence[float]
) -> Escape:
    path = problem.path(along, height)
    assert path is not None, "the flow comes to no saddle"
    waited = np.log(1.0 / ORIGIN) / (2.0 * height)
    gone = np.linalg.norm(along.reshape(len(SIGNS), -1), axis=1) < ABSENT
    apart, nearest, absent = [], [], []
    for delta in deltas:
        time = np.log(1.0 / delta) / (2.0 * height) + path.time[-1] - waited + BEYOND / height
        run = problem.flow(delta * start, time)[1](np.linspace(0.0, time, LOOKS))
        far = np.linalg.norm(run - path.saddle, axis=1)
        until = int(far.argmin()) + 1
        norms = np.linalg.norm(run[:until].reshape(until, len(SIGNS), -1), axis=2)
        apart.append(float(distances(run[:until], path.theta).max()))
        nearest.append(float(far.min()))
        absent.append(float(norms[:, gone].max()) if gone.any() else float("nan"))
    reach = float(np.linalg.norm(path.saddle))
    return Escape(np.array(apart), np.array(nearest), np.array(absent), reach)


APART = "sup of the distance from the path over that for the δ before, as δ falls, largest"
SADDLE = "distance at which the first saddle is passed over that for the δ before, largest"
ABSENT_NORM = "norm of neurons that are 0 in u* over that for the δ before, largest"
NEAR = "sup of the distance from the path at the smallest δ over ‖θ‖ of the saddle, median"
REACH = "‖θ‖ of the first saddle, least"


def measure(found: Sequence[Escape]) -> Measured:
    """How the distances fall with δ."""
    smallest = [c.apart[-1] / c.reach for c in found]
    return Measured(
        {
            APART: most(worst_ratio(list(c.apart)) for c in found),
            SADDLE: most(worst_ratio(list(c.saddle)) for c in found),
            ABSENT_NORM: most(
                worst_ratio(list(c.absent)) for c in found if np.isfinite(c.absent).all()
            ),
            NEAR: float(np.median(smallest)),
            REACH: least(c.reach for c in found),
        },
        {"the same, largest": most(smallest), "starts": float(len(found))},
    )


def criterion(measured: Measured) -> tuple[Check, ...]:
    """All of them fall."""
    bounds: list[Bound] = [
        (APART, "<", 1.0, ""),
        (SADDLE, "<", 1.0, ""),
        (ABSENT_NORM, "<", 1.0, ""),
        (NEAR, "≤", 0.5, ""),
        (REACH, "≥", 0.1, ""),
    ]
    return judged(measured, bounds)


CLAIMS = (
    Claim(
        id="KH25-PATH",
        paper="KH25",
        place="beyond the origin",
        statement="From δu_0 with δ → 0 gradient flow escapes the origin along the path that leaves 0 in the "
        "direction of the KKT point u* that the NCF's flow from u_0 goes to, to the same first saddle; "
        "weights that are 0 in u* stay small until there.",
        method="Squared-ReLU networks on KH24's circle from random directions: the largest distance from "
        "that path until the run is nearest to the path's saddle, that nearest distance, and the norm of "
        "neurons absent from u*, for falling δ.",
        experiment=untrained(evidence),
        measure=measure,
        criterion=criterion,
    ),
)
