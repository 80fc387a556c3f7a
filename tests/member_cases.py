"""Members of a small configuration, and the same runs one by one."""

from __future__ import annotations

import numpy as np
import torch
from cases import small

from workbench.engine.members import Members
from workbench.engine.program import RowBuffer, StopFlag
from workbench.engine.programs.members.each import EachMember
from workbench.measures.rows import Rows
from workbench.run.experiment import Experiment, experiment_of

RULES = {
    "constant": ("train.lr=0.05",),
    "constant-batch": ("train.lr=0.05", "train.batch=5"),
    "normalized": ("train.rule=normalized", "train.max_update=0.05"),
    "normalized-batch": ("train.rule=normalized", "train.batch=5", "loss.reduction=mean"),
    "loss-based": ("train.rule=loss-based", "train.lr=0.1"),
    "loss-based-batch": ("train.rule=loss-based", "train.lr=0.05", "train.batch=5"),
    "sign": ("train.rule=sign", "train.lr=1e-2"),
    "coordinate-batch": ("train.rule=coordinate", "train.lr=1e-2", "train.batch=5"),
    "smoothness": (
        "train.rule=smoothness",
        "model.kind=deep-linear",
        "model.widths=[4,3]",
        "loss.reduction=mean",
    ),
}
COUNT = 4
ARRAYS = ("step", "time", "path_length", "theta", "outputs", "gradient", "gradient_log_scale")


def experiments(*settings: str, count: int = COUNT) -> list[Experiment]:
    """The small run with other seeds and rates."""
    return [
        experiment_of(small(*settings, f"init.seed={k}", "device.engine=eager"))
        for k in range(count)
    ]


def theta_of(found: list[Experiment]) -> torch.Tensor:
    """(M, P)."""
    return torch.stack([e.state.theta for e in found])


def each_of(found: list[Experiment], threads: int = 1) -> tuple[Members, EachMember]:
    """They as members who are each stepped by their own program."""
    members = Members(theta_of(found))
    for k, experiment in enumerate(found):
        at = 0
        for parameter in experiment.model.parameters():
            # The network's weights are views of the row, as they are of a run's own θ.
            stop = at + parameter.numel()
            parameter.data = members.theta[k, at:stop].view_as(parameter)
            at = stop
    return members, EachMember([e.program for e in found], threads)


def alone(experiment: Experiment, records: int, every: int):
    """The state that a run of its own comes to, and its rows."""
    buffer = RowBuffer(records, experiment.state.theta, experiment.output_shape)
    experiment.program.run_chunk(experiment.state, 0, records, every, buffer, StopFlag())
    return experiment.state, buffer.take()


def named(rows: Rows) -> dict[str, np.ndarray]:
    """Every array of rows by name."""
    return {n: getattr(rows, n) for n in ARRAYS} | dict(rows.rule_series)


def same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    """Whether two sets of arrays are one to the last bit."""
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)
