"""Planar points labelled by a random network: JT20 Fig. 1 and App. A."""

from __future__ import annotations

import numpy as np

from workbench.data.dataset import Dataset
from workbench.errors import BadInput

TRIES = 100
"""Random networks drawn before giving up on one that labels both ways."""
WORK = 1 << 26
"""Values of neurons computed before giving up."""
LEAST_SHARE = 0.2
"""Share of the rarer label among the points, at least."""


def jt20_planar(n: int, margin: float, width: int, seed: int) -> Dataset:
    """x (n, 3): uniform points of [−1, 1]² with a 1 appended; y = the sign of a random network there.

    The network is Σ_j v_j max(0, ⟨w_j, (x_1, x_2, 1)⟩), `width` standard normal neurons, less its mean
    over the square; drawn again until each label has a fifth of the points. Points where its value is less
    than `margin` root mean squares are deleted. The paper gives neither the network nor its threshold.
    Raises BadInput when points that far from the boundary are too rare.
    """
    rng = np.random.default_rng(seed)
    count = max(n, 256)
    left = max(WORK, 40 * count * width)
    for _ in range(TRIES):
        if left <= 0:
            break
        w, v = rng.standard_normal((width, 3)), rng.standard_normal(width)
        probe = _network(_square(rng, 4_096), w, v)
        centre = float(probe.mean())
        least = margin * float((probe - centre).std())
        kept: list[np.ndarray] = []
        values: list[np.ndarray] = []
        for _ in range(50):
            x = _square(rng, count)
            value = _network(x, w, v) - centre
            far = np.abs(value) >= least
            kept.append(x[far])
            values.append(value[far])
            left -= count * width
            if sum(map(len, kept)) >= n or left <= 0:
                break
        x, y = np.concatenate(kept)[:n], np.sign(np.concatenate(values)[:n])
        rarer = min(int((y > 0).sum()), int((y < 0).sum()))
        if len(x) == n and rarer >= max(1 if n > 1 else 0, int(LEAST_SHARE * n)):
            return Dataset(x, y, "jt20-planar")
    raise BadInput(
        f"jt20-planar: data.margin = {margin:g} leaves too few points of one label; allowed are margins "
        "up to about 1 (root mean squares of the network that labels)."
    )


def _square(rng: np.random.Generator, count: int) -> np.ndarray:
    return np.column_stack([rng.uniform(-1.0, 1.0, (count, 2)), np.ones(count)])


def _network(x: np.ndarray, w: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(0.0, x @ w.T) @ v)
