"""Samples that lie in a file of their own beside run.h5, and how run.h5 refers to them.

<run>/run.h5            /data/x   a link to the values there, for h5py and xarray; the workbench goes by the
                        /data     attributes x_file (the sha256 in the file's name), x_shape, x_type
<run>/data/<sha256>.h5  /values   the stored numbers, with attributes, as samples.py keeps them in run.h5

The name is the hash of what is in the file: type of the values, divisor, type, shape and sha256 of the stored
numbers. So whatever file has that name and holds it is the right one, wherever it came from. A link, not a
virtual dataset, which would read as zeros where the file is missing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from workbench.errors import StorageError
from workbench.record.seal import require_seal, seal_attributes
from workbench.record.values import text_value

DATA_FOLDER = "data"
"""Folder in a run's folder."""
VALUES = "values"
GROUPS = ("data", "data/test")
"""Groups of a run's file that hold samples."""
MOST_AXES = 32
_NAME = re.compile(r"([0-9a-f]{64})\.h5")


@dataclass(frozen=True)
class Reference:
    """Samples kept apart: the sha256 that names their file, their shape (n, …), the type of their values."""

    sha256: str
    shape: tuple[int, ...]
    value_type: str

    @property
    def file_name(self) -> str:
        """The file in a run's `data` folder."""
        return f"{self.sha256}.h5"


def is_data_file(name: str) -> bool:
    """Whether a name is that of a file of samples."""
    return _NAME.fullmatch(name) is not None


def content_hash(dataset_type: str, shape: tuple[int, ...], attributes: Any) -> str:
    """The sha256 that names a file, of what is said of its values, the sha256 of the numbers among it."""
    divisor = float(attributes.get("divisor", 1.0))
    said = [text_value(attributes[key]) for key in ("value_type", "sha256")]
    sizes = ",".join(map(str, shape))
    text = f"{said[0]} {divisor!r} {dataset_type} {sizes} {said[1]}"
    return hashlib.sha256(text.encode()).hexdigest()


def write_reference(group: Any, name: str, reference: Reference) -> None:
    """Refer to samples kept apart, in the group of a run's file that would hold them."""
    group[name] = h5py.ExternalLink(f"{DATA_FOLDER}/{reference.file_name}", f"/{VALUES}")
    group.attrs[f"{name}_file"] = reference.sha256
    group.attrs[f"{name}_shape"] = np.array(reference.shape, dtype=np.int64)
    group.attrs[f"{name}_type"] = reference.value_type
    seal_attributes(group)


def read_reference(group: Any, name: str) -> Reference | None:
    """How a group refers to samples of that name; None where it does not.

    Raises:
        ValueError: what it says names no file of samples, or does not hold its checksum.
    """
    attributes = group.attrs
    if f"{name}_file" not in attributes:
        return None
    try:
        require_seal(group)
    except StorageError as error:
        raise ValueError(f"in '{group.name}' {error}") from error
    sha256 = text_value(attributes[f"{name}_file"])
    sizes = np.asarray(attributes[f"{name}_shape"])
    if (
        not is_data_file(f"{sha256}.h5")
        or sizes.dtype.kind not in "iu"
        or sizes.ndim != 1
        or not 1 <= sizes.size <= MOST_AXES
        or sizes.min() < 0
    ):
        raise ValueError(f"its samples '{name}' are referred to by no hash and shape")
    shape = tuple(int(size) for size in sizes)
    return Reference(sha256, shape, text_value(attributes[f"{name}_type"], 16))


def is_reference(group: Any, name: str, link: Any) -> bool:
    """Whether a link of a group is the one of samples kept apart, and of no other file."""
    if not isinstance(link, h5py.ExternalLink):
        return False
    found = read_reference(group, name)
    expected = None if found is None else (f"{DATA_FOLDER}/{found.file_name}", f"/{VALUES}")
    return (link.filename, link.path) == expected


def references_in(file: Any) -> list[Reference]:
    """The samples that a run's file refers to; raises as `read_reference`."""
    found = []
    for path in GROUPS:
        held: Any = file
        for part in path.split("/"):
            own = held is not None and isinstance(held.get(part, getlink=True), h5py.HardLink)
            held = held[part] if own and isinstance(held[part], h5py.Group) else None
        if held is not None:
            found += [read_reference(held, name) for name in ("x", "y")]
    return [reference for reference in found if reference is not None]
