"""From a folder's runs to the widgets of Browse: rows, header, settings beside them, charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.css.scalar import Scalar
from textual.widgets import Static

from workbench.errors import clean_text
from workbench.record.summary import RunSummary
from workbench.tui.borders import Border
from workbench.tui.browse.beside import BesidePanel
from workbench.tui.browse.columns import RowStyle, columns_for, sort_note
from workbench.tui.browse.header import BrowseHeader, HeaderModel, empty_text, key_hints
from workbench.tui.dialogs import palette_of
from workbench.tui.widgets.keyline import KeyLine
from workbench.tui.widgets.palette import Depth

if TYPE_CHECKING:
    from workbench.tui.browse.screen import BrowseScreen

TALL_SHARE, SHORT_SHARE = (9, 16), (10, 12)
"""Parts of the height that the table and the charts have."""
LEAST_ROWS = 3


class BrowseDrawing:
    """What is shown of the runs that are known, as they were chosen to be looked at. `due`: some of them
    changed, and the rows do not say so yet."""

    def __init__(self, screen: BrowseScreen) -> None:
        self.screen = screen
        self.due = False

    def _fit(self) -> None:
        """Columns for the width, that which is sorted by among them."""
        screen = self.screen
        view = screen.view
        columns = columns_for(view.columns, view.sort, tags=screen.shelf.tagged())
        screen.table.show_columns(columns, header=screen.size.height >= 6)

    def table(self) -> None:
        """The runs that fit the filter, each drawn when it comes into sight."""
        screen = self.screen
        self.due = False
        self._fit()
        palette, twins = palette_of(screen), screen.shelf.twins()
        marks = {run_id: place for place, run_id in enumerate(screen.marks)}

        def style(run: RunSummary) -> RowStyle:
            return RowStyle(palette, marks.get(run.run_id), run.name in twins)

        runs = screen.shelf.in_order(screen.view.sort, screen.view.reverse)
        screen.table.show_runs([run for run in runs if screen.fits(run)], style)
        self.share_height()
        bare = screen.shelf.total == 0
        if bare != screen.has_class("empty"):
            screen.set_class(bare, "empty")
            screen.query_one(KeyLine).show(key_hints(empty=bare))
        if bare:
            place = clean_text(str(screen.runs_dir), 60)
            screen.query_one("#empty", Static).update(
                empty_text(place, screen.trouble, palette_of(screen))
            )

    def share_height(self) -> None:
        """A table of few runs leaves the charts its empty rows, unless the settings beside it need them, or
        the border was put somewhere."""
        screen = self.screen
        if screen.query_one("#browse-charts", Border).shares is not None:
            return
        share = SHORT_SHARE if screen.has_class("short") else TALL_SHARE
        rows = 1 + max(LEAST_ROWS, screen.shelf.total or 0)
        few = screen.has_class("charted") and not screen.view.beside
        fits = few and rows < (screen.size.height - 4) * share[0] / sum(share)
        height = Scalar.parse(str(rows) if fits else f"{share[0]}fr")
        listed = screen.query_one("#listed")
        if listed.styles.height != height:
            listed.styles.height = height

    def rest(self) -> None:
        """All but the rows."""
        self.header()
        self.charts()
        self.beside()

    def all(self) -> None:
        """The rows and the rest."""
        self.table()
        self.rest()

    def beside(self) -> None:
        """The settings of the run under the cursor, those first in which the runs meant differ."""
        screen = self.screen
        if screen.view.beside:
            # Listed runs are other ones in another list.
            of = (screen.shelf.changes, tuple(screen.marks), screen.view.filter)
            panel, marked = screen.query_one(BesidePanel), screen.marked_runs()
            panel.show_run(screen.run_here(), marked, screen.table.rows.runs, of)

    def header(self) -> None:
        """Counts, sort and filter; a header that says the same is not drawn again."""
        screen = self.screen
        model = HeaderModel(
            shown=screen.table.row_count,
            stored=screen.shelf.total or 0,
            read=screen.shelf.read_of(screen.wanted()),
            marked=len(screen.marks),
            sort=sort_note(screen.view.sort, screen.view.reverse) if screen.shelf.total else "",
            filter=screen.view.filter,
            mistake=screen.mistake or screen.trouble,
            job=screen.actions.job.note() if screen.actions.job is not None else "",
        )
        header = screen.query_one(BrowseHeader)
        if header.model != model:
            header.show(model)

    def charts(self) -> None:
        """The curves read so far of the runs that are meant."""
        screen = self.screen
        if screen.has_class("charted"):
            numbered = palette_of(screen).depth is Depth.NONE and bool(screen.marks)
            targets, shelf = screen.targets(), screen.shelf
            view = screen.view
            bands = shelf.bands(targets, view.series, view.x, of_runs=screen.aggregated)
            alone = screen.aggregated and bands is not None
            runs = [] if alone else shelf.overlaid(targets, screen.marks, numbered=numbered)
            screen.charts.show_runs(runs, bands, view.series)
