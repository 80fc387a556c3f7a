"""The stored runs: a table over two charts in which marked runs lie on top of each other."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import DataTable, Input, Static
from textual.worker import get_current_worker

from workbench.errors import WorkbenchError, clean_text
from workbench.record.filter import Predicate, read_filter
from workbench.record.index import RunIndex
from workbench.record.summary import RunSummary
from workbench.tui.browse.actions import JobDone, RunActions
from workbench.tui.browse.bands import MOST_RUNS, sort_choices
from workbench.tui.browse.charts import OverlayCharts
from workbench.tui.browse.header import BrowseHeader, HeaderModel, empty_text, key_hints
from workbench.tui.browse.scan import Change, Drawn, Known, Shelf, scan_runs
from workbench.tui.browse.table import SORTS, RowStyle, RunsTable, sort_note, sorted_runs
from workbench.tui.dialogs import Choose, palette_of
from workbench.tui.driver import frame_ready
from workbench.tui.routes import Go, OpenLaunch
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyLine
from workbench.tui.widgets.palette import SERIES, Depth

TICK, REDRAW, RESCAN = 0.1, 0.5, 2.0
SHARE = 10
"""Drawing all rows and looking at the folder take at most a tenth of the time each, however many runs."""


class Scanned(Message):
    """Some of the runs folder has been looked at; `last`: all of it."""

    def __init__(self, changes: list[Change], *, last: bool, mistake: str = "") -> None:
        super().__init__()
        self.changes, self.last, self.mistake = changes, last, mistake


class CurvesRead(Message):
    """A run's curves, read for the state its files had; None if they cannot be read."""

    def __init__(self, run_id: str, known: Known, curves: Drawn | None) -> None:
        super().__init__()
        self.run_id, self.known, self.curves = run_id, known, curves


class BrowseScreen(Unbroken, Screen[None]):
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
        Binding("y", "toggle_x", "log / linear x"),
        Binding("Y", "toggle_y", "log / linear risk"),
        Binding("t", "sort", "sort by next column"),
        Binding("T", "reverse", "reverse the order"),
        Binding("K", "sort_by", "sort by any setting"),
        Binding("a", "aggregate", "runs as bands / curves"),
        Binding("r", "resume", "resume"),
        Binding("f", "fork", "fork from a step"),
        Binding("E", "export", "export to a file"),
        Binding("P", "plot", "plot a figure"),
        Binding("D", "diff", "compare configurations"),
        Binding("X,delete", "delete", "delete"),
        Binding("q", "app.leave_now", "quit"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.actions = RunActions(self, self, runs_dir)
        self.shelf = Shelf()
        self.scanning = False
        self.mistake = self.trouble = ""
        self.marks: list[str] = []
        self.sort_key, self.sort_reverse = "updated", True
        self.filter_text = self._filter_before = ""
        self.fits: Predicate = read_filter("")[0]
        self.aggregated = False
        self._reading = False
        self._dirty = False
        self._scanned_at = self._drawn_at = 0.0
        self._scan_took = self._draw_took = 0.0

    # --- life ---

    def compose(self) -> ComposeResult:
        palette = palette_of(self)
        yield BrowseHeader(palette=palette, id="header")
        with Horizontal(id="filter"):
            yield Static("filter /", markup=False)
            yield Input(compact=True, max_length=200, select_on_focus=False)
        yield RunsTable(palette, id="table")
        yield Static(id="empty", markup=False)
        yield OverlayCharts(palette, id="overlay")
        yield KeyLine(key_hints(), palette=palette, id="keys")

    def on_mount(self) -> None:
        """Begin to read the folder."""
        self.table.focus()
        self.set_interval(TICK, self._tick)
        self.rescan()

    def on_resize(self, event: events.Resize) -> None:
        """Choose what there is room for."""
        width, height = event.size
        self.set_class(width >= 60 and height >= 20, "charted")
        self.charts.set_class(width < 100, "single")
        self.set_class(height < 30, "short")
        self.charts.set_class(height < 30, "bare")
        self.table.show_header = height >= 6
        self._fit()
        self._show_rest()

    def _fit(self) -> None:
        """Columns for the width, that of the setting sorted by among them."""
        extra = self.sort_key if self.sort_key not in SORTS else None
        if self.table.fit(max(1, self.size.width - 1), extra):
            self._show_table()

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
        if self._dirty and due and frame_ready(self.app):
            self._drawn_at = now
            self._show_table()
            self._draw_took = time.monotonic() - now
        self._show_header()
        self._read_curves()
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
        worker = get_current_worker()
        runs_dir, shelf, known = self.runs_dir, self.shelf, dict(self.shelf.known)
        batch: list[Change] = []
        began = sent = time.monotonic()
        mistake = ""
        try:
            shelf.index = shelf.index or RunIndex(
                runs_dir
            )  # one scan at a time: nobody else has it
            for change in scan_runs(runs_dir, known, shelf.index, shelf.studies):
                if worker.is_cancelled:
                    return
                batch.append(change)
                if time.monotonic() - sent > TICK:
                    self.post_message(Scanned(batch, last=False))
                    batch, sent = [], time.monotonic()
        except WorkbenchError as error:
            mistake = str(error)
        self._scan_took = time.monotonic() - began if len(known) else 0.0
        self.post_message(Scanned(batch, last=True, mistake=mistake))

    def on_scanned(self, message: Scanned) -> None:
        """Take what a scan found; it is drawn at the next tick."""
        shelf = self.shelf
        gone = shelf.take(message.changes)
        self.marks = [run_id for run_id in self.marks if run_id not in gone]
        self._dirty = self._dirty or bool(message.changes)
        if message.last:
            self.scanning, self._scanned_at = False, time.monotonic()
            self._dirty = self._dirty or shelf.total is None or message.mistake != self.trouble
            shelf.total, self.trouble = shelf.total or 0, message.mistake

    def _targets(self) -> list[str]:
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
        """Read curves that are missing or out of date, one run at a time, in a thread."""
        if self._reading or not self.has_class("charted"):
            return
        found = self.shelf.stale(self._targets())
        if found is not None:
            self._reading = True
            self.run_worker(
                partial(self._read, *found), thread=True, group="curves", exit_on_error=False
            )

    def _read(self, run_id: str, known: Known) -> None:
        """In a thread: read one run's curves."""
        try:
            curves = self.shelf.read(known)
        except WorkbenchError:
            curves = None
        self.post_message(CurvesRead(run_id, known, curves))

    def on_curves_read(self, message: CurvesRead) -> None:
        """Take the curves and draw them."""
        self._reading = False
        self.shelf.keep(message.run_id, message.known, message.curves)
        self._show_charts()
        self._read_curves()

    # --- showing ---

    def _rows(self) -> list[tuple[RunSummary, RowStyle]]:
        """The runs that fit the filter, in order, each with its style."""
        runs = [run for run in self.shelf.summaries() if self.fits(run)]
        palette, twins = palette_of(self), self.shelf.twins()
        marks = {run_id: place for place, run_id in enumerate(self.marks)}
        return [
            (run, RowStyle(palette, marks.get(run.run_id), run.name in twins))
            for run in sorted_runs(runs, self.sort_key, self.sort_reverse)
        ]

    def _show_table(self) -> None:
        self._dirty = False
        self.table.show_runs(self._rows())
        bare = self.shelf.total == 0
        if bare != self.has_class("empty"):
            self.set_class(bare, "empty")
            self.query_one(KeyLine).show(key_hints(empty=bare))
        if bare:
            place = clean_text(str(self.runs_dir), 60)
            self.query_one("#empty", Static).update(
                empty_text(place, self.trouble, palette_of(self))
            )

    def _show_rest(self) -> None:
        """All but the rows."""
        self._show_header()
        self._show_charts()

    def recoloured(self) -> None:
        """The theme is another."""
        self._show_table()
        self._show_rest()

    def _show_header(self) -> None:
        """Counts, sort and filter; a header that says the same is not drawn again."""
        model = HeaderModel(
            shown=self.table.row_count,
            stored=self.shelf.total or 0,
            read=len(self.shelf.known),
            marked=len(self.marks),
            sort=sort_note(self.sort_key, self.sort_reverse) if self.shelf.total else "",
            filter=self.filter_text,
            mistake=self.mistake or self.trouble,
            job=self.actions.job.note() if self.actions.job is not None else "",
        )
        header = self.query_one(BrowseHeader)
        if header.model != model:
            header.show(model)

    def _show_charts(self) -> None:
        """The curves read so far of the runs that are meant."""
        if self.has_class("charted"):
            numbered = palette_of(self).depth is Depth.NONE and bool(self.marks)
            targets, shelf = self._targets(), self.shelf
            bands = shelf.bands(targets, of_runs=self.aggregated)
            alone = self.aggregated and bands is not None
            runs = [] if alone else shelf.overlaid(targets, self.marks, numbered=numbered)
            self.charts.show_runs(runs, bands)

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
        return self.charts.view.cursor

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        if not self.marks:
            self._show_charts()

    @on(DataTable.RowSelected)
    def _clicked(self) -> None:
        self.action_open()

    @on(DataTable.HeaderSelected)
    def _header(self, event: DataTable.HeaderSelected) -> None:
        key = str(event.column_key.value)
        if key in SORTS or key == self.sort_key:
            self.sort_reverse = not self.sort_reverse if key == self.sort_key else True
            self.sort_key = key
            self._show_sorted()

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
        self._show_table()
        self.table.action_cursor_down()
        self._show_rest()

    def action_scrub(self, columns: int) -> None:
        """Move the charts' shared cursor."""
        self.charts.scrub(columns)

    def action_toggle_y(self) -> None:
        """The risk on a log axis, or as it is."""
        self.charts.view_as(log_y=not self.charts.view.log_y)

    def action_toggle_x(self) -> None:
        """Steps on a log axis, or evenly."""
        self.charts.view_as(log_x=not self.charts.view.log_x)

    def action_sort(self) -> None:
        """Sort by the next column that is shown."""
        shown = [key for key in SORTS if key in self.table.columns_shown] or list(SORTS)
        place = shown.index(self.sort_key) if self.sort_key in shown else -1
        self.sort_key = shown[(place + 1) % len(shown)]
        self.sort_reverse = self.sort_key not in ("run", "state", "loss", "risk")
        self._fit()
        self._show_sorted()

    def action_reverse(self) -> None:
        """The other way round."""
        self.sort_reverse = not self.sort_reverse
        self._show_sorted()

    def action_sort_by(self) -> None:
        """Sort by any key of the configuration; those in which the listed runs differ come first."""
        listed = [run for run in map(self.shelf.summary, self.table.run_ids) if run is not None]
        options = sort_choices([run.settings for run in listed], self.shelf.keys)
        if options:
            self.app.push_screen(Choose("Sort by which setting?", options), self._sort_by)

    def _sort_by(self, key: str | None) -> None:
        if key is not None:
            self.sort_key, self.sort_reverse = key, False
            self._fit()
            self._show_sorted()

    def action_aggregate(self) -> None:
        """The marked runs, or all listed, as medians and bands; or the curves of each."""
        self.aggregated = not self.aggregated
        self._show_rest()
        self._read_curves()

    def _show_sorted(self) -> None:
        self._show_table()
        self._show_rest()

    # --- the filter ---

    def action_filter(self) -> None:
        """Open the filter line."""
        self._filter_before = self.filter_text
        self.add_class("filtering")
        line = self.query_one("#filter Input", Input)
        line.value = self.filter_text
        line.focus()
        self.query_one(KeyLine).show(key_hints(filtering=True))

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._filter_by(event.value)

    def _filter_by(self, text: str) -> None:
        """Filter by a text; a term that makes no sense is left out, and the header says why."""
        self.fits, self.mistake = read_filter(text, self.shelf.keys)
        self.filter_text = text.strip()
        self._show_sorted()

    @on(Input.Submitted)
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.mistake:
            self._close_filter()

    def _close_filter(self) -> None:
        self.remove_class("filtering")
        self.query_one(KeyLine).show(key_hints())
        self.table.focus()

    def action_back(self) -> None:
        """Out one level: undo what was typed, else show all runs, else take all marks away."""
        if self.has_class("filtering"):
            self._filter_by(self._filter_before)
            self._close_filter()
        elif self.filter_text:
            self._filter_by("")
        elif self.marks:
            self.marks.clear()
            self._show_sorted()
