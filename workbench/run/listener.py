"""The trainer's end of a run's socket: others watch the run and ask things of it.

One thread serves all viewers and owns nothing of the run: it reads the engine's latest snapshot some
times a second while somebody watches, and sleeps while nobody does. Whatever goes wrong here, at one viewer
or at all, ends that, never the run. A viewer that does not read is sent only the newest state once it does.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import WorkbenchError, clean_text
from workbench.protocol.events import Event, Recorded
from workbench.protocol.wire import (
    LONGEST_COMMAND,
    LONGEST_TOLD,
    MOST_PARAMETERS,
    MOST_VALUES,
    Answer,
    Bye,
    State,
    WireError,
    read_command,
    told_line,
)
from workbench.run.socket_place import (
    SOCKET_NAME,
    NoSocket,
    identity,
    listening_at,
    require_own_peer,
)

if TYPE_CHECKING:
    from workbench.engine.engine import Engine

MOST_VIEWERS = 16
MOST_WAITING = 64
"""Commands that may wait for the engine before more are refused."""
TICK_SECONDS = 0.25
SOON_SECONDS = 0.05
"""Least time between two states, also where much happens."""
_END_SECONDS = 1.0


class Listener:
    """Listens at the socket of a run's folder until `close`.

    `notice`: why nobody can attach, in a sentence, or empty. Never raises.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = Path(folder), engine
        self.notice = ""
        self._own: tuple[int, int] | None = None
        self._closing = ""
        self._thread: threading.Thread | None = None
        try:
            self._socket = listening_at(self.folder)
            self._own = identity(self.folder)
            self._awake, self._wake = socket.socketpair()
        except (NoSocket, OSError) as error:
            why = clean_text(str(error), 200).rstrip(".")
            self.notice = f"nobody can attach to this run: {why}."
            return
        for end in (self._awake, self._wake):
            end.setblocking(False)
        _LISTENERS.add(self)
        self._thread = threading.Thread(target=self._main, name="listener", daemon=True)
        self._thread.start()
        engine.viewers = (*engine.viewers, self._told)

    def close(self, text: str = "the run's process ends") -> None:
        """Take the socket away and hang up, once what was told last has gone out; twice is once."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing = text
        self._take_away()
        self._rouse()
        if thread is not threading.current_thread():
            thread.join(_END_SECONDS)

    def _take_away(self) -> None:
        """Remove the socket, unless another process has put its own there."""
        if self._own is not None and identity(self.folder) == self._own:
            with contextlib.suppress(OSError):
                os.unlink(self.folder / SOCKET_NAME)
        self._own = None

    def _told(self, event: Event) -> None:
        """In the engine's thread: something happened that viewers see at once."""
        if not isinstance(event, Recorded):
            self._rouse()

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake
            self._wake.send(b"!")

    # --- the thread ---

    def _main(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                _Service(self.engine, selector, self._socket, self._awake).serve(
                    lambda: self._closing
                )
        except Exception as error:  # noqa: BLE001  (a thread's top frame: a broken view ends no run)
            self.notice = f"nobody can attach any more: {clean_text(str(error), 200)}"
        finally:
            self._take_away()
            self._socket.close()
            self._awake.close()

    def _drop_in_child(self) -> None:
        """A forked child does not keep viewers waiting at a socket that nobody serves."""
        self._thread = self._own = None
        for end in (self._socket, self._awake, self._wake):
            end.close()


_LISTENERS: weakref.WeakSet[Listener] = weakref.WeakSet()


def _drop_all_in_child() -> None:
    for listener in list(_LISTENERS):
        listener._drop_in_child()


os.register_at_fork(after_in_child=_drop_all_in_child)


class _Viewer:
    """One connection: bytes that came, bytes to go."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.came, self.to_go = bytearray(), bytearray()
        self.shown = 0

    def say(self, line: bytes) -> None:
        self.to_go += line

    def push(self) -> bool:
        """Send what goes now; False when the other end is gone, or takes nothing and is asked too much."""
        try:
            while self.to_go:
                sent = self.end.send(self.to_go)
                del self.to_go[:sent]
        except BlockingIOError:
            return len(self.to_go) <= 4 * LONGEST_TOLD
        except OSError:
            return False
        return True


class _Service:
    """All viewers of a run."""

    def __init__(
        self,
        engine: Engine,
        selector: selectors.BaseSelector,
        door: socket.socket,
        awake: socket.socket,
    ) -> None:
        self.engine, self.selector, self.door, self.awake = engine, selector, door, awake
        self.viewers: list[_Viewer] = []
        self._due = self._shown_at = 0.0
        # The state told last, and its number.
        self._told: tuple[object, object, int] | None = None
        self._line, self._number = b"", 0
        selector.register(door, selectors.EVENT_READ, None)
        selector.register(awake, selectors.EVENT_READ, None)

    def serve(self, closing: Callable[[], str]) -> None:
        """Until `closing()` is a text; then every viewer is told the last state and that text."""
        try:
            while not (text := closing()):
                self._wait()
                now = time.monotonic()
                if self.viewers and now >= self._due:
                    self._shown_at, self._due = now, now + TICK_SECONDS
                    self._show()
            self._show()
            self._part(text)
        finally:
            for viewer in self.viewers:
                viewer.end.close()

    def _wait(self) -> None:
        """Until something comes, or a state is due."""
        timeout = max(0.0, self._due - time.monotonic()) if self.viewers else None
        for key, happening in self.selector.select(timeout):
            if key.fileobj is self.awake:
                with contextlib.suppress(BlockingIOError):
                    while self.awake.recv(4096):
                        pass
                self._due = min(self._due, self._shown_at + SOON_SECONDS)
            elif key.fileobj is self.door:
                self._let_in()
            else:
                self._hear(key.data, happening)

    def _let_in(self) -> None:
        try:
            end, _ = self.door.accept()
        except OSError:
            return
        end.setblocking(False)
        viewer = _Viewer(end)
        try:
            require_own_peer(end)
        except NoSocket as error:
            self._send_away(viewer, str(error))
            return
        if len(self.viewers) >= MOST_VIEWERS:
            self._send_away(viewer, f"{MOST_VIEWERS} viewers watch this run already.")
            return
        self.viewers.append(viewer)
        self.selector.register(end, selectors.EVENT_READ, viewer)
        self._due = 0.0

    def _send_away(self, viewer: _Viewer, text: str) -> None:
        viewer.say(told_line(Bye(text)))
        viewer.push()
        viewer.end.close()

    def _hear(self, viewer: _Viewer, happening: int) -> None:
        """What one viewer sent, and what waits to be sent to it."""
        if happening & selectors.EVENT_READ and not self._read(viewer):
            self._drop(viewer)
            return
        self._push(viewer)

    def _read(self, viewer: _Viewer) -> bool:
        """Take what came; False when the viewer is to go."""
        try:
            came = viewer.end.recv(65_536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not came:
            return False
        viewer.came += came
        try:
            while (end := viewer.came.find(b"\n")) >= 0:
                line = bytes(viewer.came[:end])
                del viewer.came[: end + 1]
                self._obey(viewer, line)
            if len(viewer.came) > LONGEST_COMMAND:
                raise WireError(f"a line is longer than {LONGEST_COMMAND:,} bytes.")
        except WireError as error:
            viewer.say(told_line(Bye(str(error))))
            viewer.push()
            return False
        return True

    def _obey(self, viewer: _Viewer, line: bytes) -> None:
        number, command = read_command(line)
        refused = ""
        if self.engine.ended:
            refused = f"the run is {self.engine.status}."
        elif self.engine.commands.qsize() >= MOST_WAITING:
            refused = "too many commands wait already."
        else:
            self.engine.send(command)
        viewer.say(told_line(Answer(number, refused)))

    # --- what viewers are told ---

    def _show(self) -> None:
        """The state to every viewer that has not seen it and has read all that it was sent."""
        engine, before = self.engine, self._told
        now = (engine.snapshot, engine.status, engine.state.step)
        if before is None or before[0] is not now[0] or before[1:] != now[1:]:
            self._told, self._number = now, self._number + 1
            self._line = told_line(state_of(engine)) if self.viewers else b""
        for viewer in list(self.viewers):
            if viewer.shown != self._number and not viewer.to_go:
                self._line = self._line or told_line(state_of(engine))
                viewer.shown = self._number
                viewer.say(self._line)
                self._push(viewer)

    def _push(self, viewer: _Viewer) -> None:
        if not viewer.push():
            self._drop(viewer)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if viewer.to_go else 0)
        if self.selector.get_key(viewer.end).events != wanted:
            self.selector.modify(viewer.end, wanted, viewer)

    def _drop(self, viewer: _Viewer) -> None:
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self.selector.unregister(viewer.end)
            viewer.end.close()

    def _part(self, text: str) -> None:
        """Tell every viewer why it is hung up on."""
        line = told_line(Bye(text))
        for viewer in list(self.viewers):
            viewer.end.settimeout(_END_SECONDS / 4)
            viewer.say(line)
            with contextlib.suppress(WorkbenchError, OSError):
                viewer.push()


def state_of(engine: Engine) -> State:
    """Where a run is, from the engine's snapshot; any thread may ask."""
    snapshot, status, step = engine.snapshot, engine.status, engine.state.step
    if snapshot is None:
        return State(step, engine.plan.steps, status)
    # The step counter is the engine's own: snapshots are rare where looking is dear.
    running = not status.still
    short = snapshot.theta.size <= MOST_PARAMETERS
    return State(
        step=step if running else snapshot.step,
        steps=engine.plan.steps,
        status=status,
        steps_per_second=snapshot.steps_per_second,
        eta_seconds=snapshot.eta_seconds if running else None,
        note=snapshot.note,
        values=dict(list(snapshot.values.items())[:MOST_VALUES]),
        theta=snapshot.theta if short else None,
        theta_step=snapshot.step,
    )
