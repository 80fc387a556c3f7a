"""Deleting a stored run, or a study."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import time
from pathlib import Path

from workbench.errors import BadInput, RunBusy, StorageError, clean_text
from workbench.record.data_files import drop_unused
from workbench.record.folder import holds_run, holds_study
from workbench.record.lock import RunLock, is_alive
from workbench.record.subject import RUN, STUDY, Subject, shard_subject

LEFT_BEHIND = 600.0
"""Seconds after which the next deletion finishes one that was killed midway."""
_HIDDEN = ".deleted-"


def delete_run(folder: Path, runs_dir: Path) -> None:
    """Delete a run's folder for good, and nothing else.

    The folder has to lie directly in the runs folder and be no link; links inside it are removed,
    not followed. The run's lock is held meanwhile, which needs no room on the disk. The folder is first
    renamed to a hidden name, so that a run is either there whole or not listed. Large samples that no other
    run of the folder has go with it.

    Raises:
        BadInput: it is no run folder of this runs folder.
        RunBusy: it is being written.
        StorageError: it could not be deleted, or not all of it.
    """
    _require_own(Path(folder), Path(runs_dir), RUN)
    _delete(Path(folder), Path(runs_dir), RUN)


def delete_study(folder: Path, runs_dir: Path) -> None:
    """Delete a study's folder for good, as `delete_run` deletes a run's.

    Raises:
        BadInput: it is no study of this runs folder.
        RunBusy: it is being driven, or a process is at one of its shards.
        StorageError: it could not be deleted, or not all of it.
    """
    folder, runs_dir = Path(folder), Path(runs_dir)
    _require_own(folder, runs_dir, STUDY)
    for lock in (folder / "shards").glob("[0-9]*.lock"):
        if lock.stem.isdecimal() and is_alive(lock.parent, shard_subject(int(lock.stem))):
            name = clean_text(folder.name, 120)
            raise RunBusy(
                f"shard {int(lock.stem)} of study '{name}' is being run by another process."
            )
    _delete(folder, runs_dir, STUDY)


def _delete(folder: Path, runs_dir: Path, subject: Subject) -> None:
    what = subject.named(folder)
    lock = folder / subject.lock_name
    with contextlib.suppress(OSError):  # where that fails, taking the lock does too, and says why
        if lock.is_symlink():
            lock.unlink()
    hidden, left = f"{_HIDDEN}{folder.name}", ""
    try:
        parent = os.open(runs_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot open the runs folder: {error.strerror}.") from error
    try:
        with RunLock(folder, beats=False, subject=subject):
            os.rename(folder.name, hidden, src_dir_fd=parent, dst_dir_fd=parent)
            left = f" What is left of it is in '{clean_text(hidden, 120)}'."
            shutil.rmtree(hidden, dir_fd=parent)
        _finish_others(parent)
        drop_unused(runs_dir)
    except OSError as error:
        why = clean_text(str(error.strerror or error), 120)
        raise StorageError(f"{what} could not be deleted: {why}.{left}") from error
    finally:
        os.close(parent)


def _finish_others(parent: int) -> None:
    """Remove what deletions left that were killed midway; it would keep large samples on the disk."""
    for name in os.listdir(parent):
        if name.startswith(_HIDDEN):
            with contextlib.suppress(OSError):
                found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if time.time() - max(found.st_mtime, found.st_ctime) > LEFT_BEHIND:
                    shutil.rmtree(name, ignore_errors=True, dir_fd=parent)


def _require_own(folder: Path, runs_dir: Path, subject: Subject) -> None:
    """Refuse whatever is not a folder of that kind lying directly in the runs folder."""
    noun, name = subject.noun, clean_text(folder.name, 120)
    try:
        found = os.lstat(folder)
        inside = folder.parent.resolve(strict=True) == runs_dir.resolve(strict=True)
    except (FileNotFoundError, NotADirectoryError, RuntimeError):
        raise BadInput(f"there is no {noun} '{name}' any more.") from None
    except OSError as error:
        raise StorageError(f"{noun} '{name}' cannot be looked at: {error.strerror}.") from error
    if stat.S_ISLNK(found.st_mode):
        raise BadInput(f"'{name}' is a link; delete what it leads to yourself.")
    if not stat.S_ISDIR(found.st_mode) or not inside or folder.name in ("", ".", ".."):
        raise BadInput(f"'{name}' is no {noun} of '{clean_text(str(runs_dir))}'.")
    if not (holds_run(folder) if subject is RUN else holds_study(folder)):
        raise BadInput(f"'{name}' holds no {noun}.")
