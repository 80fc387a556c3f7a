"""Certificate of a KKT point: how far λw is from the Clarke subdifferential ∂N(w).

Computed from the lines' weights at the direction alone, so it checks every enumerator alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import lsq_linear

from workbench.arrays import Array
from workbench.theory.ncf.merged_lines import MergedLines
from workbench.theory.ncf.ncf import Ncf
from workbench.theory.ncf.neuron import ORDER, NeuronKind

ON_LINE = 1e-11
"""A direction with |a_j·û| below this lies on line j, up to rounding."""


KNOWN = 1e-14
"""Known weights are taken where they leave no more than this share."""


@dataclass(frozen=True, eq=False)
class Walls:
    """What an enumerator knows exactly about the k kinked lines at a direction.

    `signs` (k,): on which side of each it is, 0 on it; float64 may round it to another side.
    `share` (k,): where the weight that meets Clarke's condition lies between minus (0) and plus (1) on
    lines through it; None where none is known.
    """

    signs: Int[Array, " k"]
    share: Float[Array, " k"] | None = None


@dataclass(frozen=True, eq=False)
class Certificate:
    """value N, multiplier λ = 2N, relative `residual` and number of `kinks`, each (B,)."""

    value: Float[Array, " B"]
    multiplier: Float[Array, " B"]
    residual: Float[Array, " B"]
    kinks: Int[Array, " B"]


def certify(
    w: Float[Array, "B p"],
    ncf: Ncf,
    walls: Sequence[Walls | None] | None = None,
) -> Certificate:
    """dist(λw, ∂N(w))/scale for unit w, with λ = 2N(w) (KH24 Lemma C.5).

    `walls`: for each w what is known of the lines near it, where that is more than w itself and
    |a_j·û| ≤ `ON_LINE` tell; the set is then that of the exact direction, which w is next to. Weights
    known are tried before those of bounded least squares.

    On kinks of g the set is s + Σ_j [minus_j, plus_j] a_j over the lines through u; it is Clarke's
    set when these lines are independent (always for d = 2) and contains it otherwise.
    """
    lines = ncf.merged_lines
    scale = lines.scale if lines.scale > 0 else 1.0
    if ncf.kind is NeuronKind.SQUARED_RELU:
        return _certify_squared(w, lines, scale, walls)
    u, v = w[:, 1:], w[:, 0]
    size = np.linalg.norm(u, axis=1)
    s = u @ lines.axis.T
    weight = np.where(_upper(s, lines, walls), lines.plus, lines.minus)
    g = np.sum(weight * s, axis=1)
    value = v * g
    on_line = _on_line(np.abs(s) <= ON_LINE * size[:, None], lines, walls)
    goal = (ORDER * value)[:, None] * u
    smooth = goal - v[:, None] * ((weight * ~on_line) @ lines.axis)
    in_u = np.array(
        [
            _box_distance(
                smooth[b], v[b] * lines.axis[on], lines.minus[on], lines.plus[on], _known(walls, b)
            )
            for b, on in enumerate(on_line)
        ]
    )
    residual = np.hypot(ORDER * value * v - g, in_u) / scale
    return Certificate(value, ORDER * value, residual, on_line.sum(axis=1))


def _on_line(
    near: Bool[Array, "B m"], lines: MergedLines, walls: Sequence[Walls | None] | None
) -> Bool[Array, "B m"]:
    """Kinked lines through each direction: the known ones, else the near ones."""
    near = lines.kinked & near
    for b, known in enumerate(walls or ()):
        if known is not None:
            near[b, lines.kinked] = known.signs == 0
    return near


def _upper(
    s: Float[Array, "B m"], lines: MergedLines, walls: Sequence[Walls | None] | None
) -> Bool[Array, "B m"]:
    """Whether each direction is on the plus side of each line."""
    upper = s > 0
    for b, known in enumerate(walls or ()):
        if known is not None:
            side = upper[b, lines.kinked]
            upper[b, lines.kinked] = np.where(known.signs == 0, side, known.signs > 0)
    return upper


def _known(walls: Sequence[Walls | None] | None, b: int) -> Float[Array, " k"] | None:
    """Known shares on the lines through direction b."""
    known = None if walls is None else walls[b]
    return None if known is None or known.share is None else known.share[known.signs == 0]


def _certify_squared(
    w: Float[Array, "B p"],
    lines: MergedLines,
    scale: float,
    walls: Sequence[Walls | None] | None,
) -> Certificate:
    """The smooth case: ‖∇N(w) − 2N(w)w‖/scale."""
    s = w @ lines.axis.T
    half = (np.where(s > 0, lines.plus, lines.minus) * s) @ lines.axis
    value = np.sum(half * w, axis=1)
    residual = 2.0 * np.linalg.norm(half - value[:, None] * w, axis=1) / scale
    kinks = _on_line(np.abs(s) <= ON_LINE, lines, walls).sum(axis=1)
    return Certificate(value, ORDER * value, residual, kinks)


def _box_distance(
    goal: Float[Array, " d"],
    axis: Float[Array, "k d"],
    one: Float[Array, " k"],
    other: Float[Array, " k"],
    share: Float[Array, " k"] | None = None,
) -> float:
    """min ‖goal − Σ_j c_j axis_j‖ with c_j between one_j and other_j, or that of known shares.

    Least squares alone lose digits where axes are nearly parallel.
    """
    if len(axis) == 0 or not axis.any():
        return float(np.linalg.norm(goal))
    low, high = np.minimum(one, other), np.maximum(one, other)
    if len(axis) == 1:
        c = np.clip(goal @ axis[0] / (axis[0] @ axis[0]), low[0], high[0])
        return float(np.linalg.norm(goal - c * axis[0]))
    if share is not None:
        known = float(np.linalg.norm(goal - (one + share * (other - one)) @ axis))
        if known <= KNOWN * float(np.linalg.norm(goal) + np.abs(high - low).sum()):
            return known
    fit = lsq_linear(axis.T, goal, (low, high), method="bvls")
    return float(np.linalg.norm(goal - fit.x @ axis))
