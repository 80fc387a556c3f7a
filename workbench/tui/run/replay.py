"""The replay screen: a stored run with a scrub bar, or one that another process is training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.events import Paused, Perturbed, SaddleFound
from workbench.protocol.status import RunStatus
from workbench.tui.controls import ask_fork
from workbench.tui.routes import Go, OpenInspector, ResumeRun
from workbench.tui.run.panel import Panel
from workbench.tui.run.source import StoredSource
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyHint
from workbench.tui.widgets.scrubbar import ScrubBar, Scrubbed, ScrubModel

PLAY_SECONDS = 0.25


class ReplayScreen(Unbroken, Screen[None]):
    """Everything a stored run holds, at any record."""

    CSS_PATH = "panel.tcss"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "play / stop"),
        Binding("r", "resume", "resume training"),
        Binding("f", "fork", "fork here"),
        Binding("i,enter", "inspect", "look inside"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.playing = False
        self.stored: StoredSource | None = None
        self.scrubbar = ScrubBar(id="scrub")
        self.panel = Panel(self, "opening …", (self.scrubbar,))

    def compose(self) -> ComposeResult:
        """The charts, and the scrub bar under them."""
        yield self.panel

    def on_mount(self) -> None:
        """Open the files beside the drawing: a long run takes a moment."""
        self.set_interval(PLAY_SECONDS, self._advance)
        self._open()

    def on_screen_resume(self) -> None:
        """Another screen was on top."""
        self.panel.touch()

    def recoloured(self) -> None:
        """The theme is another."""
        self.panel.touch()

    @work(thread=True, exit_on_error=False)
    def _open(self) -> None:
        try:
            source = StoredSource(self.folder)
        except WorkbenchError as error:
            self.app.call_from_thread(self._refused, str(error))
            return
        self.app.call_from_thread(self._opened, source)
        try:
            source.prepare()
        except WorkbenchError as error:
            self.app.call_from_thread(self.notify, str(error), severity="warning", markup=False)

    def _opened(self, source: StoredSource) -> None:
        self.stored = source
        self.panel.show(source)

    def _refused(self, sentence: str) -> None:
        self.app.pop_screen()
        self.app.notify(sentence, title="cannot open", severity="error", timeout=12, markup=False)

    def on_unmount(self) -> None:
        """Close the file."""
        if self.stored is not None:
            self.stored.close()

    # --- scrubbing ---

    def drawn(self) -> None:
        """The scrub bar follows the cursor."""
        source = self.stored
        if source is None or not source.history.length:
            return
        count, cursor = source.history.length, self.panel.shared.cursor
        row = count - 1 if cursor is None else min(cursor, count - 1)
        steps = source.history.step
        marks = tuple(
            source.history.nearest(step) / max(1, count - 1)
            for step, kind, _ in source.events()
            if kind in (Paused.kind, SaddleFound.kind, Perturbed.kind)
        )
        self.scrubbar.show(ScrubModel(row / max(1, count - 1), f"step {int(steps[row]):,}", marks))

    @on(Scrubbed)
    def scrub(self, message: Scrubbed) -> None:
        """The mouse moved the scrub bar."""
        if self.stored is not None and self.stored.history.length:
            self.panel.move_cursor(round(message.fraction * (self.stored.history.length - 1)))

    def action_play(self) -> None:
        """Let the cursor run through the records, from the start if it is at the end."""
        self.playing = not self.playing
        count = self.stored.history.length if self.stored is not None else 0
        if self.playing and count and self.panel.shared.cursor in (None, count - 1):
            self.panel.move_cursor(0)
        self.panel.touch()

    def _advance(self) -> None:
        if not self.playing or self.stored is None or not self.is_current:
            return
        last = self.stored.history.length - 1
        before = self.panel.shared.cursor or 0
        self.panel.action_cursor(1)
        if self.panel.shared.cursor in (before, last):
            self.playing = False

    # --- where to go ---

    def action_resume(self) -> None:
        """Go on with this run."""
        self.post_message(Go(ResumeRun(self.folder)))

    def action_inspect(self) -> None:
        """Look inside the state under the cursor."""
        subject = None if self.stored is None else self.stored.subject(self.panel.shared.cursor)
        if subject is None:
            self.notify("no record yet")
            return
        self.playing = False
        self.post_message(Go(OpenInspector(subject)))

    def action_fork(self) -> None:
        """A new run from the step under the cursor."""
        if self.stored is None or not self.stored.history.length:
            return
        steps, cursor = self.stored.history.step, self.panel.shared.cursor
        at = int(steps[-1 if cursor is None else min(cursor, len(steps) - 1)])
        ask_fork(self, self.folder, at, self.stored.config)

    def leave(self) -> None:
        """Back to where one came from."""
        self.app.pop_screen()

    # --- what the panel asks for ---

    def note(self) -> str:
        """Why a run is what it is."""
        if self.stored is not None and self.stored.reader.status is RunStatus.LOST:
            return "lost: its process died; r resumes it"
        return clean_text("▶ playing") if self.playing else ""

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        yield KeyHint("←→", "scrub", 0)
        yield KeyHint("⇧←→", "×10", 4)
        yield KeyHint("space", "stop" if self.playing else "play", 3)
        yield from self.panel.view_hints(2)
        yield KeyHint("i", "look inside", 2)
        yield KeyHint("r", "resume", 6)
        yield KeyHint("f", "fork", 6)
        yield KeyHint("?", "help", 2)
        yield KeyHint("esc", "back", 1)
