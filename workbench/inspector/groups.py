"""Large neurons, which make the output, and small ones, which the theory follows (KH24 §5.3, (w_n, w_z)).

Small neurons lie below a gap in log norm and add next to nothing to the output; near the origin all
neurons are small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.state import InspectedState

GAP = np.log(3.0)
"""Least gap in log norm between the two groups."""

NEXT_TO_NOTHING = 0.05
"""Small neurons together make at most this share of the labels' norm."""


@dataclass(frozen=True, eq=False)
class Groups:
    """Indices of large and small neurons, rising; `gap` is the ratio of norms across the cut.

    `origin`: the output is small against the labels, so that all weights are small.
    """

    large: Int[Array, " a"]
    small: Int[Array, " b"]
    gap: float
    origin: bool
    reason: str


def is_near_origin(state: InspectedState) -> bool:
    """‖Φ‖ ≤ 0.05 ‖y‖; with an output a class, against unit labels."""
    size = np.sqrt(state.n) if state.loss.labels == "classes" else np.linalg.norm(state.y)
    return bool(np.linalg.norm(state.outputs) <= NEXT_TO_NOTHING * size)


def groups_of(state: InspectedState) -> Groups:
    """The cut: the highest gap of a factor 3 below which neurons add ≤ 5 % of ‖y‖ to the output.

    Rows of a first layer have no output of their own; they are cut at their widest gap.
    """
    norm = state.neuron_norm
    none = np.zeros(0, dtype=np.int64)
    if len(norm) == 0:
        return Groups(none, none, 1.0, is_near_origin(state), "this network declares no neurons")
    if is_near_origin(state):
        everything = np.arange(len(norm))
        return Groups(none, everything, 1.0, True, "the output is small against the labels")
    order = np.argsort(-norm, kind="stable")
    with np.errstate(divide="ignore", invalid="ignore"):
        drops = np.nan_to_num(-np.diff(np.log(norm[order])), nan=0.0, posinf=np.inf)
    cuts = np.flatnonzero(drops >= GAP)
    if state.separable is None:
        cuts = cuts[np.argsort(-drops[cuts], kind="stable")][:1]
    for cut in cuts:
        small = np.sort(order[cut + 1 :])
        if state.separable is None or _adds_little(state, small):
            large = np.sort(order[: cut + 1])
            gap = float(np.exp(min(drops[cut], 700.0)))
            return Groups(large, small, gap, False, "a gap in the neurons' norms")
    return Groups(np.arange(len(norm)), none, 1.0, False, "no gap in the neurons' norms")


def without_left(groups: Groups, state: InspectedState, radius: float | None) -> Groups:
    """The groups cut at the norm at which neurons count as having left, once that is known.

    Small neurons that have reached it are large, and large ones below it, which a gap has not told
    apart, are small: they may leave yet. Where no neuron is small nothing changes.
    """
    if radius is None or not len(groups.small):
        return groups
    left = state.neuron_norm >= radius
    return replace(groups, large=np.flatnonzero(left), small=np.flatnonzero(~left))


def _adds_little(state: InspectedState, small: Int[Array, " b"]) -> bool:
    part: Float[Array, " n"] = state.contribution(small)
    return bool(np.linalg.norm(part) <= NEXT_TO_NOTHING * np.linalg.norm(state.y))
