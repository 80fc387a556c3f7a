"""What an engine is to do by itself, whoever watches."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.engine.schedule import RecordSchedule


@dataclass(frozen=True)
class Plan:
    """When the engine records, checkpoints, pauses and ends."""

    steps: int
    schedule: RecordSchedule
    checkpoint_every: int
    pause_at: tuple[int, ...] = ()
    pause_log_risk: float | None = None
    pause_at_saddle: bool = False
    # Whether someone can answer a pause; if not, a disk that fills fails the run instead.
    attended: bool = False
