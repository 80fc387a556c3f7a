"""What a run is doing: one word, one glyph and one colour for files, commands and screens.

`RunStatus` is the status that a run's file holds, that `list --json` prints and that the filter of runs
takes. A status line says `word` instead, where someone watches.
"""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Status of a run, with the word a status line says, a glyph, and the name of its colour in the palette.

    `STOPPED` wrote a checkpoint and can be resumed, `LOST` was killed and can be too. `UNREADABLE` is said
    of a folder whose file cannot be read, `UNKNOWN` of a word from another version,
    `REPLAYED` of an ended run whose records are looked at again.
    """

    word: str
    glyph: str
    ink: str

    def __new__(cls, value: str, word: str, glyph: str, ink: str) -> RunStatus:
        """A member that equals its `value`."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.word, member.glyph, member.ink = word, glyph, ink
        return member

    STARTING = "starting", "starting", "○", "dim"
    RUNNING = "running", "live", "●", "good"
    PAUSED = "paused", "paused", "❚❚", "warn"
    FINISHED = "finished", "done", "✓", "cyan"
    STOPPED = "stopped", "stopped", "○", "dim"
    DIVERGED = "diverged", "diverged", "▲", "min"
    STALLED = "stalled", "stalled", "■", "warn"
    FAILED = "failed", "failed", "✗", "min"
    LOST = "lost", "lost", "?", "warn"
    UNREADABLE = "unreadable", "unreadable", "✗", "min"
    UNKNOWN = "unknown", "unknown", "·", "dim"
    REPLAYED = "replayed", "replay", "◀▶", "warn"

    @property
    def ended(self) -> bool:
        """Whether the engine that trained it has nothing left to do."""
        return self not in (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.PAUSED)

    @property
    def still(self) -> bool:
        """Whether no step is being taken, or about to be."""
        return self not in (RunStatus.STARTING, RunStatus.RUNNING)

    @property
    def looked_at_again(self) -> RunStatus:
        """What a screen says that goes through the records: a replay, if nothing else is to be told."""
        return RunStatus.REPLAYED if self in (RunStatus.FINISHED, RunStatus.STOPPED) else self

    @property
    def needs_writer(self) -> bool:
        """Whether it is said truly only while a process writes the run; without one the run is lost."""
        return self in (RunStatus.RUNNING, RunStatus.PAUSED)


def status_of(text: str) -> RunStatus:
    """The status a file names; `UNKNOWN` for a word that this version has not."""
    return next((status for status in RunStatus if status == text), RunStatus.UNKNOWN)
