"""The charts of a run, trained or stored: charts, compass, landscape, numbers, events, and their keys.

Run and Replay are screens around it. A frame is drawn only when something changed, the terminal has
shown the last one, and the drawing has not had more than its share of the interpreter: training in the
same process pays for every millisecond spent here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ClassVar, Protocol, TypeVar

from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from workbench.protocol.status import RunStatus
from workbench.tui.borders import BORDER_KEYS, Border, Bordered
from workbench.tui.dialogs import palette_of
from workbench.tui.driver import frame_ready
from workbench.tui.routes import Go, OpenLayers
from workbench.tui.run import pictures as views
from workbench.tui.run.ask import ask_copy, ask_numbers, ask_plot
from workbench.tui.run.caption import caption, fitted
from workbench.tui.run.charts import left_charts, left_parts, pictures_of
from workbench.tui.run.drawing import Drawing
from workbench.tui.run.events import EventsScreen
from workbench.tui.run.layer_strips import has_layers
from workbench.tui.run.layout import (
    NUMBERS,
    PICTURES,
    WIDGETS,
    Arrangement,
    Parts,
    Picture,
    arrange,
    most_numbers,
)
from workbench.tui.run.machine import EVERY_SECONDS
from workbench.tui.run.moments import Moment
from workbench.tui.run.shared_x import SharedX
from workbench.tui.run.sight import PAN, ZOOM
from workbench.tui.run.source import Source
from workbench.tui.run.x_axis import XAxis
from workbench.tui.unbroken import Unbroken, contained
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.density import DensityChart
from workbench.tui.widgets.eventlog import EventLog
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.landscape import Landscape
from workbench.tui.widgets.layer_field import LayerField
from workbench.tui.widgets.margin_field import MarginField
from workbench.tui.widgets.pointed import CursorMoved, Looked, Pointed
from workbench.tui.widgets.prediction import Prediction
from workbench.tui.widgets.sparkrows import SparkRows
from workbench.tui.widgets.statusline import Status, StatusLine

ModelT = TypeVar("ModelT")

SHARE_X = ("risk", "middle", "lower", "density", "margins", "course", "layers", *NUMBERS)
TICK_SECONDS = 0.1
FRAME_SECONDS = 0.22
# The screen's thread may take this share of the time while this process trains.
LIVE_SHARE = 0.03
IDLE_SHARE = 0.25
# Rows of a terminal that has room for the caption, and for two lines of it.
CAPTIONED = (22, 34)


class PanelHost(Protocol):
    """The screen around a panel."""

    def hints(self) -> Iterable[KeyHint]:
        """Keys for the bottom line, most useful first."""
        ...

    def note(self) -> str:
        """A word more for the status line."""
        ...

    def leave(self) -> None:
        """How the screen is left."""
        ...

    def drawn(self) -> None:
        """A frame was drawn: what the screen shows besides may change."""
        ...


class Panel(Unbroken, Bordered, Vertical, can_focus=True):
    """Charts of one `Source`, once there is one; `waiting` is said until then. `foot`: widgets between the
    charts and the line of keys."""

    HELP_NAME: ClassVar[str] = "here"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_chart", "next chart", priority=True),
        Binding("shift+tab", "next_chart(-1)", "previous chart", show=False, priority=True),
        Binding("z", "zoom", "one chart / all"),
        Binding("v", "other_column", "other column"),
        Binding("d", "picture", "next picture at the right"),
        Binding("w", "layers", "layers: weights and data"),
        Binding("e", "events", "all events"),
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
        Binding("0", "scale(0)", "whole x and y"),
        Binding("less_than_sign", "pan_x(-1)", "x before", key_display="<", show=False),
        Binding("greater_than_sign", "pan_x(1)", "x after", key_display=">", show=False),
        Binding("shift+up", "scale_y(1)", "zoom y in"),
        Binding("shift+down", "scale_y(-1)", "zoom y out"),
        Binding("up,k", "pan_y(1)", "y above", show=False),
        Binding("down,j", "pan_y(-1)", "y below", show=False),
        Binding("tilde", "mean", "means over records", key_display="~"),
        Binding("C", "series", "choose the numbers"),
        Binding("P", "plot", "draw the chart into a file"),
        Binding("ctrl+y", "copy", "copy values or the command"),
        Binding("escape", "out", "out one level"),
        Binding("q", "leave", "quit"),
        *BORDER_KEYS,
    ]

    def __init__(self, host: PanelHost, waiting: str, foot: tuple[Widget, ...] = ()) -> None:
        super().__init__(id="panel")
        self.host = host
        self.waiting = waiting
        self.foot = foot
        # What is said before anything else, where there is something.
        self.lead: Callable[[], str] = str
        self.source: Source | None = None
        self.shared = SharedX()
        self.arrangement = Arrangement()
        self.chosen_picture: Picture | None = None
        self._there: tuple[object, ...] | None = None
        self._no_landscape = False
        self._dirty = True
        self._at_once = True
        # When the last frame began, by the clock and by this thread's processor time.
        self._frame_began = (0.0, 0.0)
        self._resized: Timer | None = None
        self.drawing = Drawing(self)

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
            yield Border("left", "right", least=(30, 28), id="run")
            with Vertical(id="right"):
                with Container(id="views"):
                    yield Compass(id="compass")
                    yield Landscape(id="landscape")
                    yield LayerField(id="layers")
                    yield Prediction(id="prediction")
                    yield LineChart(id="course")
                    for place in NUMBERS:
                        yield LineChart(id=place, classes="number")
                yield SparkRows(id="sparks")
                yield EventLog(id="log")
        yield Static(id="small", markup=False)
        yield from self.foot
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Begin to ask for news."""
        for name in SHARE_X:
            chart = self.drawing.painted(name)
            if isinstance(chart, Pointed):
                chart.zooms = True
        self.arrange_parts()
        self.set_interval(TICK_SECONDS, self._tick)
        self.set_interval(EVERY_SECONDS, self._read_machine)

    def on_resize(self, event: events.Resize) -> None:
        """Arrange once the size has rested: dragging a window sends many."""
        if self._resized is not None:
            self._resized.stop()
        self._resized = self.set_timer(0.08, self.arrange_parts)

    def show(self, source: Source) -> None:
        """Show a run."""
        self.source = source
        self.arrange_parts()

    def touch(self) -> None:
        """Draw at the next tick."""
        self._dirty = self._at_once = True

    def arrange_parts(self) -> None:
        """Show what fits."""
        parts, size = self.parts, self.app.size
        shown = arrange(size.width, size.height, self.arrangement, parts)
        for widget_id in WIDGETS:
            self.query_one(f"#{widget_id}").display = widget_id in shown.widgets
        self.query_one("#left").display = shown.left
        self.query_one("#right").display = shown.right
        self.query_one("#run").display = shown.left and shown.right
        self.query_one("#body").display = not shown.too_small
        views_ = self.query_one("#views")
        views_.display = bool(shown.widgets & set(PICTURES[parts.picture]))
        views_.set_class(shown.side_by_side, "beside")
        self.query_one("#caption").display = size.height >= CAPTIONED[0]
        small = self.query_one("#small", Static)
        small.display = shown.too_small
        if shown.too_small:
            small.update(f"{size.width}×{size.height} is too small: 30×8 at least")
        self.touch()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What the upper place on the right can show of this run."""
        there = pictures_of(self.source)
        return (*there, "numbers") if self.drawing.numbers else there

    @property
    def picture(self) -> Picture:
        """What the upper place on the right shows."""
        there = self.pictures
        chosen = self.chosen_picture
        return chosen if chosen is not None and chosen in there else there[0]

    @property
    def parts(self) -> Parts:
        """The parts that there are of this run; no landscape where the network has no correlation function
        over the circle."""
        numbers = min(len(self.drawing.numbers or ()), most_numbers(self.app.size.height))
        empty = {*NUMBERS[numbers:], *(("landscape",) if self._no_landscape else ())}
        return Parts(left_parts(self.source), self.picture, frozenset(empty))

    def view_hints(self, column: int) -> Iterable[KeyHint]:
        """The keys that change what is in sight; `column`: the rank of the key for the other column."""
        yield KeyHint("tab", "chart", 7)
        yield KeyHint("z", "zoom", 7)
        if not self.drawing.shows("left") or not self.drawing.shows("right"):
            yield KeyHint("v", "column", column)
        there, now = self.pictures, self.picture
        if len(there) > 1:
            following = there[(there.index(now) + 1) % len(there)]
            hidden = not any(self.drawing.shows(part) for part in PICTURES[now])
            yield KeyHint("d", now if hidden else following, 3)
        if self.source is not None and has_layers(self.source.history):
            yield KeyHint("w", "layers", 3)
        yield KeyHint("e", "events", 6)
        yield KeyHint("x", "axis", 8)
        yield KeyHint("y", "log", 9)

    # --- drawing ---

    def _read_machine(self) -> None:
        """What training takes, also while another screen is in front."""
        source = self.source
        if source is not None and source.live:
            progress = source.progress()
            if progress.state is RunStatus.RUNNING:
                self.drawing.machine.read(progress.step, progress.rate)

    def _tick(self) -> None:
        """Draw a frame if it is worth one and the terminal and the trainer can bear it."""
        now = time.monotonic()
        if not (self._at_once or self._due(now)) or not self.screen.is_current:
            return
        if not frame_ready(self.app):
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
        self.query_one("#keys", KeyLine).show(tuple(self.host.hints()))
        if source is None:
            self.query_one("#status", StatusLine).show(
                Status(RunStatus.STARTING, extra=self.waiting)
            )
            return
        history, data = source.history, source.data()
        self.shared.update(history, source.config, 0 if data[1] is None else len(data[1]))
        x = self.shared.values
        x_axis = self.shared.shown(views.saddle_lines(source.events(), history, x))
        moment = source.moment(x_axis.cursor)
        self._draw_caption(source)
        status = views.status_model(source, moment, x_axis.cursor is not None)
        said = replace(status, extra=status.extra or self._note_without_caption())
        self.query_one("#status", StatusLine).show(said)
        if history.length:
            self._draw_charts(source, x_axis, moment)
        self.host.drawn()

    def _draw_charts(self, source: Source, x_axis: XAxis, moment: Moment) -> None:
        self._no_landscape = moment.circle is None and bool(moment.reason) and not moment.waiting
        parts = self.parts
        there = (parts.left, self.pictures, parts.empty)
        if there != self._there:
            self._there = there
            self.arrange_parts()
            self._dirty = False
        self.drawing.left(left_charts(source, x_axis, self.shared.values, moment), self.arrangement)
        now = moment.step if x_axis.cursor is not None else source.progress().step
        self.drawing.right(source, self.shared, x_axis, moment, now)

    def _draw_caption(self, source: Source) -> None:
        """What one sees here, and what can be done."""
        shown = self.query_one("#caption", Static)
        if not shown.display:
            return
        palette = palette_of(self)
        description = source.config.description if source.config is not None else ""
        lead = self.lead()
        said = caption(source.progress().state, description, views.paused_for(source.events()))
        text, lines = lead or said, 2 if lead or self.size.height >= CAPTIONED[1] else 1
        shown.styles.height = lines
        style = f"#{palette.ink('yellow' if lead else 'bar_text'):06x}"
        shown.update(Text(palette.say(fitted(text, self.size.width - 2, lines)), style=style))

    def _note_without_caption(self) -> str:
        """What the caption says at more length, where there is no room for one."""
        return "" if self.query_one("#caption").display else self.host.note()

    # --- keys ---

    def action_next_chart(self, by: int = 1) -> None:
        """Select the next chart that there is."""
        self.arrangement = self.arrangement.moved(by, self.parts)
        self.arrange_parts()

    def action_zoom(self) -> None:
        """The selected chart alone, or all again."""
        self.arrangement = self.arrangement.toggled()
        self.arrange_parts()

    def action_other_column(self) -> None:
        """Where one column fits: the other one."""
        self.arrangement = replace(self.arrangement, right=not self.arrangement.right)
        self.arrange_parts()

    def action_picture(self) -> None:
        """The next picture on the right; first of all it is brought into sight."""
        there, now = self.pictures, self.picture
        if any(self.query_one(f"#{part}").display for part in PICTURES[now]):
            now = there[(there.index(now) + 1) % len(there)]
        self.chosen_picture = now
        self.arrangement = self.arrangement.turned_to(now)
        self.arrange_parts()

    def action_layers(self) -> None:
        """Singular values of the layers, and the data mapped through them, at the cursor or now."""
        subject = None if self.source is None else self.source.subject(self.shared.cursor)
        if subject is None:
            self.notify("no record yet")
            return
        self.post_message(Go(OpenLayers(subject)))

    def action_events(self) -> None:
        """Everything that happened, whole."""
        if self.source is None:
            self.notify("still starting")
            return
        self.app.push_screen(EventsScreen(self.source.events))

    def action_log_x(self) -> None:
        """Logarithmic or linear x axis."""
        self.shared.toggle_log()
        self.touch()

    def action_x_axis(self) -> None:
        """Step, time, ln(n/𝓛) in turn."""
        self.shared.next_quantity()
        self.touch()

    def action_scale(self, by: int) -> None:
        """Half or twice of the x axis, or all of it and of every y axis."""
        self.shared.zoom(by)
        if by == 0:
            self.drawing.sight.y.clear()
        self.touch()

    def action_pan_x(self, by: int) -> None:
        """To the part of x beside."""
        self.shared.look(by * PAN, 1.0 + by * PAN)
        self.touch()

    def action_scale_y(self, by: int) -> None:
        """Half or twice of the chosen chart's y axis."""
        edge = 0.5 / ZOOM**by
        self._look_y(0.5 - edge, 0.5 + edge)

    def action_pan_y(self, by: int) -> None:
        """To the part of y beside."""
        self._look_y(by * PAN, 1.0 + by * PAN)

    def _look_y(self, low: float, high: float) -> None:
        name = self.chosen_chart()
        if name is None or not self.drawing.look_y(name, low, high):
            self.notify("only lines have a y to zoom: tab chooses another chart")
        self.touch()

    @on(Looked)
    def look(self, message: Looked) -> None:
        """The mouse asks for another part of a chart."""
        name = message.chart.id or ""
        if message.x is not None and name in SHARE_X:
            self.shared.look(*message.x)
        if message.y is not None:
            self.drawing.look_y(name, *message.y)
        self.touch()

    def chosen_chart(self) -> str | None:
        """The chart that keys are about: the selected one, else the first in sight."""
        made, selected = self.drawing.made, self.arrangement.selected
        return selected if selected in made else next(iter(made), None)

    def action_mean(self) -> None:
        """Lines as they are, or as means over more and more records."""
        records = self.drawing.sight.next_mean()
        self.notify(f"means of {records} records" if records else "values as they are", timeout=2)
        self.touch()

    @work
    async def action_series(self) -> None:
        """Choose the series that are lines of numbers."""
        await ask_numbers(self)

    @work
    async def action_copy(self) -> None:
        """Copy the chart's values, series or command."""
        await ask_copy(self)

    @work
    async def action_plot(self) -> None:
        """Draw the chart into a file."""
        await ask_plot(self)

    def action_cursor(self, by: int) -> None:
        """Move the cursor by columns of the widest visible chart, at least one record."""
        sharing = (c for c in map(self.drawing.painted, SHARE_X) if isinstance(c, Pointed))
        plot = next((c.plot for c in sharing if c.display), None)
        row = self.shared.beside(by, plot)
        if row is not None:
            self.move_cursor(row)

    def action_cursor_end(self, side: int) -> None:
        """To the first or the last record."""
        if len(self.shared.values):
            self.move_cursor(0 if side < 0 else len(self.shared.values) - 1)

    @on(CursorMoved)
    def point(self, message: CursorMoved) -> None:
        """The mouse put the cursor somewhere."""
        chart = message.chart
        if isinstance(chart, Pointed) and chart.id in SHARE_X and chart.plot is not None:
            row = self.shared.nearest(message.x, chart.plot)
            if row is not None:
                self.move_cursor(row)

    def move_cursor(self, row: int | None) -> None:
        """Put the cursor on a record, or away."""
        self.shared.put_cursor(row)
        self.touch()

    def action_out(self) -> None:
        """Cursor away, then zoom away, then out of the screen."""
        if self.shared.cursor is not None:
            self.move_cursor(None)
        elif self.arrangement.one:
            self.action_zoom()
        elif not self.shared.whole or self.drawing.sight.y:
            self.action_scale(0)
        else:
            self.host.leave()

    def action_leave(self) -> None:
        """Leave this screen."""
        self.host.leave()
