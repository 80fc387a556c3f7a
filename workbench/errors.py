"""What the workbench raises for people, and the exit codes they become.

Every message is one sentence that names what was given, where, and what is allowed. The command
line prints it without a traceback unless `--debug` is set.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes of `workbench`."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    CLAIM_FAILED = 3
    INTERRUPTED = 130


LONGEST_SENTENCE = 2_000


class WorkbenchError(Exception):
    """Base of everything the workbench raises on purpose; its sentence is safe for a terminal."""

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, sentence: str) -> None:
        super().__init__(clean_text(sentence, LONGEST_SENTENCE))


class BadInput(WorkbenchError):
    """Something a person gave cannot be used: a key, a file, a run, a value."""

    exit_code = ExitCode.BAD_INPUT


class StorageError(WorkbenchError):
    """A run could not be written or read: disk full, folder read-only, file damaged."""


class RecordingGone(StorageError):
    """A run's file was deleted or replaced while it was written."""


class RunBusy(BadInput):
    """Another process is writing the run."""


class ClaimLost(WorkbenchError):
    """Another process has taken the run over: this one writes nothing more to it."""


MANY_OPTIONS = 40


def clean_text(text: str, limit: int = 400) -> str:
    """Text from a file or a person, safe for a terminal: control characters dropped, cut at `limit`."""
    safe = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def unknown(what: str, given: str, allowed: Iterable[str], where: str = "") -> BadInput:
    """The refusal of an unknown name, with the nearest known one and all that are allowed."""
    options = sorted(allowed)
    near = get_close_matches(given, options, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    place = f" in {where}" if where else ""
    # Of very many the nearest few help more than all.
    if len(options) > MANY_OPTIONS:
        shown = get_close_matches(given, options, n=6, cutoff=0.3) or options[:6]
        listed = f"{', '.join(shown)} and {len(options) - len(shown)} more"
    else:
        listed = ", ".join(options)
    return BadInput(f"unknown {what} '{clean_text(given, 80)}'{place}; allowed: {listed}.{hint}")
