"""The screen that shows a run, trained or stored: charts, compass, landscape, numbers, events.

Run and Replay differ in what their keys do; what is drawn, and when, is here. A frame is drawn only
when something changed, the terminal has shown the last one, and the drawing has not had more than its
share of the interpreter: training in the same process pays for every millisecond spent here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

import numpy as np
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Static

from workbench.arrays import Float
from workbench.measures.rates import Rates
from workbench.protocol.status import RunStatus
from workbench.record.history import History
from workbench.tui.dialogs import palette_of
from workbench.tui.run import curves
from workbench.tui.run import pictures as views
from workbench.tui.run.caption import caption, fitted
from workbench.tui.run.layer_strips import has_layers, layer_field, layers_come_first
from workbench.tui.run.layout import LEFT, PICTURES, WIDGETS, Picture, arrange
from workbench.tui.run.margin_curves import has_many_margins, margin_chart, margin_field
from workbench.tui.run.moments import Moment
from workbench.tui.run.panel_keys import PanelKeys
from workbench.tui.run.source import Source
from workbench.tui.run.surface import has_plane, prediction_model
from workbench.tui.run.trends import rates_of, spark_model
from workbench.tui.run.x_axis import LN10, XAxis, classifies, is_late, x_values, zoomed
from workbench.tui.unbroken import contained
from workbench.tui.widgets.chart import ChartModel, LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.density import DensityChart, DensityModel
from workbench.tui.widgets.eventlog import EventLog
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.landscape import Landscape
from workbench.tui.widgets.layer_field import LayerField
from workbench.tui.widgets.margin_field import MarginField, MarginFieldModel
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.pointed import Pointed
from workbench.tui.widgets.prediction import Prediction
from workbench.tui.widgets.sparkrows import SparkRows
from workbench.tui.widgets.statusline import Status, StatusLine

ModelT = TypeVar("ModelT")

TICK_SECONDS = 0.1
FRAME_SECONDS = 0.22
# The screen's thread may take this share of the time while this process trains.
LIVE_SHARE = 0.03
IDLE_SHARE = 0.25
# Rows of a terminal that has room for the caption, and for two lines of it.
CAPTIONED = (22, 34)
# The least width of the y labels.
GUTTER = 7
# The lines of numbers may take this part of the right column.
SPARKS_SHARE = 0.27


class PanelScreen(PanelKeys):
    """Charts of one `Source`; subclasses say where it comes from and what the keys do."""

    CSS_PATH = "panel.tcss"

    def __init__(self) -> None:
        super().__init__()
        self.message = "starting …"
        self._there: tuple[object, ...] | None = None
        self._no_landscape = False
        self._late = False
        self._dirty = True
        self._at_once = True
        # When the last frame began, by the clock and by this thread's processor time.
        self._frame_began = (0.0, 0.0)
        self._resized: Timer | None = None
        # The width of the y labels of the stacked charts, so that their x axes lie above each other.
        self._gutter = GUTTER

    # --- what subclasses say ---

    def hints(self) -> Iterable[KeyHint]:
        """Keys for the bottom line, most useful first."""
        return ()

    def picture_hint(self) -> Iterable[KeyHint]:
        """The keys for the next picture on the right, called by what it brings, and for the layers."""
        there, now = self.pictures(), self.picture
        if len(there) > 1:
            following = there[(there.index(now) + 1) % len(there)]
            hidden = not any(self._is_shown(part) for part in PICTURES[now])
            yield KeyHint("d", now if hidden else following, 3)
        if self.source is not None and has_layers(self.source.history):
            yield KeyHint("w", "layers", 3)

    # --- composing ---

    def compose(self) -> ComposeResult:
        """Every widget once; the arrangement shows and hides them."""
        yield StatusLine(id="status")
        yield Static(id="caption", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield LineChart(id="risk", classes="slot")
                yield LineChart(id="middle", classes="slot")
                yield MarginField(id="margins", classes="slot")
                yield LineChart(id="lower", classes="slot")
                yield DensityChart(id="density", classes="slot")
            with Vertical(id="right"):
                with Container(id="views"):
                    yield Compass(id="compass")
                    yield Landscape(id="landscape")
                    yield LayerField(id="layers")
                    yield Prediction(id="prediction")
                    yield LineChart(id="course")
                yield SparkRows(id="sparks")
                yield EventLog(id="log")
        yield Static(id="small", markup=False)
        yield from self.compose_foot()
        yield KeyLine(id="keys")

    def compose_foot(self) -> ComposeResult:
        """Lines between the charts and the keys."""
        yield from ()

    def on_mount(self) -> None:
        """Begin to look for news."""
        self._arrange()
        self.set_interval(TICK_SECONDS, self._tick)

    def on_resize(self, event: events.Resize) -> None:
        """Arrange once the size has rested: dragging a window sends many."""
        if self._resized is not None:
            self._resized.stop()
        self._resized = self.set_timer(0.08, self._arrange)

    def on_screen_resume(self) -> None:
        """Another screen was on top."""
        self.touch()

    def touch(self) -> None:
        """Draw at the next tick."""
        self._dirty = self._at_once = True

    def _arrange(self) -> None:
        """Show what fits."""
        parts = self.parts
        shown = arrange(self.size.width, self.size.height, self.arrangement, parts)
        for widget_id in WIDGETS:
            self.query_one(f"#{widget_id}").display = widget_id in shown.widgets
        self.query_one("#left").display = shown.left
        self.query_one("#right").display = shown.right
        self.query_one("#body").display = not shown.too_small
        views_ = self.query_one("#views")
        views_.display = bool(shown.widgets & set(PICTURES[parts.picture]))
        views_.set_class(shown.side_by_side, "beside")
        self.query_one("#caption").display = self.size.height >= CAPTIONED[0]
        small = self.query_one("#small", Static)
        small.display = shown.too_small
        if shown.too_small:
            small.update(f"{self.size.width}×{self.size.height} is too small: 30×8 at least")
        self.touch()

    def left_parts(self) -> tuple[str, ...]:
        """The charts on the left: fields where there are too many samples or neurons for lines."""
        history = self.source.history if self.source is not None else None
        if history is None or not history.length:
            return LEFT
        config = self.source.config if self.source is not None else None
        many = has_many_margins(history) and classifies(config, history)
        middle = "margins" if many else "middle"
        return "risk", middle, "density" if self._has_density(history) else "lower"

    def pictures(self) -> tuple[Picture, ...]:
        """Directions of neurons in the plane; the prediction over it; the course of θ's direction."""
        source = self.source
        if source is None or not source.history.length:
            return ("directions",)
        planar = source.history.has("neuron_angle")
        there: list[Picture] = ["directions"] if planar else []
        if has_layers(source.history):
            there.insert(0 if layers_come_first(source.history) else len(there), "layers")
        there += ["prediction"] if has_plane(source.data()[0]) else []
        return (*there, "course")

    def empty_parts(self) -> frozenset[str]:
        """The landscape, where the network has no correlation function over the circle."""
        return frozenset({"landscape"}) if self._no_landscape else frozenset()

    def _has_density(self, history: History) -> bool:
        if not history.has("neuron_angle"):
            return False
        return bool(history.vector("neuron_angle")[1].shape[1] > curves.FEW_NEURONS)

    # --- drawing ---

    def _tick(self) -> None:
        """Draw a frame if it is worth one and the terminal and the trainer can bear it."""
        now = time.monotonic()
        if not (self._at_once or self._due(now)) or not self.is_current:
            return
        ready = getattr(self.app, "frame_ready", None)
        if ready is not None and not ready():
            return
        source = self.source
        news = source.refresh() if source is not None else False
        if not (news or self._dirty):
            return
        self._dirty = self._at_once = False
        self._frame_began = (now, time.thread_time())
        try:
            self.draw_frame()
        except Exception as error:
            if not contained(self.app, error, "the drawing"):
                raise

    def _due(self, now: float) -> bool:
        """Whether the last frame lies back long enough for what it has cost.

        All that this thread has done since counts: Textual's painting comes after `draw_frame`.
        """
        began, spent = self._frame_began
        source = self.source
        training = (
            source is not None and source.live and source.progress().state is RunStatus.RUNNING
        )
        share = LIVE_SHARE if training else IDLE_SHARE
        return now - began >= max(FRAME_SECONDS, (time.thread_time() - spent) / share)

    def draw_frame(self) -> None:
        """Every visible widget's model, from the source as it is now."""
        source = self.source
        self.query_one("#keys", KeyLine).show(tuple(self.hints()))
        if source is None:
            self.query_one("#status", StatusLine).show(
                Status(RunStatus.STARTING, extra=self.message)
            )
            return
        history = source.history
        data_x, data_y = source.data()
        n = 0 if data_y is None else len(data_y)
        x = self._shared_x(source, n)
        self._x = x
        saddles = views.saddle_lines(source.events(), history, x)
        x_axis = replace(zoomed(self.x_axis, x, self.scale), lines=saddles)
        moment = source.moment(self.x_axis.cursor)
        self._draw_status(source, moment)
        self._draw_caption(source)
        if not history.length:
            return
        self._no_landscape = moment.circle is None and bool(moment.reason) and not moment.waiting
        there = (self.left_parts(), self.pictures(), self.empty_parts())
        if there != self._there:
            self._there = there
            self._arrange()
            self._dirty = False
        charts = self._charts(source, x_axis, x, moment)
        made = {name: self._made(name, make) for name, make in charts if self._is_shown(name)}
        self._draw_left({name: model for name, model in made.items() if model is not None})
        self._draw_right(source, x_axis, moment, (data_x, data_y))

    def _made(self, widget_id: str, make: Callable[[], ModelT]) -> ModelT | None:
        """What `make` gives; what it raises is said in the widget's place."""
        try:
            return make()
        except Exception as error:  # noqa: BLE001  (one picture must not end the others)
            self.query_one(f"#{widget_id}", Painted).fail(error)
            return None

    def _put(self, widget_id: str, make: Callable[[], object]) -> None:
        """Show what `make` gives, where that widget is shown."""
        if not self._is_shown(widget_id):
            return
        model = self._made(widget_id, make)
        if model is not None:
            self.query_one(f"#{widget_id}", Painted).show(model)

    def _draw_left(self, models: dict[str, ChartModel | DensityModel | MarginFieldModel]) -> None:
        """The stacked charts, again where the widest y labels have become wider or narrower."""
        for _ in range(2):
            charts = [self.query_one(f"#{widget_id}", Pointed) for widget_id in models]
            for chart, (widget_id, model) in zip(charts, models.items(), strict=True):
                marked = "▸ " if self.arrangement.selected == widget_id else ""
                chart.show(replace(model, title=f"{marked}{model.title}", gutter=self._gutter))
            needed = max((c.plot.gutter for c in charts if c.plot is not None), default=0)
            if max(GUTTER, needed) == self._gutter:
                return
            self._gutter = max(GUTTER, needed)

    def _shared_x(self, source: Source, n: int) -> Float[np.ndarray, " T"]:
        """The x of every record on the axis that the user chose, else on the one that suits the run."""
        history, config = source.history, source.config
        # Once late stays late: the axis does not jump back and forth with a step that failed.
        self._late = self._late or is_late(config, history)
        axis = self.chosen_axis or ("ln(n/L)" if self._late else "step")
        reduction = config.loss.reduction if config is not None else "sum"
        x, kind = x_values(history, axis, self.chosen_log, n, reduction)
        self.x_axis = replace(self.x_axis, quantity=axis, kind=kind)
        return x

    def _charts(
        self, source: Source, x_axis: XAxis, x: Float[np.ndarray, " T"], moment: Moment
    ) -> Iterable[tuple[str, Callable[[], ChartModel | DensityModel | MarginFieldModel]]]:
        """The left column: the course; margins, or norms; directions."""
        history = source.history
        # Over ln(n/𝓛) the risk would be a straight line.
        against_risk = x_axis.quantity == "ln(n/L)"
        first = curves.path_chart if against_risk else curves.risk_chart
        yield "risk", lambda: first(history, x_axis, x)
        final = not (source.live and source.progress().state is RunStatus.RUNNING)
        yield "margins", lambda: margin_field(history, x_axis, x, final)
        of_classes = classifies(source.config, history)
        middle = margin_chart if of_classes else curves.norm_chart
        yield "middle", lambda: middle(history, x_axis, x)
        yield "density", lambda: curves.angle_density(history, x_axis, x)
        lower = curves.norm_chart if of_classes else curves.path_chart
        if history.has("neuron_angle"):
            yield "lower", lambda: curves.angle_chart(history, x_axis, x, moment.signs)
        else:
            yield "lower", lambda: lower(history, x_axis, x)

    def _is_shown(self, widget_id: str) -> bool:
        return bool(self.query_one(f"#{widget_id}").display)

    def _draw_right(
        self,
        source: Source,
        x_axis: XAxis,
        moment: Moment,
        data: tuple[Float[np.ndarray, "n ..."] | None, Float[np.ndarray, " n"] | None],
    ) -> None:
        """The picture, numbers and events."""
        history, config, n = source.history, source.config, 0 if data[1] is None else len(data[1])
        now = moment.step if x_axis.cursor is not None else source.progress().step
        of_classes = classifies(config, history)
        self._put("compass", lambda: views.compass_model(moment, *data))
        self._put("landscape", lambda: views.landscape_model(moment, *data))
        self._put(
            "prediction",
            lambda: prediction_model(
                source.surface(x_axis.cursor), now, *data, classifies=of_classes
            ),
        )
        self._put("layers", lambda: layer_field(history, x_axis, self._x, source.layers))
        late = self._late and (self._is_shown("course") or self._is_shown("sparks"))
        found = rates_of(history, config, n, source.order) if late else None
        self._put("course", lambda: self._course(history, x_axis, found))
        if self._is_shown("sparks"):
            sparks = self.query_one("#sparks", SparkRows)
            h = 0 if moment.norms is None else len(moment.norms)
            most = max(4, round(SPARKS_SHARE * self.query_one("#right").size.height))
            trends = spark_model(
                history, config, n, h, x_axis, self._x, late=self._late, found=found, most=most
            )
            sparks.styles.height = len(trends.rows) + 1
            sparks.show(trends)
        self._put("log", lambda: views.told(source.events()))

    def _course(self, history: History, x_axis: XAxis, found: Rates | None) -> ChartModel:
        """Rates against theory; before there are any, what the left column does not show."""
        if found is not None and len(found):
            return curves.rates_chart(found, history, x_axis, self._x)
        if x_axis.quantity == "ln(n/L)" and history.has("learning_rate_log"):
            return curves.step_size_chart(history, x_axis, self._x)
        return curves.path_chart(history, x_axis, self._x)

    def _draw_status(self, source: Source, moment: Moment) -> None:
        progress, values = source.progress(), moment.values
        log_risk = values.get("log_risk")
        at_cursor = self.x_axis.cursor is not None
        of_classes = classifies(source.config, source.history)
        self.query_one("#status", StatusLine).show(
            Status(
                state=progress.state,
                name=source.name,
                step=moment.step if at_cursor else progress.step,
                log10_risk=None if log_risk is None else log_risk / LN10,
                margin=values.get("margin_normalized") if of_classes else None,
                norm=values.get("rho"),
                rate=progress.rate or None,
                eta=progress.eta,
                extra=progress.note or self._note_without_caption(),
            )
        )

    def _draw_caption(self, source: Source) -> None:
        """What one sees here, and what can be done."""
        shown = self.query_one("#caption", Static)
        if not shown.display:
            return
        palette = palette_of(self)
        description = source.config.description if source.config is not None else ""
        text = caption(source.progress().state, description, views.paused_for(source.events()))
        lines = 2 if self.size.height >= CAPTIONED[1] else 1
        shown.styles.height = lines
        style = f"#{palette.ink('bar_text'):06x}"
        shown.update(Text(palette.say(fitted(text, self.size.width - 2, lines)), style=style))

    def _note_without_caption(self) -> str:
        """What the caption says at more length, where there is no room for one."""
        return "" if self.query_one("#caption").display else self.note()

    def note(self) -> str:
        """A word more for the status line."""
        return ""
