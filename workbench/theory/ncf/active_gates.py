"""Which side of every data hyperplane {x_i·u = 0} each neuron is on, and how it moves from there.

Inputs on one line through 0 share the hyperplane. A neuron is on its positive side, on its negative side, or
held on it: where the pull on either side points to the other, a two-layer ReLU neuron slides along
(Filippov), until the pull that it lacks to stay is no mixture of both any more. A squared ReLU neuron has
the same pull on both sides, and crosses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Array, Float, Int
from workbench.theory.ncf.neuron import NeuronKind

ON = 1e-9
"""Height |a·u|/‖u‖ over a line of direction a up to which a neuron is on it."""


@dataclass(frozen=True, eq=False)
class Lines:
    """m lines through 0 with unit directions `axis` (m, d), the line `of` every input (n), −1 for x = 0, and
    `way` (n): 1 where the input points along its line, −1 where against it."""

    axis: Float[Array, "m d"]
    of: Int[Array, " n"]
    way: Float[Array, " n"]

    @classmethod
    def through(cls, x: Float[Array, "n d"]) -> Lines:
        """Of inputs (n, d); those whose unit vectors agree to 12 digits are on one line."""
        size = np.linalg.norm(x, axis=1)
        live = np.flatnonzero(size > 0.0)
        unit = x[live] / size[live, None]
        leading = np.argmax(np.abs(unit) > 1e-6, axis=1)
        way = np.sign(unit[np.arange(len(live)), leading])
        rounded = np.round(unit * way[:, None], 12) + 0.0
        _, first, back = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
        of, signs = np.full(len(x), -1), np.ones(len(x))
        of[live], signs[live] = back.reshape(-1), way
        return cls((unit * way[:, None])[first], of, signs)

    def gates(self, side: Int[Array, "k m"], leak: float) -> Float[Array, "k n"]:
        """σ'(x_i·u_k): 1 or α; 0 where neuron k is held on the line, for x_i·u_k is 0 there."""
        signed = np.zeros((len(side), len(self.of)))
        live = self.of >= 0
        signed[:, live] = side[:, self.of[live]] * self.way[live]
        return np.where(signed > 0.0, 1.0, np.where(signed < 0.0, leak, 0.0))


@dataclass(frozen=True, eq=False)
class Pulls:
    """What pulls a neuron's u off line ℓ, on either side of it, along the line's direction.

    `rest`: by everything but the line's own inputs; `plus`, `minus`: by these, u being on that side.
    """

    rest: float
    plus: float
    minus: float

    @property
    def side(self) -> int:
        """Where it goes from the line: 1 or −1, or 0 where either side drives it back."""
        up, down = self.rest + self.plus, self.rest + self.minus
        if up <= 0.0 <= down and up < down:
            return 0
        return 1 if up + down > 0.0 else -1


def held_projector(axis: Float[Array, "s d"], d: int) -> Float[Array, "d d"]:
    """The projector of R^d onto what is orthogonal to the lines that a neuron is held on."""
    if not len(axis):
        return np.eye(d)
    left, size, _ = np.linalg.svd(axis.T, full_matrices=False)
    basis = left[:, size > 1e-10 * size[0]]
    return np.eye(d) - basis @ basis.T


def pulls_of(
    lines: Lines,
    line: int,
    x: Float[Array, "n d"],
    kind: NeuronKind,
    weights: Float[Array, " p"],
    others: Float[Array, " n"],
    z: Float[Array, " n"],
    leak: float,
    keep: Float[Array, "d d"],
) -> Pulls:
    """Pulls along line `line` on one neuron on it.

    `others` (n): its gates, of which those of the line's own inputs do not count. `z` (n): the residual times
    its output sign. `keep`: the projector of the other lines that it is held on.
    """
    own = lines.of == line
    axis = lines.axis[line]
    along = keep @ axis
    if kind is NeuronKind.SQUARED_RELU:
        s = others**2 * (x @ weights) * z
        return Pulls(2.0 * float((s[~own] @ x[~own]) @ along), 0.0, 0.0)
    v, height = float(weights[0]), x @ along
    up = np.where(lines.way > 0.0, 1.0, leak)
    down = np.where(lines.way > 0.0, leak, 1.0)
    rest = v * float((others * z * height)[~own].sum())
    return Pulls(
        rest,
        v * float((up * z * height)[own].sum()),
        v * float((down * z * height)[own].sum()),
    )


def exits(
    lines: Lines,
    held: Int[Array, " s"],
    x: Float[Array, "n d"],
    v: float,
    gates: Float[Array, " n"],
    z: Float[Array, " n"],
    leak: float,
) -> tuple[int, int] | None:
    """(line, side) of the line that a neuron leaves of those it is held on, None where it leaves none.

    With mixtures μ in [0, 1] of both sides' pulls the neuron stays on every line; the line whose μ is
    farthest out of [0, 1] is left.
    """
    axis = lines.axis[held]
    rest = v * ((gates * z) @ x)
    needed = -np.linalg.lstsq(axis @ axis.T, axis @ rest, rcond=1e-12)[0]
    worst: tuple[float, int, int] | None = None
    for place, line in enumerate(held):
        own = lines.of == line
        reach = z[own] * lines.way[own] * np.linalg.norm(x[own], axis=1)
        plus = v * float((reach * np.where(lines.way[own] > 0.0, 1.0, leak)).sum())
        minus = v * float((reach * np.where(lines.way[own] > 0.0, leak, 1.0)).sum())
        if plus >= minus:
            # Nothing drives it back any more.
            out, side = np.inf, 1 if plus + minus > 2.0 * needed[place] else -1
        else:
            # needed = μ plus + (1 − μ) minus.
            mixture = (needed[place] - minus) / (plus - minus)
            out, side = max(mixture - 1.0, -mixture), 1 if mixture > 0.5 else -1
        if out > 1e-9 and (worst is None or out > worst[0]):
            worst = (out, int(line), side)
    return None if worst is None else worst[1:]
