"""Synthetic datasets of the papers, seeded."""

from __future__ import annotations

import numpy as np

from workbench.config.data import MOST_DRAWN
from workbench.data.dataset import Dataset
from workbench.errors import BadInput


def circle(n: int, offset: float) -> Dataset:
    """KH24 Fig. 1: x at angles 2π(k + offset)/n, y = 5 max(0, x_1)² + 4 max(0, −x_1)²."""
    # Angles in exact multiples of the step keep cos and sin symmetric to the last bit where the
    # grid is: the paper's inputs at 0° and 180° must lie on the axis.
    angle = 2.0 * np.pi * (np.arange(n) + offset) / n
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[np.abs(x) < 1e-15] = 0.0
    y = 5.0 * np.maximum(0.0, x[:, 0]) ** 2 + 4.0 * np.maximum(0.0, -x[:, 0]) ** 2
    return Dataset(x, y, "kh24-circle")


def gaussian_separable(n: int, d: int, margin: float, seed: int, relevant: int = 0) -> Dataset:
    """x ~ N(0, I_d) with |⟨x, w⟩| ≥ margin for a random unit w, y = sign⟨x, w⟩; of w all but the
    first `relevant` coordinates are 0, and those of one size, where that is not 0.

    Raises BadInput when points that far from the hyperplane are too rare to draw.
    """
    rng = np.random.default_rng(seed)
    teacher = rng.standard_normal(d)
    if relevant:
        teacher = np.where(np.arange(d) < relevant, np.sign(teacher), 0.0)
    teacher /= np.linalg.norm(teacher)
    kept: list[np.ndarray] = []
    count = 0
    batch = max(n, 64)
    for _ in range(min(1_000, max(10, MOST_DRAWN // (batch * d)))):
        x = rng.standard_normal((batch, d))
        x = x[np.abs(x @ teacher) >= margin]
        kept.append(x)
        count += len(x)
        if count >= n:
            points = np.concatenate(kept)[:n]
            return Dataset(points, np.sign(points @ teacher), "gaussian-separable")
    raise BadInput(
        f"gaussian-separable: data.margin = {margin:g} leaves almost no points of a standard "
        "normal; allowed are margins up to about 3."
    )
