"""Standard input, output and error of the process, so that none of them can end what it does.

A closed one is /dev/null: a file of a run would take its number otherwise, and what a library writes to
stderr would land in the record. Writing never raises: a reader that went away (`| head`), a terminal that
hung up, a full disk are remembered, and said at the end where somebody may miss the output. A character
that the encoding lacks becomes a readable stand-in.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
from typing import TextIO

from workbench.tui.widgets.plain import asked_encoding, plain

STANDINS = "standins"


class _Deaf(io.FileIO):
    """A descriptor whose writes always seem to succeed; `failure` is the first that did not."""

    failure: OSError | None = None

    def write(self, data: object) -> int:
        """Write as much as goes; what does not is dropped."""
        size = len(memoryview(data).cast("B"))  # type: ignore[arg-type]
        if self.failure is None:
            try:
                written = super().write(data)  # type: ignore[arg-type]
            except OSError as error:
                self.failure = error
            else:
                # None: a non-blocking pipe that is full; trying for ever would hold up the run.
                return size if written is None else written
        return size


class Channel(io.TextIOWrapper):
    """A text stream over a descriptor that never raises for what cannot be written."""

    def __init__(self, descriptor: int, like: TextIO | None) -> None:
        self.deaf = _Deaf(descriptor, "w", closefd=False)
        self._target = _encoding_of(like)
        ascii_only = codecs.lookup(self._target).name == "ascii"
        super().__init__(
            io.BufferedWriter(self.deaf),
            # Of an ASCII stream Typer believes that it is a mistake, and writes UTF-8 past it.
            encoding="iso8859-1" if ascii_only else self._target,
            errors="replace",
            line_buffering=descriptor == 2 or self.deaf.isatty(),
        )

    def write(self, text: str) -> int:
        """Write text, with stand-ins for the characters that the encoding lacks."""
        super().write(text.encode(self._target, STANDINS).decode(self._target))
        return len(text)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain(error.object[error.start : error.end]), error.end


def _encoding_of(stream: TextIO | None) -> str:
    """What a stream is to be written in: ASCII where the C locale is asked for, unless Python is told."""
    told = os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8") == "1"
    if not told and asked_encoding(os.environ) == "ascii":
        return "ascii"
    return getattr(stream, "encoding", None) or "utf-8"


def open_channels() -> None:
    """Take the process's three channels over; called before anything else is opened."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is this one: those below it are open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    codecs.register_error(STANDINS, _stand_in)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  (for the process's life)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.flush()
    sys.stdout, sys.stderr = Channel(1, sys.stdout), Channel(2, sys.stderr)


def lost_output() -> str:
    """Why what was printed did not arrive, told once; empty if it did or its reader had enough."""
    if not isinstance(sys.stdout, Channel):
        return ""
    sys.stdout.flush()
    failure, sys.stdout.deaf.failure = sys.stdout.deaf.failure, None
    if failure is None or failure.errno in (errno.EPIPE, errno.EIO):
        return ""
    return f"cannot write to stdout: {os.strerror(failure.errno or errno.EIO)}"
