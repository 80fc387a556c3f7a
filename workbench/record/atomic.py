"""Putting files in place so that a crash leaves the old one or the new one, never half of one."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from workbench.errors import StorageError, clean_text

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would pass the size limit of this process or disk",
}


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that renames and new names in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """fsync a file by its path."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(temporary: Path, path: Path) -> None:
    """fsync `temporary`, rename it to `path`, fsync the folder."""
    sync_file(temporary)
    os.replace(temporary, path)
    sync_folder(path.parent)


def remove_quietly(path: Path) -> None:
    """Remove what a failed write left; where that fails too, the first failure is the one to tell."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def write_error(path: Path, error: BaseException) -> StorageError:
    """The sentence for a failed write to `path`; a full disk is named as such.

    HDF5 reports the system's error number only inside its message, as `errno = 28`.
    """
    name = clean_text(str(path))
    text = str(error)
    for number, words in _FULL.items():
        if getattr(error, "errno", None) == number or f"errno = {number}" in text:
            return StorageError(f"cannot write '{name}': {words}.")
    reason = clean_text(text.strip("'\""), 160)
    return StorageError(f"cannot write '{name}': {reason}.")


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically and durably.

    Raises:
        StorageError: the folder is missing or read-only, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        put_in_place(temporary, path)
    except OSError as error:
        remove_quietly(temporary)
        raise write_error(path, error) from error
