"""What the layers' page shows of one state: singular values of every layer, the data behind it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workbench.arrays import Array, Float
from workbench.data.dataset import told_apart
from workbench.errors import BadInput
from workbench.measures.layers import MOST_NUMBERS
from workbench.measures.mapped import mapped
from workbench.models.structure import Layer, Structure
from workbench.tui.widgets.layer_panel import LayerPanelModel, shared_range

MOST_SAMPLES = 4_096
"""Samples that are mapped through the layers: a picture shows no more."""


@dataclass(frozen=True, eq=False)
class LayersSeen:
    """A panel for the data, where it can be mapped, and one a layer that is a matrix; their step.

    `left_out`: how many layers are no matrix.
    """

    step: int
    panels: tuple[LayerPanelModel, ...]
    left_out: int = 0


def see_layers(
    theta: Float[np.ndarray, " P"],
    structure: Structure,
    x: Array,
    y: Float[np.ndarray, "n ..."],
    step: int,
) -> LayersSeen:
    """Panels of a state.

    Raises:
        BadInput: no layer of this network is a matrix, or θ is not finite.
    """
    if not np.isfinite(theta).all():
        raise BadInput(f"the weights at step {step:,} are not finite: there is nothing to show.")
    if all(layer.matrix is None for layer in structure.layers):
        raise BadInput(
            "no layer of this network is a matrix: there are no singular values to show; "
            "directions of its neurons are on the run's screen (d)."
        )
    inputs = np.asarray(x, dtype=np.float64).reshape(len(x), -1)[:MOST_SAMPLES]
    labels = told_apart(np.asarray(y)[:MOST_SAMPLES])
    stop = _mappable(structure)
    panels = []
    there = [k for k, layer in enumerate(structure.layers, 1) if layer.matrix is not None]
    # Where not even the first layer can be mapped through, the inputs tell nothing of the layers.
    for k in [0, *there] if stop else there:
        behind = mapped(theta, structure, inputs, k) if k <= stop else None
        name, shape, values, why = _matrix_of(
            theta, structure, k, behind.values if behind else None
        )
        nowhere = why if values is None else "" if behind else _why_unmapped(structure, stop)
        panels.append(
            LayerPanelModel(
                name=name,
                shape=shape if k else f"{len(x):,}×{inputs.shape[1]:,}",
                values=values,
                points=None if behind is None else behind.plane,
                labels=labels,
                flatness=float("nan") if behind is None else behind.flatness,
                units=0 if behind is None else behind.full.shape[1],
                empty=nowhere,
            )
        )
    return LayersSeen(step, tuple(panels), len(structure.layers) - len(there))


def _mappable(structure: Structure) -> int:
    """How many of the first layers are plain matrices."""
    for k, layer in enumerate(structure.layers):
        if layer.matrix is None or layer.biases or layer.parameters != (layer.matrix.parameter,):
            return k
    return len(structure.layers)


def _why_unmapped(structure: Structure, stop: int) -> str:
    layer = structure.layers[stop]
    what = "is no matrix" if layer.matrix is None else "has biases"
    return f"The data is not mapped through: {layer.name} {what}."


def _matrix_of(
    theta: Float[np.ndarray, " P"],
    structure: Structure,
    k: int,
    of_data: Float[np.ndarray, " r"] | None,
) -> tuple[str, str, Float[np.ndarray, " r"] | None, str]:
    """Name, shape, singular values of layer k (from 1; 0: the data), and why there are none."""
    if k == 0:
        return "data", "", of_data, ""
    layer: Layer = structure.layers[k - 1]
    assert layer.matrix is not None
    rows, columns = layer.matrix.shape
    shape = f"{rows:,}×{columns:,}"
    if rows * columns > MOST_NUMBERS:
        return layer.name, shape, None, f"more than {MOST_NUMBERS:,} numbers"
    w = structure.matrix(theta, layer.matrix)
    return layer.name, shape, np.linalg.svd(w, compute_uv=False), ""


def with_shared_range(seen: LayersSeen) -> LayersSeen:
    """With the bars of all layers over the same decades."""
    found = shared_range(seen.panels)
    return replace(seen, panels=tuple(replace(panel, range=found) for panel in seen.panels))
