"""What became of a member of a study: how it ended, which saddles it passed, where it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.arrays import Array, Float, Int


class MemberStatus(StrEnum):
    """What a member is doing, with the glyph and the palette's colour of the run that it is.

    `WAITING`: its shard has not begun. `RUNNING`: a process is at its shard. `LOST`: its shard has begun, has
    not ended, and no process is at it. `FAILED`: it raised, alone. `MISSING`: it is in no shard, or in a
    file that cannot be read.
    """

    glyph: str
    ink: str

    def __new__(cls, value: str, glyph: str, ink: str) -> MemberStatus:
        """A status that equals its `value`."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.glyph, member.ink = glyph, ink
        return member

    WAITING = "waiting", "○", "dim"
    RUNNING = "running", "●", "good"
    FINISHED = "finished", "✓", "cyan"
    STALLED = "stalled", "■", "warn"
    DIVERGED = "diverged", "▲", "min"
    FAILED = "failed", "✗", "min"
    LOST = "lost", "?", "warn"
    MISSING = "missing", "·", "dim"

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do for it: a failed one is tried again."""
        return self in (MemberStatus.FINISHED, MemberStatus.STALLED, MemberStatus.DIVERGED)


def status_of(text: str) -> MemberStatus:
    """The status a file names; `MISSING` for a word that this version has not."""
    return next((status for status in MemberStatus if status == text), MemberStatus.MISSING)


@dataclass(frozen=True, eq=False)
class Saddle:
    """A saddle that a member passed.

    `step`, `time` (of the flow), `log_risk` where it was told; `verdict`: "saddle", `evidence`: its words.

    `leaver`: the neuron whose norm was the first to reach the radius at which its part changes the risk by
    1 % (inspector/forecast.py), −1 while none has; `escape_step`, `escape_time`: when that was, counted
    from the run's start, between two records; NaN while it was not. Before, what follows is said of the
    neuron that is forecast to leave first.

    `target`: the row in `points` of the KKT point it heads to, −1 without one; `target_value` N there,
    `target_kind` max | saddle | min | flat, `target_direction` (p): of u, or (v, u), NaN without one.
    `neuron_target` (H): the same row for every neuron, −1 for large ones. `point_direction` (K, p),
    `point_value` (K): the points, at most 32; empty where p > 256.
    """

    step: int
    time: float
    log_risk: float
    verdict: str
    evidence: str
    leaver: int
    escape_step: float
    escape_time: float
    target: int
    target_value: float
    target_kind: str
    target_direction: Float[Array, " p"]
    neuron_target: Int[Array, " H"]
    point_direction: Float[Array, "K p"]
    point_value: Float[Array, " K"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """A member: its number in the study, its settings by key, and what it came to by `last_step`.

    `reason`: why it failed or diverged, in a sentence, else empty. `last`: scalar series at `last_step` as
    floats, others as arrays. `end`: separated_step and separated_time (t_0), and what [study] finish
    asked for; a value is a number or a text, NaN or "" where there is none.
    """

    number: int
    settings: Mapping[str, Any]
    status: MemberStatus
    reason: str = ""
    last_step: int = 0
    seconds: float = 0.0
    last: Mapping[str, Any] = None  # type: ignore[assignment]
    saddles: tuple[Saddle, ...] = ()
    end: Mapping[str, Any] = None  # type: ignore[assignment]
