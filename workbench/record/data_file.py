"""Reading the file that large samples of a run lie in (workbench.record.reference)."""

from __future__ import annotations

import stat
from pathlib import Path

import h5py

from workbench.arrays import Array
from workbench.errors import StorageError, clean_text
from workbench.record.overlay import Overlay, reading
from workbench.record.plain import dataset_at
from workbench.record.reference import DATA_FOLDER, VALUES, Reference, content_hash
from workbench.record.samples import read_samples

_SAME = "every run of the same data has the same file, under the same name"


def read_referred(folder: Path, reference: Reference) -> Array:
    """The samples that the run in `folder` refers to.

    Raises:
        StorageError: their file is missing, a link, damaged, or holds something else than its name says.
    """
    return read_data_file(Path(folder) / DATA_FOLDER / reference.file_name, reference)


def read_data_file(path: Path, reference: Reference) -> Array:
    """The samples in a file, whatever its name; raises StorageError unless they are those referred to."""
    shown = clean_text(str(path), 400)
    require_data_file(path)
    with reading(path), Overlay(path, links=False) as source, h5py.File(source, "r") as file:
        dataset = dataset_at(file, VALUES)
        if dataset is None or (
            content_hash(dataset.dtype.str, dataset.shape, dataset.attrs) != reference.sha256
            or dataset.shape != reference.shape
        ):
            raise StorageError(f"'{shown}' does not hold the data that its name stands for.")
        return read_samples(dataset)


def require_data_file(path: Path) -> None:
    """Refuse what is no file, before it is opened; StorageError says what to do."""
    shown = clean_text(str(path), 400)
    try:
        found = path.lstat()
    except FileNotFoundError:
        raise StorageError(
            f"the data of this run lie in '{shown}', which is not there; {_SAME}."
        ) from None
    except OSError as error:
        raise StorageError(f"cannot look at '{shown}': {error.strerror}.") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a link" if stat.S_ISLNK(found.st_mode) else "no file"
        raise StorageError(
            f"the data of this run lie in '{shown}', which is {kind} and not followed; {_SAME}."
        )
