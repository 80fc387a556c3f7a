"""Adversarial examples in L2: upper bounds on how far a sample is from being misclassified (LL20 J.2).

Carlini and Wagner's attack (2017, §V.B): minimise ‖δ‖² + c·max(0, q(x + δ)) by Adam, c by bisection,
here in units of the linear estimate q/‖∇q‖ of the distance. Two more starts and a polish make it
sharper: the nearest sample that is classified otherwise, and projections of x onto the boundary's
tangent plane, each followed by a bisection between x and what was found. (At a corner of the boundary
the tangent plane says nothing, and what is left is Adam's precision, some tenths of a per cent.)

Every distance returned is that of an input which, evaluated in float64, has a margin below zero by more
than rounding: an upper bound whatever the search missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from workbench.arrays import Float, Int
from workbench.engine.blocks import plain_outputs

Report = Callable[[float], None]
ROUNDING = 1e-10
"""Margins count as below zero from this share of the largest output on."""
SEARCHES, STEPS = 6, 80
"""Values of c tried, and Adam's steps for each."""
POLISHES = 20
HALVINGS, LAST_HALVINGS = 12, 40
RATE = 0.2
"""Adam's rate for a coordinate of δ, in units of the linear estimate over √d."""
FIRST_C, LARGER = 4.0, 5.0


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
    domain of inputs, LL20's [0, 1] for pictures, None for all of space.
    """

    def __init__(
        self, model: nn.Module, x: Tensor, y: Tensor, box: tuple[float, float] | None
    ) -> None:
        self.model, self.x, self.y, self.box = model, x, y, box

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

            parts.append(self._block(self.x[at], self.y[at], block, told))
        found = torch.cat([best for _, best, _ in parts]).numpy()
        distance = torch.cat([d for d, _, _ in parts]).numpy()
        return Attacked(distance, found, torch.cat([q for _, _, q in parts]).numpy())

    # --- one block of samples ---

    def _block(
        self, x: Tensor, y: Tensor, block: int, report: Report
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Distance, adversarial example and its margin for samples x."""
        best = _Best(self, x, y)
        best.offer(x)
        best.offer(self._other_samples(x, y, block))
        self._polish(best, POLISHES // 2)
        self._carlini_wagner(best, lambda done: report(0.9 * done))
        self._polish(best, POLISHES)
        with torch.no_grad():
            q, wrong = self.judged(best.found, y)
        # The certificate: what is handed out is misclassified as it stands.
        distance = torch.where(wrong, _length(best.found - x), torch.inf)
        found = torch.where(_wide(wrong, x), best.found, x)
        first, at_start = self.judged(x, y)
        at_start |= first <= 0
        report(1.0)
        return torch.where(at_start, 0.0, distance), found, torch.where(wrong, q, first)

    @torch.no_grad()
    def judged(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """q (k), and whether it is below zero by more than rounding."""
        outputs = plain_outputs(self.model(x))
        q = margins(outputs, y)
        top = outputs.abs() if outputs.ndim == 1 else outputs.abs().amax(dim=1)
        return q, q < -ROUNDING * top

    def slope(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """q (k) and ∇_x q (k, …)."""
        at = x.detach().requires_grad_(True)
        q = margins(plain_outputs(self.model(at)), y)
        return q.detach(), torch.autograd.grad(q.sum(), at)[0]

    def inside(self, x: Tensor) -> Tensor:
        """The nearest point of the domain."""
        return x if self.box is None else x.clamp(*self.box)

    @torch.no_grad()
    def _other_samples(self, x: Tensor, y: Tensor, block: int) -> Tensor:
        """The nearest sample that the network takes for something else than y; x itself without one."""
        outputs = torch.cat(
            [plain_outputs(self.model(part)) for part in torch.split(self.x, block)]
        )
        if outputs.ndim == 1:
            wrong = torch.sign(outputs)[None, :] != torch.sign(y)[:, None]
        else:
            wrong = outputs.argmax(dim=1)[None, :] != y.long()[:, None]
        apart = torch.cdist(x.flatten(1), self.x.flatten(1))
        apart[~wrong] = torch.inf
        nearest = apart.min(dim=1)
        return torch.where(_wide(torch.isfinite(nearest.values), x), self.x[nearest.indices], x)

    def _carlini_wagner(self, best: _Best, report: Report) -> None:
        """The attack itself, for all samples of the block at once, each with its own c."""
        x, y = best.x, best.y
        q, slope = self.slope(x, y)
        unit = q.abs() / _length(slope).clamp(min=1e-300)
        spread = _length(self.x - self.x.mean(dim=0)).max().clamp(min=1e-300)
        unit = torch.minimum(unit, spread).clamp(min=1e-12 * float(spread))
        c = torch.full_like(q, FIRST_C)
        low, high = torch.zeros_like(q), torch.full_like(q, torch.inf)
        for search in range(SEARCHES):
            reached = self._descend(best, c, q.clamp(min=1e-300), unit)
            low, high = torch.where(reached, low, c), torch.where(reached, c, high)
            c = torch.where(torch.isinf(high), LARGER * c, 0.5 * (low + high))
            report((search + 1) / SEARCHES)

    def _descend(self, best: _Best, c: Tensor, q0: Tensor, unit: Tensor) -> Tensor:
        """Adam on ‖η‖² + c·max(0, q(x + unit·η)/q_0) from η = 0; whether the boundary was crossed."""
        x, y = best.x, best.y
        size = _wide(unit, x)
        eta = torch.zeros_like(x)
        adam = torch.optim.Adam([eta], lr=RATE / float(x[0].numel()) ** 0.5)
        crossed = torch.zeros_like(q0, dtype=torch.bool)
        for _ in range(STEPS):
            q, slope = self.slope(self.inside(x + size * eta), y)
            crossed |= best.offer(self.inside(x + size * eta))
            pull = _wide(torch.where(q > 0, c * unit / q0, 0.0), x) * slope
            eta.grad = 2.0 * eta + pull
            adam.step()
            if self.box is not None:
                eta.copy_((self.inside(x + size * eta) - x) / size)
        return crossed | best.offer(self.inside(x + size * eta))

    def _polish(self, best: _Best, rounds: int) -> None:
        """To the boundary along the segment from x, then to the foot of x on the tangent plane there."""
        best.halve(LAST_HALVINGS)
        for _ in range(rounds):
            before = best.distance.clone()
            _, slope = self.slope(best.found, best.y)
            along = ((best.found - best.x) * slope).flatten(1).sum(1)
            foot = _wide(along / slope.flatten(1).square().sum(1).clamp(min=1e-300), slope) * slope
            for longer in (1.0 + 1e-9, 1.01, 1.1):
                best.offer(self.inside(best.x + longer * foot))
            best.halve()
            if bool((best.distance >= (1.0 - 1e-6) * before).all()):
                break
        best.halve(LAST_HALVINGS)


class _Best:
    """The nearest misclassified inputs found so far: `found` (k, …) at `distance` (k)."""

    def __init__(self, attack: Attack, x: Tensor, y: Tensor) -> None:
        self.attack, self.x, self.y = attack, x, y
        self.found = x.clone()
        self.distance = torch.full_like(y, torch.inf)

    @torch.no_grad()
    def offer(self, candidate: Tensor) -> Tensor:
        """Take what is misclassified and nearer; which candidates are misclassified."""
        wrong = self.attack.judged(candidate, self.y)[1]
        distance = _length(candidate - self.x)
        better = wrong & (distance < self.distance)
        self.distance = torch.where(better, distance, self.distance)
        self.found = torch.where(_wide(better, candidate), candidate, self.found)
        return wrong

    @torch.no_grad()
    def halve(self, halvings: int = HALVINGS) -> None:
        """Bisect between x and what was found; it stays misclassified."""
        low, high = torch.zeros_like(self.distance), torch.ones_like(self.distance)
        way = self.found - self.x
        for _ in range(halvings):
            middle = 0.5 * (low + high)
            wrong = self.attack.judged(self.x + _wide(middle, way) * way, self.y)[1]
            high, low = torch.where(wrong, middle, high), torch.where(wrong, low, middle)
        self.offer(self.x + _wide(high, way) * way)


def _length(delta: Tensor) -> Tensor:
    """‖δ‖_2 of every sample."""
    return torch.linalg.vector_norm(delta.flatten(1), dim=1)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    """(k) as (k, 1, …) for products with (k, …)."""
    return values.reshape(-1, *([1] * (like.ndim - 1)))
