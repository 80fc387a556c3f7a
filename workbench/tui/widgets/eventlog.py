"""The last things that happened in a run, newest at the bottom."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.tui.widgets import numbers
from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

_INKS: dict[str, str] = {
    "saddle": "purple",
    "paused": "warn",
    "failed": "min",
    "diverged": "min",
    "stalled": "warn",
    "warning": "warn",
    "finished": "good",
    "checkpoint": "dim",
}


@dataclass(frozen=True)
class LogEvent:
    """Something that happened at a step."""

    step: float
    kind: str
    text: str = ""


@dataclass(frozen=True)
class EventLogModel:
    """All events, or the last few; as many as fit are shown."""

    events: tuple[LogEvent, ...] = ()
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
    shown = model.events[-max(1, height - first) :]
    steps = [numbers.thousands(event.step) for event in shown]
    stop = max(len(step) for step in steps)
    kind = min(12, max(text_width(palette.say(event.kind)) for event in shown))
    for row, (event, step) in enumerate(zip(shown, steps, strict=True), first):
        if stop > width:
            break
        grid.right(row, stop, step, "dim")
        ink = _INKS.get(event.kind.lower(), "cyan")
        name = clip(palette.say(event.kind), min(kind, width - stop - 1))
        grid.text(row, stop + 1, name, ink)
        column = stop + 1 + kind + 1
        grid.text(row, column, clip(palette.say(event.text), width - column), "text")
    return grid


class EventLog(Painted[EventLogModel]):
    """The last events as lines."""

    def draw(self, model: EventLogModel | None, width: int, height: int) -> Grid:
        return draw_events(model, width, height, self.palette)
