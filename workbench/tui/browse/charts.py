"""The charts below the table of runs: risk and margin of several runs, with one cursor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from workbench.tui.browse.bands import Bands
from workbench.tui.browse.compare import Overlaid, View, margin_overlay, risk_overlay
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.numbers import thousands
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.pointed import CursorMoved
from workbench.tui.widgets.scrubbar import ScrubBar, Scrubbed, ScrubModel


class OverlayCharts(Vertical):
    """Two charts side by side over a bar that says where the cursor is.

    The classes `single` and `bare` leave out the margin and the bar.
    """

    DEFAULT_CSS = """
    OverlayCharts {
        & #charts { height: 1fr; }
        & #risk { margin-right: 1; }
        &.single #margin { display: none; }
        &.single #risk { margin-right: 0; }
        &.bare #scrub { display: none; }
    }
    """

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.view = View()
        self.runs: tuple[Overlaid, ...] = ()
        self.bands: Bands | None = None

    def compose(self) -> ComposeResult:
        with Horizontal(id="charts"):
            yield LineChart(palette=self.palette, id="risk")
            yield LineChart(palette=self.palette, id="margin")
        yield ScrubBar(palette=self.palette, id="scrub")

    @property
    def risk(self) -> LineChart:
        """The chart that is always there; its x axis is the bar's too."""
        return self.query_one("#risk", LineChart)

    def show_runs(self, runs: Sequence[Overlaid], bands: Bands | None = None) -> None:
        """Draw these runs, and these bands, on top of each other."""
        self.runs, self.bands = tuple(runs), bands
        self._draw()

    def view_as(
        self, *, cursor: float | None = None, log_x: bool | None = None, log_y: bool | None = None
    ) -> None:
        """Change how it is drawn; what is None stays."""
        self.view = View(
            log_x=self.view.log_x if log_x is None else log_x,
            log_y=self.view.log_y if log_y is None else log_y,
            cursor=self.view.cursor if cursor is None else cursor,
        )
        self._draw()

    def scrub(self, columns: int) -> None:
        """Move the cursor; it comes from the right end."""
        x = self.risk.step_cursor(self.view.cursor, columns)
        if x is not None:
            self.view_as(cursor=x)

    def _draw(self) -> None:
        bare, cursor = self.has_class("bare"), self.view.cursor
        here = "" if cursor is None else f"step {thousands(round(cursor))}"
        self.risk.show(risk_overlay(self.runs, self.view, here if bare else "", self.bands))
        if not self.has_class("single"):
            picture = margin_overlay(self.runs, self.view, bands=self.bands)
            self.query_one("#margin", LineChart).show(picture)
        if not bare:
            self._draw_bar(here)

    def _draw_bar(self, here: str) -> None:
        plot, cursor = self.risk.plot, self.view.cursor
        place = 1.0
        if plot is not None and cursor is not None:
            place = float(plot.x.fraction(np.array([cursor], dtype=np.float64))[0])
        self.query_one(ScrubBar).show(ScrubModel(place, here or "end"))

    @on(CursorMoved)
    def _pointed(self, event: CursorMoved) -> None:
        event.stop()
        self.view_as(cursor=event.x)

    @on(Scrubbed)
    def _scrubbed(self, event: Scrubbed) -> None:
        event.stop()
        if self.risk.plot is not None:
            self.view_as(cursor=self.risk.plot.x.at(event.fraction))
