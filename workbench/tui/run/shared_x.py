"""The x axis of a run's charts as its keys change it: quantity, log or linear, zoom, cursor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.arrays import Float
from workbench.config.run import RunConfig
from workbench.record.history import History
from workbench.tui.run.x_axis import QUANTITIES, Quantity, XAxis, is_late, x_values, zoomed
from workbench.tui.widgets.chart import VLine
from workbench.tui.widgets.frame import PlotArea
from workbench.tui.widgets.scale import Kind, axis

MOST_SCALE = 20


class SharedX:
    """What the user chose of the axis, and what suits the run where nothing was chosen.

    `axis`: how it is drawn. `values` (T): the x of every record. `scale`: 2^−scale of it is shown, about the
    cursor or its end, unless `window` names the x from which and to which. `late`: the run is past t_0.
    """

    def __init__(self) -> None:
        self.axis = XAxis()
        self.values: Float[np.ndarray, " T"] = np.zeros(0)
        self.scale = 0
        self.window: tuple[float, float] | None = None
        self.late = False
        # Chosen over what suits the run; None: nothing yet.
        self._quantity: Quantity | None = None
        self._log: bool | None = None
        # The record under the cursor: its row changes when the history is thinned.
        self._record: int | None = None

    @property
    def cursor(self) -> int | None:
        """The record under the cursor; None: it is away."""
        return self.axis.cursor

    def update(self, history: History, config: RunConfig | None, n: int) -> None:
        """Take the records of a run with `n` samples."""
        # Once late stays late: the axis does not jump back and forth with a step that failed.
        self.late = self.late or is_late(config, history)
        quantity = self._quantity or ("ln(n/L)" if self.late else "step")
        reduction = config.loss.reduction if config is not None else "sum"
        self.values, kind = x_values(history, quantity, self._log, n, reduction)
        self.axis = replace(self.axis, quantity=quantity, kind=kind)
        if self.cursor is not None and history.length:
            record = history.record
            row = min(self.cursor, history.length - 1)
            if self._record is not None and record[row] != self._record:
                row = min(int(np.searchsorted(record, self._record)), history.length - 1)
                self.axis = replace(self.axis, cursor=row)
            self._record = int(record[row])

    def shown(self, lines: tuple[VLine, ...]) -> XAxis:
        """The axis with the part of it that is in sight, and vertical lines."""
        return replace(zoomed(self.axis, self.values, self.scale, self.window), lines=lines)

    @property
    def whole(self) -> bool:
        """All of it is in sight."""
        return self.scale == 0 and self.window is None

    # --- what keys change ---

    def toggle_log(self) -> None:
        """Logarithmic or linear."""
        self._log, self.window = self.axis.kind is Kind.LINEAR, None

    def next_quantity(self) -> None:
        """Step, time, ln(n/𝓛) in turn."""
        at = QUANTITIES.index(self.axis.quantity)
        self._quantity, self._log = QUANTITIES[(at + 1) % len(QUANTITIES)], None
        self.window = None
        self.axis = replace(self.axis, quantity=self._quantity)

    def zoom(self, by: int) -> None:
        """Half of it for 1, twice for −1, all for 0."""
        if by and self.window is not None:
            self.look(0.5 - 0.5 / 2.0**by, 0.5 + 0.5 / 2.0**by)
            return
        self.window = None
        self.scale = 0 if by == 0 else int(np.clip(self.scale + by, 0, MOST_SCALE))

    def look(self, low: float, high: float) -> None:
        """From and to these parts (0 and 1 its ends) of what is in sight; not beyond the records."""
        whole = zoomed(self.axis, self.values, 0).x_range
        seen = zoomed(self.axis, self.values, self.scale, self.window).x_range
        if whole is None or seen is None:
            return
        shown = axis(self.axis.kind, *seen)
        wanted = axis(self.axis.kind, shown.at(low), shown.at(high))
        within = axis(self.axis.kind, *whole)
        begin, end = within.fraction(np.array([wanted.low, wanted.high]))
        width = max(float(end - begin), 2.0**-MOST_SCALE)
        begin = min(max(float(begin), 0.0), max(0.0, 1.0 - width))
        self.scale = 0
        self.window = None if width >= 1.0 else (within.at(begin), within.at(begin + width))

    def put_cursor(self, row: int | None) -> None:
        """Put the cursor on a record, or away."""
        self.axis, self._record = replace(self.axis, cursor=row), None

    def beside(self, by: int, plot: PlotArea | None) -> int | None:
        """The record `by` columns of a chart from the cursor, at least one record; None: there are none."""
        count = len(self.values)
        if not count:
            return None
        row = count - 1 if self.cursor is None else min(self.cursor, count - 1)
        columns = np.zeros(count) if plot is None else plot.columns_of(self.values)
        return moved_by_columns(columns, row, by)

    def nearest(self, x: float, plot: PlotArea) -> int | None:
        """The record nearest to an x on a chart; None: none is on it."""
        distance = np.abs(plot.places(self.values) - plot.places(np.array([x])))
        return int(np.nanargmin(distance)) if np.isfinite(distance).any() else None


def moved_by_columns(columns: Float[np.ndarray, " T"], row: int, by: int) -> int:
    """The next record after `row` (before it for by < 0) that is at least |by| cell columns away, else the
    last one on that side. A column may hold many records, or a record stand columns away from the next."""
    beyond = columns[row + 1 :] if by > 0 else columns[:row][::-1]
    if not len(beyond):
        return row
    if not np.isfinite(columns[row]):
        return row + int(np.sign(by))
    far = np.flatnonzero(np.abs(beyond - columns[row]) >= abs(by))
    return row + int(np.sign(by)) * (int(far[0]) + 1 if len(far) else len(beyond))
