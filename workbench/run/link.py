"""A viewer's end of a run's socket: where the run is, and what is asked of it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from workbench.errors import clean_text
from workbench.protocol.commands import Command
from workbench.protocol.status import RunStatus
from workbench.protocol.wire import (
    LONGEST_TOLD,
    Answer,
    Bye,
    State,
    WireError,
    command_line,
    read_told,
)
from workbench.run.socket_place import NoSocket, connected_to, peer_process

CONNECT_SECONDS = 2.0
FIRST_SECONDS = 20.0
"""How long a trainer may take to say where it is; it may be compiling, and hold the interpreter."""
SEND_SECONDS = 2


class Link:
    """Connected to the process that trains a run; takes commands as an engine does.

    A thread of its own reads what is told. Closing it leaves the run as it is.

    Attributes:
        state: the latest that was told, None before the first.
        gone: why nothing more comes, in a sentence; empty while the link stands.
        detached: whether it ended on this side.
        refused: what was not done, and why, oldest first; whoever shows it takes it out.
        pid: the process at the other end, None where the system does not say.
        when_told: called from the link's thread whenever one of these has changed.

    Raises:
        NoSocket: nobody listens there, or not a process of this user.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.state: State | None = None
        self.gone = ""
        self.detached = False
        self.refused: list[str] = []
        self.when_told: Callable[[], object] = lambda: None
        self._number = 0
        self._waiting: set[int] = set()
        self._sending = threading.Lock()
        self._closed = False
        self._end = connected_to(self.folder, CONNECT_SECONDS)
        self.pid = peer_process(self._end)
        self._end.settimeout(FIRST_SECONDS)
        patience = struct.pack("ll", SEND_SECONDS, 0)
        self._end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        self._thread = threading.Thread(target=self._main, name="link", daemon=True)
        self._thread.start()

    @property
    def status(self) -> RunStatus:
        """The run's; lost where the link broke while it trained."""
        status = RunStatus.STARTING if self.state is None else self.state.status
        broke = bool(self.gone) and not self.detached
        return RunStatus.LOST if broke and not status.ended else status

    @property
    def ended(self) -> bool:
        """Whether nothing can be asked any more."""
        return bool(self.gone) or self.status.ended

    @property
    def unanswered(self) -> int:
        """Commands that were sent and neither taken nor refused yet."""
        return len(self._waiting)

    def send(self, command: Command) -> None:
        """Ask for something; what comes of it shows in `state` and `refused`.

        Raises WireError for a command that other processes cannot give.
        """
        with self._sending:
            self._number += 1
            line = command_line(self._number, command)
            self._waiting.add(self._number)
            try:
                self._end.sendall(line)
            except OSError as error:
                self._hang_up(f"its process takes no commands: {error.strerror or error}.")

    def close(self) -> None:
        """Detach; twice is once."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        if self._thread is not threading.current_thread():
            self._thread.join(1.0)

    # --- the thread ---

    def _main(self) -> None:
        try:
            self._read()
        except TimeoutError:
            self._hang_up(f"its process does not answer in {FIRST_SECONDS:.0f} s.")
        except WireError as error:
            self._hang_up(f"its process said what cannot be read: {error}")
        except OSError as error:
            self._hang_up(f"the connection broke: {error.strerror or error}.")
        finally:
            self._hang_up("its process is gone.")
            self._end.close()

    def _read(self) -> None:
        came = bytearray()
        while not self.gone:
            more = self._end.recv(65_536)
            if not more:
                return
            came += more
            while (end := came.find(b"\n")) >= 0:
                line = bytes(came[:end])
                del came[: end + 1]
                self._take(line)
            if len(came) > LONGEST_TOLD:
                raise WireError(f"a line is longer than {LONGEST_TOLD:,} bytes.")

    def _take(self, line: bytes) -> None:
        told = read_told(line)
        match told:
            case State():
                if self.state is None:
                    self._end.settimeout(None)
                self.state = told
            case Answer(number, refused):
                self._waiting.discard(number)
                if refused:
                    self.refused.append(refused)
            case Bye(text):
                self._hang_up(text)
        self.when_told()

    def _hang_up(self, why: str) -> None:
        """Note why nothing more comes; the first reason stands."""
        if self.gone:
            return
        self.detached = self._closed
        self.gone = "detached." if self.detached else clean_text(why)
        if self._waiting and not self.detached:
            self.refused.append(f"what was asked last was not taken: {self.gone}")
        self.when_told()


def link_to(folder: Path) -> Link | None:
    """A link to whoever trains the run, None where there is no way to have one."""
    try:
        return Link(folder)
    except NoSocket:
        return None
