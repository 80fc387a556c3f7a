"""Everything a run is, between two steps: what a checkpoint must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp, log

import numpy as np
import torch
from torch import Tensor

from workbench.arrays import Array
from workbench.engine.saddle_watch import SaddleWatch
from workbench.measures.panel import Carry

MEMORY = "rule/"
"""Prefix, in a checkpoint, of the arrays that a step rule remembers."""
LARGEST_LOG = 709.0


@dataclass
class EngineState:
    """θ (flat, P) on its device, the absolute step, the flow's time, what measures carry over,
    and what the watch for saddles remembers.

    `time_log` is log time, where time itself may be beyond a float; `rate_log` the logarithm of the last
    step size; `memory` what the step rule remembers, in arrays that are replaced and never written into;
    `notes` what it has to say (step, text) and has not said yet.
    Minibatches are drawn from (seed, epoch), so the step is all their state.
    """

    theta: Tensor
    step: int = 0
    time: float = 0.0
    time_log: float = float("-inf")
    rate_log: float = float("nan")
    memory: dict[str, Array] = field(default_factory=dict)
    notes: list[tuple[int, str]] = field(default_factory=list)
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
            "time_log": np.array(self.time_log),
            "rate_log": np.array(self.rate_log),
            "recorded_step": np.array(self.recorded_step, dtype=np.int64),
            "path_length": np.array(self.carry.path_length),
            "carry_direction": np.zeros(0) if carry is None else carry,
            "saddle_watch": self.watch.to_array(),
            **{f"{MEMORY}{name}": array for name, array in self.memory.items()},
        }

    def add_time(self, log_amount: float) -> None:
        """Let e^{log_amount} of the flow's time pass, in logarithms; `time` follows, to infinity."""
        if self.time_log == float("-inf") and 0.0 < self.time < float("inf"):
            self.time_log = log(self.time)
        self.time_log = float(np.logaddexp(self.time_log, log_amount))
        self.set_time_log(self.time_log)

    def set_time_log(self, time_log: float) -> None:
        """Set the time by its logarithm."""
        self.time_log = time_log
        self.time = exp(time_log) if time_log < LARGEST_LOG else float("inf")

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take over a checkpoint's arrays, θ in place; raises ValueError when θ has another length."""
        theta = arrays["theta"]
        if theta.shape != tuple(self.theta.shape):
            raise ValueError(f"θ has {theta.size} numbers, and {self.theta.numel()} are needed")
        with torch.no_grad():
            self.theta.copy_(torch.from_numpy(np.ascontiguousarray(theta)))
        self.step = int(arrays["step"])
        self.time = float(arrays["time"])
        self.time_log = float(arrays.get("time_log", np.array(-np.inf)))
        self.rate_log = float(arrays.get("rate_log", np.array(np.nan)))
        self.memory = {
            name.removeprefix(MEMORY): np.array(array)
            for name, array in arrays.items()
            if name.startswith(MEMORY)
        }
        self.recorded_step = int(arrays["recorded_step"])
        direction = arrays["carry_direction"]
        self.carry = Carry(direction if direction.size else None, float(arrays["path_length"]))
        if "saddle_watch" in arrays:
            self.watch.load(arrays["saddle_watch"])
