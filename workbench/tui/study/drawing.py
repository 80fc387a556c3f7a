"""From a study's view to the widgets of its page."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from workbench.tui.dialogs import palette_of
from workbench.tui.study.header import StudyHeader, key_hints, nothing_yet, study_line
from workbench.tui.study.table import detail
from workbench.tui.widgets.bars import Bars
from workbench.tui.widgets.chart import LineChart
from workbench.tui.widgets.compass import Compass
from workbench.tui.widgets.heatmap import HeatMap
from workbench.tui.widgets.keyline import KeyLine
from workbench.tui.widgets.listing import Listing

if TYPE_CHECKING:
    from workbench.tui.study.screen import StudyScreen


class StudyDrawing:
    """What is shown of a study, as it was chosen to be looked at."""

    def __init__(self, screen: StudyScreen) -> None:
        self.screen = screen

    def all(self) -> None:
        """All that is in sight."""
        view = self.screen.view
        if view is None:
            return
        brief = self.screen.query_one("#members").size.width < 70
        if brief != view.choices.brief:
            self.screen.view = view = view.having(brief=brief)
        self.screen.set_class(not view.planar, "flat")
        self.header()
        self.heat()
        self.bands()
        self.screen.query_one("#compass", Compass).show(view.rose(self._mark("rose")))
        shares = self.screen.query_one("#shares", Bars)
        model = view.shares(self._mark("rose"))
        if not self.screen.has_class("flat"):
            shares.styles.height = min(7, max(1, len(model.bars)))
        shares.show(model)
        self.screen.query_one("#members", Listing).show_rows(view.table())
        self.detail()
        self.keys()
        self.screen.read_bands()

    def _mark(self, part: str) -> str:
        """What stands before the title of the part that keys go to."""
        return "▸ " if part == self.screen.part and not self.screen.has_class("single") else ""

    def header(self) -> None:
        view = self.screen.view
        if view is None:
            return
        mistake = view.mistake or self.screen.mistake
        line = study_line(
            view.look,
            self.screen.pace.left(view.look, time.monotonic()),
            len(view.members),
            view.limited,
        )
        if mistake:
            line = replace(line, parts=((0, mistake, "min"),))
        self.screen.query_one(StudyHeader).show(line)

    def heat(self) -> None:
        if self.screen.view is not None:
            picture = self.screen.view.heat(
                self.screen.room, self.screen.part == "heat", self._mark("heat")
            )
            self.screen.query_one(HeatMap).show(picture)

    def bands(self) -> None:
        view = self.screen.view
        if view is not None:
            empty = self.screen.bands_mistake or nothing_yet(view.look)
            self.screen.query_one("#bands", LineChart).show(
                view.bands(self.screen.groups, empty, self._mark("bands"))
            )

    def detail(self) -> None:
        view, palette = self.screen.view, palette_of(self.screen)
        member = self.screen.member_here()
        text = Text(no_wrap=True, overflow="ellipsis")
        if view is not None and member is not None:
            for said, ink in detail(view.look, member):
                text.append(palette.say(said), style=f"#{palette.ink(ink):06x}")
        elif view is not None:
            text.append("no member fits; esc shows all", style=f"#{palette.ink('dim'):06x}")
        self.screen.query_one("#detail", Static).update(text)

    def keys(self) -> None:
        deep = self.screen.view is not None and bool(self.screen.view.limited)
        back = "all members" if deep else "all parts" if self.screen.one else "back"
        hints = key_hints(
            self.screen.part,
            filtering=self.screen.filter_line.typing,
            single=self.screen.has_class("single"),
            back=back,
        )
        self.screen.query_one(KeyLine).show(tuple(hints))
