"""How far a forecast can be trusted: an interval of every escape, who else may be first, how surely.

The theory's own number is that of scenario "moving" (theory/ncf/moving_residual.py): the NCF flow of the
residual as the large neurons move it by themselves, which at rest is Theorem 5.5's. The interval is what the
scenarios "less", "more" and "answered" make of it, and a little beyond, as those are first corrections only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.groups import Groups
from workbench.inspector.state import InspectedState
from workbench.theory.ncf.moving_residual import Scenario, scenarios_ahead
from workbench.theory.ncf.result import KktPoint
from workbench.theory.ncf.separable_risk import ApartRisk, NeuronRisk, SeparableRisk
from workbench.theory.numerics.work import Work

TRUSTED = ("moving", "less", "more", "answered")
"""The scenarios that make the interval; the residual at rest is where they begin."""
BEYOND = 0.25
"""Share of the scenarios' spread that the interval reaches beyond them: the next correction."""
RESOLUTION = 0.002
"""Relative error of the scenarios' times themselves."""
ANGLE_RESOLUTION = 0.3
"""Degrees that the scenarios' directions are good to."""
CERTAIN = 0.9
"""Least confidence at which one neuron is named alone."""
MOST_CONFIDENT = 0.99
FOLLOWED = 3_000
"""Most neurons × samples that are followed on a moving residual; at least 8 and at most 64 neurons."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """By followed neuron (k), times in the run's flow time from now, ∞: may never leave.

    `index`: the neurons. `time`: on the moving residual. `low`, `high`: its interval. `confidence`: that it
    is the first to leave. `directions` (scenarios, k, p): of its weights when it leaves, "moving" first.
    """

    index: Int[Array, " k"]
    time: Float[Array, " k"]
    low: Float[Array, " k"]
    high: Float[Array, " k"]
    confidence: Float[Array, " k"]
    directions: Float[Array, "c k p"]

    @property
    def first(self) -> int | None:
        """Place of the neuron that leaves first on the moving residual; None: none ever does."""
        known = np.isfinite(self.time)
        return int(np.argmin(np.where(known, self.time, np.inf))) if known.any() else None

    @property
    def runner_up(self) -> int | None:
        """Place of the neuron, other than the first, that is the likeliest to be it; None: none is."""
        if self.first is None:
            return None
        rest = self.confidence.copy()
        rest[self.first] = -1.0
        place = int(np.argmax(rest))
        return place if rest[place] > 1.0 - MOST_CONFIDENT else None


def intervals_of(
    state: InspectedState,
    groups: Groups,
    still: Float[Array, " H"],
    radius: float,
    highest: float,
    work: Work | None = None,
) -> Intervals | None:
    """Intervals of the small neurons nearest to leaving; None where there are none, or when cancelled.

    `still`: escape times on the residual at rest, in the run's flow time; NaN where not known. `highest`:
    max N.
    """
    index = _nearest_to_leaving(state, groups, still)
    waits = still[index][still[index] > 0]
    if not len(index) or not np.isfinite(waits).any():
        return None
    neurons = state.separable
    kind, leak = state.kind, 0.0 if neurons is None else neurons.leak
    weights, sees = state.weights, state.sees
    others = np.setdiff1d(groups.small, index)
    rest = state.contribution(others)

    def z_of(outputs: Float[Array, " n"]) -> Float[Array, " n"]:
        return state.loss.residual(outputs, state.y)

    risk: NeuronRisk = SeparableRisk(state.x, kind, leak, z_of, rest)
    if state.apart:
        risk = ApartRisk(state.x, leak, z_of, rest)
    found = scenarios_ahead(
        risk,
        (weights[groups.large], sees[groups.large]),
        (weights[index], sees[index]),
        radius=radius,
        highest=highest,
        step=state.learning_rate * state.flow_factor,
        still_first=float(np.min(waits[np.isfinite(waits)])) * state.flow_factor,
        work=work,
    )
    if found.outcome.cancelled:
        return None
    return _judged(index, still[index], found.by_name, state)


def _nearest_to_leaving(
    state: InspectedState, groups: Groups, still: Float[Array, " H"]
) -> Int[Array, " k"]:
    """The small neurons that leave first on the residual at rest, and among those that stay the largest."""
    small = groups.small[state.neuron_norm[groups.small] > 0]
    wait = np.nan_to_num(still[small], nan=np.inf)
    order = np.lexsort((-state.neuron_norm[small], wait))
    most = int(np.clip(FOLLOWED // max(1, state.n), 8, 64))
    half = small[order[: most // 2]]
    rest = np.setdiff1d(small, half)
    largest = rest[np.argsort(-state.neuron_norm[rest], kind="stable")]
    return np.sort(np.concatenate([half, largest[: most - len(half)]]))


def _judged(
    index: Int[Array, " k"],
    still: Float[Array, " k"],
    scenarios: dict[str, Scenario],
    state: InspectedState,
) -> Intervals:
    factor, step = state.flow_factor, state.learning_rate
    low = np.stack([scenarios[name].low for name in TRUSTED]) / factor
    high = np.stack([scenarios[name].high for name in TRUSTED]) / factor
    time = _on_the_moving_residual(still, scenarios, factor)
    bottom = np.minimum(low.min(axis=0), time)
    top = np.maximum(high.max(axis=0), time)
    # In logarithms, so that the interval of a neuron that may leave late does not begin before now.
    least = np.maximum(bottom, 1e-300)
    spread = np.where(np.isfinite(top) & (bottom > 0), np.log(np.maximum(top, least) / least), 0.0)
    beyond = np.exp(BEYOND * spread + RESOLUTION)
    return Intervals(
        index,
        time,
        np.maximum(bottom / beyond - 0.5 * step, 0.0),
        top * beyond + 0.5 * step,
        _confidence(np.concatenate([low, high])),
        np.stack([scenarios[name].direction for name in TRUSTED]),
    )


def _on_the_moving_residual(
    still: Float[Array, " k"], scenarios: dict[str, Scenario], factor: float
) -> Float[Array, " k"]:
    """Escape times: the exact ones at rest, changed by what the motion changes in these scenarios."""
    at_rest, moving = scenarios["still"], scenarios["moving"]
    followed = (at_rest.low == at_rest.high) & (moving.low == moving.high) & np.isfinite(still)
    with np.errstate(invalid="ignore"):
        changed = still + (moving.high - at_rest.high) / factor
    time = np.where(followed, changed, moving.high / factor)
    # Where no scenario has followed it to its end, the residual at rest is all there is.
    unknown = (at_rest.low < at_rest.high) & (moving.low < moving.high) & ~np.isnan(still)
    time = np.where(unknown | (np.isinf(time) & np.isfinite(still)), still, time)
    return np.maximum(time, 0.0)


def _confidence(times: Float[Array, "c k"]) -> Float[Array, " k"]:
    """Share of the scenarios (c) in which a neuron is the first; ties within the resolution are shared.

    A neuron that a scenario has not followed to its end counts half with the earliest and half with the
    latest time that is possible.
    """
    known = np.isfinite(times).any(axis=1)
    if not known.any():
        return np.zeros(times.shape[1])
    logs = np.log(np.maximum(times[known], 1e-300))
    behind = logs - logs.min(axis=1, keepdims=True)
    weight = np.exp(-behind / RESOLUTION)
    share = (weight / weight.sum(axis=1, keepdims=True)).mean(axis=0)
    return np.asarray(np.minimum(share, MOST_CONFIDENT))


def degrees_off(
    directions: Float[Array, "c p"], point: KktPoint, dimension: int
) -> tuple[float, float] | None:
    """(in "moving", bound) of the angle between u when it leaves and a point's u, in degrees.

    None for flat sets and points without u.
    """
    goal = point.direction[-dimension:]
    u = directions[:, -dimension:]
    size = np.linalg.norm(u, axis=1) * np.linalg.norm(goal)
    if point.kind == "flat" or not (size > 0).all():
        return None
    angle = np.degrees(np.arccos(np.clip(u @ goal / size, -1.0, 1.0)))
    spread = float(angle.max() - angle.min())
    return float(angle[0]), min(180.0, float(angle.max()) + BEYOND * spread + ANGLE_RESOLUTION)
