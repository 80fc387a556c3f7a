"""From a source to a panel's pictures: every visible widget's model, as it was chosen to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from textual.widget import Widget

from workbench.arrays import Float
from workbench.protocol.status import RunStatus
from workbench.tui.run import pictures as views
from workbench.tui.run.charts import LeftModel, course_chart
from workbench.tui.run.layer_strips import layer_field
from workbench.tui.run.layout import NUMBERS, Arrangement
from workbench.tui.run.machine import Machine
from workbench.tui.run.moments import Moment
from workbench.tui.run.number_charts import number_chart
from workbench.tui.run.shared_x import SharedX
from workbench.tui.run.sight import Sight
from workbench.tui.run.source import Source
from workbench.tui.run.surface import prediction_model
from workbench.tui.run.trends import rates_of, spark_model
from workbench.tui.run.x_axis import XAxis, classifies
from workbench.tui.widgets.chart import ChartModel
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.scale import Kind
from workbench.tui.widgets.sparkrows import SparkRows

ModelT = TypeVar("ModelT")

GUTTER = 7
"""The least width of the y labels."""
NUMBER_GUTTER = 9
"""The same of charts of numbers, which have ticks of up to a million above each other."""
SPARKS_SHARE = 0.27
"""The lines of numbers may take this part of the right column, unless they were chosen."""


class Drawing:
    """The widgets of a panel, and what is shown of each. `sight`: the ranges and means chosen for charts.
    `numbers`: the series chosen for the lines of numbers; None: those that suit the run."""

    def __init__(self, panel: Widget) -> None:
        self._panel = panel
        self.sight = Sight()
        self.numbers: tuple[str, ...] | None = None
        self.machine = Machine()
        # The charts as they are made, by widget, before what was chosen of them.
        self.made: dict[str, LeftModel] = {}
        # The width of the y labels of the stacked charts, so that their x axes lie above each other.
        self._gutter = GUTTER

    def painted(self, widget_id: str) -> Painted[Any]:
        """The widget of that id."""
        widget = self._panel.query_one(f"#{widget_id}")
        assert isinstance(widget, Painted)
        return widget

    def shows(self, widget_id: str) -> bool:
        """Whether that widget is in sight."""
        return bool(self._panel.query_one(f"#{widget_id}").display)

    def made_of(self, widget_id: str, make: Callable[[], ModelT]) -> ModelT | None:
        """What `make` gives; what it raises is said in the widget's place."""
        try:
            return make()
        except Exception as error:  # noqa: BLE001  (one picture must not end the others)
            self.painted(widget_id).fail(error)
            return None

    def put(self, widget_id: str, make: Callable[[], object]) -> None:
        """Show what `make` gives, where that widget is shown."""
        if not self.shows(widget_id):
            return
        model = self.made_of(widget_id, make)
        if model is not None:
            self.painted(widget_id).show(model)

    def left(
        self,
        charts: Iterable[tuple[str, Callable[[], LeftModel]]],
        arrangement: Arrangement,
    ) -> None:
        """The stacked charts, again where the widest y labels have become wider or narrower."""
        made = {name: self.made_of(name, make) for name, make in charts if self.shows(name)}
        self.made = {name: model for name, model in made.items() if model is not None}
        for _ in range(2):
            shown = [c for c in map(self.painted, self.made) if isinstance(c, Pointed)]
            for chart, (widget_id, model) in zip(shown, self.made.items(), strict=True):
                marked = "▸ " if arrangement.selected == widget_id else ""
                seen = self._seen(widget_id, model)
                chart.show(replace(seen, title=f"{marked}{seen.title}", gutter=self._gutter))
            needed = max((c.plot.gutter for c in shown if c.plot is not None), default=0)
            if max(GUTTER, needed) == self._gutter:
                return
            self._gutter = max(GUTTER, needed)

    def _seen(self, widget_id: str, model: LeftModel) -> LeftModel:
        return self.sight.seen(widget_id, model) if isinstance(model, ChartModel) else model

    def look_y(self, widget_id: str, low: float, high: float) -> bool:
        """From and to these parts (0 and 1 its ends) of a chart's y that is in sight; False where it has none
        to choose."""
        model, chart = self.made.get(widget_id), self.painted(widget_id)
        if not isinstance(model, ChartModel) or model.y_kind is Kind.ANGLE:
            return False
        if isinstance(chart, Pointed) and chart.plot is not None:
            shown = chart.plot.y
            self.sight.y[widget_id, model.title] = (shown.at(low), shown.at(high))
        return True

    def right(
        self, source: Source, shared: SharedX, x_axis: XAxis, moment: Moment, now: int
    ) -> None:
        """The picture, numbers and events; `now`: the step at the cursor, or the last one."""
        history, config, data = source.history, source.config, source.data()
        n, x, late = 0 if data[1] is None else len(data[1]), shared.values, shared.late
        of_classes = classifies(config, history)
        self.put("compass", lambda: views.compass_model(moment, *data))
        self.put("landscape", lambda: views.landscape_model(moment, *data))
        self.put(
            "prediction",
            lambda: prediction_model(
                source.surface(x_axis.cursor), now, *data, classifies=of_classes
            ),
        )
        self.put("layers", lambda: layer_field(history, x_axis, x, source.layers))
        wanted = late and (self.shows("course") or self.shows("sparks"))
        found = rates_of(history, config, n, source.order) if wanted else None
        if self.shows("course"):
            course = self.made_of("course", lambda: course_chart(source, x_axis, x, found))
            if course is not None:
                self.made["course"] = course
                self.painted("course").show(self.sight.seen("course", course))
        if self.shows("sparks"):
            sparks = self.painted("sparks")
            assert isinstance(sparks, SparkRows)
            h = 0 if moment.norms is None else len(moment.norms)
            most = max(4, round(SPARKS_SHARE * self._panel.query_one("#right").size.height))
            trends = spark_model(
                history,
                config,
                n,
                h,
                x_axis,
                x,
                late=late,
                found=found,
                most=most - 1 if source.live else most,
                chosen=self.numbers,
                machine=self.machine,
            )
            progress = source.progress()
            used = self.machine.row()
            if source.live and progress.state is RunStatus.RUNNING and used is not None:
                trends = replace(trends, rows=(*trends.rows, used))
            sparks.styles.height = len(trends.rows) + 1
            sparks.show(trends)
        self.put("log", lambda: views.told(source.events()))
        self._draw_numbers(source, x_axis, x)

    def _draw_numbers(self, source: Source, x_axis: XAxis, x: Float[np.ndarray, " T"]) -> None:
        """The chosen numbers as charts, as many as there is room for."""
        names = self.numbers or ()
        shown = [place for place in NUMBERS[: len(names)] if self.shows(place)]
        for place in shown:
            made = self.made_of(
                place,
                partial(
                    number_chart,
                    names[NUMBERS.index(place)],
                    source.history,
                    source.config,
                    x_axis,
                    x,
                    self.machine,
                ),
            )
            if made is not None:
                self.made[place] = made
                seen = self.sight.seen(place, made)
                self.painted(place).show(replace(seen, gutter=NUMBER_GUTTER))
