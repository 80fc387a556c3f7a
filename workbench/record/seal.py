"""A checksum over the attributes of a run's file and of its series: HDF5 keeps texts without one."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from workbench.errors import StorageError

CHECKSUM = "attributes_crc32"
_LEFT_OUT = frozenset(
    {
        CHECKSUM,
        "status",
        "CLASS",
        "NAME",
        "REFERENCE_LIST",
        "DIMENSION_LIST",
        "DIMENSION_LABELS",
    }
)
"""What changes, and what HDF5 itself says of axes."""


def attributes_checksum(file: Any) -> int:
    """crc32 over names, types and values of the attributes of a file or a dataset."""
    crc = 0
    for name in sorted(set(file.attrs) - _LEFT_OUT):
        value = file.attrs[name]
        kind = "text" if isinstance(value, str | bytes) else np.asarray(value).dtype.str
        raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        content = raw if isinstance(raw, bytes) else np.asarray(raw).tobytes()
        crc = zlib.crc32(f"\0{name}\0{kind}\0".encode() + content, crc)
    return crc


def seal_attributes(file: Any) -> None:
    """Write the checksum, as the last of the attributes; again after one was changed."""
    file.attrs[CHECKSUM] = np.uint32(attributes_checksum(file))


def require_seal(file: Any) -> None:
    """Refuse a file or a series whose attributes do not agree with their checksum; those of before it have
    none.

    Raises:
        StorageError: they do not.
    """
    if CHECKSUM in file.attrs and int(file.attrs[CHECKSUM]) != attributes_checksum(file):
        raise StorageError("its attributes do not hold their checksum.")
