"""What a run keeps whose file was deleted or replaced while it was written: all of it, in a new folder.

<runs>/<run>-kept[-n]/   run.h5  config.toml  checkpoints/  data/

It is a run like any other: listed, read, gone on with.
"""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from workbench.errors import StorageError
from workbench.record.atomic import put_in_place, write_error, write_text
from workbench.record.checkpoint import FOLDER, checkpoint_path, list_checkpoints
from workbench.record.reader import RunReader
from workbench.record.schema import CONFIG_FILE, RUN_FILE
from workbench.record.store import RunStore


def keep_beside(store: RunStore) -> Path:
    """Write every record that a recording took, whose file is gone, to a new folder beside its own.

    Checkpoints come along where they are still there.

    Returns:
        The new folder.

    Raises:
        StorageError: it cannot be written.
    """
    folder = store.folder
    try:
        place = _new_folder(folder)
        store.data.bring_to(place)
        store.keep_beside(place / RUN_FILE)
        with RunReader(place) as reader:
            write_text(place / CONFIG_FILE, reader.config_text)
        _copy_checkpoints(folder, place)
    except OSError as error:
        raise write_error(folder, error) from error
    return place


def _new_folder(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    names = (f"{folder.name}-kept{f'-{n}' if n > 1 else ''}" for n in count(1))
    place = next(folder.with_name(name) for name in names if not folder.with_name(name).exists())
    place.mkdir()
    return place


def _copy_checkpoints(folder: Path, place: Path) -> None:
    """Copies of the run's checkpoints; one that cannot be read is left out, as the state itself follows."""
    try:
        found = list_checkpoints(folder)
    except StorageError:
        return
    (place / FOLDER).mkdir(exist_ok=True)
    for step, path in found:
        target = checkpoint_path(place, step)
        temporary = target.with_name(target.name + ".tmp")
        try:
            shutil.copyfile(path, temporary, follow_symlinks=False)
        except FileNotFoundError:
            continue
        put_in_place(temporary, target)
