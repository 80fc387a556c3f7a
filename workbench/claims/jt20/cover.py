"""The covering condition of JT20 Proposition 4.6 on the line and in the plane, and the value it is held to.

In the plane a neuron between samples of two labels turns until it has left one of them, so that a cover
that stays close needs a landscape that is flat: four samples ±e_1, ±e_2 of one label have Σ_i p_i
max(0, θ·x_i)² = p for every θ once their weights are equal, and neurons turn only until they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float
from workbench.claims.claim import Size
from workbench.claims.jt20.late import Case, LateRun
from workbench.claims.limits import RATIO
from workbench.measures.directions import unit
from workbench.measures.margins import margin_smoothed
from workbench.theory.margin.linear_program import margin_program, squared_relu_features

LINE = (
    "data.kind=inline",
    "data.x=[[1.0], [0.8], [-0.6], [-0.9]]",
    "data.y=[1, 1, -1, -1]",
    "model.width=4",
    "init.kind=inline",
    "init.values={u = [[0.3], [0.25], [-0.2], [-0.35]]}",
)
"""On the line a neuron's direction is its sign and never turns: four neurons cover S⁰ with ε = 0."""
COARSE, FINE = 2_000, 1_000_000
"""Directions of the circle among which the program is solved, and on which its weights are checked."""
SIDES = np.array([1.0, -1.0])


def circle(each: int) -> tuple[str, ...]:
    """Settings of a cover of S¹ by `each` neurons of either sign, evenly spread, of uneven norms."""
    angles = 2.0 * np.pi * (np.arange(2 * each) + 0.3) / (2 * each)
    # Neighbours have opposite signs, and each sign its own even spacing.
    norms = 0.3 * (1.0 + 0.1 * np.cos(angles - 1.0))
    rows = np.column_stack([norms * np.cos(angles), norms * np.sin(angles)])
    values = ", ".join(f"[{a:.6f}, {b:.6f}]" for a, b in rows)
    return (
        "data.kind=inline",
        "data.x=[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]",
        "data.y=[1, 1, 1, 1]",
        f"model.width={2 * each}",
        "init.kind=inline",
        f"init.values={{u = [{values}]}}",
    )


COVERS: Mapping[Size, tuple[Case, ...]] = {
    "quick": (
        ("4 squared ReLU on the line", 2.0, True, LINE),
        ("a cover of the circle by 64 of either sign", 2.0, True, circle(64)),
    ),
    "full": (
        ("4 squared ReLU on the line", 2.0, True, LINE),
        ("a cover of the circle by 64 of either sign", 2.0, True, circle(64)),
        ("a cover of the circle by 256 of either sign", 2.0, True, circle(256)),
    ),
}


@dataclass(frozen=True, eq=False)
class Cover:
    """A flow that covers the sphere: `epsilon` at the record t_0 where it is least, with the neurons' own
    last directions as θ̄ and a bound on how far they still turn; `margin`, γ~ at doublings of ln(1/𝓛),
    which rises to the margin's limit (LL20 Theorem 4.1); `value`: the greatest margin of a signed
    measure, from above."""

    name: str
    epsilon: float
    margin: Float[np.ndarray, " K"]
    value: float

    @property
    def bound(self) -> float:
        """What the proposition promises: value − 4ε."""
        return self.value - 4.0 * self.epsilon


def covered(run: LateRun) -> Cover:
    """The covering condition along a flow on the line or in the plane; inputs of norm ≤ 1."""
    directions = unit(run.run.structure.incoming(run.theta))
    signs = run.run.structure.neuron_signs(run.theta[0])
    last = directions[-1]
    turned = np.linalg.norm(directions - last, axis=-1).max(axis=1)
    before = int(np.searchsorted(run.depth, run.depth[-1] / 2.0))
    still = float(turned[before]) * RATIO / (1.0 - RATIO)
    epsilon = min(
        max(float(turn) + still, *(hole(row[signs == sign]) for sign in SIDES))
        for row, turn in zip(directions, turned, strict=True)
    )
    margin = margin_smoothed(-run.depth, np.linalg.norm(run.theta, axis=1), run.order, run.loss)
    return Cover(run.name, epsilon, run.at(margin), greatest_margin(run.risk.x, run.risk.y))


def hole(directions: Float[np.ndarray, "k d"]) -> float:
    """max over the sphere of the distance to the nearest direction, for d = 1 and 2; 2 for none."""
    if not len(directions):
        return 2.0
    if directions.shape[1] == 1:
        return float(max(np.abs(directions[:, 0] - side).min() for side in SIDES))
    angles = np.sort(np.arctan2(directions[:, 1], directions[:, 0]))
    widest = float(np.diff(np.append(angles, angles[0] + 2.0 * np.pi)).max())
    return 2.0 * float(np.sin(min(widest, 2.0 * np.pi) / 4.0))


def greatest_margin(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> float:
    """max over signed measures ν on S^{d−1} of mass ≤ 1 of min_i y_i ∫ max(0, θ·x_i)² dν, from above, d = 1
    and 2: any p in the simplex gives max_θ |Σ_i p_i y_i max(0, θ·x_i)²|, here by a grid and the slope 2 of
    max(0, ·)² for ‖x‖ ≤ 1."""
    if x.shape[1] == 1:
        return _program(SIDES[:, None], x, y)[0]
    weights = _program(_circle(COARSE), x, y)[1]
    landscape = weights * y @ np.maximum(x @ _circle(FINE).T, 0.0) ** 2
    return float(np.abs(landscape).max()) + 2.0 * np.pi / FINE


def _program(every: Array, x: Array, y: Array) -> tuple[float, Array]:
    """The program's value from above, and its weights, over all directions with either sign."""
    signs = np.repeat(SIDES, len(every))
    found = margin_program(squared_relu_features(np.vstack([every, every]), signs, x, y))
    return found.value_above, found.weights


def _circle(count: int) -> Float[np.ndarray, "k 2"]:
    angles = 2.0 * np.pi * np.arange(count) / count
    return np.column_stack([np.cos(angles), np.sin(angles)])
