"""Which steps are recorded: every k, or spaced evenly in log step."""

from __future__ import annotations

from math import ceil, log10
from typing import Literal

PER_DECADE = 50


class RecordSchedule:
    """Records at multiples of `every`, or ("log") at 0, 1, 2, … then about 50 steps a decade."""

    def __init__(self, every: int | Literal["auto", "log"]) -> None:
        if every == "auto":
            raise ValueError("record.every = auto is settled where the experiment is made")
        self.every: int | Literal["log"] = every

    def after(self, step: int) -> int:
        """The first recorded step past `step`."""
        if self.every != "log":
            return (step // self.every + 1) * self.every
        if step < 1:
            return step + 1
        place = max(0, ceil(PER_DECADE * log10(step)) - 1)
        while True:
            candidate = round(10.0 ** (place / PER_DECADE))
            if candidate > step:
                return candidate
            place += 1

    def segment(self, step: int, limit: int, most: int) -> tuple[int, int, bool]:
        """(records, every, recorded) of the next chunk from `step` up to `limit`, of at most `most` steps.

        `recorded` tells whether the chunk ends on recorded steps; a gap longer than `most` is crossed in
        parts that are not.
        """
        gap = self.after(step) - step
        if step + gap > limit or gap > most:
            return (
                1,
                min(gap, most, limit - step),
                step + min(gap, most, limit - step) == step + gap,
            )
        if self.every == "log" or step % self.every:
            return 1, gap, True
        records = max(1, min(most // gap, (limit - step) // gap))
        return records, gap, True
