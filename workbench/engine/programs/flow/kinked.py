"""The field of two-layer (leaky) ReLU networks: exact on every piece, with sliding along kinks.

A step stays on the piece that it begins on, which goes on analytically beyond its kinks. Where it ends
beyond some, the error made is a jump of the slope times how far behind the kink the step went on: it is
held below the error allowed by ending the step there (`begin` foresees it, `overrun` sees it). Then each
kink is passed, or slid on from the kink itself, to which u_k is put; and a kink slid on lets go once its
gate would leave [leak, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.arrays import Array, Bool, Float, Int
from workbench.engine.programs.flow.neuron_rows import NeuronRows
from workbench.engine.programs.flow.place import Place, Pull
from workbench.engine.programs.flow.sliding import Piece, least_pull, sides_of
from workbench.engine.programs.flow.two_layer import TwoLayerField
from workbench.losses.loss import Loss, Reduction

ROUNDING = 1e-13
"""Part of ‖u_k‖‖x_i‖ below which ⟨u_k, x_i⟩ has no sign."""
PART = 0.5
"""Part of the error allowed that a step ended at a kink is to make."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Of an evaluation: s, σ(s), the piece, what its kinks held of du/dt (see Piece.project), a, and
    `toward`, ∂F/∂Φ."""

    s: Float[np.ndarray, "H n"]
    hidden: Float[np.ndarray, "H n"]
    piece: Piece
    held: Float[np.ndarray, " m"]
    a: Float[np.ndarray, " H"]
    toward: Float[np.ndarray, " n"]

    @cached_property
    def gates(self) -> Float[np.ndarray, " m"]:
        """α of the pairs that slide."""
        owner, sample = self.piece.slides
        force = self.piece.forces(self.held)
        with np.errstate(divide="ignore", invalid="ignore"):
            return force / (self.a[owner] * self.toward[sample])


class KinkedField(TwoLayerField):
    """φ = σ, a (leaky) ReLU; a is trained, behind u in θ."""

    def __init__(
        self,
        x: Float[np.ndarray, "n d"],
        y: Float[np.ndarray, " n"],
        *,
        width: int,
        leak: float,
        loss: Loss,
        reduction: Reduction,
    ) -> None:
        super().__init__(x, y, width=width, leak=leak, loss=loss, reduction=reduction)
        self.lengths = np.sqrt(np.sum(self.x**2, axis=1))
        self.piece = Piece(np.ones((width, len(y)), dtype=np.int8), self.x, leak)
        self.passed = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    def pull(self, point: Float[np.ndarray, " P"], scale: float, whole: bool) -> Pull:
        """See Field; on the piece."""
        s, a, piece = self.before(point), point[self.inputs :], self.piece
        hidden = piece.gates * s
        outputs = a @ hidden
        pairs = self.loss.pair_weights(scale * outputs, self.y)
        u = ((piece.gates * pairs.toward) @ self.x) * a[:, None]
        held = piece.project(u)
        pull = np.concatenate([u.ravel(), hidden @ pairs.toward])
        seen = Seen(s, hidden, piece, held, a, pairs.toward)
        return Pull(pairs, outputs * pairs.cotangent, pull, seen)

    def rows(self, place: Place, chosen: Int[np.ndarray, " k"]) -> NeuronRows:
        """See TwoLayerField."""
        seen, sign = place.seen, place.pairs.cotangent[chosen]
        inner = seen.piece.gates[:, chosen] * sign * place.point[self.inputs :, None]
        return NeuronRows(
            self.x[chosen],
            inner,
            seen.hidden[:, chosen] * sign,
            seen.piece,
            place.scale * place.pairs.core(chosen),
            self.drift(place, chosen),
            place.point,
            place.slope,
            place.along * self.divisor,
            place.far,
        )

    # --- kinks ---

    def restore(self, theta: Float[np.ndarray, " P"], kept: Array | None) -> None:
        """See Field; a pair is slid on only where it is on its kink."""
        s = self.before(theta)
        if kept is not None and len(kept):
            kept = kept[self._dust(theta, s).reshape(-1)[kept[:, 0]]]
        self.piece = Piece(sides_of(s, kept), self.x, self.leak)

    def kinks(self, place: Place) -> Array:
        """See Field: (m, 2), the pairs k·n + i whose side is not the sign of s, and the side."""
        sides = place.seen.piece.sides
        odd = np.flatnonzero(sides != np.where(place.seen.s > 0.0, 1, -1))
        return np.stack([odd, sides.reshape(-1)[odd].astype(np.int64)], axis=1)

    def begin(self, place: Place, h: float, allowed: float) -> float:
        """See Field; the way to the kinks ahead is taken for straight."""
        self.piece = place.seen.piece
        speed = self.before(place.slope)
        return h * self._part(place, place.seen.s + h * speed, h, allowed)

    def overrun(
        self, place: Place, end: Float[np.ndarray, " P"], h: float, allowed: float
    ) -> float:
        """See Field."""
        return self._part(place, self.before(end), h, allowed)

    def land(self, theta: Float[np.ndarray, " P"]) -> None:
        """See Field: pairs that have passed their kink are on its other side."""
        s, sides = self.before(theta), self.piece.sides
        passed = (sides * s < 0.0) & ~self._dust(theta, s)
        owner, sample = np.nonzero(passed)
        self.passed = (owner, sample)
        if len(owner):
            self.piece = Piece(np.where(passed, -sides, sides), self.x, self.leak)

    def overdue(self, place: Place, end: Place, h: float, allowed: float) -> float:
        """See Field."""
        owner, sample = place.seen.piece.slides
        if not len(owner):
            return 1.0
        first, last = place.seen.gates, end.seen.gates
        beyond = np.maximum(last - 1.0, self.leak - last)
        late = np.flatnonzero(beyond > 0.0)
        if not len(late):
            return 1.0
        inside = np.maximum(np.minimum(1.0 - first, first - self.leak)[late], 0.0)
        since = inside / (inside + beyond[late])
        # The gate leaves its range at a steady pace.
        jumps = self._jumps(place, owner[late], sample[late])
        worth = 0.5 * h * jumps * beyond[late] / np.maximum(1.0 - since, 1e-12)
        return part_within(since, worth, allowed, 2)

    def settled(self, place: Place) -> Float[np.ndarray, " P"] | None:
        """See Field."""
        piece, point = place.seen.piece, place.point
        sides = piece.sides.copy()
        candidates = self._returning(place)
        neurons = set(candidates)
        owner, _ = piece.slides
        if len(owner):
            gates = place.seen.gates
            neurons |= set(owner[~((gates >= self.leak) & (gates <= 1.0))].tolist())
        moved = False
        for k in sorted(neurons):
            moved |= self._settle(place, k, candidates.get(k, []), sides)
        if not moved:
            return None
        self.piece = Piece(sides, self.x, self.leak)
        u = point[: self.inputs].reshape(self.width, -1).copy()
        self.piece.project(u)
        return np.concatenate([u.ravel(), point[self.inputs :]])

    def _settle(self, place: Place, k: int, candidates: list[int], sides: Array) -> bool:
        """Write the sides of a neuron whose candidates may slide, as those that do; whether any changed."""
        piece, toward, a = place.seen.piece, place.pairs.toward, place.point[self.inputs + k]
        samples = np.flatnonzero((piece.sides[k] == 0) & (a * toward < 0.0))
        for i in candidates:
            more = np.sort(np.append(samples, i))
            if piece.leaves_way(more):
                samples = more
        gates = piece.gates[k].copy()
        gates[samples] = 0.0
        rest = a * ((gates * toward) @ self.x)
        alpha = least_pull(rest, (a * toward[samples])[:, None] * self.x[samples], self.leak)
        # A kink that draws to itself no more is left as the others drive.
        sides[k, piece.sides[k] == 0] = np.where(self.x[piece.sides[k] == 0] @ rest > 0.0, 1, -1)
        for i, gate in zip(samples.tolist(), alpha.tolist(), strict=True):
            if self.leak < gate < 1.0:
                sides[k, i] = 0
            elif piece.sides[k, i] == 0:
                sides[k, i] = 1 if gate >= 1.0 else -1
        return bool((piece.sides[k] != sides[k]).any())

    def _returning(self, place: Place) -> dict[int, list[int]]:
        """By neuron, the samples whose concave kink it has just passed and is driven back to."""
        owner, sample = self.passed
        sides = place.seen.piece.sides[owner, sample]
        u = place.slope[: self.inputs].reshape(self.width, -1)
        speed = np.sum(u[owner] * self.x[sample], axis=1)
        concave = place.point[self.inputs + owner] * place.pairs.toward[sample] < 0.0
        found: dict[int, list[int]] = {}
        for e in np.flatnonzero(concave & (sides * speed < 0.0)):
            found.setdefault(int(owner[e]), []).append(int(sample[e]))
        return found

    def _jumps(
        self, place: Place, owner: Int[np.ndarray, " m"], sample: Int[np.ndarray, " m"]
    ) -> Float[np.ndarray, " m"]:
        """(1 − leak)|c|‖x_i‖, by which the slope of y jumps over a kink."""
        c = place.point[self.inputs + owner] * place.pairs.toward[sample]
        return (1.0 - self.leak) * np.abs(c) * self.lengths[sample] / (place.along * self.divisor)

    def _part(self, place: Place, s: Float[np.ndarray, "H n"], h: float, allowed: float) -> float:
        """See overrun, of a step that ends at s."""
        sides = place.seen.piece.sides
        owner, sample = np.nonzero(sides * s < 0.0)
        if not len(owner):
            return 1.0
        side = sides[owner, sample]
        ahead = np.maximum(side * place.seen.s[owner, sample], 0.0)
        behind = -side * s[owner, sample]
        jumps = self._jumps(place, owner, sample)
        worth = h * jumps
        concave = place.point[self.inputs + owner] * place.pairs.toward[sample] < 0.0
        way = (ahead + behind) / self.lengths[sample]
        # What is to slide is put back to its kink.
        worth = np.where(concave & (worth > way), way, worth)
        return part_within(ahead / (ahead + behind), worth, allowed, 1)

    def _dust(
        self, theta: Float[np.ndarray, " P"], s: Float[np.ndarray, "H n"]
    ) -> Bool[np.ndarray, "H n"]:
        """Pairs whose s is rounding."""
        size = np.sqrt(np.sum(theta[: self.inputs].reshape(self.width, -1) ** 2, axis=1))
        return np.abs(s) <= ROUNDING * size[:, None] * self.lengths


def part_within(
    since: Float[np.ndarray, " m"], worth: Float[np.ndarray, " m"], allowed: float, power: int
) -> float:
    """The part f of a step at which √Σ(worth (f − since)₊^power)² is PART of what is allowed; 1 where it is
    within it to the end."""

    def error(part: float) -> float:
        beyond = worth * np.maximum(part - since, 0.0) ** power
        return float(np.sqrt(beyond @ beyond))

    if not error(1.0) > allowed:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if error(middle) > PART * allowed else (middle, high)
    return high
