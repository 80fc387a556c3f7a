"""How a run looks into its own saddles and follows forecasts: the follower of a set-up run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from workbench.inspector.forecast_ledger import FOLLOWED_SERIES, ForecastLedger, Look
from workbench.inspector.inspect import Inspection
from workbench.inspector.recording import direction_width
from workbench.inspector.state import InspectedState
from workbench.inspector.time_limit import timed_inspection
from workbench.protocol.inspections import RecordedInspection
from workbench.record.history import History
from workbench.run.experiment import Setup, inspected, risk_model


def ledger_of(
    setup: Setup, history: History, kept: Sequence[RecordedInspection] = ()
) -> ForecastLedger:
    """The follower of a run whose records are in `history` and whose file keeps `kept`."""
    panel = setup.panel
    none = np.zeros(0, dtype=np.int64)
    return ForecastLedger(
        _look(setup, history),
        panel.neurons if panel.neuron_count else none,
        panel.direction_neurons if panel.neuron_count else none,
        lambda step: rows_from(history, step),
        rows_from(history, int(history.step[-1])) if history.length else None,
        kept,
    )


def _look(setup: Setup, history: History) -> Look:
    """A bounded look into a state that was just recorded."""
    risk = risk_model(setup)

    def look(theta: np.ndarray, step: int) -> Inspection | str:
        row = int(np.searchsorted(history.step, step))
        time = float(history.scalar("time")[row])
        state = inspected(setup, theta, step=step, time=time, risk=risk)
        return timed_inspection(at_rate_taken(state, history))

    return look


def at_rate_taken(state: InspectedState, history: History) -> InspectedState:
    """The state with the step size recorded at its step, or before, of a rule that changes its steps."""
    if not history.has("learning_rate_log"):
        return state
    rates = history.scalar("learning_rate_log")
    row = int(np.searchsorted(history.step[: len(rates)], state.step, side="right")) - 1
    return state.at_rate(float(rates[row])) if row >= 0 else state


def rows_from(history: History, step: int) -> dict[str, np.ndarray] | None:
    """Records from the last one at or before `step` on, thinned as the history keeps them.

    None where no neurons are recorded.
    """
    if not history.has("neuron_norm"):
        return None
    steps, norms = history.vector("neuron_norm")
    known, directions = history.vector("neuron_direction")
    common, here, there = np.intersect1d(steps, known, return_indices=True)
    start = max(0, int(np.searchsorted(common, step, side="right")) - 1)
    time = history.scalar("time")[np.searchsorted(history.step, common[start:])]
    rows = (common[start:], time, norms[here[start:]], directions[there[start:]])
    return dict(zip(FOLLOWED_SERIES, rows, strict=True))


def direction_width_of(setup: Setup) -> int | None:
    """Numbers of a KKT direction in this run's inspections."""
    data, panel = setup.dataset, setup.panel
    return direction_width(setup.structure, data.n, panel.outputs, data.x.ndim == 2)
