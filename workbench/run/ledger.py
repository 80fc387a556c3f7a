"""How a run looks into its own saddles and holds its forecasts against what happens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.inspector.forecast_ledger import NEURON_SERIES, NORM, ForecastLedger, Inspect
from workbench.inspector.inspect import Inspection
from workbench.inspector.recording import direction_width
from workbench.inspector.while_training import inspection_while_training
from workbench.protocol.inspections import RecordedInspection
from workbench.record.history import History
from workbench.run.experiment import Experiment
from workbench.run.step_size import RATE_LOG, step_size_taken


def ledger_of(
    experiment: Experiment, history: History, kept: Sequence[RecordedInspection] = ()
) -> ForecastLedger:
    """The ledger of a run whose records are in `history` and whose file keeps `kept`."""
    panel = experiment.panel
    none = np.zeros(0, dtype=np.int64)
    return ForecastLedger(
        _look(experiment, history),
        panel.neurons if panel.neuron_count else none,
        panel.direction_neurons if panel.neuron_count else none,
        lambda step: rows_from(history, step),
        rows_from(history, int(history.step[-1])) if history.length else None,
        kept,
    )


def _look(experiment: Experiment, history: History) -> Inspect:
    """A bounded look into a state that was just recorded."""
    risk = experiment.risk()

    def look(theta: np.ndarray, step: int) -> Inspection | str:
        row = int(np.searchsorted(history.step, step))
        time = float(history.scalar("time")[row])
        size = step_size_at(history, step)
        state = experiment.inspected(theta, step=step, time=time, step_size=size, risk=risk)
        return inspection_while_training(state)

    return look


def step_size_at(history: History, step: int) -> float | None:
    """η of the step taken at the last record up to a step, of rules that change it; else None."""
    if not history.has(RATE_LOG):
        return None
    rates = history.scalar(RATE_LOG)
    return step_size_taken(history.step[: len(rates)], rates, step)


def rows_from(history: History, step: int) -> dict[str, np.ndarray] | None:
    """Records from the last one at or before `step` on, thinned as the history keeps them.

    Norms of θ alone where no neurons are recorded, None where neither is.
    """
    if not history.has(NORM):
        return None
    if not history.has("neuron_norm"):
        start = max(0, int(np.searchsorted(history.step, step, side="right")) - 1)
        own = {"step": history.step, "time": history.scalar("time"), NORM: history.scalar(NORM)}
        return {name: values[start:] for name, values in own.items()}
    steps, norms = history.vector("neuron_norm")
    known, directions = history.vector("neuron_direction")
    common, here, there = np.intersect1d(steps, known, return_indices=True)
    start = max(0, int(np.searchsorted(common, step, side="right")) - 1)
    at = np.searchsorted(history.step, common[start:])
    time, norm = history.scalar("time")[at], history.scalar(NORM)[at]
    rows = (common[start:], time, norms[here[start:]], directions[there[start:]], norm)
    return dict(zip((*NEURON_SERIES, NORM), rows, strict=True))


def direction_width_of(experiment: Experiment) -> int | None:
    """Numbers of a KKT direction in this run's inspections."""
    data, panel = experiment.dataset, experiment.panel
    return direction_width(experiment.structure, data.n, panel.outputs, data.x.ndim == 2)
