"""What Python's garbage collector need not visit while runs train.

What a process has made by the time that a run steps, several hundred thousand objects of its libraries,
lives as long as the run. `resting` takes it out of the collector's sight and, when the last run of the
process ends, puts it back: else the cycles of every run that has ended would be kept for ever.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_running = 0


@contextmanager
def resting() -> Iterator[None]:
    """While a run steps: what is there already is not collected; as the last run ends it can be again."""
    global _running
    with _lock:
        _running += 1
        gc.freeze()
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if not _running:
                gc.unfreeze()
