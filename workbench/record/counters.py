"""How many rows of a run's file are committed, with a checksum of the counts.

/n_committed            records
/events/n_committed     events
/inspections/n_committed   rows of each table of kept inspections
/counters_crc32         crc32 of all of these; a flipped bit in one would hide records, or show what is none
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from workbench.errors import StorageError
from workbench.record.plain import dataset_at
from workbench.record.table_files import Counts, counts_in

CHECKSUM = "counters_crc32"


def checksum(rows: int, events: int, tables: Counts) -> int:
    """crc32 of the counts, in decimal digits."""
    return zlib.crc32(f"{rows} {events} {' '.join(map(str, tables))}".encode())


def build_counters(file: Any) -> None:
    """Create the counters of records and events, and the checksum, in a file that is being built."""
    counter = file.create_dataset("n_committed", shape=(), dtype="i8", fillvalue=0)
    counter.attrs["long_name"] = "rows of /series that are complete"
    counter[()] = 0  # so that it has its place in the file from the start
    file["series/n_committed"] = counter
    file.create_dataset("events/n_committed", shape=(), dtype="i8", fillvalue=0)
    file.create_dataset(CHECKSUM, data=np.uint32(checksum(0, 0, counts_in(file))))


class Counters:
    """The counters of an open file.

    Raises:
        ValueError: one of them is what no run holds.
    """

    def __init__(self, file: Any) -> None:
        self._file: Any = file
        self._rows: Any = dataset_at(file, "n_committed")
        self._events: Any = dataset_at(file, "events/n_committed")
        self._checksum: Any = dataset_at(file, CHECKSUM)

    def read(self) -> tuple[int, int, Counts]:
        """Committed records and events, and rows of the tables of inspections.

        Raises:
            StorageError: they do not agree with their checksum; files of before it have none.
        """
        events = 0 if self._events is None else int(self._events[()])
        found = int(self._rows[()]), events, counts_in(self._file)
        if self._checksum is not None and int(self._checksum[()]) != checksum(*found):
            raise StorageError("the counts of what is committed do not hold their checksum.")
        return found

    def write(self, rows: int, events: int, tables: Counts) -> None:
        """Write counts; those of the tables are written with them, and only summed here."""
        self._rows[()] = rows
        self._events[()] = events
        if self._checksum is not None:
            self._checksum[()] = checksum(rows, events, tables)
