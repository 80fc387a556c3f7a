"""The layers of one state: singular values, and the data as it is mapped through them (JT19 Fig. 2).

Opened from a run's screen it follows the run without stopping it; of a stored run ←→ choose the record.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Static

from workbench.errors import WorkbenchError
from workbench.tui.dialogs import palette_of
from workbench.tui.inspect.examined import Subject
from workbench.tui.inspect.status import state_word
from workbench.tui.layers.pictures import LayersSeen, see_layers, with_shared_range
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyHint, KeyLine
from workbench.tui.widgets.layer_panel import LayerPanel
from workbench.tui.widgets.statusline import Status, StatusLine

POLL_SECONDS = 0.1
LIVE_SHARE = 0.05
"""Part of the time that the singular values of a run that trains may take."""
NARROWEST = 18
"""Columns of a panel at least."""
MOST_PANELS = 6


class LayersScreen(Unbroken, Screen[None]):
    """Panels of a run that trains here, running or not, or of a record of a stored run."""

    HELP_NAME: ClassVar[str] = "layers"
    CSS_PATH = "layers.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "shift(1)", "next layers", priority=True),
        Binding("shift+tab", "shift(-1)", "layers before", show=False, priority=True),
        Binding("left,h", "record(-1)", "record before", show=False),
        Binding("right,l", "record(1)", "record after", show=False),
        Binding("shift+left,H", "record(-10)", "10 records before", show=False),
        Binding("shift+right,L", "record(10)", "10 records after", show=False),
        Binding("escape,w,q", "out", "back"),
    ]

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.subject = subject
        self.seen: LayersSeen | None = None
        self.first = 0
        self._key: object = None
        self._busy = False
        self._ready_at = 0.0

    # --- composing ---

    def compose(self) -> ComposeResult:
        """As many panels as can ever be beside each other."""
        yield StatusLine(id="status")
        with Horizontal(id="panels"):
            for place in range(MOST_PANELS):
                yield LayerPanel(id=f"panel-{place}")
        yield Static("looking …", id="waiting", markup=False)
        yield KeyLine(id="keys")

    def on_mount(self) -> None:
        """Begin with the state that is there."""
        self._draw()
        self.set_interval(POLL_SECONDS, self.check_state)
        self.check_state()

    def on_resize(self, event: events.Resize) -> None:
        """More or fewer panels fit."""
        self._draw()

    # --- reading ---

    def check_state(self) -> None:
        """Read a new state, once the last one lies back long enough for what it cost."""
        key = self.subject.passing()
        same = key is self._key or (isinstance(key, int) and key == self._key)
        if key is None or same or self._busy or time.monotonic() < self._ready_at:
            return
        self._key, self._busy = key, True
        self._read()

    @work(thread=True, exit_on_error=False, group="layers")
    def _read(self) -> None:
        began = time.perf_counter()
        found: LayersSeen | str
        try:
            w = self.subject.weights()
            found = see_layers(w.theta, w.structure, w.x, w.y, w.step)
        except WorkbenchError as error:
            found = str(error)
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            found = f"the layers cannot be shown: {type(error).__name__}: {error}"
        spent = time.perf_counter() - began
        if self.is_attached:
            self.app.call_from_thread(self._show, found, spent)

    def _show(self, found: LayersSeen | str, spent: float) -> None:
        self._busy = False
        self._ready_at = time.monotonic() + (
            spent / LIVE_SHARE if self.subject.session is not None else 0.0
        )
        if isinstance(found, str):
            self.seen = None
            self.query_one("#waiting", Static).update(palette_of(self).say(found))
        else:
            self.seen = with_shared_range(found)
        self._draw()

    # --- drawing ---

    @property
    def room(self) -> int:
        """How many panels fit beside each other."""
        count = len(self.seen.panels) if self.seen is not None else 1
        return max(1, min(self.size.width // NARROWEST, MOST_PANELS, count))

    def _draw(self) -> None:
        seen, room = self.seen, self.room
        self.query_one("#panels").display = seen is not None
        self.query_one("#waiting").display = seen is None
        if seen is not None:
            self.first = max(0, min(self.first, len(seen.panels) - room))
            for place in range(MOST_PANELS):
                panel = self.query_one(f"#panel-{place}", LayerPanel)
                panel.display = place < room
                if place < room:
                    panel.show(seen.panels[self.first + place])
        extra = "layers: singular values above, the data behind them below"
        if seen is not None and seen.left_out:
            extra = f"layers: singular values; {seen.left_out} of the layers are no matrix"
        self.query_one("#status", StatusLine).show(
            Status(
                state=state_word(self.subject),
                name=self.subject.name,
                step=self.subject.step if seen is None else seen.step,
                extra=extra if self.size.width >= 100 else "layers",
            )
        )
        self.query_one("#keys", KeyLine).show(tuple(self.hints()))

    recoloured = _draw

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        if self.subject.session is None:
            yield KeyHint("←→", "record", 1)
            yield KeyHint("⇧←→", "×10", 3)
        if self.seen is not None and self.room < len(self.seen.panels):
            last = self.first + self.room
            of = len(self.seen.panels)
            yield KeyHint("tab", f"next layers ({self.first + 1}–{last} of {of})", 2)
        yield KeyHint("?", "help", 2)
        yield KeyHint("esc", "back", 0)

    # --- keys ---

    def action_shift(self, by: int) -> None:
        """Other layers, where not all fit; from the last ones to the first."""
        if self.seen is None:
            return
        last = len(self.seen.panels) - self.room
        beyond = (self.first >= last) if by > 0 else (self.first <= 0)
        self.first = (0 if by > 0 else last) if beyond else self.first + by * self.room
        self._draw()

    def action_record(self, by: int) -> None:
        """Another record of a stored run."""
        if self.subject.moved(by):
            self.check_state()

    def action_out(self) -> None:
        """Back."""
        self.app.pop_screen()
