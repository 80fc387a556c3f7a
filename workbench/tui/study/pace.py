"""When a study that runs will be through."""

from __future__ import annotations

from workbench.tui.study.look import StudyLook

LEAST = 2.0
"""Seconds that have to be seen first."""


class Pace:
    """Seconds to go, at the pace since the page was opened."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None

    def left(self, look: StudyLook, now: float) -> float | None:
        """Seconds that are left at a time; None while nothing can be said."""
        if self._began is None or not look.live:
            self._began = now, look.steps_done
        since, done = self._began
        taken = look.steps_done - done
        if taken <= 0 or now - since < LEAST:
            return None
        return (look.steps_total - look.steps_done) * (now - since) / taken
