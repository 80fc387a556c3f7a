"""Whether what a run's writer writes is the run's own: no link, no pipe, no second name of the same file."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from workbench.errors import StorageError, clean_text
from workbench.record.atomic import put_in_place, remove_quietly, write_error
from workbench.record.checkpoint import FOLDER as CHECKPOINTS
from workbench.record.journal import JOURNAL_NAME
from workbench.record.logfile import LOG_FILE
from workbench.record.schema import CONFIG_FILE, RUN_FILE


def require_own_files(folder: Path) -> None:
    """Refuse to go on with a run whose files lie elsewhere, before anything is written to them.

    Recording writes into run.h5 and its journal in place, and pruning removes checkpoints: through a link
    that would change the files of another. Where one of the two has a second name (a copy of the folder made
    of hard links), it is copied first, and the other name keeps what it has. The caller holds the run's lock.

    Raises:
        StorageError: one of the files is a link, or no file; or run.h5 cannot be copied.
    """
    for name in (RUN_FILE, JOURNAL_NAME, CONFIG_FILE, LOG_FILE, CHECKPOINTS):
        path = Path(folder) / name
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageError(
                f"cannot look at '{clean_text(str(path))}': {error.strerror}."
            ) from error
        shown = clean_text(str(path))
        if stat.S_ISLNK(found.st_mode):
            raise StorageError(
                f"'{shown}' is a link; a run is gone on with in files of its own: put what it leads to in "
                "its place."
            )
        is_right = stat.S_ISDIR if name == CHECKPOINTS else stat.S_ISREG
        if not is_right(found.st_mode):
            needed = "a folder" if name == CHECKPOINTS else "a file"
            raise StorageError(
                f"'{shown}' is not {needed}; a run is gone on with in files of its own."
            )
        if name in (RUN_FILE, JOURNAL_NAME) and found.st_nlink > 1:
            _unshare(path)


def _unshare(path: Path) -> None:
    """Put a copy of a file in its place."""
    temporary = path.with_name(f".{path.name}.unshared.tmp")
    try:
        shutil.copyfile(path, temporary)
        put_in_place(temporary, path)
    except OSError as error:
        remove_quietly(temporary)
        raise write_error(path, error) from error
