"""The HDF5 superblock of a writer that was killed, read and repaired without the HDF5 library.

Layout of a version 3 superblock at offset 0 (48 bytes, little-endian): 0–7 signature, 8 version,
9–10 sizes of offsets and lengths, 11 consistency flags, 12–19 base address, 20–27 extension,
28–35 end of file, 36–43 root header, 44–47 Jenkins lookup3 checksum of bytes 0–43.

A killed writer leaves the flags set, and every plain open then fails. `patched_head` gives the
bytes the file should start with; `recover` writes them. Only whoever holds the run's lock may
write; everyone else reads through `workbench.record.overlay`.
"""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import StorageError, clean_text

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD_SIZE = 48
_VERSION_WITH_FLAGS = 3
_MASK = 0xFFFFFFFF


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    a, c = ((a - c) & _MASK) ^ _rotate(c, 4), (c + b) & _MASK
    b, a = ((b - a) & _MASK) ^ _rotate(a, 6), (a + c) & _MASK
    c, b = ((c - b) & _MASK) ^ _rotate(b, 8), (b + a) & _MASK
    a, c = ((a - c) & _MASK) ^ _rotate(c, 16), (c + b) & _MASK
    b, a = ((b - a) & _MASK) ^ _rotate(a, 19), (a + c) & _MASK
    c, b = ((c - b) & _MASK) ^ _rotate(b, 4), (b + a) & _MASK
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    c = ((c ^ b) - _rotate(b, 14)) & _MASK
    a = ((a ^ c) - _rotate(c, 11)) & _MASK
    b = ((b ^ a) - _rotate(a, 25)) & _MASK
    c = ((c ^ b) - _rotate(b, 16)) & _MASK
    a = ((a ^ c) - _rotate(c, 4)) & _MASK
    b = ((b ^ a) - _rotate(a, 14)) & _MASK
    return ((c ^ b) - _rotate(b, 24)) & _MASK


def lookup3(data: bytes, initial: int = 0) -> int:
    """Bob Jenkins' lookup3 `hashlittle`, the checksum HDF5 keeps on its metadata."""
    a = b = c = (0xDEADBEEF + len(data) + initial) & _MASK
    position = 0
    while len(data) - position > 12:
        words = [int.from_bytes(data[position + k : position + k + 4], "little") for k in (0, 4, 8)]
        a, b, c = _mix((a + words[0]) & _MASK, (b + words[1]) & _MASK, (c + words[2]) & _MASK)
        position += 12
    tail = data[position:]
    if not tail:
        return c
    tail = tail.ljust(12, b"\0")
    words = [int.from_bytes(tail[k : k + 4], "little") for k in (0, 4, 8)]
    return _final((a + words[0]) & _MASK, (b + words[1]) & _MASK, (c + words[2]) & _MASK)


def check_head(head: bytes, path: Path) -> None:
    """Refuse bytes that do not begin an HDF5 file.

    Raises:
        StorageError: the file is empty, or starts with something else.
    """
    name = clean_text(str(path))
    if not head:
        raise StorageError(f"'{name}' is empty, not an HDF5 file.")
    if not head.startswith(SIGNATURE):
        raise StorageError(f"'{name}' is not an HDF5 file: it does not begin with its signature.")


def has_valid_checksum(head: bytes) -> bool:
    """Whether `head` is a complete version 3 superblock whose checksum holds."""
    return (
        len(head) >= HEAD_SIZE
        and head.startswith(SIGNATURE)
        and head[8] == _VERSION_WITH_FLAGS
        and int.from_bytes(head[44:48], "little") == lookup3(head[:44])
    )


def is_flagged(head: bytes) -> bool:
    """Whether a writer has the file open, or was killed while it had."""
    return has_valid_checksum(head) and head[11] != 0


def patched_head(head: bytes, end_of_file: int) -> bytes:
    """The 48 bytes of `head` with the flags cleared and the end of file set."""
    patched = bytearray(head[:HEAD_SIZE])
    patched[11] = 0
    patched[28:36] = end_of_file.to_bytes(8, "little")
    patched[44:48] = lookup3(bytes(patched[:44])).to_bytes(4, "little")
    return bytes(patched)


def recover(path: Path) -> bool:
    """Clear a killed writer's flags in place and fsync. The caller holds the run's lock.

    A file that is not flagged is left alone. A superblock whose checksum is wrong is left alone
    too: writing a fresh checksum over it would hide the damage.

    Returns:
        True if the file was changed.

    Raises:
        StorageError: the file is missing, cannot be written, is damaged or is no HDF5 file.
    """
    name = clean_text(str(path))
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot open '{name}' to recover it: {error.strerror}.") from error
    try:
        head = os.pread(descriptor, HEAD_SIZE, 0)
        check_head(head, path)
        if head[8:9] == bytes([_VERSION_WITH_FLAGS]) and not has_valid_checksum(head):
            raise StorageError(f"'{name}' is damaged: its superblock checksum does not hold.")
        if not is_flagged(head):
            return False
        size = os.fstat(descriptor).st_size
        os.pwrite(descriptor, patched_head(head, size), 0)
        os.fsync(descriptor)
    except OSError as error:
        raise StorageError(f"cannot recover '{name}': {error.strerror}.") from error
    finally:
        os.close(descriptor)
    return True
