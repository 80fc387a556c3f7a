"""Deleting a stored run."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from workbench.errors import BadInput, StorageError, clean_text
from workbench.record.folder import holds_run
from workbench.record.lock import LOCK_NAME, RunLock


def delete_run(folder: Path, runs_dir: Path) -> None:
    """Delete a run's folder for good, and nothing else.

    The folder has to lie directly in the runs folder and be no link; links inside it are removed,
    not followed. The run's lock is held meanwhile, which needs no room on the disk. The folder is first
    renamed to a hidden name, so that a run is either there whole or not listed.

    Raises:
        BadInput: it is no run folder of this runs folder.
        RunBusy: it is being written.
        StorageError: it could not be deleted, or not all of it.
    """
    folder, runs_dir = Path(folder), Path(runs_dir)
    name = clean_text(folder.name, 120)
    _require_own(folder, runs_dir, name)
    lock = folder / LOCK_NAME
    with contextlib.suppress(OSError):  # where that fails, taking the lock does too, and says why
        if lock.is_symlink():
            lock.unlink()
    hidden, left = f".deleted-{folder.name}", ""
    try:
        parent = os.open(runs_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot open the runs folder: {error.strerror}.") from error
    try:
        with RunLock(folder, beats=False):
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
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        raise BadInput(f"there is no run '{name}' any more.") from None
    except OSError as error:
        raise StorageError(f"run '{name}' cannot be looked at: {error.strerror}.") from error
    if stat.S_ISLNK(found.st_mode):
        raise BadInput(f"'{name}' is a link; delete what it leads to yourself.")
    if not stat.S_ISDIR(found.st_mode) or not inside or folder.name in ("", ".", ".."):
        raise BadInput(f"'{name}' is no run of '{clean_text(str(runs_dir))}'.")
    if not holds_run(folder):
        raise BadInput(f"'{name}' holds no run.")
