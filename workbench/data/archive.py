"""Arrays of an NPZ archive: plain numbers, their declared sizes looked at before there is room for them."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterable
from math import prod
from pathlib import Path

import numpy as np

from workbench.arrays import Shaped
from workbench.data.reading import reading, require_plausible
from workbench.errors import BadInput, clean_text, unknown

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 10_000
"""Bytes; the header of an array of numbers has about a hundred."""
MOST_ARRAYS = 10_000
MOST_AXES = 32
NUMBERS = re.compile(r"[<>|=]?([biu][1248]|f(2|4|8|16)|c(8|16|32)|\?)")
"""Types of plain numbers, complex ones too, which are refused by name later."""
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read_arrays(
    path: Path, needed: str, names: Iterable[str] | None = None
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The arrays of those names in the archive at `path`, None: all of them.

    `needed` ends the sentence about a file that is none: "an NPZ archive with x and y is needed". Raises
    BadInput naming the file, and an array that is not there or declares more than the file can hold.
    """
    shown = clean_text(str(path))
    with reading(path, needed):
        held = path.stat().st_size
        with path.open("rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                raise BadInput(f"{shown} is a single array; {needed}.")
        with zipfile.ZipFile(path) as archive:
            members = {
                entry.filename.removesuffix(".npy"): entry
                for entry in archive.infolist()[: MOST_ARRAYS + 1]
            }
            if len(members) > MOST_ARRAYS:
                raise BadInput(f"{shown} holds more than {MOST_ARRAYS:,} arrays.")
            wanted = list(members if names is None else names)
            for name in wanted:
                if name not in members:
                    listed = [clean_text(n, 60) for n in sorted(members)[:30]]
                    raise unknown("array", name, listed, shown)
            # Each is looked at again below; together they may not be many times the file either.
            total = sum(members[name].file_size for name in wanted)
            require_plausible(-(-total // 8), 8, held, shown)
            return {name: _member(archive, members[name], held, shown) for name in wanted}
    raise AssertionError("reading passes nothing on")


def _member(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, held: int, shown: str
) -> Shaped[np.ndarray, "..."]:
    """One array; its header's size must be its entry's."""
    where = f"{shown}: '{clean_text(entry.filename, 60)}'"
    if entry.compress_type not in PACKED or entry.flag_bits & 1:
        raise BadInput(f"{where} is encrypted or packed otherwise than by deflate.")
    with archive.open(entry) as file:
        kind, fortran, shape, start = _header(file.read, where)
        require_plausible(prod(shape), kind.itemsize, held, where)
        size = prod(shape) * kind.itemsize
        if start + size != entry.file_size:
            raise BadInput(
                f"{where} declares the shape {shape} of {kind}, {size:,} bytes, and holds "
                f"{entry.file_size - start:,}."
            )
        # Read past its end once, so that the checksum is looked at.
        data = file.read(size + 1)
    if len(data) != size:
        raise BadInput(f"{where} is cut off.")
    array = np.frombuffer(data, dtype=kind).reshape(shape, order="F" if fortran else "C")
    # A copy, as views of bytes cannot be written.
    return np.array(array, order="C")


def _header(read, where: str) -> tuple[np.dtype, bool, tuple[int, ...], int]:  # type: ignore[no-untyped-def]
    """Type, Fortran order, shape and length of an NPY header."""
    start = read(len(MAGIC) + 2)
    if start[:-2] != MAGIC or start[-2] not in (1, 2, 3):
        raise BadInput(f"{where} is no array.")
    width = 2 if start[-2] == 1 else 4
    length = int.from_bytes(read(width), "little")
    if length > LONGEST_HEADER:
        raise BadInput(f"{where} has a header of {length:,} bytes, as no array of numbers has.")
    text = read(length).decode("utf-8" if start[-2] == 3 else "latin1")
    try:
        # Python 2 wrote its long integers with an L.
        found = ast.literal_eval(re.sub(r"(\d)L", r"\1", text).strip())
        kind, fortran, shape = found["descr"], found["fortran_order"], found["shape"]
    except (LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
        raise BadInput(f"{where} has a header that is no array's.") from None
    if not isinstance(kind, str) or not NUMBERS.fullmatch(kind):
        raise BadInput(f"{where} holds Python objects, text or records; plain numbers are needed.")
    whole = isinstance(shape, tuple) and all(type(k) is int and k >= 0 for k in shape)
    if not whole or len(shape) > MOST_AXES or not isinstance(fortran, bool):
        raise BadInput(f"{where} declares no shape.")
    return np.dtype(kind), fortran, shape, len(start) + width + length
