"""A terminal for programs under test: a pty, emulated by pyte, that answers as terminals do."""

from __future__ import annotations

import os
import re
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyte
from ptyprocess import PtyProcess

ROOT = Path(__file__).resolve().parents[2]
WORKBENCH = (str(ROOT / ".venv" / "bin" / "python"), "-m", "commands.main")

# Sequences that pyte takes for something else: modes and reports with a private prefix.
_FOREIGN = re.compile(rb"\x1b\[[<=>?][0-9;]*(?:[umSt]|\$p)|\x1b\[[0-9;]*t")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;<=>?$]*)?\Z")
QUERY, REPLY = b"\x1b[5n", b"\x1b[0n"


class _Screen(pyte.Screen):
    """A screen whose reports go back to the program."""

    answer: Callable[[bytes], None] | None = None

    def write_process_input(self, data: str) -> None:
        """Called by pyte with the answer to a report that was asked for."""
        if self.answer is not None:
            self.answer(data.encode())


class Terminal:
    """A program on a terminal of its own; a context manager that ends it.

    Without `emulate` nothing is drawn: output is only counted, and status reports are answered.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str] | None = None,
        *,
        emulate: bool = True,
    ) -> None:
        self.emulate = emulate
        self.received = bytearray()
        self.count = 0
        self._screen = _Screen(columns, rows)
        self._screen.answer = self.send
        self._stream = pyte.ByteStream(self._screen)
        self._rest = b""
        self.gone = False
        self.process = PtyProcess.spawn(
            list(command), env=dict(environment or {}), dimensions=(rows, columns), cwd=str(ROOT)
        )

    @property
    def pid(self) -> int:
        """The program's process id."""
        return self.process.pid

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program if it has not ended, and the terminal with it."""
        if self.process.isalive():
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        self.process.close(force=True)

    def send(self, keys: str | bytes) -> None:
        """Type; nothing happens on a terminal that is gone."""
        data = keys.encode() if isinstance(keys, str) else keys
        try:
            os.write(self.process.fd, data)
        except OSError:
            self.gone = True

    def pump(self, seconds: float) -> bool:
        """Take in what arrives within some time, at most one piece; whether there was any."""
        if self.gone or not select.select([self.process.fd], [], [], max(0.0, seconds))[0]:
            return False
        try:
            data = os.read(self.process.fd, 65536)
        except OSError:
            data = b""
        if not data:
            self.gone = True
            return False
        self.count += len(data)
        if self.emulate:
            self.received += data
            self._draw(data)
        else:
            for _ in range(data.count(QUERY)):
                self.send(REPLY)
        return True

    def _draw(self, data: bytes) -> None:
        data = self._rest + data
        unfinished = _UNFINISHED.search(data)
        cut = len(data) if unfinished is None else unfinished.start()
        self._rest = data[cut:]
        self._stream.feed(_FOREIGN.sub(b"", data[:cut]))

    def run(self, seconds: float) -> None:
        """Take in output for some time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.pump(left) and self.gone:
                time.sleep(min(left, 0.01))

    @property
    def lines(self) -> list[str]:
        """What is on the screen."""
        return list(self._screen.display)

    @property
    def text(self) -> str:
        """What is on the screen, as one text."""
        return "\n".join(self.lines)

    def wait(self, what: str | Callable[[str], Any], seconds: float = 30.0) -> Any:
        """Take in output until a pattern, or a function's true answer, is on the screen; returns it.

        Raises AssertionError with the screen when that takes longer than `seconds`.
        """
        find = (lambda text: re.search(what, text)) if isinstance(what, str) else what
        until = time.monotonic() + seconds
        while not (found := find(self.text)):
            left = until - time.monotonic()
            assert left > 0, f"waited {seconds} s for {what!r}; the screen:\n{self.text}"
            if not self.pump(min(left, 0.5)) and self.gone:
                assert find(self.text), f"the program ended before {what!r}:\n{self.text}"
        return found

    def wait_gone(self, seconds: float = 30.0) -> int | None:
        """Take in output until the program ends; its exit status, None when a signal ended it."""
        until = time.monotonic() + seconds
        while self.process.isalive():
            assert time.monotonic() < until, f"still there after {seconds} s:\n{self.text}"
            if not self.pump(0.05):
                time.sleep(0.01)
        while self.pump(0.05):
            pass
        return self.process.exitstatus


def environment(runs: Path, **more: str) -> dict[str, str]:
    """A person's environment, with the runs in `runs`."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "PYTHONPATH": str(ROOT),
        "WORKBENCH_RUNS": str(runs),
        **more,
    }


def step_shown(text: str) -> int | None:
    """The step on the status line."""
    found = re.search(r"step ([\d,]+)", text.splitlines()[0] if text else "")
    return int(found[1].replace(",", "")) if found else None


def children(pid: int) -> list[int]:
    """Process ids of a process' children."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Process ids of everything below a process."""
    found = children(pid)
    return found + [grandchild for child in found for grandchild in descendants(child)]


def command_of(pid: int) -> str:
    """A process' command line; empty when it is gone or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def trainers(pid: int) -> list[int]:
    """The workbench processes below a process."""
    return [p for p in descendants(pid) if "commands.main" in command_of(p)]


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return bool(command_of(pid))


def cpu_seconds(pid: int) -> float:
    """Processor time a process has had."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """Poll until something is so; returns it, or fails."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds} s in vain {what}"
        time.sleep(0.02)
    return found
