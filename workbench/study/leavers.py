"""Who leaves a saddle first, and when: the neurons of members that stand at one, held against its radius.

The radius is the forecast's (inspector/forecast.py) and the crossing is found as a single run's ledger finds
it, between the two records around it. Unlike a forecast, which is closed when it is overdue, a member is
followed to the end of its run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.inspector.compare import crossing

SCALARS = ("member", "saddle", "radius", "time", "last_step", "last_time")


@dataclass
class Standing:
    """A member at a saddle that nobody has left yet.

    `member`: its place in the shard. `saddle`: its step. `radius`, `time`: of the
    forecast. `watched` (w): columns of the recorded norms that belong to small neurons. `last_step`,
    `last_time`, `last_norm` (w): of the record before, NaN without one.
    """

    member: int
    saddle: int
    radius: float
    time: float
    watched: Int[Array, " w"]
    last_step: float
    last_time: float
    last_norm: Float[Array, " w"]


@dataclass(frozen=True)
class Departure:
    """A neuron has left: its column of the recorded norms, and the step and flow time at which it did."""

    column: int
    step: float
    time: float


def departure(
    at: Standing,
    step: Int[Array, " R"],
    time: Float[Array, " R"],
    norm: Float[Array, "R w"],
) -> Departure | None:
    """The first crossing of the radius in a chunk's records, and the last record taken over for the next.

    Records before the saddle are to be left out by the caller; `norm` of the watched neurons.
    """
    if not len(step):
        return None
    over = (norm >= at.radius).any(axis=1)
    if not over.any():
        at.last_step, at.last_time, at.last_norm = float(step[-1]), float(time[-1]), norm[-1].copy()
        return None
    row = int(np.argmax(over))
    if row > 0:
        at.last_step, at.last_time, at.last_norm = (
            float(step[row - 1]),
            float(time[row - 1]),
            norm[row - 1],
        )
    if np.isnan(at.last_step):
        times, steps, norms = time[row : row + 1], step[row : row + 1], norm[row : row + 1]
    else:
        times = np.array([at.last_time, time[row]])
        steps = np.array([at.last_step, step[row]], dtype=float)
        norms = np.stack([at.last_norm, norm[row]])
    first = len(times) - 1
    found = [
        (crossing(times, norms[:, w], first, at.radius)[0], w)
        for w in np.flatnonzero(norms[first] >= at.radius)
    ]
    when, place = min(found)
    where = float(np.interp(when, times, steps.astype(float)))
    return Departure(int(at.watched[place]), where, float(when))


def to_arrays(standing: Sequence[Standing]) -> dict[str, Array]:
    """Those that are followed, to go on from."""
    return {
        **{name: np.array([getattr(s, name) for s in standing], dtype=float) for name in SCALARS},
        "count": np.array([len(s.watched) for s in standing], dtype=np.int64),
        "watched": np.concatenate([np.zeros(0, np.int64), *(s.watched for s in standing)]),
        "last_norm": np.concatenate([np.zeros(0), *(s.last_norm for s in standing)]),
    }


def from_arrays(arrays: Mapping[str, Array]) -> list[Standing]:
    """What `to_arrays` gave."""
    ends = np.cumsum(arrays["count"])
    found: list[Standing] = []
    for k, end in enumerate(ends):
        mine = slice(int(end - arrays["count"][k]), int(end))
        member, saddle, radius, time, last_step, last_time = (float(arrays[n][k]) for n in SCALARS)
        found.append(
            Standing(
                int(member),
                int(saddle),
                radius,
                time,
                arrays["watched"][mine].astype(np.int64),
                last_step,
                last_time,
                arrays["last_norm"][mine].copy(),
            )
        )
    return found
