"""The smallest eigenvalue of the risk's Hessian with an error bound.

Up to `DENSE` parameters, less for many samples, the whole matrix and its eigenvalues; above, Lanczos
with full reorthogonalization, whose Ritz value bounds the smallest eigenvalue from above only. On a
kink of the network autograd's Hessian belongs to one side and proves nothing: `kinks` counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.linalg import eigh, eigh_tridiagonal

from workbench.arrays import Array, Float, Int
from workbench.inspector.state import InspectedState
from workbench.theory.numerics.outcome import End, Outcome

DENSE = 3_000
DENSE_NUMBERS = 2e8
"""Most parameters × samples × units of the widest layer for which all of the Hessian is computed."""
LANCZOS_STEPS = 80
BLOCK = 256
EPSILON = float(np.finfo(np.float64).eps)

Cancel = Callable[[], bool] | None


@dataclass(frozen=True, eq=False)
class Curvature:
    """`smallest`: μ with ‖∇²𝓛 v − μ v‖ ≤ `bound` for the unit `vector` v: an eigenvalue lies within.

    `outcome`: iterations are products with the Hessian, of Lanczos those before the last; the residual is
    ‖∇²𝓛 v − μ v‖ as computed; converged where the spectrum was exhausted. `largest`: the
    largest (an estimate for Lanczos), the scale of what counts as zero. `flat`: parameters whose row is
    zero, as those of a ReLU neuron that is off on every sample; `smallest_bent`: μ without them, None
    where it was not computed.
    """

    smallest: float
    bound: float
    largest: float
    vector: Float[Array, " P"]
    method: Literal["dense", "lanczos"]
    outcome: Outcome
    kinks: int
    flat: int = 0
    smallest_bent: float | None = None

    @property
    def exact(self) -> bool:
        """Whether the whole spectrum was computed, so that μ is the smallest up to `bound`."""
        return self.method == "dense"

    @property
    def negative(self) -> bool:
        """Whether a negative eigenvalue is certain, away from kinks."""
        return self.smallest + self.bound < 0.0

    @property
    def positive(self) -> bool:
        """Whether all eigenvalues are certainly positive, away from kinks."""
        return self.exact and self.kinks == 0 and self.smallest - self.bound > 0.0

    @property
    def positive_but_flat(self) -> bool:
        """Whether all eigenvalues are, but for rows that are zero."""
        bent = self.smallest_bent
        return self.exact and self.kinks == 0 and bent is not None and bent - self.bound > 0.0

    def as_json(self) -> dict[str, object]:
        """Numbers, without the vector."""
        return {
            "smallest": self.smallest,
            "bound": self.bound,
            "largest": self.largest,
            "method": self.method,
            "exact": self.exact,
            "kinks": self.kinks,
            "flat": self.flat,
            "smallest_bent": self.smallest_bent,
        }


def curvature_of(state: InspectedState, cancel: Cancel = None) -> Curvature | None:
    """The evidence at a state; None when cancelled or the Hessian is not finite."""
    p = state.structure.size
    widest = max((parameter.shape or (1,))[0] for parameter in state.structure.parameters)
    if p <= DENSE and float(p) * state.n * widest <= DENSE_NUMBERS:
        return _dense(state, cancel)
    return lanczos(state, cancel)


def kinks_at(state: InspectedState) -> int:
    """Pairs of a neuron and a sample with x_i·u_k = 0 to rounding, where σ' jumps (leak ≠ 1)."""
    neurons = state.structure.neurons
    if neurons is None or state.structure.description.smooth_gates or state.x.ndim != 2:
        return 0
    if neurons.leak == 1.0:
        return 0
    u = state.structure.incoming(state.theta)
    if state.apart:
        return int((u == 0.0).sum()) * state.n
    if u.shape[1] != state.x.shape[1]:
        return 0
    size = np.linalg.norm(u, axis=1)[:, None] * np.linalg.norm(state.x, axis=1)
    return int((np.abs(u @ state.x.T) <= 1e-12 * size).sum())


def _dense(state: InspectedState, cancel: Cancel) -> Curvature | None:
    p = state.structure.size
    rows: list[Float[Array, "b P"]] = []
    for start in range(0, p, BLOCK):
        if cancel is not None and cancel():
            return None
        unit = np.zeros((min(BLOCK, p - start), p))
        unit[np.arange(len(unit)), start + np.arange(len(unit))] = 1.0
        rows.append(state.risk.hessian_products(state.theta, unit))
    matrix = np.concatenate(rows)
    if not np.isfinite(matrix).all() or (cancel is not None and cancel()):
        return None
    matrix = 0.5 * (matrix + matrix.T)
    bent = np.flatnonzero(np.abs(matrix).max(axis=1) > 0.0)
    flat = p - len(bent)
    values, v = _smallest(matrix, bent)
    size = float(np.abs(matrix).sum(axis=1).max())
    least = values[0] if len(bent) else None
    mu = min([float(value) for value in values] + [0.0] * (flat > 0))
    if flat and mu == 0.0:
        v = np.zeros(p)
        v[np.setdiff1d(np.arange(p), bent)[0]] = 1.0
    # Backward error of the eigenvalues, and of the sums over the samples behind every entry.
    residual = float(np.linalg.norm(matrix @ v - mu * v))
    bound = residual + EPSILON * size * (np.sqrt(p) + state.n)
    outcome = Outcome(End.CONVERGED, p, residual)
    return Curvature(mu, bound, size, v, "dense", outcome, kinks_at(state), flat, least)


def _smallest(
    matrix: Float[Array, "P P"], bent: Int[Array, " b"]
) -> tuple[list[float], Float[Array, " P"]]:
    """The smallest eigenvalue among some rows and columns, in a list, and its vector in all of them."""
    v = np.zeros(len(matrix))
    if not len(bent):
        return [], v
    values, vectors = eigh(matrix[np.ix_(bent, bent)], subset_by_index=[0, 0])
    v[bent] = vectors[:, 0]
    return [float(values[0])], v


def lanczos(state: InspectedState, cancel: Cancel = None) -> Curvature | None:
    """The smallest Ritz value after `LANCZOS_STEPS` products with the Hessian."""
    p = state.structure.size
    steps = min(LANCZOS_STEPS, p)
    rng = np.random.default_rng(0)
    basis = np.zeros((steps, p))
    q = rng.normal(size=p)
    basis[0] = q / np.linalg.norm(q)
    diagonal, off = np.zeros(steps), np.zeros(steps)
    used, end = steps, End.OUT_OF_STEPS
    for k in range(steps):
        if cancel is not None and cancel():
            return None
        w = state.risk.hessian_products(state.theta, basis[k : k + 1])[0]
        if not np.isfinite(w).all():
            return None
        diagonal[k] = w @ basis[k]
        for _ in range(2):
            w -= basis[: k + 1].T @ (basis[: k + 1] @ w)
        off[k] = np.linalg.norm(w)
        exhausted = off[k] <= EPSILON * max(1e-300, np.abs(diagonal[: k + 1]).max())
        if k + 1 == steps or exhausted:
            used = k + 1
            end = End.CONVERGED if exhausted or used == p else end
            break
        basis[k + 1] = w / off[k]
    values, vectors = eigh_tridiagonal(diagonal[:used], off[: used - 1])
    v = vectors[:, 0] @ basis[:used]
    v /= np.linalg.norm(v)
    image = state.risk.hessian_products(state.theta, v[None])[0]
    mu = float(v @ image)
    largest = float(np.abs(values).max())
    residual = float(np.linalg.norm(image - mu * v))
    bound = residual + EPSILON * largest * (np.sqrt(p) + state.n)
    outcome = Outcome(end, used, residual)
    return Curvature(mu, bound, largest, v, "lanczos", outcome, kinks_at(state))
