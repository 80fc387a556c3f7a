"""When the flow of an NCF of order L > 2 blows up: where a network's weights leave the origin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.arrays import Float

GROWN = float(np.log(1e3))
"""ln of how much ‖u‖ has grown, or shrunk, when the rest of the time is taken from the direction it has."""
STEP = 4e-3
"""Of the directions' own time, over the largest ‖∇N‖ met at the start."""
MOST_STEPS = 50_000

Gradient = Callable[[Float[np.ndarray, "S P"]], Float[np.ndarray, "S P"]]


def blow_up_times(
    gradient: Gradient, start: Float[np.ndarray, "S P"], order: float
) -> Float[np.ndarray, " S"]:
    """The times at which u̇ = ∇N(u), N of order L > 2, is infinite; ∞ where it goes to 0, NaN where it is
    undecided after `MOST_STEPS`.

    In the directions' own time, ds = ‖u‖^{L−2} dt, û' = ∇N(û) − L N(û) û and (ln‖u‖)' = L N(û). Once û has
    come to a KKT point, 1/(L(L−2) N(û) ‖u‖^{L−2}) is left (Euler's identity). The midpoint rule with equal
    steps, which slides along kinks where one that adapts its steps would stall.
    """
    size = np.linalg.norm(start, axis=1)
    u = start / size[:, None]
    grown, time = np.zeros(len(u)), np.zeros(len(u))
    found = np.full(len(u), np.nan)
    step = STEP / float(np.linalg.norm(gradient(u), axis=1).max())
    going = np.arange(len(u))
    for _ in range(MOST_STEPS):
        g = gradient(u[going])
        middle = _unit(u[going] + 0.5 * step * g)
        g = gradient(middle)
        growth = np.sum(middle * g, axis=1)
        u[going] = _unit(u[going] + step * (g - growth[:, None] * middle))
        half = grown[going] + 0.5 * step * growth
        time[going] += step * np.exp((2.0 - order) * half)
        grown[going] += step * growth
        out = grown[going] > GROWN
        with np.errstate(divide="ignore"):
            rest = np.exp((2.0 - order) * grown[going]) / ((order - 2.0) * growth)
        found[going[out]] = (time[going] + rest)[out]
        gone = grown[going] < -GROWN
        found[going[gone]] = np.inf
        going = going[~(out | gone)]
        if not len(going):
            break
    return np.asarray(found * size ** (2.0 - order))


def _unit(u: Float[np.ndarray, "S P"]) -> Float[np.ndarray, "S P"]:
    return np.asarray(u / np.linalg.norm(u, axis=1, keepdims=True))


def three_layer_gradient(
    x: Float[np.ndarray, "n d"], z: Float[np.ndarray, " n"], widths: tuple[int, int]
) -> Gradient:
    """∇N of N(u) = Σ_i z_i w_3 σ(w_2 σ(w_1 x_i)), u = (w_1, w_2, w_3) flattened, a row a start."""
    (h, k), d = widths, x.shape[1]

    def gradient(u: Float[np.ndarray, "S P"]) -> Float[np.ndarray, "S P"]:
        first, second, third = np.split(u, [h * d, h * d + k * h], axis=1)
        first, second = first.reshape(-1, h, d), second.reshape(-1, k, h)
        one = first @ x.T
        a = np.maximum(one, 0.0)
        two = second @ a
        back = third[:, :, None] * (two > 0) * z
        below = (second.transpose(0, 2, 1) @ back) * (one > 0)
        parts = (below @ x, back @ a.transpose(0, 2, 1), np.maximum(two, 0.0) @ z)
        return np.concatenate([part.reshape(len(u), -1) for part in parts], axis=1)

    return gradient
