"""The run screen: a network being trained, live, with its controls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import App
from textual.binding import Binding, BindingType

from workbench.errors import WorkbenchError
from workbench.tui.bridge import Bridge
from workbench.tui.dialogs import Ask, Confirm
from workbench.tui.messages import EngineTold, SessionReady, SessionRefused
from workbench.tui.run.panel import PanelScreen
from workbench.tui.run.pictures import paused_for
from workbench.tui.run.source import LiveSource
from workbench.tui.run.until import parse_until
from workbench.tui.widgets.keyline import KeyHint

if TYPE_CHECKING:
    from workbench.protocol.commands import Command
    from workbench.run.session import Session


class RunScreen(PanelScreen):
    """Makes its session in a worker, so that the first paint does not wait for torch."""

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
        self.last_n = 100

    def on_mount(self) -> None:
        """Make the session beside the drawing."""
        super().on_mount()
        self._make_session()

    @work(thread=True, exit_on_error=False)
    def _make_session(self) -> None:
        try:
            # Slow to load, and wanted by the first frame: better here than while that is drawn.
            import workbench.theory.ncf.kkt  # noqa: F401

            session = self.make()
        except WorkbenchError as error:
            self.post_message(SessionRefused(error))
            return
        except Exception as error:  # noqa: BLE001  (a thread's top frame: silence would be worse)
            self.post_message(SessionRefused(error))
            return
        self.post_message(SessionReady(session))

    def on_session_refused(self, message: SessionRefused) -> None:
        """Say why, where it can be read."""
        self.work_app.refuse(message.error)

    def on_session_ready(self, message: SessionReady) -> None:
        """Start training."""
        self.session = message.session
        self.work_app.session = message.session
        self.source = LiveSource(message.session)
        message.session.engine.viewers = (
            *message.session.engine.viewers,
            Bridge(self.post_message),
        )
        message.session.start()
        self._arrange()

    @property
    def work_app(self) -> Any:
        """The app, which is a WorkbenchApp (or a stand-in for it in tests)."""
        return self.app

    def on_engine_told(self, message: EngineTold) -> None:
        """Something happened: draw soon."""
        self.touch()

    # --- controls ---

    def _send(self, command: Command) -> None:
        if self.session is None:
            self.notify("still starting")
        elif self.session.engine.ended:
            self.notify(f"this run is {self.session.engine.mode}; resume it from browse (b)")
        else:
            self.session.engine.send(command)

    def action_pause(self) -> None:
        """Pause, or go on."""
        from workbench.protocol.commands import Pause, Resume

        paused = self.session is not None and self.session.engine.mode == "paused"
        self._send(Resume() if paused else Pause())

    def action_step(self, n: int) -> None:
        """Take n steps and pause."""
        from workbench.protocol.commands import StepN

        self._send(StepN(n))

    def action_step_n(self) -> None:
        """Ask for n."""

        def go(text: str | None) -> None:
            if text:
                self.last_n = int(text.replace(",", ""))
                self.action_step(self.last_n)

        self.app.push_screen(
            Ask("how many steps?", value=str(self.last_n), check=whole_number, replace=True), go
        )

    def action_until(self) -> None:
        """Ask for a step, a risk, or the next saddle to run until."""
        ask_until(self.app, self._send, "risk 1e-3")

    def action_inspect(self) -> None:
        """Pause if need be, and look inside the state."""
        from workbench.tui.inspect.examined import LiveSubject
        from workbench.tui.inspect.screen import InspectorScreen

        session = self.session
        if session is None or session.engine.snapshot is None:
            self.notify("still starting")
            return
        if session.engine.mode == "running":
            self.action_pause()
        self.app.push_screen(InspectorScreen(LiveSubject(session)))

    def action_checkpoint(self) -> None:
        """Write a checkpoint now."""
        from workbench.protocol.commands import Checkpoint

        self._send(Checkpoint())

    def action_browse(self) -> None:
        """The stored runs; training goes on."""
        from workbench.tui.browse.screen import BrowseScreen

        self.app.push_screen(BrowseScreen())

    def leave(self) -> None:
        """Back to browsing if we came from there, else out; while training, ask."""
        if self.session is None or self.session.engine.ended:
            self._go()
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._go()

        self.app.push_screen(
            Confirm("Training goes on. Write a checkpoint and leave?", yes="leave", no="stay"),
            answered,
        )

    def _go(self) -> None:
        if len(self.app.screen_stack) > 2:
            self.run_worker(self._close_then_pop, thread=True, exit_on_error=False)
        else:
            self.work_app.leave()

    def _close_then_pop(self) -> None:
        self.work_app.close_session()
        self.app.call_from_thread(self.app.pop_screen)

    def note(self) -> str:
        """Why the run waits, where that is worth a look."""
        paused = self.session is not None and self.session.engine.mode == "paused"
        saddle = self.session is not None and paused_for(self.session.events) == "saddle"
        return "near a saddle: i looks inside" if paused and saddle else ""

    def hints(self) -> Iterable[KeyHint]:
        """What can be done now."""
        paused = self.session is not None and self.session.engine.mode == "paused"
        ended = self.session is not None and self.session.engine.ended
        if not ended:
            yield KeyHint("space", "go on" if paused else "pause", 0)
            yield KeyHint("s", "step", 2)
            yield KeyHint("S", "step N", 5)
            yield KeyHint("u", "until", 4)
        if paused or ended:
            yield KeyHint("i", "look inside", 1)
        yield KeyHint("←→", "cursor", 6)
        yield KeyHint("tab", "chart", 7)
        yield KeyHint("z", "zoom", 7)
        if not self.query_one("#left").display or not self.query_one("#right").display:
            yield KeyHint("v", "column", 3)
        yield from self.picture_hint()
        yield KeyHint("e", "events", 6)
        yield KeyHint("x", "axis", 8)
        yield KeyHint("y", "log", 9)
        yield KeyHint("b", "browse", 6)
        yield KeyHint("?", "help", 2)
        yield KeyHint("q", "quit", 1)


def ask_until(app: App[Any], go: Callable[[Command], None], value: str) -> None:
    """Ask what to run until, and hand the command on."""

    def answered(text: str | None) -> None:
        if text:
            go(parse_until(text))

    app.push_screen(
        Ask(
            "run until?",
            value=value,
            hint="step 20000 · risk 1e-6 · risk 1e-400 · saddle",
            check=_until_problem,
            replace=True,
        ),
        answered,
    )


def whole_number(text: str) -> str | None:
    """What is wrong with a number of steps, or None."""
    plain = text.strip().replace(",", "")
    if plain.isdigit() and 0 < int(plain) < 10**12:
        return None
    return "a whole number of steps, 1 or more"


def _until_problem(text: str) -> str | None:
    try:
        parse_until(text)
    except WorkbenchError as error:
        return str(error)
    return None
