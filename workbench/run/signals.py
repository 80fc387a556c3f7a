"""Signals that ask the process to end, and whom they ask.

`take_over` is called once, as a command begins. What is ignored by then stays ignored: nohup's SIGHUP,
the SIGINT of a shell's background job, whatever a parent has chosen. Any other of `ASKING` raises
`Interrupted` in the main thread, so that what was begun is unmade on the way out; while something
trains, `given_to` hands it to whoever can stop that with a checkpoint. A second one changes nothing: the
end is on its way, and no checkpoint is lost to impatience. SIGQUIT is left alone, for who cannot wait.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ASKING = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGXCPU,  # the processor time of `ulimit -t` is used up
    signal.SIGUSR1,  # schedulers' warning that the time ends: Slurm's --signal, SGE's -notify
    signal.SIGUSR2,
)


class Interrupted(BaseException):
    """A signal asked the process to end; no error, so that no handler of errors takes it for one."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _Asked:
    """The first signal that came, and who is told of each."""

    def __init__(self) -> None:
        self.first = ""
        self.receiver: Callable[[str], object] | None = None
        self.held = self.pending = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        before, self.first = self.first, self.first or name
        if self.receiver is not None:
            self.receiver(name)
        elif not before:
            self.interrupt(signal.SIGALRM, frame)

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise, but not where interruptions are held, and in no import: what is half imported drops
        exceptions, or aborts the process."""
        if self.held:
            self.pending = True
        elif _importing(frame):
            _again_soon()
        else:
            raise Interrupted(self.first)

    def unheard(self, unraisable: sys.UnraisableHookArgs) -> None:
        """An interruption that was raised where Python drops exceptions is raised again."""
        if isinstance(unraisable.exc_value, Interrupted):
            _again_soon()
        else:
            sys.__unraisablehook__(unraisable)


def _again_soon() -> None:
    """Interrupt a moment later, by the one signal that needs no thread."""
    signal.setitimer(signal.ITIMER_REAL, 0.02)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


_asked = _Asked()


def take_over() -> None:
    """From now on signals of `ASKING` end the process in order, but for those ignored at this moment."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in ASKING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _asked)
    signal.signal(signal.SIGALRM, _asked.interrupt)
    sys.unraisablehook = _asked.unheard


def ignore() -> None:
    """From now on nothing interrupts: the process has done its work and only has to end."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in ASKING:
        if signal.getsignal(number) is _asked:
            signal.signal(number, signal.SIG_IGN)


def first_signal() -> str:
    """The name of the signal that asked to end, empty while none has."""
    return _asked.first


@contextmanager
def given_to(receiver: Callable[[str], object]) -> Iterator[None]:
    """Within, `receiver` is told the name of every signal, in the main thread between two of its steps.

    Afterwards a signal interrupts again, unless one has been told by then.
    """
    before, _asked.receiver = _asked.receiver, receiver
    try:
        yield
    finally:
        _asked.receiver = before


@contextmanager
def held() -> Iterator[None]:
    """Within, nothing interrupts the main thread; what came meanwhile does at the end.

    For a step that has to be known of before it can be unmade: put it, and the note of it, in here.
    """
    outer, _asked.held = _asked.held, True
    try:
        yield
    finally:
        _asked.held = outer
        if _asked.pending and not outer:
            _asked.pending = False
            if threading.current_thread() is threading.main_thread():
                raise Interrupted(_asked.first)
            _again_soon()
