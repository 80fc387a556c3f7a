"""What charts below the table of runs draw: read from one run's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from workbench.record.reader import RunReader
from workbench.record.schema import STEP
from workbench.tui.widgets.scale import Floats

_NOTHING: Floats = np.empty(0)


@dataclass(frozen=True, eq=False)
class RunCurves:
    """What the overlay draws of a run: steps (T,), natural log of the risk (T,), margin (T,).

    A series that was not recorded is empty.
    """

    step: Floats = field(default_factory=lambda: _NOTHING)
    log_risk: Floats = field(default_factory=lambda: _NOTHING)
    margin: Floats = field(default_factory=lambda: _NOTHING)

    def at(self, x: float) -> int | None:
        """The record nearest to a step within the run; None beyond its ends."""
        if not self.step.size or not self.step[0] <= x <= self.step[-1]:
            return None
        after = int(np.searchsorted(self.step, x))
        if after and x - self.step[after - 1] <= self.step[after] - x:
            return after - 1
        return after


_WANTED = (STEP, "log_risk", "margin_normalized")


def read_curves(folder: Path) -> RunCurves:
    """The curves of a stored run; raises StorageError."""
    with RunReader(folder) as reader:
        return _curves({name: reader.read(name) for name in _WANTED if reader.has(name)})


def _curves(found: Mapping[str, Any]) -> RunCurves:
    count = min((len(values) for values in found.values()), default=0)
    step, risk, margin = (
        np.asarray(found[name][:count], dtype=np.float64) if name in found else _NOTHING
        for name in _WANTED
    )
    return RunCurves(step, risk, margin)
