"""The charts below the table of runs: as many series as there is room for, with one cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Grid, Vertical

from workbench.tui.browse.bands import Bands
from workbench.tui.browse.compare import Overlaid, View, overlay
from workbench.tui.browse.view import FIRST_SERIES
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.numbers import short, thousands
from workbench.tui.widgets.palette import Palette
from workbench.tui.widgets.pointed import CursorMoved
from workbench.tui.widgets.scrubbar import ScrubBar, Scrubbed, ScrubModel

MOST_CHARTS = 9
WIDE, LEAST_HEIGHT = 100, 8
"""Cells from which on there are two charts in a row, and lines a chart has at least."""
VERY_WIDE = 170


class OverlayCharts(Vertical):
    """Charts over a bar that says where the cursor is; the class `bare` leaves out the bar.

    A series that none of the runs shown has gives its place to the others.
    """

    DEFAULT_CSS = """
    OverlayCharts {
        & #charts { height: 1fr; grid-size: 2 1; grid-gutter: 0 1; }
        & LineChart { display: none; }
        & LineChart.used { display: block; }
        &.bare #scrub { display: none; }
    }
    """

    def __init__(self, palette: Palette, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.palette = palette
        self.view = View()
        self.names: tuple[str, ...] = FIRST_SERIES
        self.runs: tuple[Overlaid, ...] = ()
        self.bands: Bands | None = None
        self.first, self.alone = 0, False
        self._drawn: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        with Grid(id="charts"):
            for place in range(MOST_CHARTS):
                yield LineChart(palette=self.palette, id=f"chart-{place}")
        yield ScrubBar(palette=self.palette, id="scrub")

    @property
    def risk(self) -> LineChart:
        """The chart that is always there; its x axis is the bar's too."""
        return self.query_one("#chart-0", LineChart)

    def chart_of(self, name: str) -> LineChart | None:
        """The chart of a series, None where it has none now."""
        if name not in self._drawn:
            return None
        return self.query_one(f"#chart-{self._drawn.index(name)}", LineChart)

    def show_runs(
        self, runs: Sequence[Overlaid], bands: Bands | None, names: Sequence[str]
    ) -> None:
        """Draw these series of these runs, and these bands, on top of each other."""
        self.runs, self.bands, self.names = tuple(runs), bands, tuple(names)
        self._draw()

    def view_as(self, **changes: Any) -> None:
        """Change how it is drawn, by the fields of a `View`; another x has no cursor."""
        if changes.get("x", self.view.x) != self.view.x:
            changes["cursor"] = None
        self.view = replace(self.view, **changes)
        self._draw()

    def scrub(self, columns: int) -> None:
        """Move the cursor; it comes from the right end."""
        x = self.risk.step_cursor(self.view.cursor, columns)
        if x is not None:
            self.view_as(cursor=x)

    def turn(self, by: int) -> None:
        """Show the next charts, where there is no room for all; else begin with another."""
        present = self._present()
        room = self.room
        self.first = (self.first + by * (room if room < len(present) else 1)) % len(present)
        self._draw()

    def zoom(self) -> None:
        """One chart, or as many as there is room for."""
        self.alone = not self.alone
        self._draw()

    @property
    def room(self) -> int:
        """Charts that fit."""
        columns, rows = self._most()
        return 1 if self.alone else min(MOST_CHARTS, columns * rows)

    def _most(self) -> tuple[int, int]:
        """Columns and rows there is room for."""
        width, height = self.size
        columns = 3 if width >= VERY_WIDE else 2 if width >= WIDE else 1
        bar = 0 if self.has_class("bare") else 1
        return columns, max(1, (height - bar) // LEAST_HEIGHT)

    def _present(self) -> list[str]:
        """The series that there is something of; of none, the first."""
        found = [
            name
            for name in self.names
            if any(run.curves.of(name).size for run in self.runs)
            or any(
                group.x.size for group in (self.bands.series.get(name, ()) if self.bands else ())
            )
        ]
        return found or list(self.names[:1])

    def _arrange(self, count: int) -> None:
        """Lay so many charts out, the last one as wide as what is left of its row."""
        columns = min(self._most()[0], count)
        rows = -(-count // columns)
        grid = self.query_one("#charts", Grid)
        grid.styles.grid_size_columns, grid.styles.grid_size_rows = columns, rows
        for place in range(MOST_CHARTS):
            chart = self.query_one(f"#chart-{place}", LineChart)
            chart.set_class(place < count, "used")
            last = place == count - 1
            chart.styles.column_span = columns * rows - place if last else 1

    def _draw(self) -> None:
        if not self.size:
            return
        present = self._present()
        first = self.first % len(present)
        turned = present[first:] + present[:first]
        shown = tuple(turned[: self.room])
        if shown != self._drawn:
            self._arrange(len(shown))
            self._drawn = shown
        bare, here = self.has_class("bare"), self._here()
        hidden = len(present) - len(shown)
        for place, name in enumerate(shown):
            readout = here if bare and not place else ""
            model = overlay(name, self.runs, self.view, readout, self.bands)
            if hidden and place == len(shown) - 1:
                model = replace(model, title=f"{model.title}  +{hidden} by tab")
            self.query_one(f"#chart-{place}", LineChart).show(model)
        if not bare:
            self._draw_bar(here)

    def _here(self) -> str:
        """Where the cursor is, in words."""
        cursor, x = self.view.cursor, self.view.x
        if cursor is None:
            return ""
        said = thousands(round(cursor)) if x == "step" else short(cursor)
        return f"{x} {said}"

    def _draw_bar(self, here: str) -> None:
        plot, cursor = self.risk.plot, self.view.cursor
        place = 1.0
        if plot is not None and cursor is not None:
            place = float(plot.x.fraction(np.array([cursor], dtype=np.float64))[0])
        self.query_one(ScrubBar).show(ScrubModel(place, here or "end"))

    def on_resize(self, event: events.Resize) -> None:
        """There may be room for more, or for fewer."""
        del event
        self._drawn = ()
        self._draw()

    @on(CursorMoved)
    def _pointed(self, event: CursorMoved) -> None:
        event.stop()
        self.view_as(cursor=event.x)

    @on(Scrubbed)
    def _scrubbed(self, event: Scrubbed) -> None:
        event.stop()
        if self.risk.plot is not None:
            self.view_as(cursor=self.risk.plot.x.at(event.fraction))
