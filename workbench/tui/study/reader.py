"""A study's folder, read for the screen by one thread at a time."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.record.summary import short_settings
from workbench.tui.study.look import StudyLook, look_at
from workbench.tui.widgets.scale import Floats

if TYPE_CHECKING:
    from workbench.study.stored import StoredStudy


_LOCKS: dict[Path, threading.Lock] = {}
"""One a study: no two threads read one HDF5 file at once, whichever screens they read it for."""


class StudyReader:
    """Reads again only what has changed. Every method blocks, and raises WorkbenchError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._one = _LOCKS.setdefault(folder.absolute(), threading.Lock())
        self._study: StoredStudy | None = None
        self._last: StudyLook | None = None

    def look(self) -> StudyLook | None:
        """The study as it is now; None: it is as it was at the last call."""
        with self._one:
            study = self._opened()
            if not study.changed():
                return None
            self._last = look_at(study)
            return self._last

    def read(self) -> StudyLook:
        """The last look; the first one if there was none."""
        with self._one:
            if self._last is None:
                self._last = look_at(self._opened())
            return self._last

    def base(self) -> dict[str, Any]:
        """What members have in common, short values by dotted key; what the grid chooses is left out."""
        with self._one:
            config = self._opened().config
        return {k: v for k, v in short_settings(config.table).items() if k not in config.keys}

    def modified(self) -> float:
        """When a file of the study last changed, in seconds since 1970."""
        found = 0.0
        with contextlib.suppress(OSError):
            for place in (self.folder, self.folder / "shards"):
                found = max(found, place.stat().st_mtime)
        return found

    def series(self, name: str) -> tuple[Floats, Floats]:
        """Steps (T) and values (M, T) of a series kept of all members; the largest of several numbers."""
        with self._one:
            step, values = self._opened().series(name)
        # fmax: NaN only where all are.
        flat = values.reshape(*values.shape[:2], -1)
        return step.astype(float), np.fmax.reduce(flat, axis=2)

    def _opened(self) -> StoredStudy:
        if self._study is None:
            from workbench.study.stored import StoredStudy

            self._study = StoredStudy(self.folder)
        return self._study
