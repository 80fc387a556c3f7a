"""What a run's file may hold: numbers and short texts that lie in the file itself, no more than fit in it.

HDF5 can do much else: links to other files, datasets put together from others' or kept in any file of the
system (a pipe, a device), shapes of 10^15 rows that were never written, blocks of 4 GiB in a few kilobytes.
No run has those, but for a link to the file of its large samples, which is for other programs
(workbench.record.reference). Whatever is read of a run is taken through `dataset_at`; a file that is to be
written to is looked through as a whole (`require_plain`).

What no run has is a ValueError, of which `overlay.reading` makes a sentence that names the file.
"""

from __future__ import annotations

from math import prod
from typing import Any

import h5py

from workbench.errors import clean_text
from workbench.record.reference import is_reference

UNFOLDING = 1_100
"""Bytes that a byte of a file may stand for; deflate packs up to 1,032 in one."""
SLACK = 1 << 20
"""Bytes that any file may stand for: chunks that were made room for and not filled."""
LARGEST_CHUNK = 64 << 20
"""Bytes; HDF5 makes room for one at a time. Runs' own chunks have up to 1 MiB."""
MOST_OBJECTS = 10_000
"""Groups and datasets of a run's file, at most."""
FILTERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32})
NUMBERS_AND_TEXTS = "biufS"
NUMBERS = "biufc"
WIDEST = {"S": 4_096, "c": 16}
"""Bytes of a value by kind; of other numbers 8."""


def group_at(file: Any, name: str) -> Any:
    """The group of a name in a file; None where there is nothing, or something else. Raises ValueError for a
    link."""
    link = file.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise _refused(name, "leads elsewhere")
    found = file[name]
    return found if isinstance(found, h5py.Group) else None


def dataset_at(file: Any, path: str) -> Any:
    """The dataset at a path below a file or group; None where there is nothing.

    Raises:
        ValueError: something is there that no run holds.
    """
    item = file
    for part in path.split("/"):
        if not isinstance(item, h5py.Group):
            raise _refused(path, "lies in something that is no group")
        link = item.get(part, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise _refused(path, "leads elsewhere")
        item = item[part]
    require_plain_dataset(item, path)
    return item


def require_plain_dataset(item: Any, path: str, kinds: str = NUMBERS_AND_TEXTS) -> None:
    """Refuse what is no dataset of such values in the file itself; ValueError says why."""
    if not isinstance(item, h5py.Dataset):
        raise _refused(path, "holds no numbers")
    properties = item.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL or (
        layout == h5py.h5d.CONTIGUOUS and properties.get_external_count()
    ):
        raise _refused(path, "lies in other files")
    kind, shape = item.dtype, item.shape
    if shape is None or kind.kind not in kinds or kind.shape or kind.hasobject:
        raise _refused(path, "holds neither numbers nor short texts")
    if kind.itemsize > WIDEST.get(kind.kind, 8):
        raise _refused(path, f"holds values of {kind.itemsize:,} bytes")
    used = {properties.get_filter(k)[0] for k in range(properties.get_nfilters())}
    if not used <= FILTERS:
        raise _refused(path, "is packed in a way that runs are not")
    chunk = item.chunks
    if chunk is not None and prod(chunk) * kind.itemsize > LARGEST_CHUNK:
        raise _refused(path, f"has chunks of more than {LARGEST_CHUNK >> 20} MiB")
    held = item.file.id.get_filesize()
    unfolding = UNFOLDING if h5py.h5z.FILTER_DEFLATE in used else 1
    if prod(shape) * kind.itemsize > unfolding * held + SLACK:
        raise _refused(path, f"declares more than a file of {held:,} bytes holds")


def require_plain(file: Any) -> None:
    """Look through a whole file before it is written to; ValueError where it holds what no run does."""
    waiting, seen = [("", file)], 0
    known: set[Any] = set()
    while waiting:
        prefix, group = waiting.pop()
        for name in group:
            path = f"{prefix}{name}"
            seen += 1
            if seen > MOST_OBJECTS:
                raise ValueError(f"it holds more than {MOST_OBJECTS:,} datasets, as no run does")
            link = group.get(name, getlink=True)
            if is_reference(group, name, link):
                continue
            if not isinstance(link, h5py.HardLink):
                raise _refused(path, "leads elsewhere")
            item = group[name]
            if not isinstance(item, h5py.Group):
                require_plain_dataset(item, path)
                continue
            if item.id in known:
                raise _refused(path, "leads back to a group above it")
            known.add(item.id)
            waiting.append((f"{path}/", item))


def _refused(path: str, why: str) -> ValueError:
    return ValueError(f"'{clean_text(path, 60)}' {why}, as nothing of a run does")
