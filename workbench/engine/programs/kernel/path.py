"""How far θ's direction moves in a step, in compiled code: see `measures.directions.chords`."""

from __future__ import annotations

from math import isinf, sqrt
from typing import Any

from workbench.engine.programs.kernel.compiled import part

SMALL, LARGE = 1e-280, 1e280
"""‖θ‖² within which squaring neither underflows nor overflows."""


@part
def turned(theta: Any, direction: Any) -> Any:
    """‖θ^ − direction‖, and `direction` is θ^ from here on; 0 from and to the origin, which has none (0)."""
    scale, length = _length(theta)
    factor = 1.0 / length if length > 0.0 else 0.0
    total = old = 0.0
    if scale == 1.0:
        # Apart: a division of each number would cost as much as all the rest.
        for p in range(theta.size):
            new = theta[p] * factor
            moved = new - direction[p]
            total += moved * moved
            old += direction[p] * direction[p]
            direction[p] = new
    else:
        for p in range(theta.size):
            new = theta[p] / scale * factor
            moved = new - direction[p]
            total += moved * moved
            old += direction[p] * direction[p]
            direction[p] = new
    return sqrt(total) if old > 0.0 and length > 0.0 else 0.0


@part
def _length(theta: Any) -> Any:
    """A scale s and ‖θ/s‖: s is one where ‖θ‖² is well within the floats."""
    total = 0.0
    for p in range(theta.size):
        total += theta[p] * theta[p]
    if SMALL < total < LARGE:
        return 1.0, sqrt(total)
    top = 0.0
    for p in range(theta.size):
        if abs(theta[p]) > top:
            top = abs(theta[p])
    if top == 0.0 or isinf(top):
        return 1.0, sqrt(total)
    total = 0.0
    for p in range(theta.size):
        total += (theta[p] / top) * (theta[p] / top)
    return top, sqrt(total)
