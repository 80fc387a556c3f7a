"""The replay screen: a stored run with a scrub bar, or one that another process is training."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.status import RunStatus
from workbench.tui.dialogs import Ask
from workbench.tui.run.panel import PanelScreen
from workbench.tui.run.source import StoredSource
from workbench.tui.widgets.keyline import KeyHint
from workbench.tui.widgets.scrubbar import ScrubBar, Scrubbed, ScrubModel

PLAY_SECONDS = 0.25


class ReplayScreen(PanelScreen):
    """Everything a stored run holds, at any record."""

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
        self.message = "opening …"

    def compose_foot(self) -> ComposeResult:
        """The scrub bar."""
        yield ScrubBar(id="scrub")

    def on_mount(self) -> None:
        """Open the files beside the drawing: a long run takes a moment."""
        super().on_mount()
        self.set_interval(PLAY_SECONDS, self._advance)
        self._open()

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
        self.source = self.stored
        self._arrange()

    def _refused(self, sentence: str) -> None:
        self.app.pop_screen()
        self.app.notify(sentence, title="cannot open", severity="error", timeout=12, markup=False)

    def on_unmount(self) -> None:
        """Close the file."""
        if self.stored is not None:
            self.stored.close()

    # --- scrubbing ---

    def draw_frame(self) -> None:
        """The charts, and the scrub bar under them."""
        super().draw_frame()
        source = self.source
        if source is None or not source.history.length:
            return
        count = source.history.length
        row = count - 1 if self.x_axis.cursor is None else min(self.x_axis.cursor, count - 1)
        steps = source.history.step
        marks = tuple(
            source.history.nearest(step) / max(1, count - 1)
            for step, kind, _ in source.events()
            if kind in ("paused", "saddle", "perturbed")
        )
        self.query_one("#scrub", ScrubBar).show(
            ScrubModel(row / max(1, count - 1), f"step {int(steps[row]):,}", marks)
        )

    @on(Scrubbed)
    def scrub(self, message: Scrubbed) -> None:
        """The mouse moved the scrub bar."""
        if self.source is not None and self.source.history.length:
            self.move_cursor(round(message.fraction * (self.source.history.length - 1)))

    def action_play(self) -> None:
        """Let the cursor run through the records, from the start if it is at the end."""
        self.playing = not self.playing
        count = self.source.history.length if self.source is not None else 0
        if self.playing and count and self.x_axis.cursor in (None, count - 1):
            self.move_cursor(0)
        self.touch()

    def _advance(self) -> None:
        if not self.playing or self.source is None or not self.is_current:
            return
        last = self.source.history.length - 1
        before = self.x_axis.cursor or 0
        self.action_cursor(1)
        if self.x_axis.cursor == before or self.x_axis.cursor == last:
            self.playing = False

    # --- going on from here ---

    def action_resume(self) -> None:
        """Go on with this run."""
        self.work_app.resume_run(self.folder, None)

    def action_inspect(self) -> None:
        """XAxis inside the state under the cursor."""
        from workbench.tui.inspect.examined import StoredSubject
        from workbench.tui.inspect.screen import InspectorScreen

        if self.stored is None or not self.stored.history.length:
            self.notify("no record yet")
            return
        self.playing = False
        self.app.push_screen(InspectorScreen(StoredSubject(self.stored, self.x_axis.cursor)))

    def action_fork(self) -> None:
        """A new run from the step under the cursor."""
        if self.source is None or not self.source.history.length:
            return
        steps = self.source.history.step
        row = len(steps) - 1 if self.x_axis.cursor is None else self.x_axis.cursor
        at = int(steps[min(row, len(steps) - 1)])

        def go(text: str | None) -> None:
            if text is not None:
                self.work_app.fork_run(self.folder, at, text.split())

        self.app.push_screen(
            Ask(
                f"fork at step {at:,} with which settings?", hint="train.lr=1e-4 train.steps=90000"
            ),
            go,
        )

    @property
    def work_app(self) -> Any:
        """The app, which is a WorkbenchApp (or a stand-in for it in tests)."""
        return self.app

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
        yield KeyHint("tab", "chart", 7)
        yield KeyHint("z", "zoom", 7)
        if not self.query_one("#left").display or not self.query_one("#right").display:
            yield KeyHint("v", "column", 2)
        yield from self.picture_hint()
        yield KeyHint("e", "events", 6)
        yield KeyHint("x", "axis", 8)
        yield KeyHint("y", "log", 9)
        yield KeyHint("i", "look inside", 2)
        yield KeyHint("r", "resume", 6)
        yield KeyHint("f", "fork", 6)
        yield KeyHint("?", "help", 2)
        yield KeyHint("esc", "back", 1)
