"""A small run whose every number follows from its step, so that any row can be checked alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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


def create(folder: Path) -> RunStore:
    """The sample run in an existing folder, still empty."""
    return RunStore.create(
        folder,
        attributes=ATTRIBUTES,
        x=X,
        y=Y,
        series=LAYOUTS,
        coordinates={"quantile": QUANTILES},
    )


def finished(folder: Path, count: int = 300) -> Path:
    """The sample run, recorded and finished; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    store = create(folder)
    store.append(rows(0, count))
    store.event(count - 1, "done", "as planned")
    assert store.finish("done") is None
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
    if reader.read("theta").shape != (len(steps), PARAMETERS):
        wrong.append("a series is short")
    return wrong
