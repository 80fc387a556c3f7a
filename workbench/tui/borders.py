"""Borders that stay where they were put, for each folder of runs, and the keys that move them."""

from __future__ import annotations

from pathlib import Path

from textual.binding import Binding
from textual.dom import DOMNode

from workbench.tui.kept import load_kept, save_kept
from workbench.tui.widgets.splitter import Splitter

BORDER_KEYS = (
    Binding("left_curly_bracket,ctrl+left", "border(-2,0)", "border left", show=False),
    Binding("right_curly_bracket,ctrl+right", "border(2,0)", "border right", show=False),
    Binding("backslash", "border(0,0)", "borders as at first", show=False),
)
"""For a page with panes side by side."""
HEIGHT_KEYS = (
    Binding("left_parenthesis,ctrl+up", "border(0,-1)", "border up", show=False),
    Binding("right_parenthesis,ctrl+down", "border(0,1)", "border down", show=False),
)
"""For a page with panes above each other."""
_KEPT = "borders"


class Border(Splitter):
    """A splitter that is where it was left the last time; its id is its name in what is kept."""

    def on_mount(self) -> None:
        """Where it was left."""
        match load_kept(_KEPT, self._runs_dir).get(self.id or ""):
            case [int(first), int(second)] if first > 0 and second > 0:
                self.put((first, second))

    def on_splitter_moved(self) -> None:
        """Keep where it is."""
        table = load_kept(_KEPT, self._runs_dir)
        table.pop(self.id or "", None)
        moved = {} if self.shares is None else {self.id or "": self.shares}
        save_kept(_KEPT, self._runs_dir, table | moved)

    @property
    def _runs_dir(self) -> Path:
        found: Path = self.app.runs_dir  # type: ignore[attr-defined]
        return found


class Bordered(DOMNode):
    """Mixed into a screen, or a widget with keys of its own, that has borders."""

    def action_border(self, across: int, down: int) -> None:
        """Move the border in sight to the right and down; all of them back to where they were at first."""
        borders = list(self.query(Border))
        if not across and not down:
            for border in borders:
                border.move(0)
            return
        seen = [b for b in borders if b.upright == bool(across) and b.size]
        if seen:
            seen[0].move(across or down)
        else:
            self.app.notify("no border to move here: the panes are not beside each other")
