"""The captured program and the eager one on the same small runs, uncaptured on the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.config.toml import override, parse_config
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.captured.program import CapturedProgram
from workbench.run.experiment import experiment_of

BINARY = {
    "data": {"kind": "gaussian-separable", "n": 12, "d": 2, "seed": 3},
    "model": {"kind": "two-layer-relu", "width": 6},
    "init": {"kind": "gaussian", "scale": 0.4, "seed": 1},
    "loss": {"kind": "logistic"},
    "train": {"lr": 5e-3, "steps": 600},
    "pause": {"at_saddle": False},
    "device": {"kind": "cpu"},
}
CLASSES = {
    **BINARY,
    "data": {"kind": "digits", "classes": [0, 1, 2], "n": 13},
    "model": {"kind": "cnn", "channels": [2, 3], "width": 5},
    "init": {"kind": "he"},
    "loss": {"kind": "cross-entropy", "reduction": "mean"},
}
CIRCLE = {
    **BINARY,
    "data": {"kind": "kh24-circle", "n": 15},
    "model": {"kind": "squared-relu", "width": 5, "signs": "random"},
    "loss": {"kind": "square", "reduction": "mean"},
}
LINEAR = {**BINARY, "model": {"kind": "deep-linear", "widths": [3, 3]},
          "loss": {"kind": "logistic", "reduction": "mean"}}  # fmt: skip


def eager(base, *settings):
    """A run of the configuration stepped by the eager program."""
    return experiment_of(parse_config(override(base, ["device.engine=eager", *settings]), "test"))


def captured(base, *settings):
    """The same run stepped by the captured one."""
    found = eager(base, *settings)
    return replace(found, program=captured_of(found.program))


def captured_of(other):
    """The captured program that is made as an eager one is."""
    return CapturedProgram(
        other.model,
        other.x,
        other.y,
        loss=other.loss,
        reduction=other.reduction,
        rule=other.rule,
        batches=other.batches,
    )


def stepped(experiment, chunks=(8,), every=5, flag=None):
    """All rows of some chunks of records, and the state at their end."""
    buffer = RowBuffer(64, experiment.state.theta, experiment.output_shape)
    for records in chunks:
        state = experiment.state
        experiment.program.run_chunk(state, state.step, records, every, buffer, flag or StopFlag())
    return buffer.take(), experiment.state


def apart(found, wanted) -> float:
    """The largest difference relative to the largest number; ∞ where what is not finite differs."""
    found, wanted = np.asarray(found, dtype=float), np.asarray(wanted, dtype=float)
    assert found.shape == wanted.shape
    odd = ~np.isfinite(wanted)
    if not np.array_equal(found[odd], wanted[odd], equal_nan=True):
        return float("inf")
    if odd.all():
        return 0.0
    largest = np.abs(wanted[~odd]).max()
    return float(np.abs(found[~odd] - wanted[~odd]).max() / (largest or 1.0))
