"""The samples in a run's file: in the narrowest type that gives every value back bit for bit, packed
where that pays.

/data/x, /data/y   stored numbers; value = stored / divisor, as `value_type`, where there are such attributes
    sha256         of the stored numbers, row by row: what is read must hold it
    value_type     type of the values
    divisor        of pictures in 0..1 that are whole numbers of 1/255 (or 1/16);
                   `scale_factor` is its inverse, for readers that know only that, nearly exact
/data/test/x, y    the held-out samples, where there are any, in the same way

Large ones lie in a file of their own, to which these refer (workbench.record.reference).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from workbench.arrays import Array
from workbench.record.chunks import chunk_shape
from workbench.record.reference import Reference, write_reference

HELD_OUT = "data/test"
"""Group of the held-out samples."""
POINT = "point"
"""The samples' axis."""
BLOCK_BYTES = 8 * 1024 * 1024
"""Bytes of values that are turned at once."""
SAMPLE_BYTES = 256 * 1024
"""Bytes by which it is told whether packing pays."""
LEAST_GAIN = 0.8
"""Share that must be left at most, for packing to pay."""
_KINDS = (
    ("u1", 1.0),
    ("i1", 1.0),
    ("u1", 255.0),
    ("u1", 16.0),
    ("i2", 1.0),
    ("f4", 1.0),
)
"""(type, divisor), narrowest first."""


@dataclass(frozen=True)
class StoredForm:
    """How samples are stored: the narrowest type and its divisor, the type of the values, and the sha256 of
    the stored numbers row by row."""

    kind: np.dtype[Any]
    divisor: float
    value_type: str
    sha256: str

    @property
    def attributes(self) -> dict[str, Any]:
        """What is said of the stored numbers beside them."""
        found: dict[str, Any] = {"value_type": self.value_type, "sha256": self.sha256}
        if self.divisor != 1.0:
            found |= {"divisor": self.divisor, "scale_factor": 1.0 / self.divisor}
        return found


def stored_form(values: Array) -> StoredForm:
    """How samples are stored, without storing them."""
    kind, divisor = _narrowest(values)
    found = hashlib.sha256()
    for rows in _blocks(values):
        found.update(np.ascontiguousarray(_narrowed(values[rows], kind, divisor)).data)
    return StoredForm(kind, divisor, values.dtype.str, found.hexdigest())


def build_samples(group: Any, x: Array | Reference | None, y: Array | Reference | None) -> None:
    """Write x (n, …) and y (n) into an empty group, with named axes so that `xarray` opens it too; or where
    they lie."""
    first = x if x is not None else y
    if first is None:
        return
    point = group.create_dataset(POINT, data=np.arange(first.shape[0]))
    point.make_scale(POINT)
    for name, values in (("x", x), ("y", y)):
        if values is None:
            continue
        if isinstance(values, Reference):
            write_reference(group, name, values)
            continue
        dataset = write_samples(group, name, values)
        group.file.flush()  # while the dataset is held: later, a failed write would be ignored
        for axis, size in enumerate(values.shape):
            if axis == 0 and size == first.shape[0]:
                dataset.dims[0].attach_scale(point)
                continue
            label = axis_label(name, axis)
            scale = group.create_dataset(label, data=np.arange(size))
            scale.make_scale(label)
            dataset.dims[axis].attach_scale(scale)


def axis_label(name: str, axis: int) -> str:
    """What an axis of x or y beyond the samples' is called."""
    return f"{name}_axis_{axis}"


def read_samples(dataset: Any) -> Array:
    """The values of /data/x or /data/y; raises ValueError where they do not hold their checksum."""
    if "sha256" not in dataset.attrs:
        return np.asarray(dataset[()])
    divisor = float(dataset.attrs.get("divisor", 1.0))
    kind = np.dtype(str(dataset.attrs["value_type"]))
    if kind.kind not in "biuf":
        raise ValueError(f"its samples are damaged, {dataset.name} is said to hold {kind.str}")
    values = np.empty(dataset.shape, dtype=kind)
    found = hashlib.sha256()
    for rows in _blocks(values):
        stored = np.ascontiguousarray(dataset[rows])
        found.update(stored.data)
        values[rows] = _widened(stored, divisor) if divisor != 1.0 else stored
    if found.hexdigest() != str(dataset.attrs["sha256"]):
        raise ValueError(f"its samples are damaged, {dataset.name} does not hold its checksum")
    return values


def write_samples(group: Any, name: str, values: Array, form: StoredForm | None = None) -> Any:
    """Write samples to a new dataset, which is returned; `form`: where it is known already how."""
    kind, divisor = _narrowest(values) if form is None else (form.kind, form.divisor)
    options: dict[str, Any] = {}
    if values.size and values.ndim:
        rows = next(_blocks(values))
        packs = _packs(_narrowed(values[rows], kind, divisor))
        chunk = chunk_shape(values.shape[1:], kind.itemsize, packed=True)
        options = {
            "chunks": tuple(min(*pair) for pair in zip(chunk, values.shape, strict=True)),
            "fletcher32": True,
            **({"compression": "gzip", "compression_opts": 1, "shuffle": True} if packs else {}),
        }
    dataset = group.create_dataset(name, shape=values.shape, dtype=kind, **options)
    found = hashlib.sha256()
    for rows in _blocks(values):
        stored = np.ascontiguousarray(_narrowed(values[rows], kind, divisor))
        found.update(stored.data)
        dataset[rows] = stored
    written = StoredForm(kind, divisor, values.dtype.str, found.hexdigest())
    for key, value in written.attributes.items():
        dataset.attrs[key] = value
    return dataset


def _narrowest(values: Array) -> tuple[np.dtype[Any], float]:
    """The type, and the divisor, that hold float64 values exactly; others stay as they are."""
    if values.dtype == np.float64 and values.ndim and values.size:
        for name, divisor in _KINDS:
            kind = np.dtype(name)
            if all(_exact(values[rows], kind, divisor) for rows in _blocks(values)):
                return kind, divisor
    return values.dtype, 1.0


def _exact(values: Array, kind: np.dtype[Any], divisor: float) -> bool:
    values = np.ascontiguousarray(values)
    back = _widened(_narrowed(values, kind, divisor), divisor)
    return bool(np.array_equal(back.view(np.int64), values.view(np.int64)))


def _narrowed(values: Array, kind: np.dtype[Any], divisor: float) -> Array:
    if values.dtype == kind:
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        whole = values if kind.kind == "f" else np.rint(values * divisor)
        return whole.astype(kind)


def _widened(stored: Array, divisor: float) -> Array:
    return stored.astype(np.float64) / divisor


def _packs(values: Array) -> bool:
    """Whether packing is worth its time: measured, 15 s for 60,000 × 784 draws that lose a seventh by it."""
    sample = np.ascontiguousarray(values.reshape(-1)[: SAMPLE_BYTES // values.itemsize])
    shuffled = sample.view(np.uint8).reshape(-1, values.itemsize).T.tobytes()
    return len(zlib.compress(shuffled, 1)) < LEAST_GAIN * len(shuffled)


def _blocks(values: Array) -> Iterator[Any]:
    """Selections of rows of at most about 8 MiB; all at once where there is no axis."""
    if not values.ndim:
        yield ()
        return
    rows = max(1, BLOCK_BYTES // max(1, 8 * prod(values.shape[1:])))
    for start in range(0, len(values), rows):
        yield slice(start, min(start + rows, len(values)))
