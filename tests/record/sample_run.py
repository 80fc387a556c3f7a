"""A small run whose every number follows from its step, so that any row can be checked alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.protocol.inspections import (
    ForecastOutcome,
    NeuronColumns,
    PointColumns,
    RecordedInspection,
)
from workbench.protocol.status import RunStatus
from workbench.record.layout import SeriesLayout
from workbench.record.reader import RunReader
from workbench.record.store import RunStore

SAMPLES, NEURONS, PARAMETERS = 7, 5, 11
LAYOUTS = [
    SeriesLayout("time"),
    SeriesLayout("log_risk"),
    SeriesLayout("margin_normalized"),
    SeriesLayout("margins", (SAMPLES,), {"subset": "every second sample"}),
    SeriesLayout("margins_quantiles", (3,)),
    SeriesLayout("neuron_norm", (NEURONS,)),
    SeriesLayout("neuron_direction", (NEURONS, 2)),
    SeriesLayout("theta", (PARAMETERS,)),
]
SHAPES = {layout.name: layout.shape for layout in LAYOUTS}
CONFIG = 'name = "sample"\n[train]\nsteps = 1000\n[loss]\nkind = "logistic"\n'
ATTRIBUTES = {
    "run_id": "20260101-000000-sample-abcd",
    "name": "sample",
    "preset": "",
    "config": CONFIG,
    "created": "2026-01-01T00:00:00",
    "device": "cpu",
    "dtype": "float64",
    "torch": "2.6.0",
    "homogeneity": 2,
    "steps": 1000,
}
QUANTILES = np.array([0.0, 0.5, 1.0])
X = np.linspace(-1, 1, 2 * SAMPLES).reshape(SAMPLES, 2)
Y = np.sign(np.linspace(-1, 1, SAMPLES) + 0.01)


def expected(name: str, steps: np.ndarray) -> np.ndarray:
    """What the sample run records in a series at `steps`."""
    if name == "step":
        return steps
    shape = SHAPES[name]
    place = np.arange(int(np.prod(shape)), dtype=float).reshape(shape)
    phase = float(list(SHAPES).index(name))
    return np.sin(0.01 * steps.reshape(-1, *(1 for _ in shape)) + place + phase)


def rows(first: int, count: int) -> dict[str, np.ndarray]:
    """The records of steps `first` to `first + count - 1`."""
    steps = np.arange(first, first + count)
    return {name: expected(name, steps) for name in ("step", *SHAPES)}


def inspection(step: int, points: int | None = None) -> RecordedInspection:
    """What the sample run keeps of its state at a step; the number of points varies with it."""
    k = step % 4 if points is None else points
    at = step + np.arange(k)
    index = np.arange(NEURONS)
    return RecordedInspection(
        step=step,
        time=0.5 * step,
        cause="saddle" if step % 2 else "asked",
        verdict="saddle",
        regime="mixed",
        dimension=2,
        method="exact",
        complete=step % 3 > 0,
        radius=np.nan if step % 5 == 0 else 0.25,
        share=0.01,
        first=step % NEURONS,
        large=2,
        small=3,
        points_found=k,
        evidence=f"‖∇L‖ is small at {step}.",
        limits="",
        points=PointColumns(
            direction=np.column_stack([np.cos(at), np.sin(at)]),
            value=0.1 * at,
            multiplier=0.2 * at,
            residual=np.zeros(k),
            kind=("max",) * k,
            basin=np.full(k, np.nan),
            sign=np.ones(k),
        ),
        neurons=NeuronColumns(
            index=index,
            norm=np.exp(-index - 0.01 * step),
            small=index > 1,
            target=np.full(NEURONS, k - 1),
            cosine=np.cos(index + step),
            rate=0.1 * index,
            escape_time=np.where(index == 2, np.inf, 10.0 * index + step),
            escape_steps=100.0 * index,
            escape_time_low=9.0 * index,
            escape_time_high=np.where(index == 2, np.inf, 11.0 * index),
            escape_steps_low=90.0 * index,
            escape_steps_high=np.where(index == 2, np.inf, 110.0 * index),
            angle_bound=np.where(index == 1, np.nan, 0.5),
            confidence=0.1 * index,
        ),
        runner_up=step % 7 - 1,
        last_step=step + 1000,
    )


def outcome(made: int, step: int) -> ForecastOutcome:
    """What became of the sample run's forecast of a step."""
    neuron, text = made % NEURONS, f"of {made} at {step}"
    return ForecastOutcome(
        made, step, "left", neuron, 1.5, 0.01, 0.25, text, made % 3 - 1, made % 2
    )


def alike(found: RecordedInspection, expected: RecordedInspection) -> bool:
    """Whether two inspections agree in every number and word."""

    def differs(a: object, b: object) -> bool:
        if isinstance(a, PointColumns | NeuronColumns):
            return any(differs(vars(a)[name], vars(b)[name]) for name in vars(a))
        if isinstance(a, float | np.ndarray):
            return not np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")
        return a != b

    return not any(differs(vars(found)[name], vars(expected)[name]) for name in vars(expected))


def create(folder: Path) -> RunStore:
    """The sample run in an existing folder, still empty."""
    return RunStore.create(
        folder,
        attributes=ATTRIBUTES,
        x=X,
        y=Y,
        series=LAYOUTS,
        coordinates={"quantile": QUANTILES},
        direction_width=2,
    )


def finished(folder: Path, count: int = 300) -> Path:
    """The sample run, recorded and finished; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    store = create(folder)
    store.append(rows(0, count))
    store.event(count - 1, "finished", "as planned")
    assert store.finish(RunStatus.FINISHED) is None
    return folder


def check(reader: RunReader) -> list[str]:
    """What is wrong with a sample run's committed records; nothing, if it is sound."""
    wrong = []
    steps = reader.read("step")
    if not np.array_equal(steps, np.arange(len(steps))):
        wrong.append(f"steps {steps[:3]}…{steps[-3:]}")
    for name in SHAPES:
        found = reader.read(name)
        same = np.all(found == expected(name, steps).astype(found.dtype), axis=None)
        if not same:
            wrong.append(f"series {name} differs")
    for kept in reader.inspections():
        wanted = replace(inspection(kept.step), outcome=kept.outcome)
        if not alike(kept, wanted):
            wrong.append(f"the inspection of step {kept.step} differs")
        if kept.outcome and kept.outcome != outcome(kept.step, kept.outcome.step):
            wrong.append(f"the outcome of step {kept.step} differs")
    if reader.read("theta").shape != (len(steps), PARAMETERS):
        wrong.append("a series is short")
    return wrong
