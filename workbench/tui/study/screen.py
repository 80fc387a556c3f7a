"""The page of a study: outcomes over two keys, series as bands, where saddles are left for, and the members.

Its folder is read in a worker, again only where it has changed, and nothing is written.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import get_current_worker

from workbench.errors import WorkbenchError
from workbench.tui.borders import BORDER_KEYS, Border, Bordered
from workbench.tui.dialogs import Choose, palette_of
from workbench.tui.driver import frame_ready
from workbench.tui.filterline import FilterLine
from workbench.tui.routes import Go, StartRun
from workbench.tui.run.layout import WIDE
from workbench.tui.study.bands import Group
from workbench.tui.study.drawing import StudyDrawing
from workbench.tui.study.header import PARTS, StudyHeader
from workbench.tui.study.messages import BandsRead, LookRead
from workbench.tui.study.pace import Pace
from workbench.tui.study.reader import StudyReader
from workbench.tui.study.view import StudyView, Tile, read_groups
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.bars import Bars
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.heatmap import HeatMap, room
from workbench.tui.widgets.keyline import KeyLine
from workbench.tui.widgets.listing import Listing
from workbench.tui.widgets.pointed import CursorMoved

POLL, SHARE = 1.0, 10
"""Seconds between looks at the folder; reading takes at most a tenth of the time."""


class StudyScreen(Unbroken, Bordered, Screen[None]):
    """Looks through a study."""

    CSS_PATH = "study.tcss"
    AUTO_FOCUS = ""
    HELP_NAME: ClassVar[str] = "study"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "next_chart", "next part", priority=True),
        Binding("shift+tab", "next_chart(-1)", "part before", show=False, priority=True),
        Binding("enter", "open", "members of a tile; a member as a run"),
        Binding("z", "zoom", "one part / all"),
        Binding("O", "outcome", "choose the outcome"),
        Binding("right_square_bracket", "next_outcome(1)", "next outcome"),
        Binding("left_square_bracket", "next_outcome(-1)", "outcome before"),
        Binding("x", "x_axis", "next key across"),
        Binding("V", "y_axis", "next key up"),
        Binding("C", "series", "choose the series"),
        Binding("a", "aggregate", "bands by the next key"),
        Binding("d", "picture", "first, last saddle, directions"),
        Binding("y", "toggle_x", "log / linear x"),
        Binding("Y", "toggle_y", "log / linear risk"),
        Binding("t", "sort", "sort by next column"),
        Binding("T", "reverse", "reverse the order"),
        Binding("slash", "filter", "filter members"),
        Binding("left,h", "cursor(0,-1)", "left", show=False),
        Binding("right,l", "cursor(0,1)", "right", show=False),
        Binding("up,k", "cursor(1,0)", "up", show=False),
        Binding("down,j", "cursor(-1,0)", "down", show=False),
        Binding("shift+left,H", "cursor(0,-10)", "10 left", show=False),
        Binding("shift+right,L", "cursor(0,10)", "10 right", show=False),
        Binding("escape", "back", "out one level"),
        Binding("q", "leave", "back", show=False),
        *BORDER_KEYS,
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.reader = StudyReader(folder)
        self.view: StudyView | None = None
        self.part, self.one = "heat", False
        self.groups: list[Group] = []
        self.mistake = self.bands_mistake = ""
        self._busy = False
        self._have: object = None
        self._looked_at, self._took = 0.0, 0.0
        self.pace = Pace()
        self.drawing = StudyDrawing(self)
        self.filter_line = FilterLine(id="filter")

    # --- life ---

    def compose(self) -> ComposeResult:
        palette = palette_of(self)
        yield StudyHeader(palette=palette, id="header")
        yield self.filter_line
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield HeatMap(palette=palette, id="heat")
                yield LineChart(palette=palette, id="bands")
            yield Border("left", "right", least=(30, 28), id="study")
            with Vertical(id="right"):
                with Vertical(id="rose"):
                    yield Compass(palette=palette, id="compass")
                    yield Bars(palette=palette, id="shares")
                with Vertical(id="table"):
                    yield Listing(palette=palette, id="members")
                    yield Static(id="detail", markup=False)
        yield Static("reading …", id="waiting", markup=False)
        yield KeyLine(palette=palette, id="keys")

    def on_mount(self) -> None:
        """Begin to read."""
        self.add_class("waiting")
        self._arrange()
        self.set_interval(POLL / 5, self._tick)
        self._read_look()

    def on_resize(self, event: events.Resize) -> None:
        """Another arrangement may fit, and other tiles."""
        self._arrange()
        self.call_after_refresh(self.draw)

    def _arrange(self) -> None:
        single = self.size.width < WIDE[0] or self.size.height < WIDE[1] or self.one
        self.set_class(single, "single")
        for part in PARTS:
            self.set_class(single and part == self.part, f"page-{part}")
        members = self.query_one("#members", Listing)
        if self.part == "table" and not self.filter_line.typing:
            members.focus()
        elif members.has_focus:
            self.set_focus(None)
        self.drawing.keys()

    def _tick(self) -> None:
        if not self.is_current or self._busy:
            return
        if time.monotonic() - self._looked_at > max(POLL, SHARE * self._took):
            self._read_look()
        elif frame_ready(self.app):
            self.read_bands()

    # --- reading ---

    def _read_look(self) -> None:
        self._busy = True
        self.run_worker(self._look, thread=True, group="study", exit_on_error=False)

    def _look(self) -> None:
        """In a thread: what has changed."""
        began = time.monotonic()
        try:
            found = LookRead(self.reader.look())
        except WorkbenchError as error:
            found = LookRead(None, str(error))
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            found = LookRead(None, f"reading failed: {type(error).__name__}: {error}")
        self._took = time.monotonic() - began
        self.post_message(found)

    def on_look_read(self, message: LookRead) -> None:
        """Take what was found and draw it."""
        self._busy, self._looked_at = False, time.monotonic()
        self.mistake = message.mistake
        look = message.look
        if look is None:
            if message.mistake and self.view is None:
                self.query_one("#waiting", Static).update(palette_of(self).say(message.mistake))
            self.drawing.header()
            return
        self.view = StudyView(look) if self.view is None else self.view.of(look)
        if self.view.choices.cursor is None and look.dimensions:
            self.view = self.view.having(cursor=(0, 0))
        self._have = None
        self.remove_class("waiting")
        self.call_after_refresh(self.draw)

    def read_bands(self) -> None:
        """Read the bands that are wanted and not there."""
        view = self.view
        if view is None or self._busy or not self.query_one("#bands").display:
            return
        choices = view.choices
        wanted = view.look, choices.series, choices.by, choices.filter, choices.tile
        if wanted != self._have:
            self._busy, self._have = True, wanted
            act = partial(self._quantiles, wanted, choices.series, view.groups())
            self.run_worker(act, thread=True, group="study", exit_on_error=False)

    def _quantiles(self, wanted: object, series: str, groups: list[Any]) -> None:
        """In a thread: a series, and its quantiles in groups of members."""
        worker = get_current_worker()
        try:
            step, values = self.reader.series(series)
            found = read_groups(step, values, groups, lambda: worker.is_cancelled)
            self.post_message(BandsRead(wanted, found))
        except WorkbenchError as error:
            self.post_message(BandsRead(wanted, [], str(error)))
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            failed = f"reading failed: {type(error).__name__}: {error}"
            self.post_message(BandsRead(wanted, [], failed))

    def on_bands_read(self, message: BandsRead) -> None:
        """Draw them, if they are still wanted."""
        self._busy = False
        if message.wanted == self._have:
            self.groups, self.bands_mistake = message.groups, message.mistake
            self.drawing.bands()
        self.read_bands()

    # --- drawing ---

    @property
    def room(self) -> tuple[int, int]:
        """(rows, columns) of tiles that fit."""
        return room(*self.query_one("#heat").size)

    def draw(self) -> None:
        """All that is in sight."""
        self.drawing.all()

    recoloured = draw

    def _choose(self, **changes: object) -> None:
        """Look through other choices, and draw."""
        if self.view is not None:
            self.view = self.view.having(**changes)
            self.draw()

    # --- moving ---

    def action_next_chart(self, by: int = 1) -> None:
        """The next part; where one fits, the next page."""
        self.part = PARTS[(PARTS.index(self.part) + by) % len(PARTS)]
        self._arrange()
        self.call_after_refresh(self.draw)

    def action_zoom(self) -> None:
        """The selected part alone, or all again."""
        self.one = not self.one
        self._arrange()
        self.call_after_refresh(self.draw)

    def action_cursor(self, up: int, right: int) -> None:
        """Another tile, or another step."""
        view = self.view
        if view is None:
            return
        if self.part == "bands":
            chart = self.query_one("#bands", LineChart)
            self._choose(x=chart.step_cursor(view.choices.x, right) if right else view.choices.x)
            return
        cells = view.cells(self.room)
        if self.part == "heat" and cells is not None:
            row, column = view.choices.cursor or (0, 0)
            row = min(max(0, row + up), cells.shape[0] - 1)
            column = min(max(0, column + right), cells.shape[1] - 1)
            self._choose(cursor=(row, column))

    @on(HeatMap.Resized)
    def _tiles_fit(self, event: HeatMap.Resized) -> None:
        event.stop()
        self.drawing.heat()

    @on(HeatMap.Pointed)
    def _pointed(self, event: HeatMap.Pointed) -> None:
        event.stop()
        self.part = "heat"
        self._arrange()
        self._choose(cursor=event.cell)

    @on(CursorMoved)
    def _step_pointed(self, event: CursorMoved) -> None:
        event.stop()
        self._choose(x=event.x)

    @on(Listing.Chosen)
    def _moved(self, event: Listing.Chosen) -> None:
        event.stop()
        self.drawing.detail()

    def member_here(self) -> int | None:
        """The member under the table's cursor."""
        row = self.query_one("#members", Listing).chosen
        return None if row is None or self.view is None else int(self.view.members[row])

    def action_open(self) -> None:
        """Members of the tile under the cursor; the member under the cursor as a run."""
        view = self.view
        if view is None:
            return
        if self.part == "table":
            member = self.member_here()
            if member is not None:
                self.post_message(Go(StartRun(f"{self.folder}/{member}")))
            return
        cells, cursor = view.cells(self.room), view.choices.cursor
        if self.part == "heat" and cells is not None and cursor is not None:
            self.part = "table"
            self._arrange()
            self._choose(tile=Tile(cells.where(cursor), cells.members(cursor)))

    def action_back(self) -> None:
        """Out one level: the filter, the tile, the zoom, the cursor, the page."""
        view = self.view
        if self.filter_line.typing:
            self._filter_by(self.filter_line.before)
            self._close_filter()
        elif view is not None and view.limited:
            self._choose(tile=None, filter="")
        elif self.one:
            self.action_zoom()
        elif view is not None and view.choices.x is not None:
            self._choose(x=None)
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """Back to where one came from."""
        self.dismiss()

    # --- choosing ---

    def action_outcome(self) -> None:
        """Choose what the tiles show."""
        if self.view is not None:
            options = [(key, of.title) for key, of in self.view.found.items()]
            self.app.push_screen(Choose("Which outcome?", options), self._asked)

    def _asked(self, key: str | None) -> None:
        if key is not None:
            self._choose(asked=key)

    def action_next_outcome(self, by: int) -> None:
        """The outcome behind or before."""
        if self.view is not None:
            keys = list(self.view.found)
            self._choose(asked=keys[(keys.index(self.view.asked.key) + by) % len(keys)])

    def action_x_axis(self) -> None:
        """The next key to the right."""
        if self.view is not None and self.view.choices.axes is not None:
            axes = self.view.choices.axes.turned(len(self.view.look.dimensions))
            self._choose(axes=axes, cursor=(0, 0))

    def action_y_axis(self) -> None:
        """The next key upwards."""
        if self.view is not None and self.view.choices.axes is not None:
            axes = self.view.choices.axes.lifted(len(self.view.look.dimensions))
            self._choose(axes=axes, cursor=(0, 0))

    def action_series(self) -> None:
        """Choose what the bands are of."""
        if self.view is not None and self.view.look.series:
            options = [(name, name) for name in self.view.look.series]
            self.app.push_screen(Choose("Which series?", options), self._series)

    def _series(self, name: str | None) -> None:
        if name is not None:
            self._choose(series=name)

    def action_aggregate(self) -> None:
        """Bands by the next key, or one of all members."""
        if self.view is not None:
            ways = [None, *range(len(self.view.look.dimensions))]
            self._choose(by=ways[(ways.index(self.view.choices.by) + 1) % len(ways)])

    def action_picture(self) -> None:
        """Where the first saddle leads, where the last one does, or the last directions."""
        if self.view is not None:
            self.view = self.view.other_picture()
            self.draw()

    def action_toggle_x(self) -> None:
        """Steps on a log axis, or evenly."""
        if self.view is not None:
            self._choose(log_x=not self.view.choices.log_x)

    def action_toggle_y(self) -> None:
        """The risk on a log axis, or as it is."""
        if self.view is not None:
            self._choose(log_y=not self.view.choices.log_y)

    def action_sort(self) -> None:
        """Sort the table by its next column."""
        if self.view is not None:
            keys = [column.key for column in self.view.columns]
            at = keys.index(self.view.choices.sort) if self.view.choices.sort in keys else -1
            self._choose(sort=keys[(at + 1) % len(keys)])

    def action_reverse(self) -> None:
        """The table the other way round."""
        if self.view is not None:
            self._choose(reverse=not self.view.choices.reverse)

    # --- the filter ---

    def action_filter(self) -> None:
        """Open the filter line."""
        if self.view is None:
            return
        self.filter_line.open(self.view.choices.filter)
        self.drawing.keys()

    @on(FilterLine.Typed)
    def _typed(self, event: FilterLine.Typed) -> None:
        if self.filter_line.typing:
            self._filter_by(event.text)

    def _filter_by(self, text: str) -> None:
        self._choose(filter=text.strip())

    @on(FilterLine.Entered)
    def _kept(self) -> None:
        if self.view is not None and not self.view.mistake:
            self._close_filter()

    def _close_filter(self) -> None:
        self.filter_line.close()
        self.set_focus(None)
        self._arrange()
