"""How far θ's direction has travelled, a polygon with a corner at every step: JT20's ζ (Theorem 3.1).

ζ = ∫ ‖dθ^/ds‖ ds over a run's steps is Σ_k ‖θ^_{k+1} − θ^_k‖, θ^ = θ/‖θ‖: at most the length of the curve
through the same states, and the nearer to it the shorter the steps. It does not depend on which steps
are recorded. A state without a direction (θ = 0) has no distance to others.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from workbench.arrays import Array, Float
from workbench.engine.programs.kernel.wide_chord import length_of, wide_chord
from workbench.measures.directions import chords

ROOM_NUMBERS = 1 << 17
"""Numbers of the states that wait to be added; 1 MB, so that they stay in the processor's cache."""
ROOM_STEPS = 128


class Trail:
    """The states since the last one whose distance has been added, the last such one first.

    A state is θ (P), or that of M members (M, P), and a length is one number, or (M).
    """

    def __init__(self, theta: Tensor) -> None:
        self._steps = int(np.clip(ROOM_NUMBERS // max(1, theta.numel()), 1, ROOM_STEPS))
        # Whoever only holds a state, as of one member of many, needs no room.
        self._states = theta.new_empty(0, *theta.shape)
        self._rows: tuple[Tensor, ...] = ()
        self._count = 0
        self._wide = theta.ndim == 1 and self._steps == 1
        self._length: float | None = None

    @property
    def full(self) -> bool:
        """Whether the next state needs room."""
        return self._count == len(self._rows)

    def begin(self, theta: Tensor) -> None:
        """Forget what waits: the trail goes on from here."""
        if not self._rows:
            self._states = theta.new_empty(self._steps + 1, *theta.shape)
            self._rows = tuple(self._states)
        self._count, self._length = 0, None
        self.add(theta)

    def add(self, theta: Tensor) -> None:
        """A step has led here; there must be room."""
        self._rows[self._count].copy_(theta)
        self._count += 1

    def added_to(self, length: float | Float[np.ndarray, " M"]) -> Float[np.ndarray, "..."]:
        """The length with every waiting step added, one after the other: how they were grouped changes no
        bit. The last state remains."""
        begin = np.asarray(length)
        if self._count < 2:
            return begin
        if self._wide:
            return np.asarray(begin + self._wide_step())
        states = self._states[: self._count].cpu().double().numpy()
        total: Array = np.cumsum(np.concatenate([begin[None], chords(states)]), axis=0)[-1]
        self._rows[0].copy_(self._rows[self._count - 1])
        self._count = 1
        return np.asarray(total)

    def _wide_step(self) -> float:
        """The one step that waits, where there is room for no more."""
        before, after = (row.detach().cpu().numpy() for row in self._rows)
        old = length_of(before) if self._length is None else self._length
        self._length, self._rows, self._count = length_of(after), self._rows[::-1], 1
        return wide_chord(before, after, (old, self._length))
