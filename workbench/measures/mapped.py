"""The data as a linear network's first layers map it (JT19 Fig. 2): W_k ⋯ W_1 x, seen in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.models.structure import Structure


@dataclass(frozen=True, eq=False)
class Mapped:
    """n samples behind layer k of one state.

    `full` (n, d_k) and its singular values `values`, falling. `plane` (n, 2) are its coordinates along its
    first two right singular vectors, the rows of `axes` (2, d_k), each turned so that the larger |entry|
    of its column of `plane` is positive; with one unit the second column is 0.
    """

    full: Float[np.ndarray, "n d_k"]
    values: Float[np.ndarray, " r"]
    axes: Float[np.ndarray, "two d_k"]
    plane: Float[np.ndarray, "n two"]

    @property
    def flatness(self) -> float:
        """Second singular value over the first: 0 once all samples lie on one line through 0; NaN for
        samples that are all 0."""
        if not self.values[0] > 0:
            return float("nan")
        return float(self.values[1] / self.values[0]) if len(self.values) > 1 else 0.0


def mapped(
    theta: Float[np.ndarray, " P"], structure: Structure, x: Float[np.ndarray, "n d"], layers: int
) -> Mapped:
    """x (n, d) behind the first `layers` layers, 0 for x itself, activations included.

    Raises:
        ValueError: one of the layers is no matrix, or has biases.
    """
    h = x
    for layer in structure.layers[:layers]:
        if layer.matrix is None or layer.biases:
            raise ValueError(f"layer {layer.name} is no plain matrix")
        h = h @ structure.matrix(theta, layer.matrix).T
        leak = layer.matrix.leak
        h = h if leak == 1.0 else np.where(h > 0, h, leak * h)
    u, s, vt = np.linalg.svd(h, full_matrices=False)
    axes = np.zeros((2, h.shape[1]))
    axes[: len(vt[:2])] = vt[:2]
    plane = np.zeros((len(h), 2))
    plane[:, : len(s[:2])] = u[:, :2] * s[:2]
    for j in range(2):
        if plane[np.argmax(np.abs(plane[:, j])), j] < 0:
            plane[:, j] *= -1.0
            axes[j] *= -1.0
    return Mapped(h, s, axes, plane)
