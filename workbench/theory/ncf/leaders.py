"""Who makes the drops of a risk: the neurons that grow from a plateau to halfway down the drop behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.arrays import Array, Float

MANIFOLD = 4.0
"""Least factor in ‖w‖² by which who leaves grows."""
AMONG = 0.3
"""Least part of the largest gain in ‖w‖² of who leaves."""


def leaders(
    time: Float[Array, " T"],
    log_risk: Float[Array, " T"],
    log_norm: Float[Array, "T H"],
    middles: Sequence[float],
) -> tuple[tuple[int, ...], ...]:
    """Of every drop, by the risk halfway down, who leaves in it, by their gain in ‖w‖², the largest first.

    The plateau before a drop is where the risk (natural logarithms, T) falls slowest between the middles of
    two. Nobody is told where the risk does not fall so far, and where no neuron grows manifold and by as
    much as any: there those that are active already make the drop, as they turn or part.
    """
    rows = [_row(log_risk, level) for level in middles]
    told: list[tuple[int, ...]] = []
    plateau, before = 0, None
    for row in rows:
        if row is None:
            told.append(())
            continue
        if before is not None:
            plateau = _slowest(time, log_risk, before, row)
        told.append(_grown(log_norm[plateau], log_norm[row]))
        before = row
    return tuple(told)


def agree(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether each one's leader is among those that leave with the other's."""
    if not one or not other:
        return not one and not other
    return one[0] in other and other[0] in one


def _grown(plateau: Float[Array, " H"], middle: Float[Array, " H"]) -> tuple[int, ...]:
    """The neurons that leave between two moments."""
    before, after = np.exp(2.0 * plateau), np.exp(2.0 * middle)
    gain = np.where(after >= MANIFOLD * before, after - before, 0.0)
    least = AMONG * float(np.max(after - before))
    order = np.argsort(-gain, kind="stable")
    return tuple(int(k) for k in order if gain[k] >= least and gain[k] > 0.0)


def _row(log_risk: Float[Array, " T"], level: float) -> int | None:
    """The first moment at or below a level."""
    below = np.flatnonzero(log_risk <= np.log(level))
    return int(below[0]) if len(below) else None


def _slowest(time: Float[Array, " T"], log_risk: Float[Array, " T"], first: int, last: int) -> int:
    """The moment between two at which the risk falls slowest."""
    if last - first < 2:
        return first
    passed = np.diff(time[first : last + 1])
    fallen = -np.diff(np.exp(log_risk[first : last + 1]))
    speed = np.where(passed > 0.0, fallen / np.where(passed > 0.0, passed, 1.0), np.inf)
    return first + int(np.argmin(speed))
