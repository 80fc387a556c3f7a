"""Checking what a person asks for when browsing: a step to fork at or to go on to, a file to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.config.run import RunConfig
from workbench.errors import BadInput, clean_text, unknown
from workbench.record.summary import RunSummary
from workbench.run.stored import StoredRun

EXPORT_SUFFIXES = (".h5", ".nc", ".csv", ".npz")
PLOT_SUFFIXES = (".png", ".pdf", ".svg")


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


def check_target(suffixes: tuple[str, ...]) -> Callable[[str], str | None]:
    """A check for the name of a file to write."""

    def check(text: str) -> str | None:
        if not text.strip() or "\0" in text:
            return f"give a file that ends in {', '.join(suffixes)}."
        path = Path(text.strip()).expanduser()
        if path.suffix.lower() not in suffixes:
            return str(unknown("format", path.suffix or path.name, suffixes))
        try:
            if not path.parent.is_dir():
                return f"there is no folder '{clean_text(str(path.parent), 80)}'."
            if path.is_dir():
                return f"'{clean_text(str(path), 80)}' is a folder."
        except OSError as error:
            return f"cannot write there: {error.strerror}."
        return None

    return check


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
