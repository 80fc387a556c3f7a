"""log Σ e^a, good to 1e−100000 and beyond (THEORY: log domain)."""

from __future__ import annotations

import numpy as np

from workbench.arrays import Float


def log_sum_exp(a: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """log Σ_i e^{a_i} over the last axis; −∞ where every a_i is, NaN where one is."""
    top = np.max(a, axis=-1, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        total = np.sum(np.exp(a - safe), axis=-1)
        return np.asarray(np.log(total) + safe[..., 0])
