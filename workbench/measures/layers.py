"""How far a network's layers have aligned (JT19 §2): rank-1 ratios, adjacent singular vectors, balance.

A layer that is no matrix (a convolution) has NaN in its place, so that the axis `layer` is the network's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from workbench.arrays import Array, Float
from workbench.measures.leading import Leading, leading
from workbench.models.structure import Matrix, Structure

WIDE = 512
"""Units between two linear layers above which their balance is not followed: it is a matrix of WIDE²."""
MOST_NUMBERS = 1 << 22
"""Numbers of a matrix above which it is not decomposed."""


HUGE = 1e150
"""A norm whose square is still a number."""


@dataclass(frozen=True, eq=False)
class MaxMargin:
    """ū (d), unit, and the margin γ = min_i z_i·ū of the hard-margin SVM (JT19 §2.2)."""

    direction: Float[np.ndarray, " d"]
    margin: float


@dataclass(frozen=True, eq=False)
class Beginning:
    """What Lemma 2.6 takes from the start: D, and ‖W_k(0)‖_2² of every layer."""

    d: float
    squared: Float[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class LayerMeasures:
    """The layer series of one run.

    `start` is θ(0), from the configuration; `svm` is there for linear networks on labels that separate.
    """

    structure: Structure
    start: Float[np.ndarray, " P"]
    svm: MaxMargin | None = None

    @cached_property
    def matrices(self) -> tuple[Matrix | None, ...]:
        """The matrix of every layer, None where there is none or it is too large."""
        found = [layer.matrix for layer in self.structure.layers]
        return tuple(m if m and m.shape[0] * m.shape[1] <= MOST_NUMBERS else None for m in found)

    @cached_property
    def pairs(self) -> tuple[int, ...]:
        """The k for which layers k and k + 1 are matrices that fit together."""
        m = self.matrices
        return tuple(
            k
            for k in range(len(m) - 1)
            if (a := m[k]) is not None and (b := m[k + 1]) is not None and a.shape[0] == b.shape[1]
        )

    @cached_property
    def balanced_pairs(self) -> tuple[int, ...]:
        """The pairs between which the flow conserves something that is small enough to keep."""
        layers = self.structure.layers
        return tuple(
            k
            for k in self.pairs
            if not layers[k].biases and (not self._whole(k) or self._units(k) <= WIDE)
        )

    @cached_property
    def beginning(self) -> Beginning | None:
        """For JT19's networks alone."""
        chain = self.structure.linear_chain
        if chain is None or any(m is None for m in self.matrices):
            return None
        weights = [self.structure.matrix(self.start, m) for m in chain]
        return Beginning(imbalance(weights), np.array([min(_norm2(w), HUGE) ** 2 for w in weights]))

    def compute(
        self, theta: Float[np.ndarray, "T P"], margin_multi: Float[np.ndarray, " T"] | None
    ) -> dict[str, Array]:
        """The series by name; `margin_multi` is min_i q_i/∏‖W_k‖_F, where the run has it."""
        if all(m is None for m in self.matrices):
            return {}
        triples = self._triples(theta)
        values: dict[str, Array] = {"layer_rank1": self._columns(triples, "rank1")}
        if self.pairs:
            values["layer_alignment"] = self._alignment(triples)
        if self.balanced_pairs:
            values["balance_drift"] = self._drift(theta, triples)
        if self.beginning is not None:
            values.update(self._slack(triples, self.beginning))
        if self.svm is not None:
            values["svm_alignment"] = np.abs(np.sum(triples[0].right * self.svm.direction, axis=1))
            if margin_multi is not None:
                values["svm_margin_ratio"] = margin_multi / self.svm.margin
        return values

    def _triples(self, theta: Float[np.ndarray, "T P"]) -> Mapping[int, Leading]:
        """The leading triples of the layers that are matrices."""
        return {
            k: leading(self.structure.matrix(theta, m))
            for k, m in enumerate(self.matrices)
            if m is not None
        }

    def _columns(self, triples: Mapping[int, Leading], name: str) -> Float[np.ndarray, "T m"]:
        """An attribute of every layer's triple."""
        count = len(next(iter(triples.values())).size)
        nothing = np.full(count, np.nan)
        parts = [
            getattr(triples[k], name) if k in triples else nothing
            for k in range(len(self.matrices))
        ]
        return np.stack(parts, axis=1)

    def _alignment(self, triples: Mapping[int, Leading]) -> Float[np.ndarray, "T p"]:
        """|⟨v_{k+1}, u_k⟩| of every two adjacent layers."""
        count = len(next(iter(triples.values())).size)
        found = np.full((count, len(self.matrices) - 1), np.nan)
        for k in self.pairs:
            found[:, k] = np.abs(np.sum(triples[k + 1].right * triples[k].left, axis=1))
        return found

    def _slack(self, triples: Mapping[int, Leading], start: Beginning) -> dict[str, Array]:
        """What Lemma 2.6's two bounds leave: negative where one is broken."""
        values: dict[str, Array] = {"layer_rank1_slack": start.d - self._columns(triples, "rest")}
        if self.pairs:
            size = self._columns(triples, "size")[:, 1:]
            allowed = (start.d + start.squared[1:] + start.squared[:-1]) / size**2
            values["layer_alignment_slack"] = self._alignment(triples) ** 2 - 1.0 + allowed
        return values

    def _whole(self, k: int) -> bool:
        """Whether all of W_{k+1}ᵀW_{k+1} − W_kW_kᵀ is conserved, or only its diagonal."""
        return conserves_all(self.structure.layers[k].matrix, self.structure.layers[k + 1].matrix)

    def _units(self, k: int) -> int:
        matrix = self.matrices[k]
        return matrix.shape[0] if matrix is not None else 0

    def _balance(self, theta: Float[np.ndarray, "T P"], k: int) -> Array:
        """W_{k+1}ᵀW_{k+1} − W_kW_kᵀ, (T, h, h), or its diagonal (T, h)."""
        before, behind = self.matrices[k], self.matrices[k + 1]
        if before is None or behind is None:
            raise ValueError(f"layers {k + 1} and {k + 2} are no matrices")
        one = self.structure.matrix(theta, before)
        two = self.structure.matrix(theta, behind)
        if self._whole(k):
            behind_it = np.swapaxes(two, 1, 2) @ two
            return np.subtract(behind_it, one @ np.swapaxes(one, 1, 2), out=behind_it)
        return np.asarray(np.sum(two * two, axis=1) - np.sum(one * one, axis=2))

    @cached_property
    def _first_balance(self) -> Mapping[int, Array]:
        return {k: self._balance(self.start[None], k) for k in self.balanced_pairs}

    def _drift(
        self, theta: Float[np.ndarray, "T P"], triples: Mapping[int, Leading]
    ) -> Float[np.ndarray, " T"]:
        """max_k ‖A_k(t) − A_k(0)‖_F over max_k ‖W_k(t)‖_F², A_k = W_{k+1}ᵀW_{k+1} − W_kW_kᵀ."""
        moved = []
        with np.errstate(over="ignore", invalid="ignore"):
            for k in self.balanced_pairs:
                # In place: fresh memory costs more than the arithmetic.
                change = self._balance(theta, k)
                change -= self._first_balance[k]
                flat = change.reshape(len(theta), -1)
                moved.append(np.sqrt(np.sum(np.multiply(flat, flat, out=flat), axis=1)))
            size = np.nanmax(self._columns(triples, "frobenius"), axis=1, initial=0.0) ** 2
            return np.where(size > 0, np.max(moved, axis=0) / np.where(size > 0, size, 1.0), 0.0)


def conserves_all(before: Matrix | None, behind: Matrix | None) -> bool:
    """Whether the hidden units between two layers may be rotated without changing the network.

    Then the flow conserves W_{k+1}ᵀW_{k+1} − W_kW_kᵀ (JT19 eq. 2.4); behind a (leaky) ReLU, or with weights
    missing, only its diagonal (Du, Hu, Lee 2018).
    """
    return (
        before is not None
        and behind is not None
        and before.leak == 1.0
        and before.place is None
        and behind.place is None
    )


def imbalance(weights: Sequence[Array]) -> float:
    """D of JT19 §2.1: max_k‖W_k‖_F² − ‖W_L‖_F² + Σ_k ‖W_kW_kᵀ − W_{k+1}ᵀW_{k+1}‖_2, of a start; ≥ 0."""
    frobenius = [float(np.sum(w * w)) for w in weights]
    gaps = [_norm2(a @ a.T - b.T @ b) for a, b in pairwise(weights)]
    return max(frobenius) - frobenius[-1] + sum(gaps)


def _norm2(w: Float[np.ndarray, "r c"]) -> float:
    """‖W‖_2."""
    # Products of finite weights may overflow, and LAPACK raises for what is not finite.
    return float(np.linalg.norm(w, 2)) if np.isfinite(w).all() else float("nan")
