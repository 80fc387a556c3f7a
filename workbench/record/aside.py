"""What a run keeps when it goes back: everything as it was, in a folder of its own inside the run's.

<run>/set-aside-<n>/   run.h5  config.toml  checkpoints/  data/  …

It opens as a run by its path. The run's own files say afterwards only what it goes on from.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from workbench.record.atomic import put_in_place, sync_folder, write_error
from workbench.record.checkpoint import FOLDER
from workbench.record.data_files import bring_data
from workbench.record.lock import CLAIM_FILES

_UNFINISHED = ".set-aside.tmp"


def set_aside(folder: Path, checkpoints: Iterable[Path]) -> Path:
    """Copy the run's files into a new folder inside it, then move these of its checkpoints there.

    Nothing of the run changes before the copy is whole and on the disk. The caller holds the lock.

    Returns:
        The new folder.

    Raises:
        StorageError: the copy cannot be made, as the disk is full; the run is as it was.
    """
    taken = {entry.name for entry in folder.glob("set-aside-*")}
    number = next(n for n in range(1, len(taken) + 2) if f"set-aside-{n}" not in taken)
    place, unfinished = folder / f"set-aside-{number}", folder / _UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / FOLDER).mkdir(parents=True)
        for entry in folder.iterdir():
            if entry.name[0] != "." and entry.name not in CLAIM_FILES and entry.is_file():
                copy = unfinished / f".{entry.name}.tmp"
                shutil.copyfile(entry, copy)
                put_in_place(copy, unfinished / entry.name)
        bring_data(folder, unfinished)
        os.rename(unfinished, place)
        sync_folder(folder)
        for path in checkpoints:
            os.replace(path, place / FOLDER / path.name)
        sync_folder(place / FOLDER)
        if (folder / FOLDER).exists():
            sync_folder(folder / FOLDER)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise write_error(place, error) from error
    return place
