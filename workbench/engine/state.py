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
from workbench.engine.trail import Trail
from workbench.measures.directions import chords

MEMORY = "rule/"
"""Prefix, in a checkpoint, of the arrays in `memory`."""
LARGEST_LOG = 709.0


@dataclass
class EngineState:
    """θ (flat, P) on its device, the absolute step, the flow's time, how far θ's direction has travelled,
    and what the watch for saddles remembers.

    `time_log` is log time, where time itself may be beyond a float; `rate_log` the logarithm of the last
    step size; `memory` what the step rule remembers, and the buffers that the network changes, in arrays that
    are replaced and never written into; `notes` what a rule has to say (step, text) and has not said yet.
    `path_length` lacks the steps that still wait in the trail: between two chunks none do.
    Minibatches are drawn from (seed, epoch) and a network's own random numbers from (seed, step), so the
    step is all their state.
    """

    theta: Tensor
    step: int = 0
    time: float = 0.0
    time_log: float = float("-inf")
    rate_log: float = float("nan")
    memory: dict[str, Array] = field(default_factory=dict)
    notes: list[tuple[int, str]] = field(default_factory=list)
    recorded_step: int = -1
    path_length: float = 0.0
    watch: SaddleWatch = field(default_factory=SaddleWatch)

    def __post_init__(self) -> None:
        self._trail = Trail(self.theta)

    def to_arrays(self) -> dict[str, Array]:
        """The state as plain arrays; `load` gives the same bits back."""
        return {
            "theta": self.theta.detach().cpu().numpy().copy(),
            "step": np.array(self.step, dtype=np.int64),
            "time": np.array(self.time),
            "time_log": np.array(self.time_log),
            "rate_log": np.array(self.rate_log),
            "recorded_step": np.array(self.recorded_step, dtype=np.int64),
            "path_length": np.array(self.path_length),
            "saddle_watch": self.watch.to_array(),
            **{f"{MEMORY}{name}": array for name, array in self.memory.items()},
        }

    def set_out(self) -> None:
        """A chunk begins: the next step leads on from the present θ, wherever it came from."""
        self._trail.begin(self.theta)

    def arrive(self) -> None:
        """A step has led to the present θ."""
        if self._trail.full:
            self.travelled()
        self._trail.add(self.theta)

    def travelled(self) -> float:
        """The path's length up to the present θ."""
        self.path_length = float(self._trail.added_to(self.path_length))
        return self.path_length

    def go_back(self, path_length: float) -> None:
        """The steps since the path was that long are undone, θ is put back already."""
        self.path_length = path_length
        self._trail.begin(self.theta)

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
        self.path_length = float(arrays["path_length"])
        if "carry_direction" in arrays:
            self._from_records(arrays["carry_direction"])
        if "saddle_watch" in arrays:
            self.watch.load(arrays["saddle_watch"])

    def _from_records(self, direction: Array) -> None:
        """Go on from a path that earlier versions summed over records, the last one with that direction."""
        if direction.size:
            theta = self.theta.detach().cpu().double().numpy()
            self.path_length += float(chords(np.stack([direction, theta]))[0])
        self.notes.append(
            (
                self.step,
                "path_length was a sum over records so far, and is one over steps from here on",
            )
        )
