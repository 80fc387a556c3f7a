"""The bar of a replay: where in the record one is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textual import events
from textual.message import Message

from workbench.tui.widgets.cells import Grid, clip, text_width
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

_EDGE = 3
"""Columns left of the track: the arrow and spaces."""


@dataclass(frozen=True)
class ScrubModel:
    """The place in the record as a fraction, its label, and fractions at which something happened."""

    fraction: float = 1.0
    label: str = ""
    marks: tuple[float, ...] = ()


def track(model: ScrubModel, width: int, palette: Palette) -> tuple[int, int]:
    """The first column of the track and its length."""
    label = min(text_width(palette.say(model.label)), max(0, width // 2))
    return _EDGE, max(1, width - 2 * _EDGE - label - (1 if label else 0))


def draw_scrubbar(model: ScrubModel | None, width: int, height: int, palette: Palette) -> Grid:
    """The picture of the bar on the first row."""
    grid = Grid(width, height, palette)
    if model is None or height < 1 or width < 1:
        return grid
    start, size = track(model, width, palette)
    fraction = min(1.0, max(0.0, model.fraction)) if math.isfinite(model.fraction) else 0.0
    knob = round(fraction * (size - 1))
    grid.text(0, 1, "◀", "warn")
    grid.text(0, start, "━" * knob, "warn")
    grid.text(0, start + knob, "─" * (size - knob), "faint")
    for mark in model.marks:
        if 0 <= mark <= 1:
            grid.text(0, start + round(mark * (size - 1)), "◆", "purple")
    grid.text(0, start + knob, "●", "warn", bold=True)
    end = grid.text(0, start + size + 1, "▶", "warn")
    grid.text(0, end + 1, clip(palette.say(model.label), width - end - 1), "warn")
    return grid


class Scrubbed(Message):
    """The mouse asked for a place in the record, as a fraction."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = fraction


class ScrubBar(Painted[ScrubModel]):
    """The bar as a widget of one line; its keys belong to the screen."""

    DEFAULT_CSS = "ScrubBar { height: 1; }"

    def draw(self, model: ScrubModel | None, width: int, height: int) -> Grid:
        return draw_scrubbar(model, width, height, self.palette)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A press on the track."""
        self._point(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """A drag along the track."""
        if event.button == 1:
            self._point(event)

    def _point(self, event: events.MouseEvent) -> None:
        if self.model is not None and self.size.width:
            start, size = track(self.model, self.size.width, self.palette)
            if start <= event.x < start + size:
                self.post_message(Scrubbed((event.x - start) / max(1, size - 1)))
