"""What training takes of the machine: steps a second, processor, memory, and a GPU's memory.

Read once a second while a run trains before somebody's eyes, and kept in memory: a run's files know nothing
of it. Of a long run neighbours are put together, so that its whole life stays in sight.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import psutil

from workbench.arrays import Float
from workbench.tui.widgets.numbers import short
from workbench.tui.widgets.sparkrows import SparkRow

EVERY_SECONDS = 1.0
KEPT = 4096
"""Readings at which each two are made one, their mean."""
LATEST = 120
"""Readings that the line's bars show."""
NAMES = {
    "machine/rate": "steps/s",
    "machine/cpu": "CPU %",
    "machine/memory": "memory MB",
    "machine/gpu": "GPU MB",
}
"""What is read, by the names it is found by, and what it is called; a processor's core is 100 %."""


class Machine:
    """Readings of this process, or not its `own` but that of `pid`: None where nobody knows which."""

    def __init__(self, pid: int | None = None, *, own: bool = True) -> None:
        self._own = own
        self._process: psutil.Process | None = None
        self._every = EVERY_SECONDS
        self._next = 0.0
        # Steps, and a column for each of NAMES.
        self._table: Float[np.ndarray, "K 5"] = np.zeros((0, 1 + len(NAMES)))
        if pid is None and not own:
            return
        try:
            self._process = psutil.Process(pid)
            self._process.cpu_percent()  # the first answer counts from here
        except psutil.Error:
            pass

    def read(self, step: int, rate: float) -> None:
        """Read, where the last reading lies back long enough; a process that is gone gives none."""
        now = time.monotonic()
        if now < self._next or self._process is None:
            return
        self._next = now + self._every
        try:
            used = self._process.cpu_percent()
            held = self._process.memory_info().rss
        except psutil.Error:
            return
        gpu = gpu_bytes() if self._own else 0
        row = (step, rate, used, held / 1e6, gpu / 1e6)
        self._table = np.vstack([self._table, row])
        if len(self._table) >= KEPT:
            self._table = self._table.reshape(KEPT // 2, 2, -1).mean(axis=1)
            self._every *= 2

    @property
    def names(self) -> list[str]:
        """What there are readings of."""
        there = np.atleast_1d((self._table[:, 1:] > 0).any(axis=0))
        return [name for name, some in zip(NAMES, there, strict=True) if some]

    @property
    def steps(self) -> Float[np.ndarray, " K"]:
        """The steps at which it was read."""
        return self._table[:, 0]

    def values(self, name: str) -> Float[np.ndarray, " K"]:
        """The readings of one of `NAMES`."""
        return self._table[:, 1 + list(NAMES).index(name)]

    def at(self, name: str, steps: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """The last readings at or before steps; NaN before the first."""
        place = np.searchsorted(self.steps, steps, side="right") - 1
        found = np.full(len(place), np.nan)
        known = place >= 0
        found[known] = self.values(name)[place[known]]
        return found

    def row(self) -> SparkRow | None:
        """The line: bars of the latest steps a second, and what they take now; None before a reading."""
        if not len(self._table):
            return None
        _, rate, used, held, gpu = self._table[-1]
        of_gpu = f"  GPU {gpu:,.0f} MB" if gpu else ""
        told = f"{short(rate)}  CPU {used:.0f}%  {held:,.0f} MB{of_gpu}"
        return SparkRow("steps/s", self.values("machine/rate")[-LATEST:], told, "blue")


def gpu_bytes() -> int:
    """The memory that torch holds on GPUs; 0 without one, and before torch is there."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return sum(torch.cuda.memory_reserved(device) for device in range(torch.cuda.device_count()))
