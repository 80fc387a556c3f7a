"""Exact L2-robustness of two-layer networks: the attack's distance met from below (LL20 J.2).

One cell after another of `theory.boundary_distance`, for every other class, within the distance that the
attack has found. For linear networks, and two dense layers with σ(s) = max(s, leak·s) between; what is
not settled within `CELLS` keeps a lower bound that is not met.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array, Float
from workbench.inspector.attack import Attack, Attacked, Best, Report
from workbench.inspector.layer_chain import SLACK, Chain, Dense
from workbench.theory.margin.boundary_distance import CLOSE, TwoLayer, boundary_distance

CELLS = 2_000
"""Most cells looked at for one sample: about a second."""
FAR = 1_000.0
"""Where the attack found nothing and there is no box: the radius searched, over the samples' largest norm."""
STRETCHES = (0.0, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7)
"""By how much a point of the boundary is moved on, so that floating point sees it crossed."""


@dataclass(frozen=True, eq=False)
class Exact:
    """`attacked`: the better of what was known and what the cells gave; `bound` (k) from below."""

    attacked: Attacked
    bound: Float[np.ndarray, " k"]


def is_two_layers(chain: Chain | None) -> bool:
    """Whether there is at most one hidden layer, and it is dense."""
    return (
        chain is not None
        and len(chain.stages) <= 2
        and all(isinstance(stage, Dense) for stage in chain.stages)
    )


def exact_distances(
    chain: Chain, attack: Attack, x: Tensor, y: Tensor, known: Attacked, report: Report
) -> Exact:
    """Search every sample of x (k, …), labels y, within the distance `known` of an attack."""
    layers = _Layers(chain)
    far = FAR * float(attack.x.flatten(1).norm(dim=1).max())
    bounds, found = [], []
    no_candidates: list[Array] = []
    for k in range(len(x)):
        whole = _whole(x[k], attack.box, far)
        radius = min(float(known.distance[k]), whole)
        low, candidates = 0.0, no_candidates
        if radius > 0:
            low, candidates = _searched(layers, x[k], y[k], attack.box, radius)
        best = Best(attack, x[k : k + 1], y[k : k + 1])
        # What was known may be correct again in a pass of its own: it is moved on like the others.
        steps = [torch.from_numpy(delta).reshape(x[k : k + 1].shape) for delta in candidates]
        if np.isfinite(known.distance[k]):
            steps.append(torch.from_numpy(known.found[k : k + 1]) - x[k : k + 1])
        for step in steps:
            for stretch in STRETCHES:
                best.offer(attack.inside(x[k : k + 1] + (1.0 + stretch) * step))
        found.append(attack.attacked(best))
        # Nothing in all of the box: the distance is infinite.
        nowhere = attack.box is not None and low >= whole and not len(candidates)
        bounds.append(np.inf if nowhere else low / SLACK)
        report((k + 1) / len(x))
    return Exact(
        Attacked(
            np.concatenate([one.distance for one in found]),
            np.concatenate([one.found for one in found]),
            np.concatenate([one.margin for one in found]),
        ),
        np.array(bounds),
    )


def _whole(x: Tensor, box: tuple[float, float] | None, far: float) -> float:
    """A radius that holds all of the box around x; without one, `far`."""
    if box is None:
        return far
    corner = torch.maximum((x - box[0]).abs(), (x - box[1]).abs())
    return 1.01 * float(torch.linalg.vector_norm(corner))


class _Layers:
    """W, b, V, b' of a chain; a linear network's as σ = identity on its inputs."""

    def __init__(self, chain: Chain) -> None:
        first, last = chain.stages[0], chain.stages[-1]
        assert isinstance(first, Dense)
        assert isinstance(last, Dense)
        self.last, self.last_bias = _numbers(last)
        if len(chain.stages) == 1:
            self.weight, self.bias = np.eye(self.last.shape[1]), np.zeros(self.last.shape[1])
            self.leak = 1.0
        else:
            self.weight, self.bias = _numbers(first)
            self.leak = chain.leak

    def margins(
        self, x: Float[Array, " d"], y: float, box: tuple[float, float] | None
    ) -> list[TwoLayer]:
        """q_j around x for every other class j, the one with the smallest margin over slope first."""
        if len(self.last) == 1:
            rows, offsets = y * self.last, y * self.last_bias
        else:
            others = np.arange(len(self.last)) != int(y)
            rows = self.last[int(y)] - self.last[others]
            offsets = self.last_bias[int(y)] - self.last_bias[others]
        heights = self.weight @ x + self.bias
        walls = (-np.inf, np.inf) if box is None else box
        low, high = np.minimum(walls[0] - x, 0.0), np.maximum(walls[1] - x, 0.0)
        found = [
            TwoLayer(self.weight, heights, row, float(offset), self.leak, low, high)
            for row, offset in zip(rows, offsets, strict=True)
        ]
        return sorted(found, key=_estimate)


def _estimate(network: TwoLayer) -> float:
    """q over ‖∇q‖: the distance if no gate changed."""
    q = float(network.c @ network.act(network.heights)) + network.offset
    slope = float(np.linalg.norm((network.c * network.slope(network.heights)) @ network.weight))
    return q / max(slope, 1e-300)


def _searched(
    layers: _Layers, x: Tensor, y: Tensor, box: tuple[float, float] | None, radius: float
) -> tuple[float, list[Array]]:
    """The lower bound over all other classes, and points on the boundary.

    Every class gets its share of the cells; what that leaves open is searched again with all that is left.
    """
    networks = layers.margins(x.flatten().numpy(), float(y), box)
    low, left = [0.0] * len(networks), CELLS
    candidates: list[Array] = []

    def search(number: int, cells: int) -> int:
        nonlocal radius
        found = boundary_distance(networks[number], radius, cells)
        low[number] = max(low[number], found.low)
        candidates.extend(found.candidates)
        lengths = [float(np.linalg.norm(found.candidates[-1]))] if len(found.candidates) else []
        radius = min([radius, *lengths])
        return found.outcome.iterations or 0

    for number in range(len(networks)):
        left -= search(number, max(1, left // (len(networks) - number)))
    for number in range(len(networks)):
        if low[number] < (1.0 - CLOSE) * radius and left > 0:
            left -= search(number, left)
    return min([radius, *low]), candidates


def _numbers(stage: Dense) -> tuple[Array, Array]:
    """W (out, in) and b (out)."""
    weight = stage.weight.detach().numpy().astype(np.float64)
    bias = stage.bias
    zeros = np.zeros(len(weight))
    return weight, zeros if bias is None else bias.detach().numpy().astype(np.float64)
