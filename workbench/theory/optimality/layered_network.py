"""Layered networks as VSS22 §2 defines them: weights that may be missing or shared within a layer.

Φ(θ; x) = W_m σ(W_{m−1} … σ(W_1 x)), one output, no biases; W_k[a, b] = θ[index_k[a, b]], or 0 where the
index is −1; σ(s) = max(s, leak·s), the identity for leak 1. With gates held, Φ is a polynomial in θ of
degree 1 in every layer, and all its derivatives are exact sums over paths. A `PatternedMargins`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from workbench.arrays import Array
from workbench.theory.margin.patterned import gates_of


@dataclass(frozen=True, eq=False)
class LayeredNetwork:
    """`index`: for every layer (rows, columns) where in θ (P) its weights lie, −1 where there is none;
    `x` (n, d), `y` (n) labels ±1; `names`: of the layers. A number of θ belongs to one layer only.

    Raises:
        ValueError: layers that do not chain, a θ that no layer or more than one holds, labels off ±1,
            a leak outside [0, 1], data that is not finite.
    """

    index: tuple[Int[Array, "_ _"], ...]
    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    leak: float = 1.0
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = [self.x.shape[1], *(len(index) for index in self.index)]
        if not self.index or sizes[-1] != 1:
            raise ValueError("a layered network has one or more layers and one output")
        for k, index in enumerate(self.index):
            if index.shape[1] != sizes[k]:
                raise ValueError(
                    f"layer {k + 1} has {index.shape[1]} columns and sees {sizes[k]} numbers"
                )
        held = np.concatenate([np.unique(index[index >= 0]) for index in self.index])
        if not np.array_equal(np.sort(held), np.arange(len(held))):
            raise ValueError("every number of θ must belong to one layer")
        if len(self.y) != len(self.x) or not np.isin(self.y, (-1.0, 1.0)).all():
            raise ValueError("every sample needs a label ±1")
        if not 0.0 <= self.leak <= 1.0:
            raise ValueError(f"the leak {self.leak:g} lies outside [0, 1]")
        if not np.isfinite(self.x).all():
            raise ValueError("the data is not finite")
        if not self.names:
            object.__setattr__(self, "names", tuple(f"w{k + 1}" for k in range(len(self.index))))

    # --- what it is ---

    @property
    def depth(self) -> int:
        """m."""
        return len(self.index)

    @property
    def linear(self) -> bool:
        """Whether σ is the identity; then there are no gates."""
        return self.leak == 1.0

    @cached_property
    def size(self) -> int:
        """P."""
        return 1 + max(int(index.max()) for index in self.index)

    @cached_property
    def members(self) -> tuple[Int[Array, " _"], ...]:
        """For every layer, which numbers of θ it holds."""
        return tuple(np.unique(index[index >= 0]) for index in self.index)

    @cached_property
    def shared(self) -> bool:
        """Whether some number of θ stands in more than one place."""
        return any(
            (index >= 0).sum() > len(held)
            for index, held in zip(self.index, self.members, strict=True)
        )

    @cached_property
    def first_gate(self) -> tuple[int, ...]:
        """For every hidden layer, where its gates start; then G."""
        widths = [] if self.linear else [len(index) for index in self.index[:-1]]
        return (0, *(int(stop) for stop in np.cumsum(widths)))

    # --- PatternedMargins ---

    @property
    def order(self) -> float:
        """L = m."""
        return float(self.depth)

    @property
    def samples(self) -> Int[Array, " n"]:
        """One constraint a sample."""
        return np.arange(len(self.y), dtype=np.int64)

    @property
    def low(self) -> Float[Array, " G"]:
        """The gates' slope below 0."""
        return np.full(self.first_gate[-1], self.leak)

    @property
    def smooth(self) -> bool:
        """∂q jumps across kinks."""
        return False

    def weights(self, theta: Float[Array, " P"]) -> list[Float[Array, "_ _"]]:
        """W_1 … W_m."""
        padded = np.append(theta, 0.0)
        return [padded[index] for index in self.index]

    def heights(self, theta: Float[Array, " P"]) -> Float[Array, "n G"]:
        """Pre-activations of all hidden units, side by side; none where the network is linear."""
        if self.linear:
            return np.zeros((len(self.x), 0))
        found, h = [], self.x
        for weight in self.weights(theta)[:-1]:
            s = h @ weight.T
            found.append(s)
            h = np.where(s > 0, s, self.leak * s)
        return np.concatenate(found, axis=1) if found else np.zeros((len(self.x), 0))

    def gates(self, theta: Float[Array, " P"]) -> Float[Array, "n G"]:
        """The gates as the network sets them; the lower one at a height of 0."""
        return gates_of(self.heights(theta), self.low)

    def margins(self, theta: Float[Array, " P"], gates: Float[Array, "n G"]) -> Float[Array, " n"]:
        """q_i with gates held."""
        return self.y * (self._hidden(self.weights(theta), gates)[-1] @ self.weights(theta)[-1][0])

    def true_margins(self, theta: Float[Array, " P"]) -> Float[Array, " n"]:
        """q_i of the network itself."""
        return self.margins(theta, self.gates(theta))

    def rows(
        self, theta: Float[Array, " P"], gates: Float[Array, "n G"], which: Int[Array, " k"]
    ) -> Float[Array, "k P"]:
        """∇q of the constraints `which`."""
        return self._gradient(theta, gates[which], self.x[which], self.y[which], 0)

    def curvature(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "n G"],
        which: Int[Array, " k"],
        weights: Float[Array, " k"],
    ) -> Float[Array, "P P"]:
        """∇² of Σ weights_i q_i, layer by layer below the diagonal."""
        matrices = self.weights(theta)
        held = self._split(gates[which], len(which))
        below = self._hidden(matrices, gates[which], self.x[which])
        above = self._above(matrices, held, weights * self.y[which])
        found = np.zeros((self.size + 1, self.size + 1))
        for k in range(self.depth - 1):
            # ∂h_{l−1}/∂s_k, sample by sample.
            chain = held[k][:, :, None] * np.eye(len(matrices[k]))
            for at in range(k + 1, self.depth):
                block = np.einsum(
                    "ic,iea,ib->abce", above[at], chain, below[k], optimize=True
                ).reshape(matrices[k].size, matrices[at].size)
                places = self.index[k].ravel(), self.index[at].ravel()
                np.add.at(found, np.ix_(*places), block)
                if at < self.depth - 1:
                    chain = held[at][:, :, None] * np.einsum("ce,iea->ica", matrices[at], chain)
        found = found[:-1, :-1]
        return found + found.T

    def kinks(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "n G"],
        which: Int[Array, " k"],
        weights: Float[Array, " k"],
        pairs: Int[Array, "j 2"],
    ) -> tuple[Float[Array, " j"], Float[Array, "j P"], Float[Array, "j P"]]:
        """Heights of gates (sample, gate), their ∇, and ∂/∂gate of ∇Σ weights_i q_i."""
        matrices = self.weights(theta)
        total = np.zeros(len(self.x))
        np.add.at(total, which, weights * self.y[which])
        heights, rows, jumps = [], [], []
        for sample, gate in pairs:
            layer = int(np.searchsorted(self.first_gate, gate, side="right")) - 1
            unit = int(gate) - self.first_gate[layer]
            own = gates[sample : sample + 1]
            height, row = self._unit(matrices, theta, own, int(sample), layer, unit)
            start = np.zeros((1, len(matrices[layer])))
            start[0, unit] = 1.0
            through = self._gradient(theta, own, start, np.ones(1), layer + 1)[0]
            h = start
            for k in range(layer + 1, self.depth):
                h = h @ matrices[k].T
                h = h * self._split(own, 1)[k] if k < self.depth - 1 else h
            heights.append(height)
            rows.append(row)
            jumps.append(total[sample] * (float(h[0, 0]) * row + height * through))
        shape = (len(pairs), self.size)
        return (
            np.array(heights, dtype=float),
            np.array(rows, dtype=float).reshape(shape),
            np.array(jumps, dtype=float).reshape(shape),
        )

    # --- sums over paths ---

    def _split(self, gates: Float[Array, "k G"], count: int) -> list[Float[Array, "k _"]]:
        """The gates of every hidden layer."""
        if self.linear:
            return [np.ones((count, len(index))) for index in self.index[:-1]]
        first = self.first_gate
        return [gates[:, first[k] : first[k + 1]] for k in range(self.depth - 1)]

    def _hidden(
        self,
        matrices: list[Float[Array, "_ _"]],
        gates: Float[Array, "k G"],
        x: Float[Array, "k _"] | None = None,
        layer: int = 0,
    ) -> list[Float[Array, "k _"]]:
        """h_layer (which is x), h_{layer+1}, … h_{m−1}."""
        below = [self.x if x is None else x]
        held = self._split(gates, len(below[0]))
        for k in range(layer, self.depth - 1):
            below.append(held[k] * (below[-1] @ matrices[k].T))
        return below

    def _above(
        self,
        matrices: list[Float[Array, "_ _"]],
        held: list[Float[Array, "k _"]],
        weights: Float[Array, " k"],
    ) -> list[Float[Array, "k _"]]:
        """weights_i ∂Φ/∂s_k for every layer."""
        above = [weights[:, None]]
        for k in range(self.depth - 1, 0, -1):
            above.append(held[k - 1] * (above[-1] @ matrices[k]))
        return above[::-1]

    def _gradient(
        self,
        theta: Float[Array, " P"],
        gates: Float[Array, "k G"],
        h: Float[Array, "k _"],
        weights: Float[Array, " k"],
        layer: int,
    ) -> Float[Array, "k P"]:
        """∇ of weights_i times what layers layer+1 … m make of h, sample by sample."""
        matrices = self.weights(theta)
        held = self._split(gates, len(h))
        below = self._hidden(matrices, gates, h, layer)
        above = self._above(matrices, held, weights)
        found = np.zeros((self.size + 1, len(h)))
        for k in range(layer, self.depth):
            part = above[k][:, :, None] * below[k - layer][:, None, :]
            np.add.at(found, self.index[k].ravel(), part.reshape(len(h), self.index[k].size).T)
        return np.ascontiguousarray(found[:-1].T)

    def _unit(
        self,
        matrices: list[Float[Array, "_ _"]],
        theta: Float[Array, " P"],
        gates: Float[Array, "1 G"],
        sample: int,
        layer: int,
        unit: int,
    ) -> tuple[float, Float[Array, " P"]]:
        """The height of a hidden unit and its ∇, gates below held."""
        held = self._split(gates, 1)
        below = self._hidden(matrices, gates, self.x[sample : sample + 1])
        found = np.zeros(self.size + 1)
        above = np.zeros((1, len(matrices[layer])))
        above[0, unit] = 1.0
        for k in range(layer, -1, -1):
            part = above[0][:, None] * below[k][0][None, :]
            np.add.at(found, self.index[k].ravel(), part.ravel())
            if k:
                above = held[k - 1] * (above @ matrices[k])
        return float(below[layer][0] @ matrices[layer][unit]), found[:-1]
