"""The last things that happened in a run, newest at the bottom."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from workbench.protocol.events import Checkpointed, Forecast, RunEvent, SaddleFound
from workbench.protocol.status import RunStatus, status_of
from workbench.tui.widgets import numbers
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

_INKS: dict[str, str] = {
    SaddleFound.kind: "purple",
    Forecast.kind: "orange",
    Checkpointed.kind: "dim",
    "warning": "warn",
}


LINES = 4
"""Most lines of one event."""


@dataclass(frozen=True)
class EventLogModel:
    """All events, or the last few; as many as fit are shown."""

    events: tuple[RunEvent, ...] = ()
    title: str = "events"
    empty: str = "nothing yet"


def draw_events(model: EventLogModel | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of the log."""
    grid = Grid(width, height, palette)
    if model is None or height < 1:
        return grid
    first = 1 if model.title and height > 1 else 0
    if first:
        grid.text(0, 0, clip(palette.say(model.title), width), "text")
    if not model.events:
        grid.text(first, 0, clip(palette.say(model.empty), width), "dim")
        return grid
    room = height - first
    shown = model.events[-room:]
    steps = [numbers.thousands(event.step) for event in shown]
    stop = max(len(step) for step in steps)
    if stop > width:
        return grid
    written = [_written(event, width - stop - 1, palette) for event in shown]
    while (excess := sum(map(len, written)) - room) > 0 and len(written) > 1:
        # The oldest loses its further lines first, as many as need be, then goes.
        kept = written[0][: max(1, len(written[0]) - excess)]
        written = [kept, *written[1:]] if len(written[0]) > 1 else written[1:]
    row = first
    events = list(zip(shown, steps, strict=True))[-len(written) :]
    for (event, step), lines in zip(events, written, strict=True):
        grid.right(row, stop, step, "dim")
        kind = palette.say(event.kind)
        for place, line in enumerate(lines[: height - row]):
            if place == 0:
                grid.text(row, stop + 1, clip(kind, width - stop - 1), event_ink(event.kind))
                grid.text(row, stop + 2 + text_width(kind), line, "text")
            else:
                grid.text(row, stop + 1, line, "text")
            row += 1
    return grid


def event_ink(kind: str) -> str:
    """The colour of a kind of event, by its name in the palette."""
    status = status_of(kind)
    return _INKS.get(kind, "cyan" if status is RunStatus.UNKNOWN else status.ink)


def _written(event: RunEvent, width: int, palette: Palette) -> list[str]:
    """The text behind the kind, then further lines, broken at words; at least one line."""
    front = text_width(palette.say(event.kind)) + 1
    # A placeholder keeps the kind's room on the first line.
    text = "x" * front + palette.say(event.text)
    lines = textwrap.wrap(text, max(1, front, width), break_on_hyphens=False) or [""]
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], " ".join(lines[LINES - 1 :])]
    head, *rest = lines
    return [
        clip(head[front:], max(0, width - front)),
        *(clip(line, max(0, width)) for line in rest),
    ]


class EventLog(Painted[EventLogModel]):
    """The last events as lines."""

    def draw(self, model: EventLogModel | None, width: int, height: int) -> Grid:
        return draw_events(model, width, height, self.palette)
