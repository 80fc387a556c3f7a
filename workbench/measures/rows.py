"""What a step program hands over at every record: states, outputs and gradients, nothing derived."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.arrays import Float, Int


@dataclass(frozen=True)
class Rows:
    """T records of one run, float64.

    `outputs` are Φ(θ; x_i), (T, n) or (T, n, C). The risk's gradient is exp(gradient_log_scale) ·
    gradient, kept apart so that it survives risks below 1e−308.
    """

    step: Int[np.ndarray, " T"]
    time: Float[np.ndarray, " T"]
    theta: Float[np.ndarray, "T P"]
    outputs: Float[np.ndarray, "T n ..."]
    gradient: Float[np.ndarray, "T P"]
    gradient_log_scale: Float[np.ndarray, " T"]

    def __len__(self) -> int:
        return int(self.step.shape[0])

    def head(self, count: int) -> Rows:
        """The first `count` records."""
        return Rows(
            self.step[:count],
            self.time[:count],
            self.theta[:count],
            self.outputs[:count],
            self.gradient[:count],
            self.gradient_log_scale[:count],
        )
