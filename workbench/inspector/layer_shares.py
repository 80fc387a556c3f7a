"""How a KKT point of a whole network shares its norm among the layers (Kumar, Haupt, arXiv 2403.08121).

N is homogeneous of order k_j in layer j alone, so λW_j = ∂N/∂W_j leaves ‖W_j‖² = k_j/L where N ≠ 0. Of
linear and ReLU networks the maxima have layers of rank one: ‖W_j‖_2/‖W_j‖_F says it, and nothing assumes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float
from workbench.models.structure import Layer, Structure

PROBES = 8
SURE = 1e-6
"""Most that k_j, measured at the probes, may differ from one number to be believed."""
Function = Callable[[Float[np.ndarray, "B P"]], Float[np.ndarray, "..."]]


@dataclass(frozen=True)
class LayerShare:
    """A layer of a unit θ: ‖W‖_F, √(k/L) (None: the layer has no order), ‖W‖_2/‖W‖_F (None: no matrix,
    or 0)."""

    layer: str
    norm: float
    expected: float | None
    rank_ratio: float | None


def layer_orders(
    structure: Structure, value: Function, gradient: Function
) -> tuple[float | None, ...]:
    """k_j of every layer by Euler's identity ⟨W_j, ∂N/∂W_j⟩ = k_j N at seeded θ with N ≠ 0.

    None where that is no one number: N is not homogeneous in the layer alone.
    """
    theta = np.random.default_rng(0).normal(size=(4 * PROBES, structure.size))
    theta /= np.linalg.norm(theta, axis=1, keepdims=True)
    n = value(theta)
    kept = np.argsort(-np.abs(n), kind="stable")[:PROBES]
    kept = kept[np.abs(n[kept]) > 0.0]
    theta, n = theta[kept], n[kept]
    if not len(theta):
        return (None,) * len(structure.layers)
    product = theta * gradient(theta)
    found = []
    for layer in structure.layers:
        k = product[:, _places(structure, layer)].sum(axis=1) / n
        one = float(np.median(k))
        found.append(one if np.abs(k - one).max() <= SURE * max(1.0, abs(one)) else None)
    return tuple(found)


def layer_shares(
    structure: Structure,
    direction: Float[np.ndarray, " P"],
    orders: tuple[float | None, ...],
    order: float,
) -> tuple[LayerShare, ...]:
    """The layers of a unit θ against what a KKT point of order L has."""
    found = []
    for layer, k in zip(structure.layers, orders, strict=True):
        expected = None if k is None or k < 0.0 else float(np.sqrt(k / order))
        norm = float(np.linalg.norm(direction[_places(structure, layer)]))
        ratio = None
        if layer.matrix is not None and norm > 0.0:
            values = np.linalg.svd(structure.matrix(direction, layer.matrix), compute_uv=False)
            ratio = float(values[0] / np.linalg.norm(values)) if values[0] > 0.0 else None
        found.append(LayerShare(layer.name, norm, expected, ratio))
    return tuple(found)


def _places(structure: Structure, layer: Layer) -> list[int]:
    """Where the layer's parameters lie in θ."""
    parts = [structure.parameter(name) for name in layer.parameters]
    return [place for part in parts for place in range(part.start, part.stop)]
