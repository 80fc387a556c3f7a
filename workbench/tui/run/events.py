"""Everything that happened in a run, whole: the log beside the charts has room for the last lines only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import Binding, BindingType

from workbench.protocol.events import RunEvent
from workbench.tui.dialogs import Sheet, palette_of
from workbench.tui.widgets import numbers
from workbench.tui.widgets.eventlog import event_ink
from workbench.tui.widgets.palette import Palette

REFRESH_SECONDS = 1.0


def draw_all(events: Sequence[RunEvent], palette: Palette) -> Table | Text:
    """The events as rows of step, kind and text, wrapped at words, the newest last."""
    if not events:
        return Text(palette.say("nothing has happened yet"), style=_style(palette, "dim"))
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for step, kind, text in events:
        table.add_row(
            Text(numbers.thousands(step), style=_style(palette, "dim")),
            Text(palette.say(kind), style=_style(palette, event_ink(kind))),
            Text(palette.say(text), style=_style(palette, "text")),
        )
    return table


def _style(palette: Palette, ink: str) -> str:
    return f"#{palette.ink(ink):06x}"


class EventsScreen(Sheet):
    """All events, followed while a run trains; any of `esc`, `e`, `q`, `enter` closes it.

    `events`: gives what has happened by now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,e,q,enter", "close", "close"),
    ]

    def __init__(self, events: Callable[[], Sequence[RunEvent]]) -> None:
        super().__init__("events")
        self.events = events
        self._shown = -1

    def on_mount(self) -> None:
        """Show them, from the newest up, and go on looking."""
        self._fill()
        self.set_interval(REFRESH_SECONDS, self._fill)

    def _fill(self) -> None:
        events = self.events()
        if len(events) == self._shown:
            return
        box = self.box
        at_end = self._shown < 0 or box.scroll_y >= box.max_scroll_y
        self._shown = len(events)
        self.write(draw_all(events, palette_of(self)))
        if at_end:
            self.call_after_refresh(box.scroll_end, animate=False)
