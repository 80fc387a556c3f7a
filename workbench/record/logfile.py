"""`log.txt`: what happened to a run, a line each with the wall-clock time, for people."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from workbench.errors import clean_text

LOG_FILE, OLDER_FILE = "log.txt", "log.1.txt"
LARGEST = 4 * 1024 * 1024
"""Bytes at which a log is put aside and a new one begun; of those put aside the last one stays."""


class LogFile:
    """Appends lines to a run's or a study's log; one that cannot be written loses lines, never a run."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG_FILE

    def line(self, step: int | None, kind: str, text: str) -> None:
        """`2026-01-31 12:00:00  step 1,000  paused  asked`; None: of no step."""
        now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        try:
            # Neither through a link, nor into a pipe that nobody reads.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self.path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
            with open(descriptor, "a", encoding="utf-8") as file:
                full = file.tell() > LARGEST
                at = "" if step is None else f"step {step:,}  "
                file.write(f"{now}  {at}{kind}  {clean_text(text)}".rstrip() + "\n")
            if full:
                os.replace(self.path, self.path.with_name(OLDER_FILE))
        except OSError:
            # The record itself says when the disk is full.
            return
