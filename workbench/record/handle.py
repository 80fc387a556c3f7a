"""Opening HDF5 files for writing, and letting go of one that can no longer be written.

HDF5 never sees a write fail: it would hold what it could not write, refuse to close and crash as the process
exits. A recording is written through a file object that only changes by whole commits
(`workbench.record.journaled`); files that are built, and put in place when they are whole, through one that
remembers the first failure (`workbench.record.sink`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from workbench.record.chunks import LARGEST_CHUNK
from workbench.record.journal import NO_GUARD
from workbench.record.journaled import JournaledFile
from workbench.record.layout import LIBVER
from workbench.record.overlay import H5_ERRORS
from workbench.record.sink import Sink
from workbench.record.superblock import marked_head

CHUNK_CACHE = 2 * LARGEST_CHUNK
"""Bytes of a dataset that HDF5 holds to write more into. Its own choice is 8 MiB each, which a run with
twenty series fills with chunks that are complete and on disk."""


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
        sink.write_out()
        sink.check()


def open_for_appending(path: Path) -> tuple[Any, JournaledFile]:
    """An existing file, switched to SWMR: every flush from here on is ordered. With it the file object
    that HDF5 writes through, whose `append` commits.
    """
    under = JournaledFile(path)
    under.amend = marked_head
    try:
        file = h5py.File(under, "r+", libver=LIBVER, rdcc_nbytes=CHUNK_CACHE)
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
