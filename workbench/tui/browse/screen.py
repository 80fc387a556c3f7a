"""The stored runs: a table over charts in which marked runs lie on top of each other."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static
from textual.worker import get_current_worker

from workbench.record.columns import series_in
from workbench.record.filter import Predicate, read_filter, series_named
from workbench.record.summary import RunSummary
from workbench.tui.borders import BORDER_KEYS, HEIGHT_KEYS, Border, Bordered
from workbench.tui.browse.actions import JobDone, RunActions
from workbench.tui.browse.bands import MOST_RUNS
from workbench.tui.browse.beside import BesidePanel
from workbench.tui.browse.charts import OverlayCharts
from workbench.tui.browse.choices import ViewChoices
from workbench.tui.browse.columns import (
    COLUMNS,
    SORTS,
)
from workbench.tui.browse.drawing import BrowseDrawing
from workbench.tui.browse.header import BrowseHeader, key_hints
from workbench.tui.browse.labels import ask_note, ask_tags
from workbench.tui.browse.reading import CurveReader, CurvesRead, Scanned, scan_in_parts
from workbench.tui.browse.scan import Shelf
from workbench.tui.browse.table import RunsTable
from workbench.tui.browse.view import QUANTITIES, BrowseView, load_view, save_view
from workbench.tui.dialogs import palette_of
from workbench.tui.driver import frame_ready
from workbench.tui.filterline import FilterLine
from workbench.tui.routes import Go, OpenLaunch
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyLine
from workbench.tui.widgets.palette import SERIES
from workbench.tui.widgets.splitter import Splitter

TICK, REDRAW, RESCAN = 0.1, 0.5, 2.0
SHARE = 10
"""Drawing all rows and looking at the folder take at most a tenth of the time each, however many runs."""


class BrowseScreen(Unbroken, Bordered, Screen[None]):
    """Look through the stored runs."""

    CSS_PATH = "browse.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "mark the run", key_display="space"),
        Binding("enter", "open", "replay, follow, study"),
        Binding("n", "new", "new run"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "back", "clear filter, marks"),
        Binding("left,h", "scrub(-1)", "cursor left"),
        Binding("right,l", "scrub(1)", "cursor right"),
        Binding("shift+left,H", "scrub(-10)", "10 columns left"),
        Binding("shift+right,L", "scrub(10)", "10 columns right"),
        Binding("tab", "next_chart(1)", "next charts", priority=True),
        Binding("shift+tab", "next_chart(-1)", "charts before", show=False, priority=True),
        Binding("z", "zoom", "one chart / all"),
        Binding("C", "series", "choose the series"),
        Binding("x", "x_axis", "x: step, time, epoch, ln(n/L)"),
        Binding("y", "toggle_x", "log / linear x"),
        Binding("Y", "toggle_y", "log / linear y"),
        Binding("O", "columns", "choose the columns"),
        Binding("v", "other_column", "configuration beside"),
        Binding("t", "sort", "sort by next column"),
        Binding("T", "reverse", "reverse the order"),
        Binding("K", "sort_by", "sort by any key, series"),
        Binding("a", "aggregate", "runs as bands / curves"),
        Binding("r", "resume", "resume"),
        Binding("f", "fork", "fork from a step"),
        Binding("E", "export", "export to a file"),
        Binding("P", "plot", "plot a figure"),
        Binding("number_sign", "tags", "tags", key_display="#"),
        Binding("M", "note", "note"),
        Binding("D", "diff", "compare configurations"),
        Binding("R", "reset", "view as at first"),
        Binding("X,delete", "delete", "delete"),
        Binding("q", "app.leave_now", "quit"),
        *BORDER_KEYS,
        *HEIGHT_KEYS,
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.actions = RunActions(self, self, runs_dir)
        self.choices = ViewChoices(self)
        self.shelf = Shelf()
        self.scanning = False
        self.mistake = self.trouble = ""
        self.marks: list[str] = []
        self.view = load_view(runs_dir)
        self.fits: Predicate = read_filter(self.view.filter)[0]
        self.aggregated = False
        self._saved = self.view
        self.curves = CurveReader(self, self.shelf)
        self.drawing = BrowseDrawing(self)
        self.filter_line = FilterLine(id="filter")
        self._asked: tuple[str, ...] = ()
        self._scanned_at = self._drawn_at = 0.0
        self._scan_took = self._draw_took = 0.0

    # --- life ---

    def compose(self) -> ComposeResult:
        palette = palette_of(self)
        yield BrowseHeader(palette=palette, id="header")
        yield self.filter_line
        with Horizontal(id="listed"):
            yield RunsTable(palette, id="table")
            yield Border("table", "beside", least=(24, 16), palette=palette, id="browse-beside")
            yield BesidePanel(palette=palette, id="beside")
        yield Static(id="empty", markup=False)
        yield Border(
            "listed", "overlay", upright=False, least=(4, 6), palette=palette, id="browse-charts"
        )
        yield OverlayCharts(palette, id="overlay")
        yield KeyLine(key_hints(), palette=palette, id="keys")

    def on_mount(self) -> None:
        """Begin to read the folder."""
        self.table.focus()
        self._show_view()
        self.set_interval(TICK, self._tick)
        self.rescan()

    def on_resize(self, event: events.Resize) -> None:
        """Choose what there is room for."""
        width, height = event.size
        self.set_class(width >= 60 and height >= 20, "charted")
        self.set_class(height < 30, "short")
        self.charts.set_class(height < 30, "bare")
        self.call_after_refresh(self.drawing.all)

    def on_unmount(self) -> None:
        """Keep the view."""
        self._keep_view()

    def _keep_view(self) -> None:
        """Keep the view where it has changed; of a filter that is being typed the one before."""
        view = (
            replace(self.view, filter=self.filter_line.before)
            if self.filter_line.typing
            else self.view
        )
        if view != self._saved:
            self._saved = view
            save_view(self.runs_dir, view)

    def change_view(self, **changes: Any) -> None:
        """Look in another way, by the fields of a `BrowseView`; it is kept at the next tick."""
        before = self.view
        self.view = replace(before, **changes)
        self._show_view()
        self.drawing.all()
        self._read_curves()
        if self.wanted() and (before.columns, before.sort) != (self.view.columns, self.view.sort):
            self.rescan()

    def _show_view(self) -> None:
        """What of the view is a matter of other widgets."""
        view = self.view
        self.set_class(view.beside, "beside")
        self.charts.view_as(x=view.x, log_x=view.log_x, log_y=view.log_y)

    def wanted(self) -> tuple[str, ...]:
        """The series whose last values are shown, sorted or filtered by."""
        named = series_in([*(self.view.columns or ()), self.view.sort])
        return tuple(dict.fromkeys((*named, *series_named(self.view.filter))))

    def on_screen_resume(self) -> None:
        """Something may have changed while another screen was in front."""
        if self.is_mounted:
            self.rescan()

    @property
    def table(self) -> RunsTable:
        """The table of runs."""
        return self.query_one(RunsTable)

    @property
    def charts(self) -> OverlayCharts:
        """The charts below it."""
        return self.query_one(OverlayCharts)

    def _tick(self) -> None:
        """Draw what came in, read the curves that are wanted, and look at the folder again."""
        if not self.is_current:
            return
        now = time.monotonic()
        # Any new row makes all be drawn again: while many come in, that is done now and then.
        wait = max(REDRAW, SHARE * self._draw_took)
        due = not self.scanning or now - self._drawn_at > wait
        if self.drawing.due and due and frame_ready(self.app):
            self._drawn_at = now
            self.drawing.table()
            self._draw_took = time.monotonic() - now
        self.drawing.header()
        self._read_curves()
        self._keep_view()
        if now - self._scanned_at > max(RESCAN, SHARE * self._scan_took):
            self.rescan()

    # --- reading ---

    def rescan(self) -> None:
        """Look at the runs folder in a thread, if that is not going on already."""
        if not self.scanning:
            self.scanning = True
            self.run_worker(self._scan, thread=True, group="scan", exit_on_error=False)

    def _scan(self) -> None:
        """In a thread: report what changed, some at a time."""
        worker, shelf, known = get_current_worker(), self.shelf, dict(self.shelf.known)
        began = time.monotonic()
        self._asked = self.wanted()
        for found in scan_in_parts(self.runs_dir, known, shelf, self._asked, TICK):
            if worker.is_cancelled:
                return
            if found.last:
                self._scan_took = time.monotonic() - began if len(known) else 0.0
            self.post_message(found)

    def on_scanned(self, message: Scanned) -> None:
        """Take what a scan found; it is drawn at the next tick."""
        shelf = self.shelf
        gone = shelf.take(message.changes)
        self.marks = [run_id for run_id in self.marks if run_id not in gone]
        self.drawing.due = self.drawing.due or bool(message.changes)
        if message.last:
            self.scanning, self._scanned_at = False, time.monotonic()
            self.drawing.due = (
                self.drawing.due or shelf.total is None or message.mistake != self.trouble
            )
            shelf.total, self.trouble = shelf.total or 0, message.mistake
            if set(self.wanted()) - set(self._asked):
                self.rescan()

    def targets(self) -> list[str]:
        """The runs the charts show: the marked ones, or the one under the cursor; as bands all that are
        marked, or listed."""
        here = self.table.current
        if self.aggregated:
            return (self.marks or self._runs_listed())[:MOST_RUNS]
        return self.marks[: len(SERIES)] or ([here] if here is not None else [])

    def _runs_listed(self) -> list[str]:
        """The runs in the table, no studies."""
        found = map(self.shelf.summary, self.table.run_ids)
        return [run.run_id for run in found if run is not None and run.members is None]

    def _read_curves(self) -> None:
        """Read curves that are missing or out of date."""
        if self.has_class("charted"):
            self.curves.read(self.targets(), self.view.series)

    def on_curves_read(self, message: CurvesRead) -> None:
        """Take the curves and draw them."""
        self.curves.take(message)
        self.drawing.charts()
        self._read_curves()

    def recoloured(self) -> None:
        """The theme is another."""
        self.drawing.all()

    @on(Splitter.Moved, "#browse-charts")
    def _divided(self) -> None:
        self.drawing.share_height()

    # --- which runs ---

    def run_here(self) -> RunSummary | None:
        """The run under the cursor."""
        return self.shelf.summary(self.table.current)

    def marked_runs(self) -> list[RunSummary]:
        """The marked runs, in the order they were marked."""
        found = [self.shelf.summary(run_id) for run_id in self.marks]
        return [run for run in found if run is not None]

    def cursor_step(self) -> float | None:
        """The step the charts' cursor is at."""
        return self.shelf.step_at(self.table.current, self.view.x, self.charts.view.cursor)

    @on(RunsTable.Moved)
    def _moved(self) -> None:
        if not self.marks:
            self.drawing.charts()
        self.drawing.beside()

    @on(RunsTable.Opened)
    def _clicked(self) -> None:
        self.action_open()

    @on(RunsTable.Titled)
    def _header(self, event: RunsTable.Titled) -> None:
        if event.key in SORTS or event.key not in {column.key for column in COLUMNS}:
            same = event.key == self.view.sort
            self.change_view(sort=event.key, reverse=not self.view.reverse if same else True)

    # --- what is done with them ---

    def action_open(self) -> None:
        """Replay the run, or follow it while it trains."""
        self.actions.open()

    def action_diff(self) -> None:
        """Compare the configurations of two marked runs."""
        self.actions.diff()

    def action_new(self) -> None:
        """Start a new run."""
        self.post_message(Go(OpenLaunch()))

    def action_resume(self) -> None:
        """Go on with the run."""
        self._ask(self.actions.resume())

    def action_fork(self) -> None:
        """Start a new run from a stored state of this one."""
        self._ask(self.actions.fork())

    def action_export(self) -> None:
        """Write the run as a file for other tools."""
        self._ask(self.actions.export())

    def action_plot(self) -> None:
        """Draw a figure of the run into a file."""
        self._ask(self.actions.plot())

    def action_tags(self) -> None:
        """Give tags to the marked runs, or the one under the cursor, and take others away."""
        here = self.run_here()
        self._ask(self._label(ask_tags(self, self.marked_runs() or ([here] if here else []))))

    def action_note(self) -> None:
        """Write the note of the run under the cursor."""
        self._ask(self._label(ask_note(self, self.run_here())))

    async def _label(self, asked: Coroutine[Any, Any, bool]) -> None:
        if await asked:
            self.rescan()

    def action_delete(self) -> None:
        """Delete the run under the cursor, or the marked ones, after asking."""
        self._ask(self.actions.delete())

    def _ask(self, questions: Coroutine[Any, Any, None]) -> None:
        """Ask one thing after another, in place of what is being asked."""
        self.run_worker(questions, group="dialog", exclusive=True)

    def on_job_done(self, message: JobDone) -> None:
        """Something long has ended, and the folder may have changed."""
        self.actions.job_done(message)
        self.rescan()

    # --- keys ---

    def action_mark(self) -> None:
        """Mark the run under the cursor, or take its mark away, and go down."""
        here = self.table.current
        if here is None:
            return
        if here in self.marks:
            self.marks.remove(here)
        else:
            self.marks.append(here)
        self.drawing.table()
        self.table.action_move(1)
        self.drawing.rest()

    def action_scrub(self, columns: int) -> None:
        """Move the charts' shared cursor."""
        self.charts.scrub(columns)

    def action_toggle_y(self) -> None:
        """The risk, and what spans decades, on a log axis, or as it is."""
        self.change_view(log_y=not self.view.log_y)

    def action_toggle_x(self) -> None:
        """Steps on a log axis, or evenly."""
        self.change_view(log_x=not self.view.log_x)

    def action_x_axis(self) -> None:
        """The next quantity along x."""
        place = QUANTITIES.index(self.view.x) + 1
        self.change_view(x=QUANTITIES[place % len(QUANTITIES)])

    def action_next_chart(self, by: int) -> None:
        """Other series, where there is no room for all."""
        self.charts.turn(by)

    def action_zoom(self) -> None:
        """One chart, or all there is room for."""
        self.charts.zoom()

    def action_other_column(self) -> None:
        """The configuration beside the table, or not."""
        self.change_view(beside=not self.view.beside)

    def action_reset(self) -> None:
        """Columns, sort, filter, series and axes as at first."""
        self.charts.first, self.charts.alone = 0, False
        self.action_border(0, 0)
        self.change_view(**vars(BrowseView()))
        self._filter_by("")

    def action_series(self) -> None:
        """Choose the series of the charts by name."""
        self.choices.series(self.shelf.names(self.targets()))

    def action_columns(self) -> None:
        """Choose the columns: fields, keys of configurations, and series, whose last value it is."""
        names = self.shelf.names(self.targets())
        self.choices.columns(self.table.rows.runs, self.shelf.keys, names)

    def action_sort_by(self) -> None:
        """Sort by any key of the configuration, by any field or series."""
        names = self.shelf.names(self.targets())
        self.choices.sort(self.table.rows.runs, self.shelf.keys, names)

    def action_sort(self) -> None:
        """Sort by the next column that is shown."""
        shown = [key for key in SORTS if key in self.table.columns_shown] or list(SORTS)
        place = shown.index(self.view.sort) if self.view.sort in shown else -1
        key = shown[(place + 1) % len(shown)]
        self.change_view(sort=key, reverse=key not in ("run", "state", "loss", "risk"))

    def action_reverse(self) -> None:
        """The other way round."""
        self.change_view(reverse=not self.view.reverse)

    def action_aggregate(self) -> None:
        """The marked runs, or all listed, as medians and bands; or the curves of each."""
        self.aggregated = not self.aggregated
        self.drawing.rest()
        self._read_curves()

    # --- the filter ---

    def action_filter(self) -> None:
        """Open the filter line."""
        self.filter_line.open(self.view.filter)
        self.query_one(KeyLine).show(key_hints(filtering=True))

    @on(FilterLine.Typed)
    def _typed(self, event: FilterLine.Typed) -> None:
        if self.filter_line.typing:
            self._filter_by(event.text)

    def _filter_by(self, text: str) -> None:
        """Filter by a text; a term that makes no sense is left out, and the header says why."""
        self.fits, self.mistake = read_filter(text, self.shelf.keys)
        before = self.wanted()
        self.view = replace(self.view, filter=text.strip())
        self.drawing.all()
        if set(self.wanted()) - set(before):
            self.rescan()

    @on(FilterLine.Entered)
    def _kept(self) -> None:
        if not self.mistake:
            self._close_filter()

    def _close_filter(self) -> None:
        self.filter_line.close()
        self.query_one(KeyLine).show(key_hints())
        self.table.focus()

    def action_back(self) -> None:
        """Out one level: undo what was typed, else show all runs, else take all marks away."""
        if self.filter_line.typing:
            self._filter_by(self.filter_line.before)
            self._close_filter()
        elif self.view.filter:
            self._filter_by("")
        elif self.marks:
            self.marks.clear()
            self.drawing.all()
