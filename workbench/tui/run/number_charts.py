"""A chosen number as a chart: any scalar series of the run, or what was read of the machine. Pure."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float
from workbench.config.run import RunConfig
from workbench.record.history import History
from workbench.tui.run.curves import carried, chart, x_of_rows
from workbench.tui.run.machine import NAMES, Machine
from workbench.tui.run.trends import trends_of
from workbench.tui.run.x_axis import XAxis
from workbench.tui.widgets.chart import ChartModel, Curve


def number_chart(
    name: str,
    history: History,
    config: RunConfig | None,
    x_axis: XAxis,
    x: Float[np.ndarray, " T"],
    machine: Machine,
) -> ChartModel:
    """The series as its line of numbers draws it, with its value at the cursor or now."""
    trend = trends_of((name,), history, config)[0]
    row = len(x) - 1 if x_axis.cursor is None else min(x_axis.cursor, len(x) - 1)
    if name in NAMES:
        steps = np.round(machine.steps).astype(np.int64)
        at, y = x_of_rows(steps, history, x), machine.values(name)
        here = machine.at(name, history.step[[row]])
        if x_axis.cursor is None:
            here = y[-1:]
    elif history.has(name):
        values = history.scalar(name)[: len(x)]
        here = carried(values)[[row]]
        # Not every record has it: the curve goes on from one that has to the next.
        known = ~np.isnan(values)
        at, y = x[: len(values)][known], trend.drawn(values[known])
    else:
        at = y = here = np.zeros(0)
    return chart(
        trend.label,
        x_axis,
        x,
        (Curve(at, y, trend.color),),
        zero=name in NAMES,
        least=trend.least,
        readout=trend.told(float(here[0])) if len(here) else "",
    )
