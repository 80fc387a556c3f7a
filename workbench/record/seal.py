"""A checksum over a run file's root attributes: HDF5 keeps long texts where it has none of its own."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from workbench.errors import StorageError

CHECKSUM = "attributes_crc32"
_CHANGING = frozenset({CHECKSUM, "status"})


def attributes_checksum(file: Any) -> int:
    """crc32 over names, types and values of the root attributes but `status`, which changes."""
    crc = 0
    for name in sorted(set(file.attrs) - _CHANGING):
        value = file.attrs[name]
        kind = "text" if isinstance(value, str | bytes) else np.asarray(value).dtype.str
        raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        content = raw if isinstance(raw, bytes) else np.asarray(raw).tobytes()
        crc = zlib.crc32(f"\0{name}\0{kind}\0".encode() + content, crc)
    return crc


def seal_attributes(file: Any) -> None:
    """Write the checksum, as the last of the root attributes; again after one was changed."""
    file.attrs[CHECKSUM] = np.uint32(attributes_checksum(file))


def require_seal(file: Any) -> None:
    """Refuse a file whose root attributes do not agree with their checksum; files of before it have none.

    Raises:
        StorageError: they do not.
    """
    if CHECKSUM in file.attrs and int(file.attrs[CHECKSUM]) != attributes_checksum(file):
        raise StorageError("its attributes do not hold their checksum.")
