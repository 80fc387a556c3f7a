"""An inspection as the plain, bounded columns that a run's file keeps, and back to a forecast."""

from __future__ import annotations

from math import isfinite

import numpy as np

from workbench.arrays import Array, Int
from workbench.inspector.correlation import JOINT_NUMBERS, Correlation
from workbench.inspector.forecast import NeuronForecast
from workbench.inspector.inspect import Inspection
from workbench.inspector.whole_forecast import WholeForecast
from workbench.models.structure import Structure
from workbench.protocol.inspections import (
    MOST_NEURONS,
    WHOLE,
    Cause,
    NeuronColumns,
    PointColumns,
    RecordedInspection,
    most_points,
)

NEURON_NUMBERS = (
    "cosine",
    "rate",
    "escape_time",
    "escape_steps",
    "escape_time_low",
    "escape_time_high",
    "escape_steps_low",
    "escape_steps_high",
    "angle_bound",
    "confidence",
)
"""What is kept of a neuron's forecast as it is, NaN where it is not known."""
MOST_JOINT = JOINT_NUMBERS / 1e5
"""Most parameters × samples of a joint search for KKT points (correlation.py)."""


def recorded_inspection(inspection: Inspection, cause: Cause = "asked") -> RecordedInspection:
    """What is kept of an inspection: its verdict in words, and at most `MOST_NEURONS` neurons and
    `most_points` KKT points. What is forecast of the whole θ is a row of the neurons, `WHOLE`.

    Neurons: those named to leave first, then small ones, then large ones, by falling norm. Points:
    those that kept neurons head to, then by falling value.
    """
    made, found = inspection.forecast, inspection.correlation
    whole = made.whole
    neurons = _chosen_neurons(made.neurons, made.names)
    first = -1 if made.first is None else made.first
    radius = made.radius
    if whole is not None:
        neurons = [_whole(whole), *neurons]
        first = WHOLE if isfinite(whole.escape_time) else -1
        radius = whole.radius
    points = _chosen_points(found, neurons)
    place = {int(point): row for row, point in enumerate(points)}
    return RecordedInspection(
        step=inspection.step,
        time=made.time,
        cause=cause,
        verdict=inspection.judgement.verdict,
        regime=inspection.regime,
        dimension=_dimension(inspection),
        method="none" if found is None else found.method,
        complete=found is not None and found.complete,
        radius=np.nan if radius is None else radius,
        share=made.share,
        first=first,
        large=len(inspection.groups.large),
        small=len(inspection.groups.small),
        points_found=0 if found is None else len(found.points),
        evidence=" ".join(inspection.judgement.evidence.sentences),
        limits=" ".join(inspection.limits),
        points=_points(found, points),
        neurons=_neurons(neurons, place),
        runner_up=made.names[1] if len(made.names) > 1 else -1,
        last_step=-1 if made.last_step is None else made.last_step,
    )


def _whole(made: WholeForecast) -> NeuronForecast:
    """The whole θ as a row of the neurons."""
    return NeuronForecast(
        WHOLE,
        made.norm,
        True,
        made.target,
        None,
        made.rate,
        made.escape_time,
        made.escape_steps,
        None,
        made.escape_time_low,
        made.escape_time_high,
        made.escape_steps_low,
        made.escape_steps_high,
    )


def direction_width(structure: Structure, n: int, outputs: int, plain: bool) -> int | None:
    """Numbers of a KKT direction in a run: of one separable neuron, else of the whole θ.

    `n`: samples. `plain`: these are vectors. None where no inspection ever finds KKT points.
    """
    neurons = structure.neurons
    if neurons is not None and neurons.ncf is not None and outputs == 1 and plain:
        rows = structure.parameter(neurons.incoming)
        d = (rows.stop - rows.start) // rows.shape[0]
        return d if neurons.outgoing is None else d + 1
    return structure.size if structure.size * n <= MOST_JOINT else None


def _dimension(inspection: Inspection) -> int:
    """d of the neurons whose points these are, 0 for joint ones."""
    found = inspection.correlation
    if found is None or found.joint:
        return 0
    return max((points.dimension for _, points in found.sets.values()), default=0)


def _chosen_neurons(
    neurons: tuple[NeuronForecast, ...], names: tuple[int, ...]
) -> list[NeuronForecast]:
    """The neurons that are kept, by rising index."""
    ranked = sorted(neurons, key=lambda n: (n.index not in names, not n.small, -n.norm))
    return sorted(ranked[:MOST_NEURONS], key=lambda n: n.index)


def _chosen_points(found: Correlation | None, neurons: list[NeuronForecast]) -> Int[Array, " k"]:
    """Indices of the points that are kept, rising."""
    if found is None or not found.points:
        return np.zeros(0, dtype=np.int64)
    aimed = {n.target for n in neurons}
    ranked = sorted(
        range(len(found.points)), key=lambda i: (i not in aimed, -found.points[i].value)
    )
    return np.sort(ranked[: most_points(len(found.points[0].direction))]).astype(np.int64)


def _points(found: Correlation | None, chosen: Int[Array, " k"]) -> PointColumns:
    points = [] if found is None else [found.points[i] for i in chosen]
    signs = [] if found is None else [found.sign(int(i)) for i in chosen]
    width = len(points[0].direction) if points else 0
    return PointColumns(
        direction=np.array([p.direction for p in points], dtype=float).reshape(len(points), width),
        value=np.array([p.value for p in points], dtype=float),
        multiplier=np.array([p.multiplier for p in points], dtype=float),
        residual=np.array([p.residual for p in points], dtype=float),
        kind=tuple(p.kind for p in points),
        basin=np.array([p.basin for p in points], dtype=float),
        sign=np.array(signs, dtype=float),
    )


def _neurons(neurons: list[NeuronForecast], place: dict[int, int]) -> NeuronColumns:
    def floats(name: str) -> Array:
        values = [getattr(n, name) for n in neurons]
        return np.array([np.nan if v is None else v for v in values], dtype=float)

    targets = [-1 if n.target is None else place.get(n.target, -1) for n in neurons]
    return NeuronColumns(
        index=np.array([n.index for n in neurons], dtype=np.int64),
        norm=floats("norm"),
        small=np.array([n.small for n in neurons], dtype=bool),
        target=np.array(targets, dtype=np.int64),
        **{name: floats(name) for name in NEURON_NUMBERS},
    )
