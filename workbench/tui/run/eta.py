"""How long until the risk that a run is to reach, from how fast its logarithm has grown."""

from __future__ import annotations

import numpy as np

from workbench.record.history import History
from workbench.tui.run.x_axis import LN10

RECORDS = 64
"""So many of the last records tell the speed."""


def seconds_to_risk(history: History, log10_goal: float, steps_per_second: float) -> float | None:
    """Seconds until log10 𝓛 = `log10_goal` at the present speed; None where that cannot be told.

    A step of the flow's integrator multiplies −log 𝓛 by a factor that changes slowly, so it is
    log(−log 𝓛) that is carried on along a straight line.
    """
    if steps_per_second <= 0 or log10_goal >= 0 or history.length < 3:
        return None
    log_risk = history.scalar("log_risk")
    steps = history.step[: len(log_risk)][-RECORDS:].astype(np.float64)
    height = -log_risk[-RECORDS:]
    grown = height > 1.0
    if int(grown.sum()) < 3 or not grown[-1]:
        return None
    log_height = np.log(height[grown])
    gained = steps[grown][-1] - steps[grown][0]
    slope = float(log_height[-1] - log_height[0]) / gained if gained > 0 else 0.0
    left = float(np.log(-log10_goal * LN10) - log_height[-1])
    if left <= 0:
        return 0.0
    return left / slope / steps_per_second if slope > 0 else None
