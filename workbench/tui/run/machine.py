"""What training takes of the machine: steps a second, processor, memory, and a GPU's memory, as one line."""

from __future__ import annotations

import sys
import time
from collections import deque

import numpy as np
import psutil

from workbench.tui.widgets.numbers import short
from workbench.tui.widgets.sparkrows import SparkRow

EVERY_SECONDS = 1.0
KEPT = 120
"""Readings that the line's bars show: the last two minutes."""


class Machine:
    """Readings of this process, at most one a second."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first answer counts from here
        self._rates: deque[float] = deque(maxlen=KEPT)
        self._next = 0.0
        self._told = ""

    def row(self, steps_per_second: float) -> SparkRow:
        """The line: bars of the steps a second, and what they take now; a processor's core is 100 %."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_SECONDS
            self._rates.append(steps_per_second)
            used = f"CPU {self._process.cpu_percent():.0f}%"
            held = f"{self._process.memory_info().rss / 1e6:,.0f} MB"
            gpu = gpu_bytes()
            of_gpu = f"  GPU {gpu / 1e6:,.0f} MB" if gpu else ""
            self._told = f"{short(steps_per_second)}  {used}  {held}{of_gpu}"
        return SparkRow("steps/s", np.array(self._rates), self._told, "blue")


def gpu_bytes() -> int:
    """The memory that torch holds on GPUs; 0 without one, and before torch is there."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return sum(torch.cuda.memory_reserved(device) for device in range(torch.cuda.device_count()))
