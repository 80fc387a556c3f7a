"""What a claim needs to run: somebody who trains a configuration and hands back what was recorded.

Claims lie below the session; the implementation over it is `workbench.claims_lab`, and tests bring
their own with broken dynamics.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from workbench.arrays import Float, Int
from workbench.config import RunConfig
from workbench.models.structure import Structure


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """T records of a finished run.

    `time` is the sum of the step sizes, `log_risk` the natural log of the risk as the
    configuration reduces it, `theta` (T, P). `folder` is where the run lies, if it was kept. `time_log`:
    the natural log of the time, of the rules that keep it, where time itself may be beyond a float.
    """

    step: Int[np.ndarray, " T"]
    time: Float[np.ndarray, " T"]
    log_risk: Float[np.ndarray, " T"]
    theta: Float[np.ndarray, "T P"]
    structure: Structure
    folder: Path | None = None
    time_log: Float[np.ndarray, " T"] | None = None

    def until(self, count: int) -> TrainedRun:
        """The first `count` records."""
        return TrainedRun(
            self.step[:count],
            self.time[:count],
            self.log_risk[:count],
            self.theta[:count],
            self.structure,
            self.folder,
            None if self.time_log is None else self.time_log[:count],
        )


class Lab(Protocol):
    """Trains; every record must hold θ, so claims set `record.theta`."""

    def train(self, config: RunConfig) -> TrainedRun:
        """Train a configuration to its end.

        Raises:
            WorkbenchError: the run failed, or cannot be stored.
        """
        ...
