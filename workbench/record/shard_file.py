"""A shard's file: what some members of a study came to, replaced whole each time it is written.

Text is kept as fixed-length UTF-8. `/contents` names every dataset with the crc32 of its type, shape and
bytes, and the root's `crc32` is over that and over the attributes, so that a part that is read alone is
verified too. What only its writer needs to go on from (`state`) is packed into one dataset: a thousand small
ones would take a second to write.
"""

from __future__ import annotations

import json
import os
import secrets
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from workbench.arrays import Array
from workbench.errors import StorageError, clean_text
from workbench.record.atomic import put_in_place, remove_quietly, write_error
from workbench.record.handle import created
from workbench.record.overlay import H5_ERRORS, Overlay, reading
from workbench.record.plain import dataset_at
from workbench.record.values import Value, text_value

KIND = "shard"
SCHEMA_VERSION = 1
WIDEST_TEXT = 4_096
"""Bytes of a text; longer ones are cut."""
PACKED = 4_096
"""Bytes from which a dataset is compressed, in a file that is not written again."""
GROUPS = ("member", "series", "last", "saddle", "point", "end")
THETA, STATE, CONTENTS = "theta", "state", "contents"
OUTCOME = ("member", "last", "saddle", "point", "end")
"""What is read for outcomes: no series, no θ, no state."""


class NewerShard(StorageError):
    """A shard's file that another version of the workbench wrote."""


@dataclass(frozen=True, eq=False)
class ShardRecord:
    """M members of a shard, T kept records, S saddles, K points; texts are arrays of str.

    `attributes`: study_id, shard, status ("running" or "done"), engine, device, dtype, workbench, torch,
    host.
    `member` (M): number (in the study), status, reason, last_step, seconds, settings (JSON).
    `series`: step (T), and (T, M, …) by name. `last`: (M, …) by name, at `last_step`. `theta` (M, P) there.
    `saddle` (S) and `point` (K): columns of tables, see docs/files.md. `end` (M): one value a member.
    `state`: arrays that the writer goes on from, empty once it is done.
    """

    attributes: Mapping[str, Value]
    member: Mapping[str, Array]
    series: Mapping[str, Array] = field(default_factory=dict)
    last: Mapping[str, Array] = field(default_factory=dict)
    theta: Array | None = None
    saddle: Mapping[str, Array] = field(default_factory=dict)
    point: Mapping[str, Array] = field(default_factory=dict)
    end: Mapping[str, Array] = field(default_factory=dict)
    state: Mapping[str, Array] = field(default_factory=dict)


def write_shard(path: Path, record: ShardRecord) -> None:
    """Write a shard's file beside its place, fsync it, and put it there; survives a power cut.

    Raises:
        StorageError: it cannot be written, as the disk is full; the file that was there is untouched.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    packed = record.attributes.get("status") == "done"
    try:
        with created(temporary) as file:
            _fill(file, record, packed)
        put_in_place(temporary, path)
    except H5_ERRORS as error:
        remove_quietly(temporary)
        raise write_error(path, error) from error
    except BaseException:
        remove_quietly(temporary)
        raise


def remove_unfinished(path: Path) -> None:
    """Remove what killed writers of this shard left beside it."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        remove_quietly(left)


def read_shard(path: Path, parts: Collection[str] | None = None) -> ShardRecord:
    """A shard's file, or parts of it: names of groups (`OUTCOME`), of datasets ("series/rho"), "theta", or
    "state".

    What is not asked for is left empty.

    Raises:
        StorageError: it is missing, damaged, or no shard's.
    """
    path = Path(path)
    with reading(path), Overlay(path) as source, h5py.File(source, "r") as file:
        attributes, contents = _head(file, path)
        groups: dict[str, dict[str, Array]] = {name: {} for name in GROUPS}
        theta, state = None, {}
        for name, crc in contents.items():
            if parts is not None and not any(
                name == part or name.startswith(f"{part}/") for part in parts
            ):
                continue
            array = _verified(file, name, crc, path)
            group, _, column = name.partition("/")
            if name == THETA:
                theta = array
            elif name == STATE:
                state = _unpacked(array)
            elif group in groups and column:
                groups[group][column] = _texts(array)
        return ShardRecord(attributes, theta=theta, state=state, **groups)


def series_names(path: Path) -> tuple[str, ...]:
    """The names of the series that a shard's file keeps, "step" among them; raises as `read_shard`."""
    with reading(path), Overlay(path) as source, h5py.File(source, "r") as file:
        _, contents = _head(file, path)
        return tuple(n.removeprefix("series/") for n in contents if n.startswith("series/"))


def _fill(file: Any, record: ShardRecord, packed: bool) -> None:
    """Everything of a record, the contents last."""
    contents: dict[str, int] = {}

    def put(name: str, array: Array) -> None:
        kept = _bytes_of(np.asarray(array))
        how = {}
        if packed and kept.nbytes >= PACKED and kept.ndim:
            how = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        file.create_dataset(name, data=kept, dtype=kept.dtype, **how)
        file.check()
        contents[name] = _crc(name, kept)

    for group in GROUPS:
        for column, array in getattr(record, group).items():
            put(f"{group}/{column}", array)
    if record.theta is not None:
        put(THETA, record.theta)
    if record.state:
        put(STATE, _packed(record.state))
    text = json.dumps(contents).encode()
    attributes = {"kind": KIND, "schema_version": SCHEMA_VERSION, **record.attributes}
    file.create_dataset(CONTENTS, data=np.frombuffer(text, dtype=np.uint8))
    for name, value in attributes.items():
        file.attrs[name] = value
    file.attrs["crc32"] = np.uint32(_head_crc(attributes, text))


def _head(file: Any, path: Path) -> tuple[dict[str, Value], dict[str, int]]:
    """The attributes and the contents, verified."""
    name = clean_text(str(path))
    if "kind" not in file.attrs or text_value(file.attrs["kind"]) != KIND:
        raise StorageError(f"'{name}' is an HDF5 file but no shard of a study.")
    attributes: dict[str, Value] = {}
    for key in file.attrs:
        value = file.attrs[key]
        attributes[key] = text_value(value) if isinstance(value, str | bytes) else value.item()
    said = attributes.pop("crc32", None)
    found = dataset_at(file, CONTENTS)
    text = b"" if found is None else np.asarray(found[()], dtype=np.uint8).tobytes()
    if said != _head_crc(attributes, text):
        raise StorageError(f"shard '{name}' is damaged: its checksum does not hold.")
    if attributes["schema_version"] != SCHEMA_VERSION:
        raise NewerShard(
            f"shard '{name}' is of schema version {attributes['schema_version']}; "
            f"this workbench reads version {SCHEMA_VERSION}."
        )
    return attributes, {str(key): int(crc) for key, crc in json.loads(text).items()}


def _verified(file: Any, name: str, crc: int, path: Path) -> Array:
    found = dataset_at(file, name)
    array = None if found is None else np.asarray(found[()])
    if array is None or _crc(name, array) != crc:
        raise StorageError(
            f"shard '{clean_text(str(path))}' is damaged: the checksum of '{clean_text(name, 60)}' "
            "does not hold."
        )
    return array


def _crc(name: str, array: Array) -> int:
    crc = zlib.crc32(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
    return zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)


def _head_crc(attributes: Mapping[str, Value], contents: bytes) -> int:
    said = json.dumps({key: str(value) for key, value in attributes.items()}, sort_keys=True)
    return zlib.crc32(contents, zlib.crc32(said.encode()))


def _bytes_of(array: Array) -> Array:
    """Texts as UTF-8 bytes, without half characters at the cut; numbers as they are."""
    if array.dtype.kind not in "UO":
        return array
    raw = [
        str(text).encode()[:WIDEST_TEXT].decode(errors="ignore").encode() for text in array.ravel()
    ]
    width = max((len(one) for one in raw), default=0)
    return np.array(raw, dtype=f"S{max(1, width)}").reshape(array.shape)


def _texts(array: Array) -> Array:
    """Bytes as texts that are safe to show; numbers as they are."""
    if array.dtype.kind != "S":
        return array
    known: dict[bytes, str] = {}
    for raw in set(array.ravel().tolist()):
        known[raw] = text_value(raw, WIDEST_TEXT)
    texts = [known[raw] for raw in array.ravel().tolist()]
    return (
        np.array(texts, dtype=object).reshape(array.shape).astype(str)
        if texts
        else array.astype(str)
    )


def _packed(arrays: Mapping[str, Array]) -> Array:
    """Arrays by name as bytes: the length of the index in 8 bytes, the index as JSON, the arrays."""
    index, blocks = [], []
    for name, value in arrays.items():
        array = np.asarray(value)
        index.append((name, array.dtype.str, array.shape))
        blocks.append(np.ascontiguousarray(array).tobytes())
    head = json.dumps(index).encode()
    whole = b"".join([len(head).to_bytes(8, "little"), head, *blocks])
    return np.frombuffer(whole, dtype=np.uint8)


def _unpacked(packed: Array) -> dict[str, Array]:
    whole = packed.tobytes()
    begins = 8 + int.from_bytes(whole[:8], "little")
    found: dict[str, Array] = {}
    place = begins
    for name, kind, shape in json.loads(whole[8:begins]):
        count = int(np.prod(shape, dtype=np.int64))
        found[name] = np.frombuffer(whole, kind, count, place).reshape(shape).copy()
        place += count * np.dtype(kind).itemsize
    return found


def stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes whenever a file is replaced; None where there is none. One look at its name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
