"""Large samples, stored once for all runs of a folder that have them.

<runs>/.data/<sha256>.h5       every file of samples that runs here have, for the next run to find
<runs>/<run>/data/<sha256>.h5  the run's own name of the same file: a hard link

The file system counts who has a file, and not the workbench: a run holds its data by a name in its own
folder, so that whatever happens to another run, or to `.data`, takes nothing from it. A moved folder takes
them along, a copied one has a copy. What nobody but `.data` has is removed (`drop_unused`). Where a file
system makes no hard links, or no more of one file, a run has a file of its own.

A file is written whole in the run's folder, fsynced and renamed, before it gets its name in `.data`, and
before run.h5 refers to it. What is found in `.data` is read and held against its hash before it is used.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from workbench.arrays import Array
from workbench.errors import StorageError
from workbench.record.atomic import put_in_place, remove_quietly, sync_folder, write_error
from workbench.record.data_file import read_data_file
from workbench.record.handle import created
from workbench.record.overlay import H5_ERRORS
from workbench.record.reference import (
    DATA_FOLDER,
    VALUES,
    Reference,
    content_hash,
    is_data_file,
)
from workbench.record.samples import StoredForm, stored_form, write_samples

SHARED_FROM = 4 << 20
"""Bytes of stored numbers from which samples are kept apart. What is smaller weighs no more than the series
of a usual run, and a run.h5 that is a whole is worth more; MNIST's 10,000 test images are 7.8 MB."""
POOL = ".data"
LEFT_BEHIND = 600.0
"""Seconds after which what a killed writer left in the pool is removed."""


def kept_apart(folder: Path, values: Array) -> Array | Reference:
    """Samples (n, …) as the run in `folder` is to keep them: small ones as they are, of large ones a
    reference to a file that lies in the folder from now on.

    Raises:
        StorageError: the file cannot be written.
    """
    if values.nbytes < SHARED_FROM or not values.ndim or not values.size:
        return values
    if values.dtype.kind not in "biuf":
        return values
    form = stored_form(values)
    if form.kind.itemsize * values.size < SHARED_FROM:
        return values
    sha256 = content_hash(form.kind.str, values.shape, form.attributes)
    reference = Reference(sha256, values.shape, values.dtype.str)
    own = Path(folder) / DATA_FOLDER
    path = own / reference.file_name
    try:
        own.mkdir(exist_ok=True)
        drop_unused(own.parent.parent)
        with _pool(own.parent.parent) as pool:
            if not path.exists() and not _taken(pool, own, reference):
                _build(path, values, form)
                _published(pool, own, reference)
        sync_folder(own)
        sync_folder(own.parent)
    except H5_ERRORS as error:
        raise write_error(path, error) from error
    return reference


def drop_unused(runs_dir: Path) -> None:
    """Remove the files of samples in a runs folder that no run has; never raises.

    That takes nothing from a run, which has a name of its own for what it needs; were one to take it at this
    instant, the next run of the same data would only write it again.
    """
    with contextlib.suppress(OSError), _pool(runs_dir, make=False) as pool:
        if pool is None:
            return
        for name in os.listdir(pool):
            with contextlib.suppress(OSError):
                found = os.stat(name, dir_fd=pool, follow_symlinks=False)
                unused = is_data_file(name) and found.st_nlink == 1
                left = name.endswith(".tmp") and time.time() - found.st_mtime > LEFT_BEHIND
                if stat.S_ISREG(found.st_mode) and (unused or left):
                    os.unlink(name, dir_fd=pool)


def data_files(folder: Path) -> list[Path]:
    """The files of samples in a run's folder, by name; none where they cannot be listed."""
    try:
        found = sorted((Path(folder) / DATA_FOLDER).iterdir())
    except OSError:
        return []
    return [path for path in found if is_data_file(path.name)]


def pool_files(runs_dir: Path) -> list[tuple[str, int, int]]:
    """The files of samples of a runs folder: name, bytes, and how many runs have it."""
    with contextlib.suppress(OSError), _pool(runs_dir, make=False) as pool:
        names = [] if pool is None else sorted(filter(is_data_file, os.listdir(pool)))
        found = [(name, os.stat(name, dir_fd=pool, follow_symlinks=False)) for name in names]
        return [(name, is_.st_size, is_.st_nlink - 1) for name, is_ in found]
    return []


class HeldFiles:
    """The files of samples of a run that is recorded, held open: whoever deletes its folder meanwhile takes
    their names, and not what is in them."""

    def __init__(self, folder: Path, references: Iterable[Reference]) -> None:
        self._files: dict[str, int] = {}
        self._folder = Path(folder) / DATA_FOLDER
        for name in {reference.file_name for reference in references}:
            with contextlib.suppress(OSError):
                flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
                self._files[name] = os.open(self._folder / name, flags)

    def bring_to(self, place: Path) -> None:
        """Give another run's folder the same files; raises OSError."""
        for name, descriptor in self._files.items():
            _bring(self._folder / name, descriptor, place / DATA_FOLDER)

    def close(self) -> None:
        """Give the descriptors back; twice is once."""
        while self._files:
            os.close(self._files.popitem()[1])


def bring_data(folder: Path, place: Path) -> None:
    """Give the files of samples of a run's folder to another folder, as links where that goes.

    Raises:
        OSError: one cannot be read or copied.
    """
    for path in data_files(folder):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            _bring(path, descriptor, place / DATA_FOLDER)
        finally:
            os.close(descriptor)


def _bring(path: Path, descriptor: int, target: Path) -> None:
    """The open file under the same name in a folder: by another name of it, else by a copy."""
    target.mkdir(exist_ok=True)
    temporary = target / f".{path.name}.tmp"
    remove_quietly(temporary)
    try:
        with contextlib.suppress(OSError):
            os.link(path, temporary, follow_symlinks=False)
        there = temporary.exists()
        if not there or not os.path.samestat(os.lstat(temporary), os.fstat(descriptor)):
            remove_quietly(temporary)
            with open(descriptor, "rb", closefd=False) as source, open(temporary, "xb") as copy:
                source.seek(0)
                shutil.copyfileobj(source, copy, 1 << 20)
        put_in_place(temporary, target / path.name)
    finally:
        remove_quietly(temporary)


@contextlib.contextmanager
def _pool(runs_dir: Path, make: bool = True) -> Iterator[int | None]:
    """The folder of what runs share, open; None where there is none and none can be made. Links are not
    followed."""
    place = Path(runs_dir) / POOL
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                place.mkdir()
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(pool: int | None, own: Path, reference: Reference) -> bool:
    """Give a run's folder the file in the pool, if it is there and what its name says."""
    if pool is None:
        return False
    name = reference.file_name
    temporary = own / f".{name}.tmp"
    try:
        remove_quietly(temporary)
        # First the name, then the look: what was looked at cannot become another meanwhile.
        os.link(name, temporary, src_dir_fd=pool, follow_symlinks=False)
        read_data_file(temporary, reference)
        os.replace(temporary, own / name)
    except (OSError, StorageError):
        return False
    finally:
        remove_quietly(temporary)
    return True


def _build(path: Path, values: Array, form: StoredForm) -> None:
    """Write samples to a new file, whole or not at all; nobody is to write to it afterwards."""
    temporary = path.with_name(f".{path.name}.new.tmp")
    try:
        with created(temporary) as file:
            dataset = write_samples(file, VALUES, values, form)
            file.flush()  # while the dataset is held: later, a failed write would be ignored
            del dataset
        os.chmod(temporary, stat.S_IMODE(temporary.stat().st_mode) & 0o444)
        put_in_place(temporary, path)
    finally:
        remove_quietly(temporary)


def _published(pool: int | None, own: Path, reference: Reference) -> None:
    """Let other runs find a run's file; where another had it first and in order, take that one instead."""
    if pool is None:
        return
    name = reference.file_name
    try:
        os.link(own / name, name, dst_dir_fd=pool)
    except FileExistsError:
        if not _taken(pool, own, reference):
            _replaced(pool, own / name)
    except OSError:
        return  # No hard links here: the run has a file of its own.


def _replaced(pool: int, path: Path) -> None:
    """Put a file in the place of one in the pool that is damaged, or has as many names as it can."""
    aside = f".{path.name}-{secrets.token_hex(8)}.tmp"
    with contextlib.suppress(OSError):
        os.link(path, aside, dst_dir_fd=pool)
        os.replace(aside, path.name, src_dir_fd=pool, dst_dir_fd=pool)
