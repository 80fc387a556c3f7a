"""The HDF5 superblock of a writer that was killed, read and repaired without the HDF5 library.

Layout of a version 3 superblock at offset 0 (48 bytes, little-endian): 0–7 signature, 8 version,
9–10 sizes of offsets and lengths, 11 consistency flags, 12–19 base address, 20–27 extension,
28–35 end of file, 36–43 root header, 44–47 Jenkins lookup3 checksum of bytes 0–43.

A killed writer leaves the flags set, and every plain open then fails. `patched_head` gives the
bytes the file should start with; `recover` writes them, what a journal holds
(`workbench.record.journal`), and in files without one headers that were torn (`workbench.record.torn`).
Only whoever holds the run's lock may
write; everyone else reads through `workbench.record.overlay`.
"""

from __future__ import annotations

from pathlib import Path

from workbench.errors import StorageError, clean_text
from workbench.record.journaled import JournaledFile
from workbench.record.lookup3 import lookup3
from workbench.record.torn import restored_headers

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEAD_SIZE = 48
_VERSION_WITH_FLAGS = 3
_WRITING, _SWMR = 1, 4


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


def marked_head(written: bytes) -> bytes:
    """A superblock as a file under SWMR has it: through a file object HDF5 leaves out one of the two flags
    that other processes' SWMR readers ask for.
    """
    if not has_valid_checksum(written) or not written[11] & _SWMR:
        return written
    head = bytearray(written[:HEAD_SIZE])
    head[11] |= _WRITING
    head[44:48] = lookup3(bytes(head[:44])).to_bytes(4, "little")
    return bytes(head) + written[HEAD_SIZE:]


def recover(path: Path) -> bool:
    """Put what the journal holds into the file, clear a killed writer's flags, put torn headers back.

    The caller holds the run's lock. A file without any of these is left alone. A superblock whose
    checksum is wrong is left alone too: writing a fresh checksum over it would hide the damage.

    Returns:
        True if the file was changed.

    Raises:
        StorageError: the file is missing, cannot be written, is damaged or is no HDF5 file.
    """
    name = clean_text(str(path))
    try:
        file = JournaledFile(path)
    except OSError as error:
        raise StorageError(f"cannot open '{name}' to recover it: {error.strerror}.") from error
    try:
        head = file.bytes_at(0, HEAD_SIZE)
        check_head(head, path)
        if head[8:9] == bytes([_VERSION_WITH_FLAGS]) and not has_valid_checksum(head):
            raise StorageError(f"'{name}' is damaged: its superblock checksum does not hold.")
        torn = {} if file.replayed else restored_headers(file.descriptor)
        for place, header in torn.items():
            file.write_at(place, header)
        if is_flagged(head):
            file.write_at(0, patched_head(head, file.size))
        file.append()
        file.apply()
    except OSError as error:
        raise StorageError(f"cannot recover '{name}': {error.strerror}.") from error
    finally:
        file.close()
    return file.replayed or bool(torn) or is_flagged(head)
