"""Whitened inputs and a linear teacher's outputs: deep linear networks go from saddle to saddle there."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.data.dataset import Dataset


def linear_teacher(
    n: int, d: int, outputs: int, singular_values: tuple[float, ...], seed: int
) -> Dataset:
    """Targets y_i = A x_i (n, outputs) of inputs with (1/n) Σ x_i x_iᵀ = I, to rounding.

    A = Σ_j s_j a_j b_jᵀ with the given singular values and random singular vectors, so that the averaged
    square risk of a linear map with product W is ½‖W − A‖_F²: W = 0 has ½ Σ_j s_j², and the best map of rank
    r has ½ Σ_{j>r} s_j² (Eckart, Young 1936). Whitened inputs make the modes of a deep linear network
    independent (Saxe, McClelland, Ganguli 2014, arXiv 1312.6120, eq. 3).
    """
    rng = np.random.default_rng(seed)
    x = np.sqrt(n) * _orthonormal(rng, n, d)
    rank = len(singular_values)
    left, right = _orthonormal(rng, outputs, rank), _orthonormal(rng, d, rank)
    teacher = left * np.array(singular_values) @ right.T
    y = x @ teacher.T
    return Dataset(x, y[:, 0].copy() if outputs == 1 else y, "linear-teacher")


def _orthonormal(rng: np.random.Generator, rows: int, columns: int) -> Float[np.ndarray, "r c"]:
    """Random orthonormal columns."""
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0]
