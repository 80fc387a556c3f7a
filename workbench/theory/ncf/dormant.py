"""Dormant neurons: too small to change the outputs, carried along on the residual that others leave them.

A neuron of output sign s with direction û and norm ‖w‖ follows the NCF flow of sz(t) (KH24 Theorem 5.5),

    û' = s (∇N_z(û) − 2 N_z(û) û),     d log‖w‖/dt = 2 s N_z(û),

as a direction and a log-norm, so that a start of 1e−60 costs no more than one of 1e−6. The
largest leaves where the outputs of all dormant ones make a stated share of the residual, Σ‖H(X; w)‖ =
share ‖z‖: those that stay change what all follow by no more than that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np

from workbench.arrays import Array, Float
from workbench.theory.ncf.active_flow import ActiveProblem
from workbench.theory.ncf.moving_residual import in_steps
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import NeuronKind, neuron_outputs
from workbench.theory.numerics.work import ELEMENT, Work

TOLERANCE = 1e-6
"""Error of a step: radians, and logarithms of norms."""
COARSE = 2e-3
"""Shortest step that a kink asks for, over the fastest turn: directions step to and fro on it."""
CLIMBS = 1e-6
"""Least d log‖w‖/dt over Σ|z_i|‖x_i‖^k that climbs (as in pursuit.py)."""
STILL = 1e-9
"""Turn over the same below which a direction is at rest."""
LOCATED = 1e-3
"""By how much the logarithm of a share may be off where a neuron ends to be dormant."""
TRIES = 30
SEEN = float(np.log(1e-3))
"""Logarithm of the part of what leaves above which a moment is worth keeping."""


class Climbed(Enum):
    """Why dormant neurons were followed no further."""

    TO_THE_END = auto()
    LEFT = auto()
    NOTHING_CLIMBS = auto()
    CUT = auto()


@dataclass(frozen=True, eq=False)
class Dormant:
    """Unit `direction` (k, p), `log_norm` (k) and output signs (k) of dormant neurons; `h`: the step they
    last took well."""

    direction: Float[Array, "k p"]
    log_norm: Float[Array, " k"]
    signs: Float[Array, " k"]
    h: float = np.inf

    def without(self, row: int) -> Dormant:
        """The others."""
        keep = np.arange(len(self.signs)) != row
        return replace(
            self,
            direction=self.direction[keep],
            log_norm=self.log_norm[keep],
            signs=self.signs[keep],
        )


@dataclass(frozen=True, eq=False)
class Climb:
    """Where dormant neurons are after `time`, why no further, and which (row) has left, −1 for none."""

    dormant: Dormant
    time: float
    end: Climbed
    row: int = -1


@dataclass(frozen=True, eq=False)
class Climbing:
    """What neurons climb: the samples and family of `problem`; they leave at `share`.

    `step`: η of the summed risk where a run takes w ← w + η∇N(w) and not the flow, which grows and turns
    by log(1 + ηr)/(ηr) less at the rate r; 0: the flow.
    """

    problem: ActiveProblem
    share: float
    step: float = 0.0

    def rates(
        self, dormant: Dormant, direction: Float[Array, "k p"], z: Float[Array, " n"]
    ) -> tuple[Float[Array, "k p"], Float[Array, " k"]]:
        """(û', d log‖w‖/dt)."""
        data = self.problem
        pull = Ncf(data.x, z, data.kind, data.leak).gradient(direction) * dormant.signs[:, None]
        outward = np.sum(pull * direction, axis=1)
        turn = pull - outward[:, None] * direction
        if self.step > 0.0:
            slower = in_steps(outward, self.step)
            return turn * slower[:, None], outward * slower
        return turn, outward

    def over(self, dormant: Dormant, z: Float[Array, " n"]) -> tuple[int, float]:
        """The neuron with the largest outputs, and log of Σ‖H(X; w)‖/(share ‖z‖): it leaves where that is 0
        or more."""
        data = self.problem
        own = neuron_outputs(dormant.direction, data.x, data.kind, data.leak)
        with np.errstate(divide="ignore"):
            size = 2.0 * dormant.log_norm + np.log(np.linalg.norm(own, axis=1))
            total = np.logaddexp.reduce(size) - np.log(self.share * np.linalg.norm(z))
        return int(np.argmax(size)), float(total)

    def climb(
        self,
        dormant: Dormant,
        z_of: Callable[[float], Float[Array, " n"]],
        length: float,
        *,
        at_rest: bool,
        work: Work,
        passed: Callable[[float, Dormant], None] | None = None,
    ) -> Climb:
        """Follow dormant neurons on z(t), 0 ≤ t ≤ `length`, until the first leaves.

        `at_rest`: z stays what it is, so that who is at rest there never climbs. `passed`: every moment at
        which their outputs are no longer next to nothing.
        """
        now, z, h = 0.0, z_of(0.0), dormant.h
        coarse = self._coarse(dormant, z)
        while True:
            if not len(dormant.signs):
                return Climb(dormant, length, Climbed.TO_THE_END)
            row, over = self.over(dormant, z)
            if over >= -LOCATED:
                return Climb(dormant, now, Climbed.LEFT, row)
            if now >= length:
                return Climb(replace(dormant, h=h), length, Climbed.TO_THE_END)
            if work():
                return Climb(dormant, now, Climbed.CUT)
            turn, grow = self.rates(dormant, dormant.direction, z)
            if at_rest and self._nothing(z, turn, grow):
                return Climb(dormant, now, Climbed.NOTHING_CLIMBS)
            fastest = max(float(np.linalg.norm(turn, axis=1).max()), float(np.abs(grow).max()))
            wished = min(h, 0.5 / fastest if fastest > 0.0 else np.inf)
            taken = min(max(wished, coarse), length - now)
            if not np.isfinite(taken):
                # Nothing moves at all, and z may yet: only a finite way can be told.
                return Climb(dormant, now, Climbed.NOTHING_CLIMBS)
            moved, error = self._step(dormant, (turn, grow), z_of, now, taken, work)
            h = taken * float(np.clip(0.9 * np.cbrt(TOLERANCE / max(error, 1e-300)), 0.2, 3.0))
            if error > TOLERANCE and taken > coarse * (1.0 + 1e-9):
                continue
            after = z_of(min(now + taken, length))
            if self.over(moved, after)[1] > LOCATED:
                moved, taken = self._until_left(dormant, (turn, grow), z_of, now, taken, work)
                after = z_of(now + taken)
            now = length if taken >= length - now else now + taken
            dormant, z = moved, after
            if passed is not None and self.over(dormant, z)[1] > SEEN:
                passed(now, dormant)

    def _step(
        self,
        dormant: Dormant,
        first: tuple[Float[Array, "k p"], Float[Array, " k"]],
        z_of: Callable[[float], Float[Array, " n"]],
        now: float,
        h: float,
        work: Work,
    ) -> tuple[Dormant, float]:
        """A step of third order (Ralston), and how far it is from the midpoint step's."""
        n, d = self.problem.x.shape
        work.add(4.0 * len(dormant.signs) * n * (ELEMENT + d))
        turn, grow = first
        u = dormant.direction
        turn2, grow2 = self.rates(dormant, _unit(u + 0.5 * h * turn), z_of(now + 0.5 * h))
        turn3, grow3 = self.rates(dormant, _unit(u + 0.75 * h * turn2), z_of(now + 0.75 * h))
        end = _unit(u + h / 9.0 * (2.0 * turn + 3.0 * turn2 + 4.0 * turn3))
        grown = h / 9.0 * (2.0 * grow + 3.0 * grow2 + 4.0 * grow3)
        off = float(np.linalg.norm(end - _unit(u + h * turn2), axis=1).max())
        error = max(off, float(np.abs(grown - h * grow2).max()))
        return replace(dormant, direction=end, log_norm=dormant.log_norm + grown), error

    def _until_left(
        self,
        dormant: Dormant,
        first: tuple[Float[Array, "k p"], Float[Array, " k"]],
        z_of: Callable[[float], Float[Array, " n"]],
        now: float,
        h: float,
        work: Work,
    ) -> tuple[Dormant, float]:
        """The part of a step after which the first leaves, by bisection and secants in turn."""
        low, high = 0.0, h
        below, above = self.over(dormant, z_of(now))[1], np.inf
        moved, taken = dormant, h
        for attempt in range(TRIES):
            taken = 0.5 * (low + high)
            if attempt % 2 and np.isfinite(above):
                taken = low + (high - low) * below / (below - above)
            moved, _ = self._step(dormant, first, z_of, now, taken, work)
            over = self.over(moved, z_of(now + taken))[1]
            if abs(over) <= LOCATED:
                break
            if over < 0.0:
                low, below = taken, over
            else:
                high, above = taken, over
        return moved, taken

    def _nothing(
        self, z: Float[Array, " n"], turn: Float[Array, "k p"], grow: Float[Array, " k"]
    ) -> bool:
        """Whether all directions are at rest and none of them grows."""
        scale = Ncf(self.problem.x, z, self.problem.kind, self.problem.leak).scale
        still = np.linalg.norm(turn, axis=1) <= STILL * scale
        return bool(np.all(still & (grow <= CLIMBS * scale)))

    def _coarse(self, dormant: Dormant, z: Float[Array, " n"]) -> float:
        """The shortest step that is worth taking: none where ∇N is continuous."""
        if self.problem.kind is NeuronKind.SQUARED_RELU or not len(dormant.signs):
            return 0.0
        turn, grow = self.rates(dormant, dormant.direction, z)
        fastest = float(np.linalg.norm(turn, axis=1).max()) + float(np.abs(grow).max())
        return COARSE / fastest if fastest > 0.0 else 0.0


def _unit(u: Float[Array, "k p"]) -> Float[Array, "k p"]:
    """Rows scaled to norm 1."""
    return u / np.linalg.norm(u, axis=1, keepdims=True)
