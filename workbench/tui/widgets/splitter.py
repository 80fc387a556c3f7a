"""The border between two panes: dragged by the mouse, moved by keys, put back by a double click."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget

from workbench.tui.driver import frame_ready
from workbench.tui.widgets.cells import Grid
from workbench.tui.widgets.painted import Painted
from workbench.tui.widgets.palette import Palette

FOLLOW_SECONDS = 0.1
"""While a border is dragged, the panes are laid out at most so often."""
HANDLE = 5
"""Cells of a border that are drawn while nobody is at it."""


@dataclass(frozen=True)
class Grip:
    """How a border looks: between left and right (`upright`) or above and below; `lit`: somebody is at it."""

    upright: bool
    lit: bool = False


def draw_grip(grip: Grip | None, width: int, height: int, palette: Palette) -> Grid:
    """A short piece in the middle, the whole line while it is lit."""
    grid = Grid(width, height, palette)
    if grip is None or width < 1 or height < 1:
        return grid
    long = height if grip.upright else width
    size = long if grip.lit else min(HANDLE, long)
    start, ink = (long - size) // 2, "cyan" if grip.lit else "faint"
    if not grip.upright:
        grid.text(0, start, "─" * size, ink)
        return grid
    for row in range(start, start + size):
        grid.text(row, 0, "│", ink)
    return grid


class Splitter(Painted[Grip]):
    """A border of one cell between two panes beside it, named by their ids.

    `shares`: how what is around them is divided, in cells when it was; None: as the style sheet says.
    `least`: the cells that they keep at least.
    """

    DEFAULT_CSS = """
    Splitter { width: 1; height: 1fr; }
    Splitter.level { width: 1fr; height: 1; }
    """

    class Moved(Message):
        """The border is somewhere else, and is left there."""

        def __init__(self, splitter: Splitter) -> None:
            super().__init__()
            self.splitter = splitter

        @property
        def control(self) -> Splitter:
            """The border, for `@on(Splitter.Moved, "#id")`."""
            return self.splitter

    def __init__(
        self,
        first: str,
        second: str,
        *,
        upright: bool = True,
        least: tuple[int, int] = (24, 24),
        palette: Palette | None = None,
        id: str | None = None,
    ) -> None:
        classes = None if upright else "level"
        super().__init__(Grip(upright), palette=palette, id=id, classes=classes)
        self.between = (first, second)
        self.upright, self.least = upright, least
        self.shares: tuple[int, int] | None = None
        self._dragged = False
        self._wanted: int | None = None
        self._following: Timer | None = None

    def draw(self, model: Grip | None, width: int, height: int) -> Grid:
        return draw_grip(model, width, height, self.palette)

    @property
    def panes(self) -> tuple[Widget, Widget]:
        """What is before it and behind it."""
        first, second = (self.parent.get_child_by_id(i) for i in self.between)  # type: ignore[union-attr]
        return first, second

    @property
    def cells(self) -> tuple[int, int]:
        """The cells that both have now."""
        first, second = (pane.outer_size for pane in self.panes)
        return (first.width, second.width) if self.upright else (first.height, second.height)

    def put(self, shares: tuple[int, int] | None) -> None:
        """Divide what is around both as these numbers are to each other; None: as the style sheet says."""
        self.shares = shares
        size = "width" if self.upright else "height"
        for place, pane in enumerate(self.panes):
            if shares is None:
                pane.styles.clear_rule(size)
                pane.styles.clear_rule(f"min_{size}")
            else:
                setattr(pane.styles, size, f"{shares[place]}fr")
                setattr(pane.styles, f"min_{size}", self.least[place])
            pane.refresh(layout=True)

    def move(self, by: int) -> None:
        """So many cells to the right, or down; 0: back to where the style sheet has it."""
        if by == 0:
            self.put(None)
            self.post_message(self.Moved(self))
        elif self._reach(self.cells[0] + by):
            self.post_message(self.Moved(self))

    def _reach(self, first: int) -> bool:
        """So many cells for the first pane, as far as both keep what they need; whether anything changed."""
        total = sum(self.cells)
        if total < sum(self.least):
            return False
        first = min(max(first, self.least[0]), total - self.least[1])
        changed = first != self.cells[0]
        if changed:
            self.put((first, total - first))
        return changed

    # --- the mouse ---

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold."""
        event.stop()
        if event.button == 1:
            self._dragged, self._wanted = True, None
            self.capture_mouse()
            self._light(True)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Follow, as often as the terminal can bear it."""
        if self._dragged:
            first = self.panes[0].region
            at = event.screen_x - first.x if self.upright else event.screen_y - first.y
            self._wanted = int(at)
            if self._following is None:
                self._following = self.set_timer(FOLLOW_SECONDS, self._follow)

    def _follow(self) -> None:
        self._following = None
        if self._wanted is None:
            return
        if self._dragged and not frame_ready(self.app):
            self._following = self.set_timer(FOLLOW_SECONDS, self._follow)
        else:
            self._reach(self._wanted)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go: here it stays."""
        if not self._dragged:
            return
        event.stop()
        self._dragged = False
        self.release_mouse()
        if self._wanted is not None:
            self._reach(self._wanted)
            self._wanted = None
            self.post_message(self.Moved(self))
        self._light(self.is_mouse_over)

    def on_click(self, event: events.Click) -> None:
        """Twice: back to where it was at first."""
        event.stop()
        if event.chain == 2:
            self.move(0)

    def on_enter(self) -> None:
        """Somebody is at it."""
        self._light(True)

    def on_leave(self) -> None:
        """Nobody is."""
        self._light(self._dragged)

    def _light(self, lit: bool) -> None:
        self.show(Grip(self.upright, lit))
