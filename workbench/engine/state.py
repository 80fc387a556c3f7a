"""Everything a run is, between two steps: what a checkpoint must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array
from workbench.engine.saddle_watch import SaddleWatch
from workbench.measures.panel import Carry


@dataclass
class EngineState:
    """θ (flat, P) on its device, the absolute step, the flow's time, what measures carry over,
    and what the watch for saddles remembers.

    Minibatches are drawn from (seed, epoch), so the step is all their state.
    """

    theta: Tensor
    step: int = 0
    time: float = 0.0
    recorded_step: int = -1
    carry: Carry = field(default_factory=Carry)
    watch: SaddleWatch = field(default_factory=SaddleWatch)

    def to_arrays(self) -> dict[str, Array]:
        """The state as plain arrays; `load` gives the same bits back."""
        carry = self.carry.direction
        return {
            "theta": self.theta.detach().cpu().numpy().copy(),
            "step": np.array(self.step, dtype=np.int64),
            "time": np.array(self.time),
            "recorded_step": np.array(self.recorded_step, dtype=np.int64),
            "path_length": np.array(self.carry.path_length),
            "carry_direction": np.zeros(0) if carry is None else carry,
            "saddle_watch": self.watch.to_array(),
        }

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take over a checkpoint's arrays, θ in place; raises ValueError when θ has another length."""
        theta = arrays["theta"]
        if theta.shape != tuple(self.theta.shape):
            raise ValueError(f"θ has {theta.size} numbers, and {self.theta.numel()} are needed")
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
        self.step = int(arrays["step"])
        self.time = float(arrays["time"])
        self.recorded_step = int(arrays["recorded_step"])
        direction = arrays["carry_direction"]
        self.carry = Carry(direction if direction.size else None, float(arrays["path_length"]))
        if "saddle_watch" in arrays:
            self.watch.load(arrays["saddle_watch"])
