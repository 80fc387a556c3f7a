"""A tmux server of its own for a test: keys in, screens out."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from e2e.terminal import ROOT, WORKBENCH, trainers

PROMPT = "READY> "


class Tmux:
    """One session with a shell in it; a context manager that ends the server."""

    def __init__(self, columns: int, rows: int, environment: Mapping[str, str]) -> None:
        # A socket's path may have some hundred characters, fewer than pytest's folders.
        self.place = Path(tempfile.mkdtemp(prefix="wb-tmux-"))
        self.environment = {**environment, "TERM": "tmux-256color", "PS1": PROMPT}
        shell = ["env", "-i", *(f"{k}={v}" for k, v in self.environment.items()), "/bin/sh"]
        self("new-session", "-d", "-s", "t", "-x", columns, "-y", rows, shlex.join(shell))
        self.wait(re.escape(PROMPT.strip()))
        self.type(f"cd {shlex.quote(str(ROOT))}")

    def __call__(self, *arguments: object) -> str:
        """A tmux command's output."""
        command = ["tmux", "-f", "/dev/null", "-S", str(self.place / "s"), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *exception: object) -> None:
        self("kill-server")
        shutil.rmtree(self.place, ignore_errors=True)

    def keys(self, *names: str) -> None:
        """Press keys by tmux's names of them."""
        self("send-keys", "-t", "t", *names)

    def type(self, line: str) -> None:
        """Type a line and press Enter."""
        self("send-keys", "-t", "t", "-l", line)
        self.keys("Enter")

    def clear(self) -> None:
        """Clear the screen by the shell."""
        self.type("clear")
        self.wait(lambda text: text.strip() == PROMPT.strip())

    def workbench(self, arguments: str) -> None:
        """Type a `workbench` command."""
        self.type(f"{shlex.join(WORKBENCH)} {arguments}")

    @property
    def text(self) -> str:
        """What is on the screen."""
        return self("capture-pane", "-p", "-t", "t")

    @property
    def told(self) -> str:
        """The screen and what has scrolled off it, long lines in one piece."""
        return self("capture-pane", "-p", "-J", "-S", "-200", "-t", "t")

    def ask(self, template: str) -> str:
        """A value tmux knows of the pane, such as `#{alternate_on}`."""
        return self("display-message", "-p", "-t", "t", template).strip()

    @property
    def pid(self) -> int:
        """The shell's process id."""
        return int(self.ask("#{pane_pid}"))

    def trainer(self) -> int:
        """The process id of the workbench command that runs in the pane."""
        return trainers(self.pid)[-1]

    def wait(self, what: str | Callable[[str], Any], seconds: float = 30.0) -> Any:
        """Wait until a pattern, or a function's true answer, is on the screen; returns it."""
        find = (lambda text: re.search(what, text)) if isinstance(what, str) else what
        until = time.monotonic() + seconds
        while not (found := find(self.text)):
            assert time.monotonic() < until, f"waited {seconds} s for {what!r}:\n{self.text}"
            time.sleep(0.03)
        return found

    def check_restored(self) -> None:
        """The terminal is as the shell had it: main screen, cursor, echo, no mouse reports."""
        state = self.ask("#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_flag}")
        assert state.split()[:3] == ["0", "1", "0"], state
        self.clear()
        self.type("stty -a; echo t''yped")
        self.wait(r"(?m)^typed$")
        told = self.told[self.told.rindex("stty -a") :]
        for name in ("echo", "icanon", "isig", "icrnl", "opost"):
            assert name in told.replace(";", " ").split(), f"{name} is off:\n{told}"
        assert "echo t''yped" in told, "what is typed is not echoed"
