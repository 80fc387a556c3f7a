"""A terminal driver that knows when a frame has been drawn, and when the terminal is gone.

After each frame the driver asks the terminal for its status (`ESC [ 5 n`). A terminal answers
`ESC [ 0 n` when it has worked through everything sent before, so the answer says that the frame is
on the screen. On a slow line, drawing the next frame only then keeps the line free for keys. No key
sends `ESC [ 0 n` (a cursor report would look like Shift+F3), and the answers never reach the app.

A terminal that has never answered is not waited for any more after two silences. One that has
answered before is only slow: then one frame is let through for every `give_up` seconds.

When the terminal goes away, reading gives nothing or an error for ever, and writing raises in a
thread. Both are caught here: input and output end quietly and the app gets one `TerminalLost`
message, handled by its `on_terminal_lost`.
"""

from __future__ import annotations

import os
import selectors
import sys
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterable
from threading import Lock, current_thread
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from textual import events
from textual._parser import ParseError
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.keys import Keys
from textual.message import Message

if TYPE_CHECKING:
    from textual.app import App

QUERY = "\x1b[5n"
REPLY = "\x1b[0n"

GIVE_UP = 4.0
"""Seconds after which an answer is not waited for any more; half of it before the first answer."""

UNANSWERED = 2
"""So many queries without any answer ever, and the terminal is one that does not answer."""

LAST_WAIT = 0.5
"""Seconds to wait at the end for answers still under way, lest the shell reads them as keys."""


class TerminalLost(Message, bubble=False):
    """The terminal has gone away; sent to the app once."""


class FrameClock:
    """Which frames the terminal has confirmed. Called from the app's thread and the input thread."""

    def __init__(
        self, give_up: float = GIVE_UP, now: Callable[[], float] = monotonic, asks: bool = True
    ) -> None:
        self.give_up = give_up
        self._now = now
        self._asks = asks
        self._open = True
        self._sent: deque[float] = deque()
        self._unanswered = 0
        self._answered = False
        self._lock = Lock()

    def query(self) -> bool:
        """Whether to ask now; counts the question as sent."""
        with self._lock:
            if not (self._asks and self._open):
                return False
            self._sent.append(self._now())
            return True

    def reply(self) -> None:
        """An answer has come, to the oldest question still open."""
        with self._lock:
            self._asks = self._answered = True
            self._unanswered = 0
            if self._sent:
                self._sent.popleft()

    def pending(self) -> bool:
        """Whether a frame is still under way; gives up on what has taken too long."""
        with self._lock:
            wait = self.give_up if self._answered else self.give_up / 2
            if self._sent and self._sent[0] <= self._now() - wait:
                # However many questions went out in the meantime, it is one silence.
                self._unanswered += 1
                self._sent.clear()
                if not self._answered and self._unanswered >= UNANSWERED:
                    self._asks = False
            return bool(self._sent)

    def stop(self) -> None:
        """Ask no more, whatever is answered, until `reset`."""
        with self._lock:
            self._open = False

    def reset(self, asks: bool) -> None:
        """Forget what is under way, as after a suspend."""
        with self._lock:
            self._sent.clear()
            self._asks, self._open = asks, True

    @property
    def asking(self) -> bool:
        """Whether questions are still sent."""
        return self._asks

    @property
    def answered(self) -> bool:
        """Whether the terminal has ever answered."""
        return self._answered


class ReplyParser(XTermParser):
    """Textual's input parser that takes status reports out of the stream of keys."""

    def __init__(self, on_reply: Callable[[], None], debug: bool = False) -> None:
        self._on_reply = on_reply
        super().__init__(debug)

    def feed(self, data: str) -> Iterable[Message]:
        """Input without the answers in it; they may also come in the middle of a paste."""
        count = data.count(REPLY)
        if count == 0:
            return super().feed(data)
        for _ in range(count):
            self._on_reply()
        # Feeding nothing would end the parser.
        rest = data.replace(REPLY, "")
        return super().feed(rest) if rest else ()

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        # An answer that came in two pieces.
        if sequence == REPLY:
            self._on_reply()
            # The parser drops this key; yielding nothing would make it read on.
            return [events.Key(Keys.Ignore, sequence)]
        return super()._sequence_to_key_events(sequence, alt)


class GuardedFile:
    """The terminal's file: a failed write ends output instead of the thread that writes.

    It counts the characters written, so that the driver knows how much is still in the queue.
    """

    def __init__(self, file: IO[str], on_error: Callable[[], None]) -> None:
        self._file = file
        self._on_error = on_error
        self._broken = False
        self.written = 0

    def write(self, text: str) -> int:
        """Write, or drop the text when the terminal is gone."""
        if not self._broken:
            try:
                self._file.write(text)
            except (OSError, ValueError):
                self._fail()
        self.written += len(text)
        return len(text)

    def flush(self) -> None:
        """Flush, unless the terminal is gone."""
        if not self._broken:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self._fail()

    def fileno(self) -> int:
        """The descriptor of the file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Whether the file is a terminal."""
        return self._file.isatty()

    def _fail(self) -> None:
        self._broken = True
        self._on_error()


class AcknowledgedDriver(LinuxDriver):
    """Textual's full-screen driver, with confirmed frames."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clock = FrameClock(asks=self._asks())
        self._guard = GuardedFile(self._file, self._lost)
        self._file: Any = self._guard
        self._queued = 0
        self._asked_at = 0
        self._terminal_lost = False
        self._lost_lock = Lock()

    def _asks(self) -> bool:
        """Only a terminal at both ends can answer."""
        stdin = sys.__stdin__
        return stdin is not None and stdin.isatty() and bool(self._file.isatty())

    @property
    def frame_pending(self) -> bool:
        """Whether the last frame is still on its way to the screen."""
        return self._clock.pending() or self._queued > self._guard.written

    def ready_for_frame(self) -> bool:
        """Whether the next frame should be drawn now."""
        return not self._terminal_lost and not self.frame_pending

    def write(self, data: str) -> None:
        """Write, counting what is queued."""
        self._queued += len(data)
        super().write(data)

    def flush(self) -> None:
        """The end of a frame, where something was written: ask whether it has been drawn."""
        super().flush()
        # Before the input thread runs, the terminal would still echo its answer.
        reading = self._key_thread is not None and self._key_thread.is_alive()
        frame = self._queued > self._asked_at and not self._terminal_lost
        if reading and frame and self._clock.query():
            self.write(QUERY)
            super().flush()
        self._asked_at = self._queued

    def start_application_mode(self) -> None:
        """Start, also after a suspend."""
        self._clock.reset(self._asks() and (self._clock.asking or self._clock.answered))
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def disable_input(self) -> None:
        """Stop reading, after a short wait for answers that are still under way."""
        self._clock.stop()
        until = monotonic() + LAST_WAIT
        reading = self._key_thread is not None and self._key_thread is not current_thread()
        while (
            reading
            and self._clock.answered
            and not self._terminal_lost
            and self._clock.pending()
            and monotonic() < until
        ):
            sleep(0.005)
        super().disable_input()

    def _lost(self) -> None:
        """Note once that the terminal is gone, and tell the app."""
        with self._lost_lock:
            if self._terminal_lost:
                return
            self._terminal_lost = True
        if self._loop.is_running():
            self.send_message(TerminalLost())

    def run_input_thread(self) -> None:
        """Read and dispatch input until the app ends or the terminal is gone."""
        parser = ReplyParser(self._clock.reply, self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    data = self._read()
                    if not data:
                        self._lost()
                        break
                    # Nothing is decoded from half a character, and feeding nothing ends a parser.
                    text = decode(data)
                    for message in parser.feed(text) if text else ():
                        self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
        try:
            for _ in parser.feed(""):
                pass
        except (EOFError, ParseError):
            # What was left of a sequence has no meaning any more.
            return

    def _read(self) -> bytes:
        """Some input; nothing when the terminal is gone."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""


def frame_ready(app: App[Any]) -> bool:
    """Whether a screen should draw its next frame: always, where frames are not confirmed."""
    driver = app._driver
    return driver.ready_for_frame() if isinstance(driver, AcknowledgedDriver) else True
