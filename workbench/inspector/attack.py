"""Adversarial examples in L2: upper bounds on how far a sample is from being misclassified (LL20 J.2).

Several descents a sample: from the sample itself towards each of the classes that seem nearest, and from
the nearest samples that are taken for other classes; then from random points down the margin within the
ball of the best distance so far, where whatever is misclassified is nearer. A descent walks down the
margin and lets the length of δ shrink where x + δ is misclassified and grow where it is not (decoupled
direction and norm, Rony et al. 2019). What was found is polished: the nearest point of the margin's
tangents at the last few points, then the crossing on the way back, which is never farther; so corners of
the boundary of a piecewise linear network are met too, up to rounding.

Misclassified is q ≤ 0, as LL20 has it. Every distance returned is that of an input which, evaluated in
float64, has a margin below zero by more than rounding, or 0 where all outputs are: an upper bound
whatever the search missed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Float, Int
from workbench.engine.programs.blocks import plain_outputs
from workbench.theory.numerics.nearest_in_polyhedron import nearest_in_polyhedron

Report = Callable[[float], None]
ROUNDING = 1e-10
"""Margins count as below zero from this share of the largest output on; from half of it where what was
found is checked, as the last bits of an output depend on the samples beside it."""
RIVALS, NEIGHBOURS = 4, 3
"""Descents towards the other classes that seem nearest, and from the nearest samples of other classes."""
PRESSES, PRESS_STEPS = 10, 20
"""Random starts of a search of the ball, and steps from each."""
INSIDE, CLOSE = 1e-3, 1e-6
"""By how much of itself the ball's radius is less than the best distance; of a search of a part of it."""
REACHES = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.1)
"""How far each search of the ball goes, over its radius: all of it, then about what was found, where a
boundary of many pieces has nearer corners beside the one that a polish ends in."""
STEPS = 60
"""Of a descent."""
FIRST_STEP, LAST_STEP = 0.7, 0.02
"""Length of a step over that of δ or the ball's radius, along half a cosine."""
SHRINK = 0.05
"""By which δ shrinks or grows from step to step."""
ROUNDS, LAST_ROUNDS = 5, 25
"""Of a polish: after every descent, and of the best at the end."""
TANGENTS = 6
"""Of the margin, that a polish remembers."""
HALVINGS, LAST_HALVINGS = 10, 40
SETTLED = 1e-9
"""Relative gain of a round below which a polish ends."""


@dataclass(frozen=True, eq=False)
class Attacked:
    """`distance` (k): to the adversarial example `found` (k, …); ∞ where there is none (then `found`
    is the sample itself), 0 where the sample itself is misclassified. `margin` (k): q there."""

    distance: Float[np.ndarray, " k"]
    found: Float[np.ndarray, "k ..."]
    margin: Float[np.ndarray, " k"]


def margins(outputs: Tensor, y: Tensor) -> Tensor:
    """q_i = y_i Φ_i, or Φ_{y_i} − max_{j≠y_i} Φ_j with an output a class; differentiable."""
    if outputs.ndim == 1:
        return y * outputs
    label = y.long()[:, None]
    own = outputs.gather(1, label)[:, 0]
    return own - outputs.scatter(1, label, float("-inf")).amax(dim=1)


class Attack:
    """Attacks samples of one network, which must treat samples one by one.

    `x` (n, …), `y` (n): all samples, among which the first adversarial examples are sought. `box`: the
    domain of inputs, LL20's [0, 1] for pictures, None for all of space. `evaluations`: how many inputs
    the network has been shown so far, with or without a gradient. `device`: where it is shown them, None:
    where it is; what is found is judged by the network itself.
    """

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        box: tuple[float, float] | None,
        device: torch.device | None = None,
    ) -> None:
        self.model, self.x, self.y, self.box = model, x, y, box
        self.device = device
        self._there = model if device is None else copy.deepcopy(model).to(device)
        self.evaluations = 0

    def run(
        self, index: Int[np.ndarray, " k"], block: int, report: Report = lambda done: None
    ) -> Attacked:
        """Attack the samples of those indices, `block` at a time; `report` is told the share done."""
        parts = []
        blocks = [index[i : i + block] for i in range(0, len(index), block)]
        for number, part in enumerate(blocks):
            at = torch.from_numpy(part)

            def told(done: float, number: int = number) -> None:
                report((number + done) / len(blocks))

            best = self._block(self.x[at], self.y[at], block, told)
            parts.append(self.attacked(best))
        return Attacked(
            np.concatenate([part.distance for part in parts]),
            np.concatenate([part.found for part in parts]),
            np.concatenate([part.margin for part in parts]),
        )

    def attacked(self, best: Best) -> Attacked:
        """What is handed out, checked as it stands."""
        first, at_start = self._judged_here(best.x, best.y, ROUNDING)
        q, wrong = self._judged_here(best.found, best.y, 0.5 * ROUNDING)
        at_start |= first <= 0
        wrong &= ~at_start
        distance = torch.where(wrong, _length(best.found - best.x), torch.inf)
        found = torch.where(_wide(wrong, best.x), best.found, best.x)
        return Attacked(
            torch.where(at_start, 0.0, distance).numpy(),
            found.numpy(),
            torch.where(wrong, q, first).numpy(),
        )

    # --- one block of samples ---

    def _block(self, x: Tensor, y: Tensor, block: int, report: Report) -> Best:
        """The best of all descents."""
        random = torch.Generator().manual_seed(0)
        best = Best(self, x, y)
        best.offer(x)
        neighbours = self._neighbours(x, y, block)
        best.offer(neighbours[0])
        best.halve(HALVINGS)
        rivals = self._rivals(x, y)
        starts: list[tuple[Tensor, Tensor | None]] = [(x, rival) for rival in rivals]
        starts += [(neighbour, None) for neighbour in neighbours]
        for number, (start, rival) in enumerate(starts):
            found = self._descend(x, y, start, rival)
            self._polish(found, ROUNDS)
            best.offer(found.found)
            report(0.3 * (number + 1) / len(starts))
        for number, reach in enumerate(REACHES):
            for press in range(PRESSES):
                near = press % 2 or reach < 1.0
                self._press(best, random, best.found if near else x, reach)
            self._polish(best, ROUNDS)
            report(0.3 + 0.6 * (number + 1) / len(REACHES))
        self._polish(best, LAST_ROUNDS)
        best.halve(LAST_HALVINGS)
        report(1.0)
        return best

    @torch.no_grad()
    def judged(self, x: Tensor, y: Tensor, rounding: float = ROUNDING) -> tuple[Tensor, Tensor]:
        """q (k), and whether it is below zero by more than rounding (0 where no output is anything else)."""
        self.evaluations += len(x)
        return _verdict(self._outputs(x), y, rounding)

    @torch.no_grad()
    def _judged_here(self, x: Tensor, y: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
        """The same by the network itself, whose rounding is what the result is about."""
        self.evaluations += len(x)
        return _verdict(plain_outputs(self.model(x)), y, rounding)

    def _outputs(self, x: Tensor) -> Tensor:
        """Φ(x) (k) or (k, C), brought back from the device; differentiable."""
        if self.device is None:
            return plain_outputs(self.model(x))
        return plain_outputs(self._there(x.to(self.device))).to(x.device)

    def slope(
        self, x: Tensor, y: Tensor, rival: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """q (k), whether x is misclassified, and ∇_x q (k, …); q is the margin over the class `rival` (k)
        alone where that is given."""
        self.evaluations += len(x)
        at = x.detach().requires_grad_(True)
        outputs = self._outputs(at)
        q, wrong = _verdict(outputs, y, ROUNDING)
        if rival is not None:
            pair = torch.stack([y.long(), rival], dim=1)
            q = outputs.gather(1, pair) @ outputs.new_tensor([1.0, -1.0])
        return q.detach(), wrong, torch.autograd.grad(q.sum(), at)[0]

    def inside(self, x: Tensor) -> Tensor:
        """The nearest point of the domain."""
        return x if self.box is None else x.clamp(*self.box)

    def _rivals(self, x: Tensor, y: Tensor) -> list[Tensor | None]:
        """The other classes (k), by the distance at which each would win if q were linear."""
        with torch.no_grad():
            outputs = self._outputs(x[:1])
        if outputs.ndim == 1:
            return [None]
        far = []
        for rival in range(outputs.shape[1]):
            other = torch.full_like(y, float(rival)).long()
            q, _, slope = self.slope(x, y, other)
            distance = q / _length(slope).clamp(min=1e-300)
            far.append(torch.where(other == y.long(), torch.inf, distance))
        order = torch.stack(far, dim=1).argsort(dim=1)
        return [order[:, rank] for rank in range(min(RIVALS, outputs.shape[1] - 1))]

    @torch.no_grad()
    def _neighbours(self, x: Tensor, y: Tensor, block: int) -> list[Tensor]:
        """The nearest samples that the network takes for something else than y, each for another thing
        where there are several classes; x itself where there are no more."""
        outputs = torch.cat([self._outputs(part) for part in torch.split(self.x, block)])
        taken = torch.sign(outputs) if outputs.ndim == 1 else outputs.argmax(dim=1).to(y)
        apart = torch.cdist(x.flatten(1), self.x.flatten(1))
        apart[taken[None, :] == y[:, None]] = torch.inf
        found = []
        for _ in range(NEIGHBOURS):
            nearest = apart.min(dim=1)
            there = torch.isfinite(nearest.values)
            found.append(torch.where(_wide(there, x), self.x[nearest.indices], x))
            if outputs.ndim == 1:
                apart.scatter_(1, nearest.indices[:, None], torch.inf)
            else:
                apart[taken[None, :] == taken[nearest.indices][:, None]] = torch.inf
        return found

    def _press(self, best: Best, random: torch.Generator, around: Tensor, reach: float) -> None:
        """Down the margin within the ball of the best distance, from a random point of it: what is
        misclassified there is nearer."""
        x, y = best.x, best.y
        radius = torch.where(torch.isfinite(best.distance), best.distance, self._spread())
        radius = (1.0 - (INSIDE if reach == 1.0 else CLOSE)) * radius
        way = torch.randn(x.shape, generator=random, dtype=x.dtype)
        share = torch.rand(len(x), generator=random, dtype=x.dtype)
        delta = around - x + _wide(reach * radius * share / _length(way), x) * way
        for step in range(PRESS_STEPS):
            size = _length(delta).clamp(min=1e-300)
            delta = _wide(torch.minimum(radius / size, torch.ones_like(size)), x) * delta
            delta = self.inside(x + delta) - x
            _, wrong, slope = self.slope(x + delta, y)
            best.take(x + delta, wrong)
            stride = reach * _stride(step / PRESS_STEPS) * radius
            delta = delta - _wide(stride / _length(slope).clamp(min=1e-300), x) * slope

    def _spread(self) -> float:
        """The largest distance of a sample from their mean, or from 0 where there is but one."""
        away = _length(self.x - self.x.mean(dim=0)).max()
        return float(away if away > 0 else _length(self.x).max().clamp(min=1e-300))

    def _descend(self, x: Tensor, y: Tensor, start: Tensor, rival: Tensor | None) -> Best:
        """Down the margin (over `rival`) from `start`; δ shrinks where it is misclassified and grows where
        it is not."""
        found = Best(self, x, y)
        delta = start - x
        q, wrong, slope = self.slope(start, y, rival)
        spread = self._spread()
        unit = (q.abs() / _length(slope).clamp(min=1e-300)).clamp(1e-9 * spread, spread)
        length = torch.where(_length(delta) > 0, _length(delta), unit)
        for step in range(STEPS):
            found.take(x + delta, wrong)
            stride = _stride(step / STEPS) * length
            delta = delta - _wide(stride / _length(slope).clamp(min=1e-300), x) * slope
            if step > 0 or bool((_length(start - x) > 0).all()):
                length = torch.where(wrong, (1.0 - SHRINK) * length, (1.0 + SHRINK) * length)
            size = _length(delta).clamp(min=1e-300)
            delta = self.inside(x + _wide(length / size, x) * delta) - x
            q, wrong, slope = self.slope(x + delta, y, rival)
        found.take(x + delta, wrong)
        return found

    def _polish(self, best: Best, rounds: int) -> None:
        """To the nearest point of the margin's last tangents, then back to the boundary from there."""
        best.halve(HALVINGS)
        x, y = best.x, best.y
        tangents: list[tuple[Tensor, Tensor]] = []
        for _ in range(rounds):
            before = best.distance.clone()
            tangents = [*tangents, self._tangent(x, y, best.found)][-TANGENTS:]
            foot = self.inside(x + (1.0 + 1e-12) * self._foot(x, tangents))
            # Tangents of other cells may rule out what is there.
            alone = _length(foot - x) >= before
            if bool(alone.any()):
                nearer = self.inside(x + (1.0 + 1e-12) * self._foot(x, tangents[-1:]))
                foot = torch.where(_wide(alone, x), nearer, foot)
            best.cross(foot)
            tangents.append(self._tangent(x, y, foot))
            if bool((best.distance >= (1.0 - SETTLED) * before).all()):
                break

    def _tangent(self, x: Tensor, y: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
        """g (k, d), h (k) of q's tangent at `point`: it is at most 0 where g·δ ≥ h."""
        q, _, slope = self.slope(point, y)
        g = -slope.flatten(1)
        return g, ((point - x).flatten(1) * g).sum(1) + q

    def _foot(self, x: Tensor, tangents: list[tuple[Tensor, Tensor]]) -> Tensor:
        """δ (k, …): the shortest at which all tangents are at most 0."""
        rows = torch.stack([g for g, _ in tangents], dim=1).numpy()
        levels = torch.stack([h for _, h in tangents], dim=1).numpy()
        flat = x.flatten(1).numpy()
        walls = (-np.inf, np.inf) if self.box is None else self.box
        low = np.minimum(np.broadcast_to(walls[0], flat.shape) - flat, 0.0)
        high = np.maximum(np.broadcast_to(walls[1], flat.shape) - flat, 0.0)
        found = [
            nearest_in_polyhedron(rows[k], levels[k], low[k], high[k]).delta
            for k in range(len(flat))
        ]
        return torch.from_numpy(np.array(found)).reshape(x.shape)


class Best:
    """The nearest misclassified inputs found so far: `found` (k, …) at `distance` (k)."""

    def __init__(self, attack: Attack, x: Tensor, y: Tensor) -> None:
        self.attack, self.x, self.y = attack, x, y
        self.found = x.clone()
        self.distance = torch.full_like(y, torch.inf)

    def offer(self, candidate: Tensor) -> None:
        """Take what is misclassified and nearer."""
        self.take(candidate, self.attack.judged(candidate, self.y)[1])

    @torch.no_grad()
    def take(self, candidate: Tensor, wrong: Tensor) -> None:
        """Take what is nearer of candidates that were judged."""
        distance = _length(candidate - self.x)
        better = wrong & (distance < self.distance)
        self.distance = torch.where(better, distance, self.distance)
        self.found = torch.where(_wide(better, candidate), candidate, self.found)

    def halve(self, halvings: int) -> None:
        """Bisect between x and what was found; it stays misclassified."""
        self._between(self.x, halvings)

    def cross(self, point: Tensor) -> None:
        """Take a nearer point, or where the boundary is on the way to it from what was found."""
        self.offer(point)
        self._between(point, HALVINGS)

    @torch.no_grad()
    def _between(self, origin: Tensor, halvings: int) -> None:
        """Bisect from what was found towards `origin`."""
        low, high = torch.zeros_like(self.distance), torch.ones_like(self.distance)
        way = self.found - origin
        for _ in range(halvings):
            middle = 0.5 * (low + high)
            point = origin + _wide(middle, way) * way
            wrong = self.attack.judged(point, self.y)[1]
            high, low = torch.where(wrong, middle, high), torch.where(wrong, low, middle)
        self.offer(origin + _wide(high, way) * way)


def _verdict(outputs: Tensor, y: Tensor, rounding: float) -> tuple[Tensor, Tensor]:
    """q (k), and whether it is below zero by more than rounding, or 0 as all outputs are."""
    q = margins(outputs, y)
    top = outputs.abs() if outputs.ndim == 1 else outputs.abs().amax(dim=1)
    return q, q.detach() <= -rounding * top.detach()


def _stride(done: float) -> float:
    """A step's length when a share of them is done."""
    return float(LAST_STEP + (FIRST_STEP - LAST_STEP) * 0.5 * (1.0 + np.cos(np.pi * done)))


def _length(delta: Tensor) -> Tensor:
    """‖δ‖_2 of every sample."""
    return torch.linalg.vector_norm(delta.flatten(1), dim=1)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """(k) as (k, 1, …) for products with (k, …)."""
    return values.reshape(-1, *([1] * (like.ndim - 1)))
