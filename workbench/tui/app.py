"""The Textual app: which screen comes first, one session at a time, and a clean end whatever ends it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.actions import ActionParseResult
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.screen import Screen

from workbench.errors import ExitCode, WorkbenchError
from workbench.record.folder import holds_study
from workbench.run.signals import given_to
from workbench.tui import making
from workbench.tui.driver import AcknowledgedDriver
from workbench.tui.help import HelpScreen
from workbench.tui.messages import SessionRefused
from workbench.tui.pages import page_of
from workbench.tui.routes import (
    ForkRun,
    Go,
    LeaveRun,
    OpenBrowse,
    OpenInspector,
    OpenLaunch,
    OpenPursuit,
    OpenReplay,
    OpenStudy,
    OpenVerdict,
    ResumeRun,
    Route,
    StartRun,
)
from workbench.tui.stumbles import Stumbles, screen_failed, write_down
from workbench.tui.theme import OwnColours, following, take_theme, theme_at_start, use_theme
from workbench.tui.tour import Tour
from workbench.tui.unbroken import Unbroken
from workbench.tui.widgets.inks import ThemeName
from workbench.tui.widgets.palette import Depth, Palette, choose_theme, default_palette

if TYPE_CHECKING:
    from workbench.record.pursuit_file import KeptPursuit
    from workbench.run.forking import ForkPush
    from workbench.run.link import Link
    from workbench.run.pursued import PursuitTask
    from workbench.run.session import Session

# How long leaving waits for the engine's last checkpoint, and a lost terminal for a clean end.
CLOSE_SECONDS = 60.0
LOST_SECONDS = 5.0
_OWN_COLOURS = OwnColours()


class WorkbenchApp(Unbroken, App[int]):
    """The workbench on a terminal."""

    CSS_PATH = "app.tcss"
    TITLE = "workbench"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("ctrl+t", "next_theme", "next theme"),
        Binding("ctrl+c", "leave_now", "checkpoint and quit", show=False, priority=True),
        Binding("ctrl+q", "leave_now", "checkpoint and quit", show=False, priority=True),
    ]

    def __init__(self, first: Callable[[WorkbenchApp], Screen[None]], runs_dir: Path) -> None:
        super().__init__(driver_class=AcknowledgedDriver)
        chosen, self._odd_setting = theme_at_start()
        choose_theme(chosen)
        use_theme(self, chosen)
        self.first = first
        self.then: Route | None = None
        self.runs_dir = runs_dir
        self.palette_: Palette = default_palette()
        self.session: Session | None = None
        self.farewell: list[str] = []
        self.error: Exception | None = None
        # What a newcomer is told; None: nobody is.
        self.tour: Tour | None = None
        self.contains_errors: bool | None = None
        self.stumbles = Stumbles()
        self._leaving = False
        # Held while a session is made: who leaves meanwhile ends it, and leaves no half of one.
        self._making = threading.Lock()
        self._asked_early = ""
        # The page whose place is taken by a run that starts from it.
        self._giving_way: Screen[Any] | None = None

    # --- the ways in ---

    @classmethod
    def to_run(cls, source: str, settings: list[str], runs_dir: Path) -> WorkbenchApp:
        """Train a preset, a file or a study's member. Raises BadInput before any drawing when it does not
        parse."""
        from workbench.study.member import run_source

        run_source(source, settings, runs_dir)
        make = making.created(source, settings, runs_dir)
        return cls(lambda app: app.run_screen(make), runs_dir)

    @classmethod
    def to_resume(
        cls, folder: Path, steps: int | None, trust: bool, restart: bool = False
    ) -> WorkbenchApp:
        """Go on with a stored run."""
        make = making.resumed(folder, steps, trust, restart)
        return cls(lambda app: app.run_screen(make), folder.parent)

    @classmethod
    def to_fork(
        cls,
        folder: Path,
        at: int,
        settings: list[str],
        runs_dir: Path,
        trust: bool,
        push: ForkPush | None = None,
    ) -> WorkbenchApp:
        """Start a new run from a stored state, pushed first where that is asked."""
        make = making.forked(folder, at, settings, runs_dir, trust, push)
        return cls(lambda app: app.run_screen(make), runs_dir)

    @classmethod
    def to_attach(cls, folder: Path, link: Link) -> WorkbenchApp:
        """Watch and steer a run that another process trains."""

        def first(app: WorkbenchApp) -> Screen[None]:
            from workbench.tui.run.attached import AttachedScreen

            return AttachedScreen(folder, link)

        return cls(first, folder.parent)

    @classmethod
    def to_browse(cls, runs_dir: Path) -> WorkbenchApp:
        """Look at the stored runs."""
        return cls(lambda app: app._page_of(OpenBrowse()), runs_dir)

    @classmethod
    def to_look_at(cls, folder: Path, runs_dir: Path) -> WorkbenchApp:
        """Look at a run or a study, and from there at the stored ones."""
        app = cls.to_browse(runs_dir)
        app.then = OpenStudy(folder) if holds_study(folder) else OpenReplay(folder)
        return app

    @classmethod
    def to_pursue(
        cls, what: PursuitTask | KeptPursuit, output: Path | None, runs_dir: Path
    ) -> WorkbenchApp:
        """Neuron pursuit: one to be computed, and kept in a file, or one that was kept."""
        return cls(lambda app: app._page_of(OpenPursuit(what, output)), runs_dir)

    # --- life ---

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Do what a key or a command stands for; the tour goes on by it."""
        if self.tour is not None:
            self.tour.did(action.partition("(")[0] if isinstance(action, str) else action[1])
        return await super().run_action(action, default_namespace, namespaces)

    def on_mount(self) -> None:
        """Show the first screen, or leave at once if a signal asked for it before."""
        asyncio.get_running_loop().set_default_executor(_Workers())
        if self._odd_setting:
            self.notify(self._odd_setting, severity="warning", markup=False)
        self.push_screen(self.first(self))
        if self.then is not None:
            self.go(self.then)
        if self._asked_early:
            self._signalled(self._asked_early)

    def tell_signal(self, name: str) -> None:
        """A signal asks to leave; called in the main thread at any moment of the app's life."""
        loop = self._loop
        if loop is None or not loop.is_running():
            self._asked_early = name
        else:
            loop.call_soon_threadsafe(self._signalled, name)

    def _signalled(self, name: str) -> None:
        """Checkpoint and leave; a terminal that hung up or is stopped holds the process only so long."""
        if not self.screen_stack:
            self._asked_early = name
            return
        self._end_without_terminal()
        self.leave(ExitCode.INTERRUPTED)

    def on_terminal_lost(self) -> None:
        """The terminal is gone: checkpoint and end the process."""
        self._end_without_terminal()
        self.leave(ExitCode.INTERRUPTED)

    def _end_without_terminal(self) -> None:
        """End the process once the session is closed, whatever becomes of the drawing.

        Without this Textual's input thread spins on the dead terminal for ever.
        """

        def end() -> None:
            self.close_session()
            timer = threading.Event()
            timer.wait(LOST_SECONDS)
            os._exit(int(ExitCode.INTERRUPTED))

        threading.Thread(target=end, name="hang-up", daemon=True).start()

    def leave(self, code: ExitCode = ExitCode.DONE) -> None:
        """Close the session in a worker, then exit."""
        if self._leaving:
            return
        self._leaving = True
        if self.session is not None and not self.session.engine.ended:
            self.notify("writing a checkpoint …", timeout=CLOSE_SECONDS)
        self.run_worker(lambda: self._close_and_exit(code), thread=True, exit_on_error=False)

    def _close_and_exit(self, code: ExitCode) -> None:
        self.close_session()
        self.call_from_thread(self.exit, int(code), int(code))

    def close_session(self, for_good: bool = False) -> None:
        """Stop the session with a checkpoint and remember what to say about it; blocks.

        `for_good`: none is made from now on.
        """
        self._leaving = self._leaving or for_good
        with self._making:
            session = self.session
        if session is None:
            return
        # One that was made as we left is started, that it ends as any other.
        session.start()
        if not session.close(CLOSE_SECONDS):
            self.farewell.append(f"{session.folder.name}: the engine did not stop in time.")
            return
        status, step = session.engine.status, session.engine.state.step
        self.farewell.append(f"{session.folder.name}  {status} at step {step:,}  {session.folder}")
        if status == "stopped":
            self.farewell.append(f"go on with: workbench resume {session.folder.name}")
        if session.engine.error is not None:
            self.farewell.append(f"workbench: the run failed: {session.engine.error}")
        if session.recorder.warning:
            self.farewell.append(f"workbench: {session.recorder.warning}")
        self.session = None

    def on_session_refused(self, message: SessionRefused) -> None:
        """A run could not be made: back to browsing if we came from there, else out with the sentence."""
        error = message.error
        if self._leaving:
            return
        if len(self.screen_stack) > 2 and isinstance(error, WorkbenchError):
            self.pop_screen()
            self.notify(str(error), title="cannot run", severity="error", timeout=12, markup=False)
            return
        self.error = error
        code = int(getattr(error, "exit_code", ExitCode.FAILED))
        self.exit(code, return_code=code)

    # --- errors of the screen ---

    def stumble(self, error: Exception, where: str) -> bool:
        """Say once that something of the screen failed, and go on; False in a test, which wants it raised."""
        contains = self.contains_errors
        if not (not self.is_headless if contains is None else contains):
            return False
        said = self.stumbles.take(error, where, self.session)
        if said:
            self.notify(said, severity="error", markup=False)
        return True

    def _handle_exception(self, error: Exception) -> None:
        """Textual's last resort, after which nothing is drawn: `run_app` ends the run and says why."""
        write_down(error, "the screen", self.session)
        if self.is_headless and not self.contains_errors:
            super()._handle_exception(error)
            return
        if self.error is None:
            self.error = screen_failed(error)
        self._return_code = int(ExitCode.FAILED)
        self._close_messages_no_wait()

    # --- where screens ask to go ---

    @property
    def palette(self) -> Palette:
        """Colours and glyphs of this terminal."""
        return self.palette_

    def on_go(self, message: Go) -> None:
        """A screen asks to go somewhere."""
        self.go(message.route)

    def go(self, route: Route) -> None:
        """Go there, or say why not."""
        match route:
            case StartRun(source, settings):
                self._push_run(making.created(source, list(settings), self.runs_dir))
            case ResumeRun(folder, steps):
                self._push_run(making.resumed(folder, steps, False))
            case ForkRun():
                self._fork_run(route)
            case LeaveRun():
                self._leave_run()
            case OpenVerdict(keep=keep):
                self.push_screen(self._page_of(route), keep)
            case OpenLaunch() | OpenInspector():
                self._giving_way = self._page_of(route)
                self.push_screen(self._giving_way)
            case _:
                self.push_screen(self._page_of(route))

    def _page_of(self, route: Route) -> Screen[Any]:
        """The page of a route."""
        return page_of(route, self.runs_dir, None if self.session is None else self.session.folder)

    def run_screen(self, make: Callable[[], Session]) -> Screen[None]:
        """The screen of a run that is made in its worker, and closed by the app whatever ends it."""
        from workbench.tui.run.screen import RunScreen

        def made() -> Session:
            with self._making:
                if self._leaving:
                    raise WorkbenchError("left before the run began.")
                self.session = session = make()
            return session

        return RunScreen(made)

    def _push_run(self, make: Callable[[], Session]) -> None:
        if self.session is not None and not self.session.engine.ended:
            self.notify("a run is training already; stop it first (q there)", severity="warning")
            return
        if self.screen is self._giving_way:
            self.pop_screen()
        self.push_screen(self.run_screen(make))

    def _fork_run(self, route: ForkRun) -> None:
        """A run that trains here is stopped with a checkpoint before it is forked."""
        make = making.forked(route.folder, route.at, list(route.settings), self.runs_dir, False)
        session = self.session
        if session is None or session.engine.ended or session.folder != route.folder:
            self._push_run(make)
            return

        def stop_then_fork() -> None:
            self.close_session()
            self.call_from_thread(self._push_run, make)

        self.run_worker(stop_then_fork, thread=True, exit_on_error=False)

    def _leave_run(self) -> None:
        """Back to browsing if we came from there, else out."""
        if len(self.screen_stack) <= 2:
            self.leave()
            return

        def close_then_pop() -> None:
            self.close_session()
            self.call_from_thread(self.pop_screen)

        self.run_worker(close_then_pop, thread=True, exit_on_error=False)

    def action_help(self) -> None:
        """Show the keys of the present screen."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_leave_now(self) -> None:
        """Checkpoint and quit without asking."""
        self.leave(ExitCode.INTERRUPTED if self.session is not None else ExitCode.DONE)

    # --- themes ---

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, and the terminal's own colours where they are chosen."""
        found, palette = super().get_line_filters(), self.palette_
        own = palette.theme is ThemeName.TERMINAL and palette.depth is not Depth.NONE
        return [*found, _OWN_COLOURS] if own else found

    def action_next_theme(self) -> None:
        """The next theme, kept for the next time."""
        take_theme(self, following(self.palette_.theme))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: every binding of the present screen by name, and the tour."""
        if self.tour is not None:
            yield SystemCommand(
                "the tour again", "what to press in the first minutes", self.tour.begin
            )
        seen = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.description and binding.action not in seen and active.enabled:
                seen.add(binding.action)
                yield SystemCommand(
                    binding.description,
                    f"key {active.binding.key_display or binding.key}",
                    _runner(self, binding.action, active.node),
                )
        for name in ThemeName:
            yield SystemCommand(f"theme: {name}", "", partial(take_theme, self, name))


def _runner(app: WorkbenchApp, action: str, node: DOMNode) -> Callable[[], None]:
    def run() -> None:
        app.call_later(app.run_action, action, node)

    return run


class _Workers(ThreadPoolExecutor):
    """The threads of the screens' looks. Leaving waits for none: what they look for nobody will see."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End without waiting; the process then ends with a thread still at work."""
        super().shutdown(wait=False, cancel_futures=True)


def run_app(app: WorkbenchApp) -> None:
    """Run the app, then say on the restored terminal what became of the run; exits with its code."""
    with warnings.catch_warnings(), given_to(app.tell_signal):
        # Printed while the screen stands, a warning would be drawn over it.
        warnings.simplefilter("ignore")
        app.tour = Tour.kept()
        try:
            code = app.run()
        finally:
            # Whatever ended the drawing: no run goes on training, or begins to, with nobody to stop it.
            app.close_session(for_good=True)
    for line in dict.fromkeys(app.farewell):
        sys.stdout.write(line + "\n")
    if app.session is not None:
        # Its engine did not stop: waiting for its thread would leave a process behind.
        sys.stdout.flush()
        os._exit(int(ExitCode.FAILED))
    if app.error is not None:
        raise app.error
    if app.return_code or code:
        sys.exit(app.return_code or code)
