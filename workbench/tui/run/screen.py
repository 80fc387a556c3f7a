"""The run screen: a network being trained, live, with its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench.engine.programs.first_use import shown_by
from workbench.errors import WorkbenchError
from workbench.protocol.status import RunStatus
from workbench.tui.bridge import Bridge
from workbench.tui.controls import Controls
from workbench.tui.dialogs import Confirm
from workbench.tui.messages import EngineTold, SessionReady, SessionRefused
from workbench.tui.routes import Go, LeaveRun, OpenBrowse, OpenInspector
from workbench.tui.run.panel import Panel
from workbench.tui.run.pictures import paused_for
from workbench.tui.run.source import LiveSource
from workbench.tui.run.steered import Steered
from workbench.tui.tour import Tour
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyHint

if TYPE_CHECKING:
    from workbench.run.session import Session


class RunScreen(Unbroken, Steered, Screen[None]):
    """Makes its session in a worker, so that the first paint does not wait for torch."""

    CSS_PATH = "panel.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause / go on"),
        Binding("s", "step(1)", "one step"),
        Binding("S", "step_n", "N steps"),
        Binding("u", "until", "run until"),
        Binding("c", "checkpoint", "checkpoint"),
        Binding("i,enter", "inspect", "look inside"),
        Binding("b", "browse", "browse runs"),
    ]

    def __init__(self, make: Callable[[], Session]) -> None:
        super().__init__()
        self.make = make
        self.session: Session | None = None
        self.panel = Panel(self, "starting …")
        self.panel.lead = self._told_by_tour
        self.controls = Controls(
            self, None, absent="still starting", after_end="resume it from browse (b)"
        )

    def compose(self) -> ComposeResult:
        """The charts."""
        yield self.panel

    def on_mount(self) -> None:
        """Make the session beside the drawing."""
        self._make_session()

    @work(thread=True, exit_on_error=False)
    def _make_session(self) -> None:
        try:
            # Slow to load, and wanted by the first frame: better here than while that is drawn.
            import workbench.theory.ncf.kkt  # noqa: F401

            with shown_by(self._waiting_for):
                session = self.make()
        except WorkbenchError as error:
            self.post_message(SessionRefused(error))
            return
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            self.post_message(SessionRefused(error))
            return
        self.post_message(SessionReady(session))

    @contextmanager
    def _waiting_for(self, text: str) -> Iterator[None]:
        """Say what takes a while in the status line; called in the worker."""
        before, self.panel.waiting = self.panel.waiting, text
        try:
            self.app.call_from_thread(self.panel.touch)
            yield
        finally:
            self.panel.waiting = before

    def on_session_ready(self, message: SessionReady) -> None:
        """Start training."""
        session = message.session
        self.session, self.controls.trainer = session, session.engine
        session.engine.viewers = (*session.engine.viewers, Bridge(self.post_message))
        unheard = session.listen()
        session.start()
        for notice in filter(None, (session.notice, unheard)):
            self.notify(notice, severity="warning", timeout=20, markup=False)
        self.panel.show(LiveSource(session))

    def on_engine_told(self, message: EngineTold) -> None:
        """Something happened: draw soon."""
        self.panel.touch()

    def on_screen_resume(self) -> None:
        """Another screen was on top."""
        self.panel.touch()

    def recoloured(self) -> None:
        """The theme is another."""
        self.panel.touch()

    # --- where to go ---

    def action_inspect(self) -> None:
        """Pause if need be, and look inside the state."""
        source = self.panel.source
        subject = None if source is None else source.subject(None)
        if subject is None:
            self.notify("still starting")
            return
        if self.session is not None and self.session.engine.status is RunStatus.RUNNING:
            self.controls.pause_or_go_on()
        self.post_message(Go(OpenInspector(subject)))

    def action_browse(self) -> None:
        """The stored runs; training goes on."""
        self.post_message(Go(OpenBrowse()))

    def leave(self) -> None:
        """Back to browsing if we came from there, else out; while training, ask."""
        if not self.controls.able:
            self.post_message(Go(LeaveRun()))
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.post_message(Go(LeaveRun()))

        self.app.push_screen(
            Confirm("Training goes on. Write a checkpoint and leave?", yes="leave", no="stay"),
            answered,
        )

    # --- what the panel asks for ---

    def _told_by_tour(self) -> str:
        """What a newcomer is to press next."""
        tour: Tour | None = getattr(self.app, "tour", None)
        return "" if tour is None else tour.text

    def note(self) -> str:
        """Why the run waits, where that is worth a look."""
        saddle = self.session is not None and paused_for(self.session.events) == "saddle"
        return "near a saddle: i looks inside" if self.controls.paused and saddle else ""

    def drawn(self) -> None:
        """There is nothing else to draw."""

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        paused, ended = self.controls.paused, self.controls.ended
        if not ended:
            yield KeyHint("space", "go on" if paused else "pause", 0)
            yield KeyHint("s", "step", 2)
            yield KeyHint("S", "step N", 5)
            yield KeyHint("u", "until", 4)
        if paused or ended:
            yield KeyHint("i", "look inside", 1)
        yield KeyHint("←→", "cursor", 6)
        yield from self.panel.view_hints(3)
        yield KeyHint("b", "browse", 6)
        yield KeyHint("?", "help", 2)
        yield KeyHint("q", "quit", 1)
