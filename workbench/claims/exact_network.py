"""Networks of VSS22's class N in exact arithmetic, to look at certificates anew.

A layer is a table of places in θ: W_ij = θ[place_ij], and 0 where the place is −1 (VSS22 §2, the g_l of a
network with sparse and shared weights). Floats are rational numbers, so outputs, margins and norms of a
given θ are computed without any rounding. Slow and obvious on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from workbench.arrays import Float, Int
from workbench.config.models import (
    DeepLinearModel,
    DeepReluModel,
    DiagonalModel,
    ModelTable,
    SharedPatchesModel,
    SparseModel,
    TwoLayerReluModel,
)

Exact = list[Fraction]

PATTERN_STEP = Fraction(1, 2**60)
"""Change of a weight over which an exact slope is taken; far below any pre-activation that is not 0."""


@dataclass(frozen=True, eq=False)
class ExactNetwork:
    """`places`: for every layer (rows, columns) into θ (P), −1: no weight. `leak`: the hidden neurons'
    slope below 0, 1 for linear ones. Samples x (n, d) with labels y (n) of ±1."""

    places: tuple[Int[np.ndarray, "r c"], ...]
    leak: float
    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]

    @property
    def size(self) -> int:
        """P."""
        return 1 + max(int(place.max()) for place in self.places)

    @property
    def depth(self) -> int:
        """m, also the order of homogeneity."""
        return len(self.places)

    @property
    def shares(self) -> bool:
        """Whether two weights are one parameter."""
        return sum(int((place >= 0).sum()) for place in self.places) > self.size

    def layer(self, index: int) -> Int[np.ndarray, " p"]:
        """The places in θ of a layer's parameters, sorted."""
        place = self.places[index]
        return np.unique(place[place >= 0])

    def margins(self, theta: Sequence[float | Fraction]) -> Exact:
        """y_i Φ(θ; x_i), exactly."""
        return [margin for margin, _ in self._passes(theta)]

    def heights(self, theta: Sequence[float | Fraction], first: int = 0) -> Exact:
        """What the hidden neurons of layers `first`… see, on all samples."""
        return [
            height
            for _, by_layer in self._passes(theta)
            for row in by_layer[first:]
            for height in row
        ]

    def slopes(self, theta: Sequence[float | Fraction], index: int) -> list[Exact]:
        """∂q_i/∂u of layer `index` (n, p) by central differences, exact where no neuron is on a kink."""
        exact = [Fraction(t) for t in theta]
        columns = []
        for place in self.layer(index):
            ends = []
            for step in (PATTERN_STEP, -PATTERN_STEP):
                moved = list(exact)
                moved[int(place)] += step
                ends.append(self.margins(moved))
            columns.append([(a - b) / (2 * PATTERN_STEP) for a, b in zip(*ends, strict=True)])
        return [list(row) for row in zip(*columns, strict=True)]

    def _passes(self, theta: Sequence[float | Fraction]) -> list[tuple[Fraction, list[Exact]]]:
        """For every sample the margin, and the hidden layers' pre-activations."""
        weights = [Fraction(t) for t in theta]
        leak = Fraction(self.leak)
        found = []
        for row, label in zip(self.x.tolist(), self.y.tolist(), strict=True):
            values = [Fraction(v) for v in row]
            seen = []
            for k, place in enumerate(self.places):
                values = [
                    sum(
                        (weights[p] * v for p, v in zip(line, values, strict=True) if p >= 0),
                        Fraction(0),
                    )
                    for line in place.tolist()
                ]
                if k < self.depth - 1:
                    seen.append(values)
                    values = [v if v > 0 else leak * v for v in values]
            found.append((Fraction(label) * values[0], seen))
        return found


def exact_network(
    model: ModelTable, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]
) -> ExactNetwork:
    """The network of a configuration on samples with labels ±1.

    Raises:
        ValueError: a kind of network that is not in the class N, or has several outputs.
    """
    d = x.shape[1]
    match model:
        case TwoLayerReluModel():
            sizes, leak = [d, model.width, 1], model.leak
        case DeepReluModel():
            sizes, leak = [d, *model.widths, 1], model.leak
        case DeepLinearModel():
            sizes, leak = [d, *model.hidden, 1], 1.0
        case DiagonalModel():
            return ExactNetwork(_diagonal(d, model.depth), _leak(model.activation), x, y)
        case SparseModel():
            masks = [np.array(mask, dtype=bool) for mask in model.masks]
            return ExactNetwork(_numbered(masks), _leak(model.activation), x, y)
        case SharedPatchesModel():
            return ExactNetwork(_shared(d, model.patches), _leak(model.activation), x, y)
        case _:
            raise ValueError(f"no exact network of kind '{model.kind}'")
    full = [np.ones((b, a), dtype=bool) for a, b in pairwise(sizes)]
    return ExactNetwork(_numbered(full), leak, x, y)


def _leak(activation: str) -> float:
    return 1.0 if activation == "linear" else 0.0


def _numbered(masks: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Places row by row, layer after layer."""
    places, start = [], 0
    for mask in masks:
        place = np.full(mask.shape, -1, dtype=np.int64)
        count = int(mask.sum())
        place[mask] = np.arange(start, start + count)
        places.append(place)
        start += count
    return tuple(places)


def _diagonal(d: int, depth: int) -> tuple[np.ndarray, ...]:
    hidden = [np.eye(d, dtype=bool)] * (depth - 1)
    return _numbered([*hidden, np.ones((1, d), dtype=bool)])


def _shared(d: int, patches: int) -> tuple[np.ndarray, ...]:
    """One filter on disjoint patches, then one weight a patch."""
    width = d // patches
    first = np.full((patches, d), -1, dtype=np.int64)
    for j in range(patches):
        first[j, j * width : (j + 1) * width] = np.arange(width)
    return first, np.arange(width, width + patches, dtype=np.int64)[None]


def norm2(theta: Sequence[float | Fraction]) -> Fraction:
    """‖θ‖², exactly."""
    return sum((Fraction(t) ** 2 for t in theta), Fraction(0))
