"""What browsing does to files: deleting a run, and checking what a person asks for beforehand."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.arrays import Array
from workbench.config.run import RunConfig
from workbench.config.toml import override, parse_config, parse_toml, to_toml
from workbench.errors import BadInput, RunBusy, StorageError, WorkbenchError, clean_text, unknown
from workbench.record.lock import LOCK_NAME, RunLock, is_alive
from workbench.record.summary import RunSummary
from workbench.run.stored import StoredRun

EXPORT_SUFFIXES = (".h5", ".nc", ".csv", ".npz")
PLOT_SUFFIXES = (".png", ".pdf", ".svg")


def delete_run(folder: Path, runs_dir: Path) -> None:
    """Delete a run's folder for good, and nothing else.

    The folder has to lie directly in the runs folder and be no link; links inside it are removed,
    not followed. The run's lock is held meanwhile. The folder is first renamed to a hidden name,
    so that a run is either there whole or not listed.

    Raises:
        BadInput: it is no run folder of this runs folder.
        RunBusy: it is being written.
        StorageError: it could not be deleted, or not all of it.
    """
    folder, runs_dir = Path(folder), Path(runs_dir)
    name = clean_text(folder.name, 120)
    _require_own(folder, runs_dir, name)
    lock = folder / LOCK_NAME
    if lock.is_symlink():
        with contextlib.suppress(FileNotFoundError):
            lock.unlink()
    if is_alive(folder):
        raise RunBusy(f"run '{name}' is being written; stop it first.")
    hidden, left = f".deleted-{folder.name}", ""
    try:
        parent = os.open(runs_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot open the runs folder: {error.strerror}.") from error
    try:
        with RunLock(folder):
            os.rename(folder.name, hidden, src_dir_fd=parent, dst_dir_fd=parent)
            left = f" What is left of it is in '{clean_text(hidden, 120)}'."
            shutil.rmtree(hidden, dir_fd=parent)
    except OSError as error:
        what = clean_text(str(error.strerror or error), 120)
        raise StorageError(f"run '{name}' could not be deleted: {what}.{left}") from error
    finally:
        os.close(parent)


def _require_own(folder: Path, runs_dir: Path, name: str) -> None:
    """Refuse whatever is not a run folder lying directly in the runs folder."""
    try:
        found = os.lstat(folder)
        inside = folder.parent.resolve(strict=True) == runs_dir.resolve(strict=True)
    except (OSError, RuntimeError):
        raise BadInput(f"there is no run '{name}' any more.") from None
    if stat.S_ISLNK(found.st_mode):
        raise BadInput(f"'{name}' is a link; delete what it leads to yourself.")
    if not stat.S_ISDIR(found.st_mode) or not inside or folder.name in ("", ".", ".."):
        raise BadInput(f"'{name}' is no run of '{clean_text(str(runs_dir))}'.")
    if not any((folder / part).exists() for part in ("run.h5", "config.toml", LOCK_NAME)):
        raise BadInput(f"'{name}' holds no run.")


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

    def check_settings(self, text: str, step: int) -> str | None:
        """What is wrong with settings for a fork at a step, in a sentence."""
        try:
            config = self.configured(text)
        except WorkbenchError as error:
            return str(error)
        if config.train.steps <= step:
            return (
                f"train.steps is {config.train.steps:,}, not beyond step {step:,}: "
                f"give train.steps={2 * max(step, 500)}, say."
            )
        return None

    def configured(self, text: str) -> RunConfig:
        """The configuration with settings on top; raises BadInput."""
        return parse_config(
            override(parse_toml(to_toml(self.config), "config"), split_settings(text)), "--set"
        )


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


def split_settings(text: str) -> list[str]:
    """`train.lr=1e-3 name="a b"` as settings, blanks inside quotes and brackets kept together.

    Raises:
        BadInput: a quote or a bracket is not closed.
    """
    settings, quote, depth, part = [], "", 0, ""
    for character in f"{text} ":
        if character.isspace() and not quote and depth <= 0:
            settings += [part] if part else []
            part = ""
            continue
        part += character
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth += (character in "[{") - (character in "]}")
    if quote:
        raise BadInput("a quote is not closed.")
    if part.strip():
        raise BadInput("a bracket is not closed.")
    return settings


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
