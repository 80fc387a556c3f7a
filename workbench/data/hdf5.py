"""Datasets of an HDF5 file: numbers that lie in the file itself, no more than it can hold."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from workbench.arrays import Shaped
from workbench.data.reading import reading, require_plausible
from workbench.errors import BadInput, clean_text, unknown

LARGEST_CHUNK = 1 << 28
"""Bytes; HDF5 makes room for one at a time."""
MOST_CHUNKS = 1_000_000
"""Looked up one by one."""
MOST_LISTED = 100
"""Names looked at for a refusal that lists them."""


def read_datasets(
    path: Path, names: tuple[str, ...], needed: str
) -> list[Shaped[np.ndarray, "..."]]:
    """The datasets at those paths in the file; `needed` ends the sentence about a file that is none.

    Raises BadInput naming the file, and a dataset that is not there, lies elsewhere (external and soft
    links, external storage, virtual datasets), holds other than numbers, or declares more than it can hold.
    """
    with reading(path, needed):
        held = path.stat().st_size
        with h5py.File(path, "r", locking=False) as file:
            return [_read(_found(file, name, path), held, name, path) for name in names]
    raise AssertionError("reading passes nothing on")


def _found(file: Any, name: str, path: Path) -> Any:
    """The dataset at a path of hard links."""
    shown = clean_text(str(path))
    item = file
    for part in name.strip("/").split("/"):
        link = None
        if isinstance(item, h5py.Group) and part not in ("", ".", ".."):
            link = item.get(part, getlink=True)
        if link is None:
            raise unknown("array", name, _names(file), shown)
        if not isinstance(link, h5py.HardLink):
            raise BadInput(
                f"{shown}: '{clean_text(name, 60)}' is a link to elsewhere; a dataset of the file's own is "
                "needed."
            )
        item = item[part]
    if not isinstance(item, h5py.Dataset):
        raise unknown("array", name, _names(file), shown)
    return item


def _read(dataset: Any, held: int, name: str, path: Path) -> Shaped[np.ndarray, "..."]:
    where = f"{clean_text(str(path))}: '{clean_text(name, 60)}'"
    if dataset.is_virtual or dataset.external:
        raise BadInput(f"{where} lies in other files; numbers in the file itself are needed.")
    shape, kind = dataset.shape, dataset.dtype
    if shape is None or kind.kind not in "biufc" or kind.shape:
        raise BadInput(f"{where} holds {clean_text(str(kind), 60)}, and real numbers are needed.")
    require_plausible(prod(shape), kind.itemsize, held, where)
    chunk = dataset.chunks
    if chunk is not None:
        if prod(chunk) * kind.itemsize > LARGEST_CHUNK:
            raise BadInput(f"{where} has chunks of more than {LARGEST_CHUNK >> 20} MiB.")
        chunks = prod(-(-length // part) for length, part in zip(shape, chunk, strict=True))
        if chunks > MOST_CHUNKS:
            raise BadInput(
                f"{where} is cut into {chunks:,} chunks; at most {MOST_CHUNKS:,} are allowed."
            )
    return np.asarray(dataset[()])


def _names(file: Any) -> list[str]:
    """Paths of some datasets, through hard links, breadth first; no more looked at than a refusal lists."""
    found: list[str] = []
    groups, looked = [("", file)], 0
    while groups and looked < MOST_LISTED:
        prefix, group = groups.pop(0)
        for key in group:
            looked += 1
            if looked > MOST_LISTED:
                break
            if isinstance(group.get(key, getlink=True), h5py.HardLink):
                item = group[key]
                if isinstance(item, h5py.Group):
                    groups.append((f"{prefix}{key}/", item))
                else:
                    found.append(clean_text(f"{prefix}{key}", 60))
    return found
