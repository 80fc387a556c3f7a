"""A study's folder, read for the screen by one thread at a time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.tui.study.look import StudyLook, look_at
from workbench.tui.widgets.scale import Floats

if TYPE_CHECKING:
    from workbench.study.stored import StoredStudy


class StudyReader:
    """Reads again only what has changed. Every method blocks, and raises WorkbenchError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._one = threading.Lock()
        self._study: StoredStudy | None = None

    def look(self) -> StudyLook | None:
        """The study as it is now; None: it is as it was at the last call."""
        with self._one:
            study = self._opened()
            return look_at(study) if study.changed() else None

    def series(self, name: str) -> tuple[Floats, Floats]:
        """Steps (T) and values (M, T) of a scalar series kept of all members."""
        with self._one:
            step, values = self._opened().series(name)
        return step.astype(float), values.reshape(values.shape[0], -1)[:, : step.size]

    def _opened(self) -> StoredStudy:
        if self._study is None:
            from workbench.study.stored import StoredStudy

            self._study = StoredStudy(self.folder)
        return self._study
