"""Opening HDF5 files for writing, and letting go of one that can no longer be written.

When a write fails, HDF5 still holds what it could not write: closing the file fails too, and the
library crashes when the process exits. So the descriptor is first pointed at /dev/null: the close
then succeeds, nothing more reaches the file, and it stays as the failure left it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from workbench.record.layout import LIBVER
from workbench.record.overlay import H5_ERRORS
from workbench.record.sink import Sink


def abandon(file: Any) -> None:
    """Close an h5py file without writing anything more to it."""
    with contextlib.suppress(*H5_ERRORS):
        sink = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(sink, file.id.get_vfd_handle(), inheritable=False)
        finally:
            os.close(sink)
        file.close()


class NewFile(h5py.File):  # type: ignore[misc]
    """An HDF5 file that is being built; `check` raises the OSError of the first write that failed."""

    def __init__(self, sink: Sink) -> None:
        self.check = sink.check
        super().__init__(sink, "w", libver=LIBVER)


@contextlib.contextmanager
def created(path: Path) -> Iterator[NewFile]:
    """A new, empty HDF5 file, closed at the end whatever happens.

    Who writes much asks `check` now and then: HDF5 itself sees no write fail. The caller removes what a
    failure leaves, and fsyncs.

    Raises:
        OSError: a write failed, also where HDF5 stumbled over that later.
    """
    with contextlib.closing(Sink(path)) as sink:
        try:
            with NewFile(sink) as file:
                yield file
        except H5_ERRORS as error:
            raise (sink.failure or error) from error
        sink.check()


def open_for_appending(path: Path) -> Any:
    """An existing file, switched to SWMR: every flush from here on is ordered."""
    file = h5py.File(path, "r+", libver=LIBVER, locking=False)
    try:
        file.swmr_mode = True
    except BaseException:
        abandon(file)
        raise
    return file
