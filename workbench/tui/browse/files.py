"""Checking what a person asks for when browsing: a step to fork at or to go on to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.config.run import RunConfig
from workbench.errors import BadInput, clean_text
from workbench.record.summary import RunSummary
from workbench.run.stored import StoredRun


@dataclass(frozen=True, eq=False)
class ForkPoints:
    """What a run can be forked from: the steps of stored states, ascending; its configuration."""

    steps: Array
    config: RunConfig

    def nearest(self, step: float) -> int:
        """The stored step nearest to one."""
        return int(self.steps[np.abs(self.steps - step).argmin()])

    def check_step(self, text: str) -> str | None:
        """What is wrong with a step, in a sentence."""
        try:
            step = int(text.replace(",", "").replace("_", "").strip())
        except ValueError:
            return f"a step is a whole number, and '{clean_text(text, 30)}' is none."
        if step not in self.steps:
            near = np.unique(self.steps[np.abs(self.steps - step).argsort(kind="stable")[:3]])
            return f"no state is stored at step {step:,}; the nearest: " + ", ".join(
                f"{s:,}" for s in near.tolist()
            )
        return None


def read_fork_points(folder: Path) -> ForkPoints:
    """The stored states of a run and its configuration.

    Raises:
        BadInput: it has none.
        StorageError: it cannot be read.
    """
    with StoredRun(folder) as run:
        steps, config = run.steps, run.config
    if not steps.size:
        raise BadInput("this run has no stored state to fork from.")
    return ForkPoints(steps, config)


def check_more_steps(done: int) -> Callable[[str], str | None]:
    """A check for the step at which a finished run is to end when it goes on."""

    def check(text: str) -> str | None:
        try:
            steps = int(text.replace(",", "").replace("_", "").strip())
        except ValueError:
            return f"steps are a whole number, and '{clean_text(text, 30)}' is none."
        return None if steps > done else f"the run has done {done:,} steps; give more."

    return check


def file_name(run: RunSummary, suffix: str) -> str:
    """A file name to begin with: the run's id, which is safe in any folder."""
    return f"{run.run_id}{suffix}"
