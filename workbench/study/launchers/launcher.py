"""What runs a study's shards somewhere, and what it reports.

The study's folder is the truth: a launcher only has `run_shard(folder, number)` called in some process, and
says what became of that process. So it may be replaced between two drives of one study, and may die.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from workbench.errors import BadInput, RunBusy, StorageError, WorkbenchError, clean_text


class Trouble(StrEnum):
    """Why a shard could not be run although its process lives."""

    BUSY = "busy"
    """Somebody else runs it: it is to be given out again later."""
    STORAGE = "storage"
    """The disk is full, or the folder gone or read-only: no shard can go on."""
    INPUT = "input"
    """Its configuration cannot be used."""
    ERROR = "error"
    """Anything else."""


@dataclass(frozen=True)
class Progressed:
    """How far a shard has come: member-steps that are done of it, those of before included."""

    number: int
    member_steps: int


@dataclass(frozen=True)
class Ended:
    """`run_shard` came back: the shard is done, or written as far as it has come after `cancel`."""

    number: int
    stopped: bool = False


@dataclass(frozen=True)
class Died:
    """The process that had the shard is gone; `reason`: "its process was killed by signal 9"."""

    number: int
    reason: str


@dataclass(frozen=True)
class Raised:
    """`run_shard` raised; `sentence` is for people."""

    number: int
    trouble: Trouble
    sentence: str


Report = Progressed | Ended | Died | Raised


def raised(number: int, error: Exception) -> Raised:
    """What is reported where `run_shard` raised."""
    if isinstance(error, RunBusy):
        return Raised(number, Trouble.BUSY, str(error))
    if isinstance(error, StorageError | OSError):
        return Raised(number, Trouble.STORAGE, clean_text(str(error)))
    if isinstance(error, BadInput):
        return Raised(number, Trouble.INPUT, str(error))
    if isinstance(error, WorkbenchError):
        return Raised(number, Trouble.ERROR, str(error))
    return Raised(number, Trouble.ERROR, clean_text(f"{type(error).__name__}: {error}"))


def killed_by(code: int) -> str:
    """How a process ended, by the code that `subprocess` gives it: negative is a signal's number."""
    if code < 0:
        return f"its process was killed by signal {-code}"
    return f"its process ended with exit code {code}"


class Launcher(Protocol):
    """Runs shards of one study, many at once. One thread calls all of it.

    A shard that was submitted comes back exactly once, as `Ended`, `Died` or `Raised`; it may then be
    submitted again. `Progressed` is said as often as is cheap, or never.
    """

    @property
    def open(self) -> int:
        """How many shards were submitted and have not come back."""
        ...

    def start(self) -> None:
        """Make ready; raises BadInput where what it needs is not there, in a sentence."""
        ...

    def submit(self, number: int) -> None:
        """Give out a shard; waits for nothing."""
        ...

    def poll(self, seconds: float) -> Sequence[Report]:
        """What has happened since, after waiting for at most so long for something to happen."""
        ...

    def cancel(self) -> None:
        """Ask the running shards to be written as they are; those that wait are dropped, unreported."""
        ...

    def close(self) -> None:
        """End every process; what runs still is written as it has come. Twice is once."""
        ...
