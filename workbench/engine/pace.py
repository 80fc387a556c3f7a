"""How many steps a chunk takes, from how fast the last ones were."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from itertools import pairwise

CHUNK_SECONDS = 0.06
WINDOW_SECONDS = 3.0
WINDOW_CHUNKS = 10
"""Times the longest chunk that the window is, at least: a record that takes long, and comes rarely, is spread
over the steps that lead to it."""
MARKS = 1024
"""Chunks that are remembered: a minute of them, or more where they are long."""
FIRST_STEPS = 8
GROWTH = 16
"""Times the last chunk that the next may be: a glitch of the clock makes no endless one."""


class Pace:
    """Aims at chunks of `seconds`, keeping their records included: 60 ms are long enough to cost nothing, and
    short enough to feel live.

    A chunk that went faster than those before is believed at once: short ones are slow a step, and a
    first one may have waited for a compiler. One that went slower is believed in part. The size
    never changes a result, only when it is seen.
    """

    def __init__(self, seconds: float = CHUNK_SECONDS) -> None:
        self._seconds = seconds
        self._seconds_a_step = 0.0
        self._last = 0
        self._fresh = True
        self._marks: deque[tuple[float, int]] = deque(maxlen=MARKS)
        self._steps = 0

    def restart(self) -> None:
        """Forget the times before a pause."""
        self._marks.clear()

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a chunk."""
        if steps <= 0:
            return
        now = time.perf_counter()
        if not self._marks:
            self._marks.append((now - seconds, self._steps))
        self._steps += steps
        self._last = steps
        self._marks.append((now, self._steps))
        if self._fresh and len(self._marks) == 4:
            self._marks.popleft()  # the first chunk, which may have waited
            self._fresh = False
        each = seconds / steps
        old = self._seconds_a_step
        self._seconds_a_step = each if each < old or old == 0.0 else 0.7 * old + 0.3 * each

    def chunk_steps(self, most: int) -> int:
        """Steps of the next chunk, at least one, at most `most`."""
        if self._seconds_a_step == 0.0:
            return max(1, min(most, FIRST_STEPS))
        wanted = min(int(self._seconds / self._seconds_a_step), GROWTH * self._last)
        return max(1, min(most, wanted))

    @property
    def steps_per_second(self) -> float:
        """Over the last seconds, pauses left out."""
        if len(self._marks) < 2:
            return 0.0
        times = [time for time, _ in self._marks]
        longest = max(after - before for before, after in pairwise(times))
        window = max(WINDOW_SECONDS, WINDOW_CHUNKS * longest)
        first = min(bisect_left(times, times[-1] - window), len(times) - 2)
        (t0, s0), (t1, s1) = self._marks[first], self._marks[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else 0.0
