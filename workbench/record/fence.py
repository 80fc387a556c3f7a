"""Keeping a writer that was called dead, and was not, out of the files of the one who took over.

It may have stopped in the middle of a write and wake at any time. What it holds open is therefore copied to
new files under the same names: what it then writes goes to files that no longer have one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from workbench.record.atomic import put_in_place, remove_quietly, write_error


def fence(folder: Path, spared: tuple[str, ...]) -> None:
    """Replace the run's own files, but for those named, by copies of them; half-written checkpoints go.

    Raises:
        StorageError: a copy cannot be made, as the disk is full; the run is as it was.
    """
    for unfinished in folder.glob("*/ck_*.h5.tmp"):
        unfinished.unlink(missing_ok=True)
    for entry in sorted(folder.iterdir()):
        if (
            entry.name[0] == "."
            or entry.name in spared
            or entry.is_symlink()
            or not entry.is_file()
        ):
            continue
        copy = entry.with_name(f".{entry.name}.fence.tmp")
        try:
            shutil.copy2(entry, copy)
            put_in_place(copy, entry)
        except OSError as error:
            remove_quietly(copy)
            raise write_error(entry, error) from error
