"""The step size that was taken at a step, of rules that change it."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Array

RATE_LOG = "learning_rate_log"
"""The series of log η that such rules record."""
LARGEST_LOG = 700.0


def step_size_taken(steps: Array, log_rates: Array, at: int) -> float | None:
    """η of the step that led to the last record up to step `at`; before any step, that of the first one.

    Args:
        steps: (T) of the records.
        log_rates: (T) log η; NaN at records before any step, −∞ where a step had no length.

    Returns:
        None where there is no such record, or its step had no length.
    """
    row = int(np.searchsorted(steps, at, side="right")) - 1
    known = np.flatnonzero(~np.isnan(log_rates))
    if row < 0 or not known.size:
        return None
    log_rate = float(log_rates[max(row, int(known[0]))])
    rate = float(np.exp(min(log_rate, LARGEST_LOG))) if np.isfinite(log_rate) else 0.0
    return rate if rate > 0.0 else None
