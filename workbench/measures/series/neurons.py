"""Norms, angles and directions of the neurons that are kept (KH24)."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.arrays import Array
from workbench.measures.directions import divided, neuron_angles
from workbench.measures.norms import neuron_norms
from workbench.measures.panel import Measure, Records, SeriesSpec
from workbench.norms.l2 import L2

_SERIES = (
    SeriesSpec("neuron_norm", ("neuron",), "1", "norm of each neuron's weights", "KH24 Cor. 5.4.1"),
    SeriesSpec(
        "neuron_angle", ("neuron",), "rad", "angle of each neuron's input weights", "KH24 Fig. 1"
    ),
    SeriesSpec(
        "neuron_direction",
        ("neuron", "component"),
        "1",
        "unit direction of each neuron's input weights",
        "KH24 Cor. 5.4.1",
    ),
)


def _neurons(records: Records) -> Mapping[str, Array]:
    panel, theta = records.panel, records.rows.theta
    structure = panel.structure
    if structure.neurons is None:
        return {}
    incoming = structure.incoming(theta)
    length = L2().norm(incoming)
    norms = neuron_norms(theta, structure, length)
    values: dict[str, Array] = {"neuron_norm": norms[:, panel.neurons]}
    if incoming.shape[-1] == 2:
        values["neuron_angle"] = neuron_angles(theta, structure)[:, panel.neurons]
    values["neuron_direction"] = divided(incoming, length)[:, panel.direction_neurons]
    return values


NEURONS = Measure(_SERIES, _neurons)
