"""The screen of a run that another process trains: watched and steered through its socket."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from workbench.errors import WorkbenchError
from workbench.protocol.commands import Stop
from workbench.protocol.status import RunStatus
from workbench.tui.controls import Controls
from workbench.tui.dialogs import Confirm
from workbench.tui.messages import EngineTold
from workbench.tui.routes import Go, LeaveRun, OpenBrowse, OpenInspector, ResumeRun
from workbench.tui.run.attached_source import AttachedSource
from workbench.tui.run.machine import Machine
from workbench.tui.run.panel import Panel
from workbench.tui.run.pictures import paused_for
from workbench.tui.run.steered import Steered
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.keyline import KeyHint

if TYPE_CHECKING:
    from workbench.run.link import Link


class AttachedScreen(Unbroken, Steered, Screen[None]):
    """Leaving it detaches: the run goes on. It is stopped only where that is asked for."""

    CSS_PATH = "panel.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause / go on"),
        Binding("s", "step(1)", "one step"),
        Binding("S", "step_n", "N steps"),
        Binding("u", "until", "run until"),
        Binding("c", "checkpoint", "checkpoint"),
        Binding("Q", "stop", "stop the training"),
        Binding("r", "resume", "resume training, once its process is gone"),
        Binding("i,enter", "inspect", "look inside"),
        Binding("b", "browse", "browse runs"),
    ]

    def __init__(self, folder: Path, link: Link) -> None:
        super().__init__()
        self.folder, self.link = folder, link
        self.source: AttachedSource | None = None
        self.panel = Panel(self, "attaching …")
        self.panel.drawing.machine = Machine(link.pid, own=False)
        self.controls = Controls(self, link, absent="", after_end="r resumes one that can be")
        self._told_gone = False
        self._status = link.status

    def compose(self) -> ComposeResult:
        """The charts."""
        yield self.panel

    def on_mount(self) -> None:
        """Open the files beside the drawing."""
        self.link.when_told = lambda: self.post_message(EngineTold())
        self._open()

    @work(thread=True, exit_on_error=False)
    def _open(self) -> None:
        try:
            source = AttachedSource(self.folder, self.link)
        except WorkbenchError as error:
            self.app.call_from_thread(self._refused, str(error))
            return
        self.app.call_from_thread(self._opened, source)
        try:
            source.prepare()
        except WorkbenchError as error:
            self.app.call_from_thread(self.notify, str(error), severity="warning", markup=False)

    def _opened(self, source: AttachedSource) -> None:
        if not self.is_attached:  # left meanwhile
            source.close()
            return
        self.source = source
        self.panel.show(source)

    def _refused(self, sentence: str) -> None:
        self.notify(sentence, title="cannot open", severity="error", timeout=12, markup=False)
        self.leave()

    def on_unmount(self) -> None:
        """Detach."""
        if self.source is None:
            self.link.close()
        else:
            self.source.close()

    def on_engine_told(self, message: EngineTold) -> None:
        """The trainer said something: draw soon, and say what was refused or that it is gone."""
        refused, self.link.refused = self.link.refused, []
        for why in refused:
            self.notify(why, severity="warning", markup=False)
        if self.link.gone and not self._told_gone:
            self._told_gone = True
            self.notify(self._gone(), severity="warning", timeout=12, markup=False)
        before, self._status = self._status, self.link.status
        # While it trains the panel asks for news itself, as often as frames are worth it.
        if refused or self._status is not before or self._status.still:
            self.panel.touch()

    def _gone(self) -> str:
        """What has become of the trainer, and what can be seen now."""
        why = self.link.gone.rstrip(".")
        return f"no longer attached: {why}; what is recorded stays to be seen"

    def on_screen_resume(self) -> None:
        """Another screen was on top."""
        self.panel.touch()

    def recoloured(self) -> None:
        """The theme is another."""
        self.panel.touch()

    # --- what the run is asked for ---

    def action_stop(self) -> None:
        """Ask, then end the training with a checkpoint."""

        def answered(yes: bool | None) -> None:
            if yes:
                self.controls.send(Stop("asked by a viewer"))

        if self.controls.allowed():
            question = "Stop the training in the other process, with a checkpoint?"
            self.app.push_screen(
                Confirm(question, yes="stop it", no="go on", danger=True), answered
            )

    # --- where to go ---

    def action_resume(self) -> None:
        """Go on with the run here, where nobody trains it any more."""
        if self.link.ended:
            self.post_message(Go(ResumeRun(self.folder)))
        else:
            self.notify("it is being trained: space pauses it and goes on, Q stops it")

    def action_inspect(self) -> None:
        """Look inside the state of the record under the cursor, or of the last one."""
        subject = None if self.source is None else self.source.subject(self.panel.shared.cursor)
        if subject is None:
            self.notify("no record yet")
            return
        self.post_message(Go(OpenInspector(subject)))

    def action_browse(self) -> None:
        """The stored runs; training goes on."""
        self.post_message(Go(OpenBrowse()))

    def leave(self) -> None:
        """Detach: back to where one came from, or out; the run is left as it is."""
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()
        else:
            self.post_message(Go(LeaveRun()))

    # --- what the panel asks for ---

    def note(self) -> str:
        """Whose run it is, and why it waits where that is worth a look."""
        if self.link.gone:
            lost = self.link.status is RunStatus.LOST
            return "lost: its process died; r resumes it" if lost else "detached"
        saddle = self.source is not None and paused_for(self.source.events()) == "saddle"
        return "near a saddle: i looks inside" if self.controls.paused and saddle else "attached"

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
            yield KeyHint("Q", "stop it", 5)
        else:
            yield KeyHint("r", "resume", 2)
        yield KeyHint("i", "look inside", 3)
        yield KeyHint("←→", "cursor", 6)
        yield from self.panel.view_hints(3)
        yield KeyHint("b", "browse", 6)
        yield KeyHint("?", "help", 2)
        yield KeyHint("q", "back" if ended else "detach", 1)
