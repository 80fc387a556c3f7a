"""From a run's panel of measures to the layout of its file."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Array
from workbench.measures.own import OwnSeries
from workbench.measures.panel import Panel, SeriesSpec
from workbench.measures.series.margins import QUANTILES
from workbench.record.layout import SeriesLayout


def layouts_of(panel: Panel) -> list[SeriesLayout]:
    """A layout for every series the run has; what is thinned says so in its attributes."""
    n, h = panel.y.shape[0], panel.neuron_count
    layouts = []
    own = {series.name: series for series in panel.own}
    for name, shape in panel.shapes().items():
        if name in own:
            layouts.append(_own_layout(own[name]))
            continue
        attributes: dict[str, str | int | float] = {}
        dims: tuple[str, ...] | None = None
        if name == "margins" and shape[0] < n:
            attributes["subset"] = f"{shape[0]} of {n} samples; all are in margins_quantiles"
        if name == "margins_median_normalized" and shape[0] < n:
            attributes["subset"] = f"{shape[0]} of {n} samples, spread evenly"
        if name in ("neuron_norm", "neuron_angle") and shape[0] < h:
            attributes["subset"] = f"{shape[0]} of {h} neurons, spread evenly"
        if name == "neuron_direction" and len(panel.direction_neurons) < len(panel.neurons):
            attributes["subset"] = f"{shape[0]} of {h} neurons, spread evenly"
            dims = ("neuron_subset", "component")
        if name in ("layer_rank1", "layer_alignment") and any(
            layer.matrix is None for layer in panel.structure.layers
        ):
            attributes["note"] = "NaN where a layer is no matrix, as a convolution"
        if name == "svm_margin_ratio" and panel.layers is not None and panel.layers.svm is not None:
            attributes["svm_margin"] = panel.layers.svm.margin
        if name == "path_length":
            attributes["note"] = (
                "every step adds to it, recorded or not; it converges to the flow's length as steps shrink; "
                "moves by hand and steps that a rule took back add nothing"
            )
        layouts.append(SeriesLayout(name, shape, attributes, dims))
    return layouts


def _own_layout(series: OwnSeries) -> SeriesLayout:
    """What a measure of the user's declares of itself, and which class it is."""
    made = series.made
    spec = SeriesSpec(series.name, made.axes, made.units, made.long_name, made.source)
    return SeriesLayout(series.name, series.shape, {"class": series.path}, spec=spec)


def coordinates_of(panel: Panel) -> dict[str, Array]:
    """Values along axes that are not simply numbered."""
    shapes = panel.shapes()
    coordinates: dict[str, Array] = {}
    if "margins" in shapes or "margins_median_normalized" in shapes:
        coordinates["sample"] = panel.samples
    if "margins_quantiles" in shapes:
        coordinates["quantile"] = np.array(QUANTILES)
    if "neuron_norm" in shapes:
        coordinates["neuron"] = panel.neurons
        if len(panel.direction_neurons) < len(panel.neurons):
            coordinates["neuron_subset"] = panel.direction_neurons
    return coordinates
