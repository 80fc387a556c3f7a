"""From a history to the strips of the layers' alignment. Pure functions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from workbench.arrays import Float
from workbench.record.history import History
from workbench.tui.run.x_axis import XAxis
from workbench.tui.widgets.layer_field import LayerFieldModel, Strips


def has_layers(history: History) -> bool:
    """Whether any layer of this run is a matrix, and its ratios were recorded."""
    return history.length > 0 and history.has("layer_rank1")


def layers_come_first(history: History) -> bool:
    """Whether the layers tell more than directions of neurons: in fully connected linear networks (JT19)."""
    return has_layers(history) and history.has("layer_rank1_slack")


def layer_field(
    history: History, x_axis: XAxis, x: Float[np.ndarray, " T"], names: tuple[str, ...] = ()
) -> LayerFieldModel:
    """Rank-1 ratios, adjacent singular vectors, and the SVM's direction, over the shared axis.

    `names`: of all layers; those that are no matrix have no strip.
    """
    steps, ratios = history.vector("layer_rank1")
    index = np.clip(np.searchsorted(history.step, steps), 0, len(x) - 1)
    count = ratios.shape[1]
    if len(names) != count:
        names = tuple(f"w{k + 1}" for k in range(count))
    there = np.isfinite(ratios).any(axis=0)
    groups = [_strips("‖W‖₂/‖W‖_F: 1 at rank one", names, ratios, there)]
    if history.has("layer_alignment"):
        aligned = _rows(history, "layer_alignment", steps)
        between = tuple(f"{a}·{b}" for a, b in pairwise(names))
        known = np.isfinite(aligned).any(axis=0)
        groups.append(_strips("|⟨v, u⟩| of adjacent layers", between, aligned, known))
    if history.has("svm_alignment"):
        svm = history.scalar("svm_alignment")
        column = svm[np.minimum(index, len(svm) - 1)][:, None]
        groups.append(_strips("|⟨v₁, ū⟩|: SVM direction", (f"{names[0]}·ū",), column))
    cursor = None if x_axis.cursor is None or not len(x) else min(x_axis.cursor, len(x) - 1)
    at = -1 if cursor is None else int(np.abs(index - cursor).argmin())
    return LayerFieldModel(
        title="alignment of layers",
        x=x[index],
        groups=tuple(group for group in groups if group.names),
        at=at,
        x_kind=x_axis.kind,
        x_range=x_axis.x_range,
        x_name=x_axis.quantity,
        lines=x_axis.lines,
        cursor=None if cursor is None else float(x[cursor]),
        lane=x_axis.lane,
    )


def _strips(
    title: str,
    names: tuple[str, ...],
    values: Float[np.ndarray, "K s"],
    there: np.ndarray | None = None,
) -> Strips:
    """The columns that have a value at all."""
    if there is None:
        return Strips(title, names, values)
    kept = np.flatnonzero(there)
    return Strips(title, tuple(names[k] for k in kept), values[:, kept])


def _rows(history: History, name: str, steps: np.ndarray) -> Float[np.ndarray, "K s"]:
    """A vector series at these steps: series of different width may be thinned differently."""
    found, values = history.vector(name)
    place = np.clip(np.searchsorted(found, steps), 0, len(found) - 1)
    return np.asarray(values[place])
