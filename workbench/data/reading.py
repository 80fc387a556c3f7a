"""Reading a user's file: what it may ask for, and a library's refusal of it as a sentence."""

from __future__ import annotations

import csv
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.config.paths import named
from workbench.errors import BadInput, clean_text

MOST_NUMBERS = 1 << 29
"""Numbers of an array, at most: 4 GiB in float64."""
UNFOLDING = 1_100
"""Bytes that a byte of a file may stand for; deflate packs up to 1,032 in one."""
SLACK = 1 << 16
"""Bytes that any file may stand for, however short."""

RAISED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy, h5py, zipfile and gzip raise over damaged files: nearly anything."""


@contextmanager
def reading(path: Path | str, needed: str) -> Iterator[None]:
    """What a library raises over the file, as BadInput; `needed`: "an HDF5 file with x and y is needed"."""
    shown = clean_text(str(path))
    try:
        yield
    except MemoryError as error:
        raise BadInput(f"{shown} needs more memory than there is.") from error
    except RAISED as error:
        reason = "it is damaged or of another kind"
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            reason = clean_text(error.strerror or str(error), 120)
        raise BadInput(f"{shown} cannot be read: {reason}; {needed}.") from error


def existing_file(text: str) -> Path:
    """The file at data.path; raises BadInput when it is not there, no file, or empty."""
    if not text:
        raise BadInput("data.path is empty; the path of a file is needed.")
    path = named(text, "data.path")
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise BadInput(f"data.path: {clean_text(str(path))} {what}; a readable file is needed.")
    if path.stat().st_size == 0:
        raise BadInput(f"data.path: {clean_text(str(path))} is empty.")
    return path


def require_plausible(count: int, width: int, held: int, where: str) -> None:
    """Refuse an array of `count` numbers, `width` bytes each, declared by a file of `held` bytes, before
    anything is made room for."""
    if count > MOST_NUMBERS:
        raise BadInput(
            f"{where} declares {_short(count)} numbers; at most {MOST_NUMBERS:,} are allowed."
        )
    if count * width > UNFOLDING * held + SLACK:
        raise BadInput(
            f"{where} declares {count * width:,} bytes, and the file has {held:,}, which no compression "
            "unfolds to as many."
        )


def _short(count: int) -> str:
    """A count that a file declares, which may have thousands of digits."""
    return f"{count:,}" if count < 10**24 else "more than 10²⁴"
