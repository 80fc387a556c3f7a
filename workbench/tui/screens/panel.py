"""The screen that shows a run, trained or stored: charts, compass, landscape, numbers, events.

Run and Replay differ in what their keys do; what is drawn, and when, is here. A frame is drawn only
when something changed, the terminal has shown the last one, and the drawing has not had more than its
share of the interpreter: training in the same process pays for every millisecond spent here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import numpy as np
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from workbench.arrays import Float
from workbench.tui import views
from workbench.tui.layout import Arrangement, arrange
from workbench.tui.source import Moment, Source
from workbench.tui.views import X_AXES, Look
from workbench.tui.widgets.chart import ChartModel, LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.density import DensityChart, DensityModel
from workbench.tui.widgets.eventlog import EventLog
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.landscape import Landscape
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.pointed import CursorMoved, Pointed
from workbench.tui.widgets.sparkrows import SparkRows
from workbench.tui.widgets.statusline import Status, StatusLine

SHARE_X = ("risk", "middle", "lower", "density", "direction")
TICK_SECONDS = 0.1
FRAME_SECONDS = 0.22
# The screen's thread may take this share of the time while this process trains.
LIVE_SHARE = 0.03
IDLE_SHARE = 0.25


class PanelScreen(Screen[None]):
    """Charts of one `Source`; subclasses say where it comes from and what the keys do."""

    CSS_PATH = "panel.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_chart", "next chart", priority=True),
        Binding("shift+tab", "next_chart(-1)", "previous chart", show=False, priority=True),
        Binding("z", "zoom", "one chart / all"),
        Binding("v", "other_column", "other column"),
        Binding("y", "log_x", "log / linear x"),
        Binding("x", "x_axis", "x: step, time, ln(n/L)"),
        Binding("left,h", "cursor(-1)", "cursor left", show=False),
        Binding("right,l", "cursor(1)", "cursor right", show=False),
        Binding("shift+left,H", "cursor(-10)", "cursor 10 left", show=False),
        Binding("shift+right,L", "cursor(10)", "cursor 10 right", show=False),
        Binding("home", "cursor_end(-1)", "first record", show=False),
        Binding("end", "cursor_end(1)", "last record", show=False),
        Binding("plus,equals_sign", "scale(1)", "zoom x in", key_display="+"),
        Binding("minus", "scale(-1)", "zoom x out", key_display="-"),
        Binding("0", "scale(0)", "whole x"),
        Binding("escape", "out", "out one level"),
        Binding("q", "leave", "quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.source: Source | None = None
        self.look = Look()
        self.scale = 0
        self.arrangement = Arrangement()
        self.message = "starting …"
        self.planar = True
        self._x: Float[np.ndarray, " T"] = np.zeros(0)
        self._dirty = True
        self._at_once = True
        # When the last frame began, by the clock and by this thread's processor time.
        self._frame_began = (0.0, 0.0)
        self._resized: Timer | None = None

    # --- what subclasses say ---

    def hints(self) -> Iterable[KeyHint]:
        """Keys for the bottom line, most useful first."""
        return ()

    def state_word(self, state: str) -> str:
        """The state as the status line calls it."""
        return state

    # --- composing ---

    def compose(self) -> ComposeResult:
        """Every widget once; the arrangement shows and hides them."""
        yield StatusLine(id="status")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield LineChart(id="risk", classes="slot")
                yield LineChart(id="middle", classes="slot")
                yield LineChart(id="lower", classes="slot")
                yield DensityChart(id="density", classes="slot")
            with Vertical(id="right"):
                with Container(id="views"):
                    yield Compass(id="compass")
                    yield Landscape(id="landscape")
                    yield LineChart(id="direction")
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
        shown = arrange(self.size.width, self.size.height, self.arrangement, self._has_density())
        for widget_id in (
            "risk",
            "middle",
            "lower",
            "density",
            "compass",
            "landscape",
            "sparks",
            "log",
        ):
            self.query_one(f"#{widget_id}").display = widget_id in shown.widgets
        self.query_one("#left").display = shown.left
        self.query_one("#right").display = shown.right
        self.query_one("#body").display = not shown.too_small
        self.query_one("#views").display = bool(shown.widgets & {"compass", "landscape"})
        self.query_one("#views").set_class(shown.side_by_side, "beside")
        # Where there is no circle to draw, its place shows how θ's direction moves.
        direction = self.query_one("#direction")
        direction.display = not self.planar and bool(shown.widgets & {"compass", "landscape"})
        if not self.planar:
            self.query_one("#compass").display = False
            self.query_one("#landscape").display = False
        small = self.query_one("#small", Static)
        small.display = shown.too_small
        if shown.too_small:
            small.update(f"{self.size.width}×{self.size.height} is too small: 30×8 at least")
        self.touch()

    def _has_density(self) -> bool:
        history = self.source.history if self.source is not None else None
        if history is None or not history.length or not history.has("neuron_angle"):
            return False
        return history.vector("neuron_angle")[1].shape[1] > views.FEW_NEURONS

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
        self.draw_frame()

    def _due(self, now: float) -> bool:
        """Whether the last frame lies back long enough for what it has cost.

        All that this thread has done since counts: Textual's painting comes after `draw_frame`.
        """
        began, spent = self._frame_began
        source = self.source
        training = source is not None and source.live and source.progress().state == "live"
        share = LIVE_SHARE if training else IDLE_SHARE
        return now - began >= max(FRAME_SECONDS, (time.thread_time() - spent) / share)

    def draw_frame(self) -> None:
        """Every visible widget's model, from the source as it is now."""
        source = self.source
        self.query_one("#keys", KeyLine).show(tuple(self.hints()))
        if source is None:
            self.query_one("#status", StatusLine).show(Status("starting", extra=self.message))
            return
        history = source.history
        data_x, data_y = source.data()
        n = 0 if data_y is None else len(data_y)
        reduction = source.config.loss.reduction if source.config is not None else "sum"
        x = views.x_values(history, self.look, n, reduction)
        x = x[: history.length]
        self._x = x
        saddles = views.saddle_lines(source.events(), history, x)
        look = replace(self.look, x_range=self._x_range(x), lines=saddles)
        moment = source.moment(self.look.cursor)
        self._draw_status(source, moment)
        if not history.length:
            return
        planar = moment.angles is not None
        density = self._has_density() != self.query_one("#density").display
        if planar != self.planar or (density and not self.arrangement.one):
            self.planar = planar
            self._arrange()
            self._dirty = False
        selected = self.arrangement.selected
        for widget_id, model in self._charts(source, look, x, moment):
            widget = self.query_one(f"#{widget_id}", Painted)
            if not widget.display:
                continue
            if isinstance(model, ChartModel | DensityModel) and selected == widget_id:
                model = replace(model, title=f"▸ {model.title}")
            widget.show(model)
        self._draw_right(source, look, moment, data_x, data_y, n)

    def _charts(
        self, source: Source, look: Look, x: Float[np.ndarray, " T"], moment: Moment
    ) -> Iterable[tuple[str, ChartModel | DensityModel]]:
        """The left column: risk; margins, or norms where there are none; directions."""
        history = source.history
        yield "risk", views.risk_chart(history, look, x)
        margins = history.has("margins")
        if margins:
            yield "middle", views.margin_chart(history, look, x)
        elif history.has("q_min"):
            yield "middle", views.raw_margin_chart(history, look, x)
        else:
            yield "middle", views.norm_chart(history, look, x)
        if self._has_density():
            yield "density", views.angle_density(history, look, x)
        elif history.has("neuron_angle"):
            yield "lower", views.angle_chart(history, look, x, moment.signs)
        elif margins or history.has("q_min"):
            yield "lower", views.norm_chart(history, look, x)
        else:
            yield "lower", views.path_chart(history, look, x)

    def _draw_right(
        self,
        source: Source,
        look: Look,
        moment: Moment,
        data_x: Float[np.ndarray, "n ..."] | None,
        data_y: Float[np.ndarray, " n"] | None,
        n: int,
    ) -> None:
        """Compass, landscape, numbers and events."""
        compass = self.query_one("#compass", Compass)
        if compass.display:
            compass.show(views.compass_model(moment, data_x, data_y))
        direction = self.query_one("#direction", LineChart)
        if direction.display:
            direction.show(views.path_chart(source.history, look, self._x))
        landscape = self.query_one("#landscape", Landscape)
        if landscape.display:
            landscape.show(views.landscape_model(moment, data_x, data_y))
        sparks = self.query_one("#sparks", SparkRows)
        if sparks.display:
            h = 0 if moment.norms is None else len(moment.norms)
            model = views.spark_model(source.history, source.config, n, h, self.look.cursor)
            sparks.styles.height = len(model.rows) + 1
            sparks.show(model)
        log = self.query_one("#log", EventLog)
        if log.display:
            log.show(views.told(source.events()))

    def _draw_status(self, source: Source, moment: Moment) -> None:
        progress, values = source.progress(), moment.values
        log_risk = values.get("log_risk")
        at_cursor = self.look.cursor is not None
        self.query_one("#status", StatusLine).show(
            Status(
                state=self.state_word(progress.state),  # type: ignore[arg-type]
                name=source.name,
                step=moment.step if at_cursor else progress.step,
                log10_risk=None if log_risk is None else log_risk / views.LN10,
                margin=values.get("margin_normalized"),
                norm=values.get("rho"),
                rate=progress.rate or None,
                eta=progress.eta,
                extra=progress.note or self.note(),
            )
        )

    def note(self) -> str:
        """A word more for the status line."""
        return ""

    def _x_range(self, x: Float[np.ndarray, " T"]) -> tuple[float, float] | None:
        """The part of the x axis that is shown: all, or 2^−scale of it around the cursor or the end.

        It is the same for all charts, whose series may be thinned differently.
        """
        log = self.look.log_x and self.look.x_axis != "ln(n/L)"
        shown = x[np.isfinite(x) & (x > 0)] if log else x[np.isfinite(x)]
        if not len(shown) or shown.min() == shown.max():
            return None
        ends = np.array([shown.min(), shown.max()])
        if self.scale == 0:
            return float(ends[0]), float(ends[1])
        t0, t1 = np.log10(ends) if log else ends
        width = (t1 - t0) / 2.0**self.scale
        cursor = self.look.cursor
        at = t1 if cursor is None else float(x[min(cursor, len(x) - 1)])
        if cursor is not None and log:
            at = float(np.log10(max(at, ends[0])))
        low = float(np.clip(at - width / 2.0, t0, t1 - width))
        return (10.0**low, 10.0 ** (low + width)) if log else (low, low + width)

    # --- keys ---

    def action_next_chart(self, by: int = 1) -> None:
        """Select the next chart that there is."""
        self.arrangement = self.arrangement.moved(by, self._has_density())
        self._arrange()

    def action_zoom(self) -> None:
        """The selected chart alone, or all again."""
        self.arrangement = self.arrangement.toggled()
        self._arrange()

    def action_other_column(self) -> None:
        """Where one column fits: the other one."""
        self.arrangement = replace(self.arrangement, right=not self.arrangement.right)
        self._arrange()

    def action_log_x(self) -> None:
        """Logarithmic or linear x axis."""
        self.look = replace(self.look, log_x=not self.look.log_x)
        self.touch()

    def action_x_axis(self) -> None:
        """Step, time, ln(n/𝓛) in turn."""
        following = X_AXES[(X_AXES.index(self.look.x_axis) + 1) % len(X_AXES)]
        self.look = replace(self.look, x_axis=following)
        self.touch()

    def action_scale(self, by: int) -> None:
        """Twice or half of the x axis, or all of it."""
        self.scale = 0 if by == 0 else int(np.clip(self.scale + by, 0, 20))
        self.touch()

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns of the widest visible chart, at least one record."""
        count = len(self._x)
        if not count:
            return
        row = count - 1 if self.look.cursor is None else min(self.look.cursor, count - 1)
        target = row + (1 if by > 0 else -1)
        charts = [
            c
            for c in self.query(Pointed)
            if c.display and c.id in ("risk", "middle", "lower", "density")
        ]
        if charts:
            x = charts[0].step_cursor(float(self._x[row]), by)
            if x is not None:
                found = int(np.nanargmin(np.abs(self._x - x)))
                target = max(found, target) if by > 0 else min(found, target)
        self.move_cursor(int(np.clip(target, 0, count - 1)))

    def action_cursor_end(self, side: int) -> None:
        """To the first or the last record."""
        if len(self._x):
            self.move_cursor(0 if side < 0 else len(self._x) - 1)

    @on(CursorMoved)
    def point(self, message: CursorMoved) -> None:
        """The mouse put the cursor somewhere."""
        if len(self._x) and message.chart.id in SHARE_X:
            self.move_cursor(int(np.nanargmin(np.abs(self._x - message.x))))

    def move_cursor(self, row: int | None) -> None:
        """Put the cursor on a record, or away."""
        self.look = replace(self.look, cursor=row)
        self.touch()

    def action_out(self) -> None:
        """Cursor away, then zoom away, then what the subclass does to leave."""
        if self.look.cursor is not None:
            self.move_cursor(None)
        elif self.arrangement.one:
            self.action_zoom()
        elif self.scale:
            self.action_scale(0)
        else:
            self.leave()

    def action_leave(self) -> None:
        """Leave this screen."""
        self.leave()

    def leave(self) -> None:
        """How this screen is left."""
        self.app.pop_screen()
