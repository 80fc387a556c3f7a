"""Opening HDF5 files for writing, and letting go of one that can no longer be written.

A recording is written through a file object that only changes by whole commits
(`workbench.record.journaled`); it can be let go at any time. Files that are built, and put in place when
they are whole, HDF5 writes itself. When such a write fails, HDF5 still holds what it could not write:
closing the file fails too, and the library crashes when the process exits. So the descriptor is first
pointed at /dev/null: the close then succeeds, nothing more reaches the file, and it stays as the
failure left it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from workbench.record.journal import NO_GUARD
from workbench.record.journaled import JournaledFile
from workbench.record.layout import LIBVER
from workbench.record.overlay import H5_ERRORS
from workbench.record.superblock import marked_head


def abandon(file: Any) -> None:
    """Close an h5py file without writing anything more to it."""
    with contextlib.suppress(*H5_ERRORS):
        sink = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(sink, file.id.get_vfd_handle(), inheritable=False)
        finally:
            os.close(sink)
        file.close()


@contextlib.contextmanager
def created(path: Path) -> Iterator[Any]:
    """A new, empty HDF5 file, flushed and closed at the end; abandoned if anything fails.

    The caller removes what a failure leaves, and fsyncs.
    """
    file = h5py.File(path, "w", libver=LIBVER, locking=False)
    try:
        yield file
        file.flush()
    except BaseException:
        abandon(file)
        raise
    file.close()


def open_for_appending(path: Path) -> tuple[Any, JournaledFile]:
    """An existing file, switched to SWMR: every flush from here on is ordered. With it the file object
    that HDF5 writes through, whose `append` commits.
    """
    under = JournaledFile(path)
    under.amend = marked_head
    try:
        file = h5py.File(under, "r+", libver=LIBVER)
    except BaseException:
        under.discard()
        under.close()
        raise
    try:
        file.swmr_mode = True
        under.guard = file["n_committed"].id.get_offset() or NO_GUARD
        under.append()
        under.apply()  # readers that open the file itself are let in by its flags
    except BaseException:
        let_go(file, under)
        raise
    return file, under


def let_go(file: Any, under: JournaledFile) -> None:
    """Close a file opened for appending, None for one that is closed; what was not committed is dropped."""
    under.discard()
    with contextlib.suppress(*H5_ERRORS):
        if file is not None:
            file.close()
    under.close()
