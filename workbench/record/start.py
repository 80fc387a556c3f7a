"""What only a run's start gives, kept in its file: θ(0), what is fixed in the network, and what they are of.

/start/theta         θ as [init] gave it, before the first step
/start/fixed/<name>  tensors of the network that are not trained: buffers at the start, frozen weights
/start/sources/key, path, sha256   a row a file that the start, the samples or a class of the user's came from
/parameter/name, shape, offset     a row a trained tensor: where it lies in θ; `name` labels the rows
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np

from workbench.arrays import Array, Float
from workbench.record.plain import dataset_at, group_at
from workbench.record.values import text_value

COLUMNS = ("key", "path", "sha256")
NAME = "name"
"""Column of the table of names that labels its rows."""
COMPLEX = "complex"
"""Attribute of what holds real and imaginary parts along its last axis."""


@dataclass(frozen=True)
class Source:
    """A file that something of a run came from: the configuration's key, its path, its sha256 then."""

    key: str
    path: str
    sha256: str


@dataclass(frozen=True)
class NamedPart:
    """A trained tensor and where it begins in the flat θ."""

    name: str
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True, eq=False)
class Start:
    """What only the start gives; None: not known, to be had from the configuration.

    Attributes:
        theta: θ(0), before it is rounded to the run's type.
        fixed: the network's tensors that are not trained, by name.
        sources: the files that were read.
        parameters: the names in θ.
    """

    theta: Float[np.ndarray, " P"] | None = None
    fixed: Mapping[str, Array] | None = None
    sources: tuple[Source, ...] = ()
    parameters: tuple[NamedPart, ...] = field(default=())


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as the table of names has it: "20,2", and nothing for a number."""
    return ",".join(map(str, shape))


def build_start(file: Any, start: Start) -> None:
    """Write it into a run's file that is being built."""
    group = file.create_group("start")
    if start.theta is not None:
        _write(group, "theta", start.theta)
    if start.fixed is not None:
        fixed = group.create_group("fixed")
        for name, array in start.fixed.items():
            _write(fixed, name, array)
    sources = group.create_group("sources")
    for column in COLUMNS:
        _write_texts(sources, column, [getattr(source, column) for source in start.sources])
    table = file.create_group("parameter")
    _write_texts(table, NAME, [part.name for part in start.parameters])
    _write_texts(table, "shape", [shape_text(part.shape) for part in start.parameters])
    _write(table, "offset", np.array([part.offset for part in start.parameters], dtype=np.int64))
    table[NAME].make_scale(NAME)
    for column in ("shape", "offset"):
        table[column].dims[0].attach_scale(table[NAME])


def read_start(file: Any) -> Start | None:
    """What a run's file keeps of its start, None in one of before; raises ValueError where it does
    not hold its checksums."""
    group = group_at(file, "start")
    if group is None:
        return None
    theta, fixed = dataset_at(group, "theta"), group_at(group, "fixed")
    sources = zip(*(_texts(file, f"start/sources/{c}") for c in COLUMNS), strict=True)
    names, shapes = (_texts(file, f"parameter/{column}") for column in ("name", "shape"))
    offsets = _read(file, "parameter/offset")
    return Start(
        theta=None if theta is None else _read(file, "start/theta"),
        fixed=None
        if fixed is None
        else {name: _read(file, f"start/fixed/{name}") for name in fixed},
        sources=tuple(Source(*row) for row in sources),
        parameters=tuple(
            NamedPart(name, tuple(int(k) for k in shape.split(",") if k), int(offset))
            for name, shape, offset in zip(names, shapes, offsets, strict=True)
        ),
    )


def _write(group: Any, name: str, array: Array) -> None:
    parts = np.stack([array.real, array.imag], axis=-1) if array.dtype.kind == "c" else array
    dataset = group.create_dataset(name, data=parts, dtype=parts.dtype)
    dataset.attrs["sha256"] = _digest(parts)
    if parts is not array:
        dataset.attrs[COMPLEX] = True
    group.file.flush()  # while the dataset is held: later, a failed write would be ignored


def _read(file: Any, path: str) -> Array:
    dataset = dataset_at(file, path)
    if dataset is None:
        raise ValueError(f"{path} is missing")
    array = np.asarray(dataset[()])
    if str(dataset.attrs.get("sha256", "")) != _digest(array):
        raise ValueError(f"its start is damaged, {dataset.name} does not hold its checksum")
    if COMPLEX in dataset.attrs:
        return np.asarray(array[..., 0] + 1j * array[..., 1])
    return array


def _digest(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _write_texts(group: Any, name: str, texts: list[str]) -> None:
    raw = [text.replace("\0", " ").encode("utf-8", "replace") for text in texts]
    width = max((len(text) for text in raw), default=0)
    kind = h5py.string_dtype("utf-8", max(1, width))
    _write(group, name, np.array(raw, dtype=kind))


def _texts(file: Any, path: str) -> list[str]:
    return [text_value(text, 4096) for text in _read(file, path)]
